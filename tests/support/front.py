"""
What fronts are given in tests: metrics, admissions and a gatekeeper under the test's control.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory

from gateway.model.client import Arrival, Greeted, Presentation, Way
from gateway.model.seams import Opening, Pipe
from gateway.model.secret import Secret
from gateway.model.target import ConsoleKind
from gateway.net.websocket_pipe import WebSocketFront
from gateway.net.wheel import Wheel
from gateway.wire.http1 import RequestStream
from tests.support.pipes import SocketTransport, turn
from tests.support.ws import request


class Counts:
    """Metrics that keep the outcomes of connections."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def connection(self, outcome: str) -> None:
        self.outcomes.append(outcome)


class Admitted:
    """An admission that keeps its pipe."""

    speaks_rfb = False
    kind = ConsoleKind.SERIAL

    def __init__(self) -> None:
        self.pipe: Pipe | None = None
        self.opening: Opening | None = None
        self.abandoned = False

    def attach(self, pipe: Pipe, *, greeted: Greeted = Greeted.NOT_YET, opening: Opening | None = None) -> None:
        self.pipe, self.greeted, self.opening = pipe, greeted, opening

    def abandon(self) -> None:
        self.abandoned = True


class Gatekeeper:
    """An ``admit`` that answers when the test says so (or at once, with ``now``)."""

    def __init__(self, now: bool = False) -> None:
        self._now = now
        self.asked: list[Presentation] = []
        self.admission = Admitted()
        self.answer: Deferred[Admitted] = Deferred()

    async def __call__(self, presentation: Presentation):
        self.asked.append(presentation)
        return self.admission if self._now else await self.answer

    def let_in(self) -> Admitted:
        self.answer.callback(self.admission)
        return self.admission

    def refuse(self, why: Exception) -> None:
        self.answer.errback(why)


def presentation(way: Way = Way.QUERY, secret: str = "T0P-SECRET") -> Presentation:
    """A client with a ticket."""
    return Presentation(way, Secret(secret), Arrival("192.0.2.7", 4711))


class SocketClient:
    """A connection on which a WebSocket was asked for."""

    def __init__(self, head: bytes = b"", way: Way = Way.QUERY, ping: float = 0, now: bool = False) -> None:
        self.clock, self.counts, self.gate = Clock(), Counts(), Gatekeeper(now)
        self.wheel = Wheel(self.clock)
        front = WebSocketFront(self.wheel, self.counts, ping)
        self.transport = SocketTransport(self.clock)
        self.wrapper = ProtocolWrapper(WrappingFactory(None), ProtocolWrapper(WrappingFactory(None), None))
        self.wrapper.wrappedProtocol.makeConnection = lambda _: None
        self.transport.protocol = self.wrapper
        self.wrapper.makeConnection(self.transport)
        (event,) = RequestStream().receive(head or request("/?token=T0P-SECRET"))
        front.open(self.wrapper, event, presentation(way), self.gate)

    def say(self, data: bytes) -> None:
        if not self.transport.closed:
            self.wrapper.dataReceived(data)

    def take(self) -> bytes:
        data = self.transport.value()
        self.transport.clear()
        return data

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)
        turn(self.clock)
