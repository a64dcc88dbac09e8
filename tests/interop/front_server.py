"""
A listener with everything in front of a session and an echo behind it, as a process of its own.

Prints its port; ends when its standard input does.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.protocol import Protocol
from twisted.internet.stdio import StandardIO
from twisted.web.resource import Resource
from twisted.web.server import Site

from gateway.model.client import Arrival, Presentation, Way
from gateway.model.secret import Secret
from gateway.net.certificates import CertificateStore
from gateway.net.connection import ConnectionFactory, Gate
from gateway.net.door import Door
from gateway.net.fronts import Fronts
from gateway.net.handshakes import Slots
from gateway.net.mux import MuxFactory, Routes, TlsEntrance
from gateway.net.self_signed import make_self_signed
from gateway.net.site_channel import SiteChannel
from gateway.net.wheel import Wheel
from gateway.wire.sniff import Kind


class Echo:
    """A session that says everything back, and obeys back-pressure."""

    speaks_rfb = False

    def attach(self, pipe) -> None:
        self.pipe = pipe
        pipe.start(self)

    def abandon(self) -> None: ...

    def pipe_data(self, data: bytes) -> None:
        self.pipe.send(data)

    def pipe_ended(self) -> None: ...

    def pipe_lost(self, goodbye: bool) -> None: ...

    def pipe_full(self) -> None:
        self.pipe.pause()

    def pipe_drained(self) -> None:
        self.pipe.resume()


class Page(Resource):
    """Says whether it was asked inside TLS, or sends much."""

    isLeaf = True

    def render_GET(self, request) -> bytes:
        return b"x" * 3_000_000 if request.path == b"/large" else b"secure" if request.isSecure() else b"plain"


class Pages(Site):
    """A site for channels that the door feeds."""

    protocol = SiteChannel

    def channel_for(self, arrival: Arrival) -> SiteChannel:
        channel = super().buildProtocol(None)
        channel.arrival = arrival
        return channel

    def log(self, request) -> None:
        """Nothing."""


class Uncounted:
    """Metrics that nobody reads."""

    def connection(self, outcome: str) -> None: ...


class UntilClosed(Protocol):
    """Ends the process with its standard input."""

    def connectionLost(self, reason=None) -> None:
        reactor.stop()


async def admit(presentation: Presentation) -> Echo:
    """Everybody may come in."""
    return Echo()


def main(limit: int) -> None:
    """Serve on a free port of the loopback."""
    wheel, metrics = Wheel(reactor), Uncounted()
    with tempfile.TemporaryDirectory() as directory:
        make_self_signed(["localhost"], ["127.0.0.1"], Path(directory, "default.pem"))
        store = CertificateStore(Path(directory), "1.2", print)
    fronts = Fronts(
        upgrade=lambda head, arrival: Presentation(Way.QUERY, Secret("x"), arrival),
        admit=admit,
        site=Pages(Page()),
        health=lambda path: 200,
        wheel=wheel,
        metrics=metrics,
        plaintext="serve",
    )
    by_kind = {Kind.HTTP: lambda arrival: Door(fronts, arrival)}
    inside = Routes(wheel, metrics, by_kind)
    outside = Routes(wheel, metrics, by_kind, TlsEntrance(store, Slots(wheel), inside))
    gate = Gate(limit, wheel)
    port = reactor.listenTCP(
        0, ConnectionFactory(MuxFactory(outside, Arrival("")), gate), backlog=4096, interface="127.0.0.1"
    )
    gate.add_port(port)
    print(port.getHost().port, flush=True)
    StandardIO(UntilClosed())
    reactor.run()


if __name__ == "__main__":
    main(int(sys.argv[1]))
