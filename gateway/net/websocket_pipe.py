"""
WebSocket clients as pipes: the bytes of their binary messages are the stream.

Where one message ends means nothing.  Framing and closing are autobahn's;
keeping, pausing and telling are the inbox's; who may come in was asked before.
"""

from __future__ import annotations

from typing import Any, Final

from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.model.client import Presentation, Way
from gateway.model.seams import Admit, Metrics, Receiver
from gateway.model.session import CloseCode, Closing
from gateway.net.handover import replace
from gateway.net.inbox import Inbox
from gateway.net.pulse import Pulse
from gateway.net.socket_options import be_patient
from gateway.net.websocket import Handshake, HandshakeFactory
from gateway.net.wheel import Deadline, Wheel
from gateway.wire.http1 import Head
from gateway.wire.websocket import bare_handshake, binary_frame

EARLY_MAX: Final = 16 * 1024
"""Bytes read ahead of :meth:`WebSocketPipe.start`; one read may overshoot it."""

CLOSE_DEADLINE: Final = 2.0
"""Seconds for what is still to be sent and for the peer's answer to a close."""

MAX_REASON: Final = 123
"""Bytes of a close's reason (RFC 6455 §5.5)."""

_UNSUPPORTED: Final = 1003  # RFC 6455 §7.4.1

# 1001 is no good-bye: a page that is loaded anew comes back.  A close() without a code is a stock client's
# good-bye; our page says 1000 when its user leaves, and its noVNC closes without a code when it gives up.
_GOODBYES: Final = (int(CloseCode.FINISHED), None)
_GOODBYES_OF_HOLDERS: Final = (int(CloseCode.FINISHED),)


class WebSocketFront(HandshakeFactory):
    """
    Takes over connections that asked for a WebSocket.

    :param ping: seconds between pings; 0 for none.
    """

    def __init__(self, wheel: Wheel, metrics: Metrics, ping: float) -> None:
        super().__init__(wheel, metrics)
        self.ping = ping

    def open(self, transport: ProtocolWrapper, head: Head, presentation: Presentation, admit: Admit) -> None:
        """Hand a connection over; the answer comes when it is known whether the client may come in."""
        replace(transport, WebSocketPipe(self, presentation, admit), bare_handshake(head))


