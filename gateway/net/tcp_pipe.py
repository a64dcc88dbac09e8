"""
A pipe over a stream transport of Twisted: TCP, a unix socket, or TLS over either.

Tunes the socket, keeps the events in order (``inbox``), bounds what waits.
Who is connected to, and what is spoken, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import (
    IDelayedCall,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.model.seams import Receiver
from gateway.model.session import Closing
from gateway.net.inbox import Inbox
from gateway.net.socket_options import be_patient, prepare
from gateway.wire.errors import LocalError, PeerError

EARLY_MAX = 16384
"""Bytes read ahead of :meth:`TcpPipe.start`: a greeting and then some.  One read may overshoot it."""

CLOSE_SECONDS = 5.0
"""How long a closing pipe may take to flush to a peer that does not read."""


@implementer(IHalfCloseableProtocol, IHandshakeListener, IPushProducer)
class TcpPipe(Protocol):
    """
    One half of a relay: the protocol is the pipe.

    A peer's FIN ends its bytes only; a TLS peer cannot half-close, so its
    close_notify ends the connection.
    """

    transport: Any
    """A stream transport; which of Twisted's interfaces it has is asked where it matters."""

    def __init__(self, clock: IReactorTime, made: Callable[[], None] | None = None) -> None:
        """Make a pipe; ``made`` is called once it is connected."""
        self._clock = clock
        self._made = made
        self._inbox = Inbox(clock)
        self._closing = self._half_closed = False
        self._deadline: IDelayedCall | None = None
        self._handshake: Deferred[None] | None = None
        self.lost_by: BaseException | None = None
        """What ended the connection, once it is gone: TLS says more there than that it is lost."""

    # The pipe.

    def start(self, receiver: Receiver) -> None:
        """Deliver to this receiver from now on, and read."""
        self._inbox.start(receiver)
        self._read_on()

    def rewind(self, unread: bytes = b"") -> None:
        """Take the receiver away and put bytes back: the next :meth:`start` delivers them first."""
        self._inbox.rewind(unread)

    def send(self, data: bytes) -> None:
        """Send, or buffer; nothing happens on a closed pipe."""
        if not (self._closing or self._half_closed):
            self.transport.write(data)

    def pause(self) -> None:
        """Stop reading."""
        self._inbox.pause()
        if not self._closing:
            self.transport.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self._inbox.resume()
        self._read_on()

    def half_close(self) -> None:
        """Flush and send a FIN; under TLS there is none, so the pipe closes."""
        if self._closing or self._half_closed:
            return
        lose_write = getattr(self.transport, "loseWriteConnection", None)
        if lose_write is None or ISSLTransport.providedBy(self.transport):
            self._flush_and_close()
            return
        self._half_closed = True
        # A paused producer would keep Twisted from ever sending the FIN; and nobody is to wait for room any more.
        self.transport.unregisterProducer()
        self._inbox.full(False)
        if self._inbox.is_ended:
            self.transport.loseConnection()
        else:
            lose_write()

    def close(self, closing: Closing) -> None:
        """Flush and close; a bare stream has no way to say why."""
        self._flush_and_close()

    def abort(self) -> None:
        """Cut it now."""
        self._closing = True
        self._inbox.silence()
        if not self._inbox.is_lost:
            self.transport.abortConnection()

    async def probe(self, seconds: float) -> bool:
        """
        Whether bytes come, or sent bytes get taken, in that time.

        A bare stream has no ping: silence need not mean that nobody is there.
        """
        return await self._inbox.sign_of_life(seconds)

    # TLS on top.

    async def start_tls(self, creator: IOpenSSLClientConnectionCreator) -> None:
        """
        Shake hands as a TLS client; the pipe goes on inside.

        :raises Exception: whatever made the handshake fail.
        """
        if ISSLTransport.providedBy(self.transport):
            raise LocalError("TLS inside TLS")
        if self._inbox.kept:
            raise PeerError("bytes came in the clear where TLS begins")
        self._handshake = Deferred()
        self.transport.startTLS(creator)
        self._read_on()
        await self._handshake

    # What the transport calls.

    def connectionMade(self) -> None:
        """Tune the socket and hear when the send buffer fills."""
        prepare(self.transport)
        self.transport.registerProducer(self, True)
        if self._made is not None:
            self._made()

    def dataReceived(self, data: bytes) -> None:
        """Hand on what came; read ahead only a little."""
        self._inbox.data(data)
        if self._inbox.kept > EARLY_MAX and not self._inbox.started:
            self.transport.pauseProducing()

    def readConnectionLost(self) -> None:
        """The peer's FIN; after our own it ends the connection, which Twisted leaves to us."""
        self._inbox.ended()
        if self._half_closed:
            self.transport.loseConnection()

    def writeConnectionLost(self) -> None:
        """Our own FIN is out."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()
        self.lost_by = reason.value
        if self._handshake is not None and not self._handshake.called:
            self._handshake.errback(reason)
        self._inbox.lost(isinstance(reason.value, ConnectionDone))

    def handshakeCompleted(self) -> None:
        """TLS stands."""
        if self._handshake is not None and not self._handshake.called:
            self._handshake.callback(None)

    def pauseProducing(self) -> None:
        """The send buffer is over its mark."""
        be_patient(self.transport, True)
        self._inbox.full(True)

    def resumeProducing(self) -> None:
        """The send buffer was taken."""
        be_patient(self.transport, False)
        self._inbox.alive()
        self._inbox.full(False)

    def stopProducing(self) -> None:
        """The connection is gone: :meth:`connectionLost` tells."""

    # Inside.

    def _read_on(self) -> None:
        # Reading after a FIN would tell the FIN again.
        if not (self._closing or self._inbox.paused or self._inbox.is_ended or self._inbox.is_lost):
            self.transport.resumeProducing()

    def _flush_and_close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._inbox.silence()
        if self._inbox.is_lost:
            return
        self._deadline = self._clock.callLater(CLOSE_SECONDS, self.abort)
        if not self._inbox.is_ended:
            # TLS reads the peer's close_notify; bytes left unread would turn the close into a reset.
            self.transport.resumeProducing()
        # TLS does not close while a producer is registered.
        self.transport.unregisterProducer()
        self.transport.loseConnection()
