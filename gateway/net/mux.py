"""
Decides what a connection speaks, once, and hands it over.

It buffers next to nothing and builds nothing until it knows: a TLS hello is
read whole first.  What each protocol then does is behind the routes; inside
TLS the same table starts again.  Tickets, HTTP and RFB are not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
from attrs import field, frozen
from twisted.internet.interfaces import IAddress, IHandshakeListener, IOpenSSLServerConnectionCreator, IProtocol
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.model.client import Arrival
from gateway.model.events import Event, tell
from gateway.model.seams import Metrics
from gateway.net.connection import Connection
from gateway.net.handover import replace
from gateway.net.handshakes import Slots, Turn
from gateway.net.wheel import Deadline, Wheel
from gateway.wire.client_hello import ClientHello, HelloReader
from gateway.wire.errors import PeerError
from gateway.wire.sniff import Kind, Match, NeedMore, identify

_log = Logger()

HEAD_DEADLINE: Final = 10.0
"""Seconds from accepting until it is known what is spoken, a TLS handshake included; then again inside TLS."""

CLOSE_DEADLINE: Final = 2.0
"""Seconds for the peer to take note of our close."""

Route = Callable[[Arrival], IProtocol]
"""Makes what a kind of client is handed to."""


@frozen
class TlsEntrance:
    """What ends TLS: whose certificates, how many handshakes at once, and what is spoken inside."""

    certificates: IOpenSSLServerConnectionCreator
    slots: Slots
    inside: Routes
    factory: TLSMemoryBIOFactory = field(init=False)

    @factory.default
    def _make_factory(self) -> TLSMemoryBIOFactory:
        wheel = self.inside.wheel
        return TLSMemoryBIOFactory(self.certificates, False, ServerFactory(), wheel.clock)


@frozen
class Routes:
    """
    What is spoken on a listener (or inside its TLS), and where each client goes.

    ``silent`` makes what is spoken to a client that says nothing for
    ``silent_after`` seconds, or ``None`` for those that it is not spoken to.
    """

    wheel: Wheel
    metrics: Metrics
    by_kind: Mapping[Kind, Route]
    tls: TlsEntrance | None = None
    silent: Callable[[Arrival], IProtocol | None] | None = None
    silent_after: float = 2.0


class MuxFactory(ServerFactory):
    """One listener's first protocol; ``template`` is what all of its arrivals share."""

    noisy = False

    def __init__(self, routes: Routes, template: Arrival) -> None:
        self._routes = routes
        self._template = template

    def buildProtocol(self, addr: IAddress | None) -> Mux:
        """A connection was accepted."""
        return Mux(self._routes, self._template)


