"""The HTTP server of a listener: arrivals, headers, silence."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival
from gateway.web.api import Answer, Route
from gateway.web.requests import arrival_of
from tests.support.web import ARRIVAL, WebBench, logged, read_reply


class SiteCase(SynchronousTestCase):
    def setUp(self):
        directory = Path(self.mktemp())
        directory.mkdir()
        self.bench = WebBench(directory)


class ArrivalTests(SiteCase):
    def setUp(self):
        super().setUp()
        self.calls = []

        async def note(call):
            self.calls.append(call)
            return Answer(204)

        self.bench.serve((Route("GET", ("x",), note),))

    def test_given(self):
        """A request's arrival is that of its connection."""
        self.bench.ask("GET", "/api/v1/x")
        self.assertEqual(self.calls[0].arrival, ARRIVAL)


class HeaderTests(SiteCase):
    def test_on_every_answer(self):
        """Every answer has the policy's headers, once, and none says what the server is."""
        for method, path in (
            ("GET", "/"),
            ("GET", "/nothing"),
            ("POST", "/"),
            ("OPTIONS", "*"),
            ("GET", "/api/v1/consoles"),
            ("GET", "/api/zzz"),
            ("DELETE", "/api/v1/consoles"),
        ):
            reply = self.bench.ask(method, path)
            for name, value in self.bench.policy.headers(ARRIVAL):
                self.assertEqual(reply.headers.get_all(name.decode()), [value.decode()], (method, path))
            self.assertNotIn("Server", reply.headers)

    def test_plain(self):
        """Over plain HTTP nothing is demanded of browsers for the future."""
        reply = self.bench.ask("GET", "/", arrival=Arrival("192.0.2.1", public_url=ARRIVAL.public_url))
        self.assertNotIn("Strict-Transport-Security", reply.headers)


class ConnectionTests(SiteCase):
    def test_several(self):
        """Requests on one connection are answered in turn."""
        transport = self.bench.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n" * 3)
        self.assertEqual(transport.value().count(b"HTTP/1.1 200 OK"), 3)

    def test_whole_urls(self):
        """A target that is a whole URL means its path, whatever host it names."""
        for target in ("http://h/", "https://h", "http://h?x=y"):
            self.assertEqual(self.bench.ask("GET", target).body, b"home", target)
        reply = self.bench.ask("GET", "http://h/api/v1/consoles/lab?", key="viewer")
        self.assertEqual(reply.json["name"], "lab")

    def test_no_deadlines(self):
        """How long a connection may be idle is the door's matter."""
        transport = self.bench.send(b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
        self.bench.turn(600)
        self.assertFalse(transport.disconnecting)

    def test_silence(self):
        """No request is logged, whatever its path."""
        with logged() as events:
            self.bench.ask("GET", "/ticket/s3cret?token=s3cret")
            self.bench.send(b"GET / HTTP/9\r\n\r\n")
        self.assertEqual(events, [])

    def test_form(self):
        """A form's body is no query."""
        body = b"console=lab"
        head = b"DELETE /api/v1/tickets HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer admin\r\n"
        head += b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n" % len(body)
        self.assertEqual(read_reply("DELETE", self.bench.send(head + body).value()).status, 400)

    def test_arrival_of(self):
        """The arrival is the channel's."""

        class Asked:
            channel = self.bench.site.channel_for(ARRIVAL)

        self.assertIs(arrival_of(Asked()), ARRIVAL)
