"""
How a client begins with TLS: its hello is read whole, it has its turn, then the handshake is OpenSSL's.

Nothing of TLS is built before that, and nothing is read while a hello waits.
Where a client may begin, what is spoken inside, and until when, is decided
elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import field, frozen
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IProtocol
from twisted.internet.protocol import ServerFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol

from gateway.net.handover import replace
from gateway.net.handshakes import Slots, Turn
from gateway.net.wheel import Wheel
from gateway.wire.client_hello import ClientHello, HelloReader
from gateway.wire.errors import PeerError


@frozen
class TlsTerms:
    """Whose certificates are shown, and how many handshakes there may be at once."""

    certificates: IOpenSSLServerConnectionCreator
    slots: Slots
    wheel: Wheel
    factory: TLSMemoryBIOFactory = field(init=False)

    @factory.default
    def _make_factory(self) -> TLSMemoryBIOFactory:
        return TLSMemoryBIOFactory(self.certificates, False, ServerFactory(), self.wheel.clock)


class TlsStart:
    """
    One client on its way into TLS.

    :param inside: makes the protocol inside TLS, which calls :meth:`over` when the handshake is.
    :param refused: called with why, when it is no hello.
    :param evicted: called when others need the room; the connection is to be cut.
    """

    def __init__(
        self,
        transport: Any,
        terms: TlsTerms,
        *,
        inside: Callable[[ClientHello], IProtocol],
        refused: Callable[[str], None],
        evicted: Callable[[], None],
    ) -> None:
        self._transport = transport
        self._terms = terms
        self._inside = inside
        self._refused = refused
        self._tell_evicted = evicted
        self._reader = HelloReader()
        self._turn: Turn | None = None
        self._evicted = self._paused = False
        self.begun = False
        """Whether TLS has the transport."""

    @property
    def asked(self) -> bool:
        """Whether the hello is whole."""
        return self._turn is not None

    def receive(self, data: bytes) -> None:
        """Take in bytes; what comes behind a whole hello before its turn is nobody's."""
        if self._turn is not None:
            return
        try:
            hello = self._reader.receive(data)
        except PeerError as error:
            self._refused(str(error))
            return
        if hello is not None:
            self._ask_for_turn(hello)

    def over(self) -> None:
        """The handshake is completed, or given up; once is enough."""
        if self._turn is not None:
            self._turn.over()

    def _ask_for_turn(self, hello: ClientHello) -> None:
        self._turn = self._terms.slots.turn(lambda: self._begin(hello), self._evict)
        self._turn.wait()
        if not (self.begun or self._evicted):
            # Nothing is read while the hello waits, so that nothing more has to be kept.
            self._paused = True
            self._transport.pauseProducing()

    def _begin(self, hello: ClientHello) -> None:
        self.begun = True
        tls: Any = TLSMemoryBIOProtocol(self._terms.factory, self._inside(hello))
        if self._paused:
            self._transport.resumeProducing()
        replace(self._transport, tls, self._reader.raw())

    def _evict(self) -> None:
        self._evicted = True
        self._tell_evicted()