class Mux(Protocol):
    """
    The first protocol of a connection; it leaves when it knows who is next.

    :param arrival: the client as far as it is known.
    """

    transport: Any
    """The ``Connection``, or TLS on top of it: both can be handed over, lost and aborted."""

    def __init__(self, routes: Routes, arrival: Arrival) -> None:
        self._routes = routes
        self._arrival = arrival
        self._buffer = b""
        self._hello: HelloReader | None = None
        self._turn: Turn | None = None
        self._deadline = Deadline(routes.wheel)
        self._silence = Deadline(routes.wheel)
        self._closing = self._paused = False

    # What the transport calls.

    def connectionMade(self) -> None:
        """Start the clock."""
        if isinstance(self.transport, Connection):
            self._arrival = attrs.evolve(self._arrival, address=self.transport.address, port=self.transport.port)
        self.begin()

    def begin(self) -> None:
        """Wait for the client to say what it speaks."""
        self._deadline.set(HEAD_DEADLINE, self._too_late)
        if self._routes.silent is not None:
            self._silence.set(self._routes.silent_after, self._is_silent)

    def dataReceived(self, data: bytes) -> None:
        """Look, and hand over."""
        if self._closing or self._turn is not None:
            return  # what came behind a hello before its turn is in the hello reader's hands, or nobody's
        self._silence.clear()
        if self._hello is not None:
            self._read_hello(data)
            return
        self._buffer += data
        verdict = identify(self._buffer)
        if isinstance(verdict, Match):
            self._go(verdict.kind)
        elif not isinstance(verdict, NeedMore):
            self._refuse("junk", "speaks nothing that is known here")

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The client left before anything was known of it: a balancer's probe, mostly."""
        if not self._closing:
            self._routes.metrics.connection("closed")
        self._stop()

    # Deciding.

    def _go(self, kind: Kind) -> None:
        route = self._routes.by_kind.get(kind)
        pending, self._buffer = self._buffer, b""
        if kind is Kind.TLS and self._routes.tls is not None:
            self._hello = HelloReader()
            self._read_hello(pending)
        elif route is not None:
            self._routes.metrics.connection(kind.value)
            self._hand_over(route(self._arrival), pending)
        else:
            self._refuse("junk", f"speaks {kind.value}, which is not spoken here")

    def _hand_over(self, successor: IProtocol, pending: bytes = b"") -> None:
        self._stop()
        replace(self.transport, successor, pending)

    def _is_silent(self) -> None:
        successor = self._routes.silent(self._arrival) if self._routes.silent else None
        if successor is not None:
            self._routes.metrics.connection("silent")
            self._hand_over(successor)

    def _too_late(self) -> None:
        if self._closing or self._turn is not None:
            self.transport.abortConnection()  # a handshake that takes too long is counted when it is lost
        elif self._buffer or self._hello:
            self._refuse("timeout", "takes too long to say what it speaks")
        else:
            self._closing = True  # a probe that holds still, or a browser's spare connection: no line in the log
            self._routes.metrics.connection("silent")
            self.transport.abortConnection()

    def _refuse(self, outcome: str, text: str) -> None:
        self._routes.metrics.connection(outcome)
        tell(_log, Event.JUNK_REFUSED, peer=self._arrival.address, listener=self._arrival.listener, what=text)
        self._close()

    def _close(self) -> None:
        self._closing = True
        self._stop()
        self._buffer = b""
        self._hello = None
        self._deadline.set(CLOSE_DEADLINE, self._too_late)
        self.transport.loseConnection()

    # TLS.

    def _read_hello(self, data: bytes) -> None:
        assert self._hello is not None
        try:
            hello = self._hello.receive(data)
        except PeerError as error:
            self._refuse("tls-failed", f"begins TLS and goes wrong: {error}")
            return
        if hello is not None:
            self._ask_for_turn(hello)

    def _ask_for_turn(self, hello: ClientHello) -> None:
        assert self._routes.tls is not None
        self._turn = self._routes.tls.slots.turn(lambda: self._start_tls(hello), self._evicted)
        self._turn.wait()
        if self._hello is not None and not self._closing:
            # Nothing is read while the hello waits, so that nothing more has to be kept.
            self._paused = True
            self.transport.pauseProducing()

    def _start_tls(self, hello: ClientHello) -> None:
        entrance, reader, self._hello = self._routes.tls, self._hello, None
        assert entrance is not None and reader is not None
        arrival = attrs.evolve(self._arrival, secure=True, server_name=hello.server_name)
        tls: Any = TLSMemoryBIOProtocol(entrance.factory, InnerMux(entrance.inside, arrival, self._stop))
        if self._paused:
            self.transport.resumeProducing()
        replace(self.transport, tls, reader.raw())

    def _evicted(self) -> None:
        if self._hello is not None:  # it had no turn; else the loss inside TLS is what counts
            self._closing = True
            self._routes.metrics.connection("over-limit")
        self.transport.abortConnection()

    # Stopping.

    def _stop(self) -> None:
        """Be done with the clock and the slots: the next one has its own."""
        self._silence.clear()
        self._deadline.clear()
        if self._turn is not None:
            self._turn.over()


@implementer(IHandshakeListener)
class InnerMux(Mux):
    """
    The mux inside TLS; it begins when the handshake is complete.

    :param shaken: called when the handshake is over, well or not.
    """

    def __init__(self, routes: Routes, arrival: Arrival, shaken: Callable[[], None]) -> None:
        super().__init__(routes, arrival)
        self._shaken: Callable[[], None] | None = shaken

    def connectionMade(self) -> None:
        """TLS has begun; the outer deadline still runs."""

    def handshakeCompleted(self) -> None:
        """TLS stands: the same table again."""
        if self._shake():
            self._routes.metrics.connection("tls")
            self.begin()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The client left, or the handshake failed; scanners do both all day, so neither is logged."""
        if self._shake():
            self._routes.metrics.connection("tls-failed")
        else:
            super().connectionLost(reason)

    def _shake(self) -> bool:
        """Whether this is the end of the handshake."""
        shaken, self._shaken = self._shaken, None
        if shaken is not None:
            shaken()
        return shaken is not None
