"""
Decides what a connection speaks, once, and hands it over.

It buffers next to nothing and builds nothing until it knows.  What each
protocol then does is behind the routes; inside TLS the same table starts
again.  Tickets, HTTP and RFB are not known here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import attrs
from attrs import field, frozen
from twisted.internet.interfaces import IAddress, IHandshakeListener, IOpenSSLServerConnectionCreator, IProtocol
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.model.client import Arrival
from gateway.model.events import Event, tell
from gateway.model.seams import Metrics
from gateway.net.connection import Connection
from gateway.net.handover import replace
from gateway.net.handshakes import Slots
from gateway.net.tls_start import TlsStart, TlsTerms
from gateway.net.wheel import Deadline, Wheel
from gateway.wire.client_hello import ClientHello
from gateway.wire.sniff import Kind, Match, NeedMore, identify

_log = Logger()

HEAD_DEADLINE: Final = 10.0
"""Seconds from accepting until it is known what is spoken, a TLS handshake included; then again inside TLS."""

CLOSE_DEADLINE: Final = 2.0
"""Seconds for the peer to take note of our close."""

Route = Callable[[Arrival], IProtocol | None]
"""Makes what a client is handed to, or nothing where it is not welcome."""


@frozen
class TlsEntrance:
    """What ends TLS: whose certificates, how many handshakes at once, and what is spoken inside."""

    certificates: IOpenSSLServerConnectionCreator
    slots: Slots
    inside: Routes
    terms: TlsTerms = field(init=False)

    @terms.default
    def _make_terms(self) -> TlsTerms:
        return TlsTerms(self.certificates, self.slots, self.inside.wheel)


@frozen
class Routes:
    """
    What is spoken on a listener (or inside its TLS), and where each client goes.

    ``silent`` makes what is spoken to a client that says nothing for
    ``silent_after`` seconds.
    """

    wheel: Wheel
    metrics: Metrics
    by_kind: Mapping[Kind, Route]
    tls: TlsEntrance | None = None
    silent: Route | None = None
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
        self._tls: TlsStart | None = None
        self._deadline = Deadline(routes.wheel)
        self._silence = Deadline(routes.wheel)
        self._closing = False

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
        if self._closing:
            return
        self._silence.clear()
        if self._tls is not None:
            self._tls.receive(data)
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
        pending, self._buffer = self._buffer, b""
        if kind is Kind.TLS and self._routes.tls is not None:
            self._begin_tls(self._routes.tls, pending)
            return
        route = self._routes.by_kind.get(kind)
        successor = route(self._arrival) if route is not None else None
        if successor is not None:
            self._routes.metrics.connection(kind.value)
            self._hand_over(successor, pending)
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
        if self._closing or (self._tls is not None and self._tls.asked):
            self.transport.abortConnection()  # a handshake that takes too long is counted when it is lost
        elif self._buffer or self._tls is not None:
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
        self._deadline.set(CLOSE_DEADLINE, self._too_late)
        self.transport.loseConnection()

    # TLS.

    def _begin_tls(self, entrance: TlsEntrance, pending: bytes) -> None:
        def inside(hello: ClientHello) -> IProtocol:
            arrival = attrs.evolve(self._arrival, secure=True, server_name=hello.server_name, alpn=hello.alpn)
            return InnerMux(entrance.inside, arrival, self._stop)

        def refused(why: str) -> None:
            self._refuse("tls-failed", f"begins TLS and goes wrong: {why}")

        self._tls = TlsStart(self.transport, entrance.terms, inside=inside, refused=refused, evicted=self._evicted)
        self._tls.receive(pending)

    def _evicted(self) -> None:
        if self._tls is not None and not self._tls.begun:  # else the loss inside TLS is what counts
            self._closing = True
            self._routes.metrics.connection("over-limit")
        self.transport.abortConnection()

    # Stopping.

    def _stop(self) -> None:
        """Be done with the clock and the slots: the next one has its own."""
        self._silence.clear()
        self._deadline.clear()
        if self._tls is not None:
            self._tls.over()


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