@implementer(IPushProducer)
class WebSocketPipe(Handshake):
    """
    One client that was let in.

    As its transport's producer it hears when the send buffer is full.
    """

    def __init__(self, front: WebSocketFront, presentation: Presentation, admit: Admit) -> None:
        super().__init__(front, presentation, admit)
        self._inbox = Inbox(front.wheel.clock)
        self._pulse = Pulse(front.wheel, front.ping, self.sendPing, self._is_dead)
        self._deadline = Deadline(front.wheel)
        self._closing = self._full = False
        self._goodbyes = _GOODBYES_OF_HOLDERS if presentation.way is Way.GRANT else _GOODBYES

    def onOpen(self) -> None:
        """The client has its answer, and the session its client."""
        self._registered = True
        self.transport.registerProducer(self, True)
        self._pulse.start()
        super().onOpen()

    # The pipe.

    def start(self, receiver: Receiver) -> None:
        """Deliver to this receiver from now on, and read."""
        self._inbox.start(receiver)
        self._read_on()

    def send(self, data: bytes) -> None:
        """Send one message; nothing happens on a closed pipe."""
        if data and self.state == self.STATE_OPEN:
            self.transport.write(binary_frame(data))

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
        """A WebSocket has no half-close: it closes."""
        self.close(Closing(CloseCode.FINISHED, ""))

    def close(self, closing: Closing) -> None:
        """Send what is left, and the code and reason; wait for the answer, but not long."""
        if not self._closing:
            self._inbox.silence()
            self.sendCloseFrame(code=int(closing.code), reasonUtf8=_short(closing.reason))

    def abort(self) -> None:
        """Cut it now."""
        self._closing = True
        self._inbox.silence()
        self.dropConnection(abort=True)
        self._cut()

    async def probe(self, seconds: float) -> bool:
        """Whether anything comes in that time, for which it is asked; one question answers all who ask meanwhile."""
        if not self._inbox.probing:
            self.sendPing()
            if self._inbox.kept <= EARLY_MAX and not (self._closing or self._inbox.is_lost):
                self.transport.resumeProducing()  # a paused pipe hears no pong; the inbox keeps what else comes
        try:
            return await self._inbox.sign_of_life(seconds)
        finally:
            unwatched = self._inbox.paused and not self._inbox.probing
            if unwatched and not (self._closing or self._inbox.is_lost):
                self.transport.pauseProducing()

    # What the transport calls.

    def dataReceived(self, data: bytes) -> None:
        """Take in bytes; those that nobody reads now are few."""
        self._pulse.heard = True
        super().dataReceived(data)
        if self._inbox.kept > EARLY_MAX and not self._closing and (self._inbox.paused or not self._inbox.started):
            self.transport.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        self._closing = True
        self._pulse.stop()
        self._deadline.clear()
        super().connectionLost(reason)

    def pauseProducing(self) -> None:
        """The send buffer is over its mark."""
        self._full = True
        be_patient(self.transport, True)
        self._inbox.full(True)

    def resumeProducing(self) -> None:
        """The send buffer was taken: somebody is there."""
        self._full = False
        be_patient(self.transport, False)
        self._pulse.heard = True
        self._inbox.alive()
        self._inbox.full(False)

    def stopProducing(self) -> None:
        """The connection is gone: :meth:`onClose` tells."""

    # What autobahn calls.

    def onMessageBegin(self, isBinary: bool) -> None:  # noqa: N802, N803
        """Text is nothing that a console understands."""
        super().onMessageBegin(isBinary)
        if not isBinary and not self._closing:
            self.failedByMe = True
            self._inbox.silence()
            self.sendCloseFrame(code=_UNSUPPORTED, reasonUtf8=b"Only binary messages are understood here.")

    def onMessageFrameData(self, payload: bytes) -> None:  # noqa: N802
        """Hand the bytes on as they come."""
        if not self.failedByMe:
            self._inbox.data(payload)

    def onMessageFrameEnd(self) -> None:  # noqa: N802
        """Its bytes were handed on."""

    def onMessageEnd(self) -> None:  # noqa: N802
        """Its bytes were handed on."""

    def onPing(self, payload: bytes) -> None:
        """Answer, unless answers pile up: only the latest ping needs one (RFC 6455 §5.5.3)."""
        self._inbox.alive()
        if not self._full:
            self.sendPong(payload)

    def onPong(self, payload: bytes) -> None:
        """A sign of life."""
        self._inbox.alive()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:  # noqa: N803
        """The connection is gone, and this is how."""
        self._inbox.lost(wasClean and not self.failedByMe and code in self._goodbyes)

    def sendCloseFrame(self, *args: Any, **kwargs: Any) -> None:  # noqa: N802
        """Begin to close, or answer the peer's close, with a deadline for the rest."""
        super().sendCloseFrame(*args, **kwargs)
        self._closing = True
        if not self._inbox.is_lost:
            self.transport.resumeProducing()  # the answer must be read
        self._deadline.set(CLOSE_DEADLINE, self._cut)

    # Inside.

    def _closeConnection(self, abort: bool = False) -> None:  # noqa: N802
        """autobahn is done with the connection; what was sent still gets out unless it is to be cut."""
        self._closing = True
        if abort and not self.wasClean:
            self._cut()
        else:
            self._deadline.set(CLOSE_DEADLINE, self._cut)
            self.transport.loseConnection()

    def _read_on(self) -> None:
        self._pulse.heard = True  # while nothing was read nobody could be heard
        if not (self._closing or self._inbox.paused or self._inbox.is_lost):
            self.transport.resumeProducing()

    def _cut(self) -> None:
        if not self._inbox.is_lost:
            self.transport.abortConnection()

    def _is_dead(self) -> None:
        # Who is not read from, or has not yet been sent the ping, cannot be judged by its silence.
        if self._full or self._inbox.paused:
            self._pulse.start()
        else:
            self.dropConnection(abort=True)


def _short(reason: str) -> bytes:
    """As much of a reason as a close can carry, cut at a character."""
    return reason.encode()[:MAX_REASON].decode(errors="ignore").encode()
