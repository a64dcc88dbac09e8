"""What is spoken to clients that say nothing: by listener, by name, by ALPN."""

from __future__ import annotations

from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.config import parse
from gateway.config.schema import Listen
from gateway.model.client import Arrival
from gateway.net.mux import Routes
from gateway.net.viewer import Greeting, ViewerFront
from gateway.net.wheel import Wheel
from gateway.service.silence import INSIDE_AFTER, Silence
from gateway.wire.sniff import Kind
from tests.support.front import Counts, Gatekeeper


def listener(text: str) -> Listen:
    """A listener with these lines."""
    whole = f'[gateway]\npublic_url = "https://c.example"\n[[listen]]\nendpoint = "tcp:443"\n{text}\n'
    return parse(whole, file="gw.toml", base_dir="/").listen[0]


class SilenceTests(SynchronousTestCase):
    """Routes before and after."""

    def setUp(self) -> None:
        wheel = Wheel(Clock())
        self.outside = ViewerFront(Gatekeeper(), wheel, Counts(), settles=True)
        self.inside = ViewerFront(Gatekeeper(), wheel, Counts())
        self.silence = Silence(self.outside, self.inside)
        self.routes = Routes(wheel, Counts(), {Kind.HTTP: lambda arrival: None})

    def spoken(self, routes: Routes, **arrival: Any) -> tuple[bool, bool]:
        """Whether silence is answered, and “RFB ” is."""
        client = Arrival("192.0.2.1", **arrival)
        rfb = routes.by_kind.get(Kind.RFB)
        answers = (routes.silent(client) if routes.silent else None, rfb(client) if rfb else None)
        return isinstance(answers[0], Greeting), isinstance(answers[1], Greeting)

    def test_outside(self) -> None:
        """Outside TLS viewers are greeted where the listener says so, after its time, and nothing else changes."""
        self.assertIs(self.routes, self.silence.outside_tls(listener(""), self.routes))
        routes = self.silence.outside_tls(listener('silent = "rfb"\nsilent_after = 1.5'), self.routes)
        self.assertEqual(((True, True), 1.5), (self.spoken(routes), routes.silent_after))
        self.assertEqual({Kind.HTTP, Kind.RFB}, set(routes.by_kind))

    def test_inside(self) -> None:
        """Inside TLS they always are, soon; a client that offers ALPN only when it begins as a viewer."""
        routes = self.silence.inside_tls(listener('silent = "close"'), self.routes)
        self.assertEqual(((True, True), INSIDE_AFTER), (self.spoken(routes), routes.silent_after))
        self.assertEqual((False, True), self.spoken(routes, alpn=("h2",)))

    def test_by_name(self) -> None:
        """A name may have something of its own; no name, and any other, has the default."""
        lines = 'silent_by_name = { "Web.example.com" = "close", "vnc.example.com" = "rfb" }'
        routes = self.silence.inside_tls(listener(lines), self.routes)
        for name, expected in (
            ("web.example.com", (False, False)),
            ("vnc.example.com", (True, True)),
            ("other.example.com", (True, True)),
            (None, (True, True)),
        ):
            self.assertEqual(expected, self.spoken(routes, server_name=name), name)
