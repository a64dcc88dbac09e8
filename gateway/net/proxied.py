"""
The first protocol of a listener behind balancers that speak the PROXY protocol.

It reads the header that must come, from a peer that may send one, and gives
the connection its client's address; then the mux begins, and its clock.  No
listener guesses whether a header comes: it is made for this, or it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Final

from attrs import frozen
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Protocol, ServerFactory, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.events import Event, tell
from gateway.model.seams import Metrics
from gateway.net.connection import Welcome
from gateway.net.handover import replace
from gateway.net.wheel import Deadline, Wheel
from gateway.wire.errors import PeerError
from gateway.wire.proxy_header import ProxyHeader, ProxyHeaderReader

_log = Logger()

HEADER_DEADLINE: Final = 5.0
"""Seconds for the whole header; the specification wants three at least, for a segment that is sent again."""


@frozen
class Balancers:
    """
    Whose headers a listener reads.

    ``trusted`` tells of a normalised address whether it may send one;
    ``welcome`` is asked about each client's address, as it is for clients that
    come by themselves.
    """

    trusted: Container[str]
    welcome: Welcome
    wheel: Wheel
    metrics: Metrics
    listener: str


def uncounted(trusted: Container[str], welcome: Welcome) -> Welcome:
    """Welcome trusted balancers always: a connection over which they ask for many is no client's."""
    return lambda address: address in trusted or welcome(address)


class ProxiedFactory(ServerFactory):
    """One listener's first protocol; ``following`` makes what a client meets behind the header."""

    noisy = False

    def __init__(self, following: Callable[[], IProtocol], balancers: Balancers) -> None:
        self._following = following
        self._balancers = balancers

    def buildProtocol(self, addr: IAddress | None) -> Proxied:
        """A connection was accepted."""
        return Proxied(self._following, self._balancers)


class Proxied(Protocol):
    """Reads one header, and leaves."""

    transport: Any
    """The ``Connection``: whose address it is, is said here."""

    def __init__(self, following: Callable[[], IProtocol], balancers: Balancers) -> None:
        self._following = following
        self._balancers = balancers
        self._reader = ProxyHeaderReader()
        self._deadline = Deadline(balancers.wheel)
        self._begun = self._over = False

    # What the transport calls.

    def connectionMade(self) -> None:
        """Start the clock, or end it with whoever may not be here."""
        if self.transport.address in self._balancers.trusted:
            self._deadline.set(HEADER_DEADLINE, self._too_late)
        else:
            self._refuse("refused", "is not among trusted_proxies")

    def dataReceived(self, data: bytes) -> None:
        """Read on."""
        if self._over:
            return
        self._begun = True
        try:
            header = self._reader.receive(data)
        except PeerError as error:
            self._refuse("junk", f"sends no PROXY header that can be read: {error}")
            return
        if header is not None:
            self._go_on(header)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The peer left before it said for whom it came: a probe, mostly."""
        if not self._over:
            self._end("closed")

    # Deciding.

    def _go_on(self, header: ProxyHeader) -> None:
        """Be the client's connection; without a source (a balancer's probe) it stays the balancer's own."""
        if header.source is not None:
            if not self._balancers.welcome(header.source[0]):
                self._end("over-limit")
                self.transport.abortConnection()
                return
            self.transport.address, self.transport.port = header.source
        self._deadline.clear()
        self._over = True
        replace(self.transport, self._following(), self._reader.trailing())

    def _too_late(self) -> None:
        if self._begun:
            self._refuse("timeout", "takes too long to send a PROXY header")
        else:
            self._end("silent")
            self.transport.abortConnection()

    def _refuse(self, outcome: str, text: str) -> None:
        self._end(outcome)
        tell(_log, Event.JUNK_REFUSED, peer=self.transport.address, listener=self._balancers.listener, what=text)
        self.transport.abortConnection()

    def _end(self, outcome: str) -> None:
        self._over = True
        self._deadline.clear()
        self._balancers.metrics.connection(outcome)
