"""
WebSocket clients: autobahn's handshake, control frames and closing, as a ``Pipe``.

autobahn sees a head that was made anew from the checked one: no path, no
query, no other sub-protocol, so that no ticket is in its hands.  The bytes
of binary messages are the stream; where one message ends means nothing.
"""

from __future__ import annotations

from typing import Any, Final

import txaio
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.util import encode_truncate
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.model.client import Presentation
from gateway.model.events import Event, tell
from gateway.model.seams import Admission, Admit, Metrics, Receiver
from gateway.model.session import CloseCode, Closing
from gateway.net.entering import Entering
from gateway.net.handover import replace
from gateway.net.inbox import Inbox
from gateway.net.pulse import Pulse
from gateway.net.wheel import Deadline, Wheel
from gateway.wire.http1 import Head, simple_response
from gateway.wire.websocket import SUBPROTOCOL, bare_handshake, binary_frame

_log = Logger()

_quiet = txaio.make_logger()
_quiet.set_log_level("none")  # it would tell heads, reasons and peers, each in words of its own

MAX_PAYLOAD: Final = 1024 * 1024
"""Largest frame and message taken: a clipboard and then some; what a client sends is small."""

EARLY_MAX: Final = 16 * 1024
"""Bytes read ahead of :meth:`WebSocketPipe.start`; one read may overshoot it."""

CLOSE_DEADLINE: Final = 2.0
"""Seconds for what is still to be sent and for the peer's answer to a close."""

_UNSUPPORTED: Final = 1003  # RFC 6455 §7.4.1

# A page's close() sends no code.  1001 is no good-bye: a page that is loaded anew comes back.
_GOODBYES: Final = (int(CloseCode.FINISHED), None)


class WebSocketFront(WebSocketServerFactory):  # type: ignore[misc]  # autobahn has no types
    """
    Takes over connections that asked for a WebSocket.

    :param ping: seconds between pings; 0 for none.
    """

    log = _quiet
    noisy = False

    def __init__(self, wheel: Wheel, metrics: Metrics, ping: float) -> None:
        super().__init__(server="", reactor=wheel.clock)
        self.wheel = wheel
        self.metrics = metrics
        self.ping = ping
        self.setProtocolOptions(
            versions=[13],
            webStatus=False,
            requireMaskedClientFrames=True,
            utf8validateIncoming=False,
            maxFramePayloadSize=MAX_PAYLOAD,
            maxMessagePayloadSize=MAX_PAYLOAD,
            failByDrop=True,  # who breaks the framing is not read any further
            openHandshakeTimeout=0,  # its timers are the global reactor's: ours are on the wheel
            closeHandshakeTimeout=0,
            autoPingInterval=0,
            allowNullOrigin=True,  # origins were judged before
        )

    def open(self, transport: ProtocolWrapper, head: Head, presentation: Presentation, admit: Admit) -> None:
        """Hand a connection over; the answer comes when it is known whether the client may come in."""
        replace(transport, WebSocketPipe(self, presentation, admit), bare_handshake(head))


class _Upgrade(WebSocketServerProtocol):  # type: ignore[misc]  # autobahn has no types
    """A client that asked for a WebSocket: it is let in, and becomes a pipe, or turned away."""

    log = _quiet

    def __init__(self, front: WebSocketFront, presentation: Presentation, admit: Admit) -> None:
        super().__init__()
        self.factory = front
        self._presentation = presentation
        self._admit = admit
        self._entering = Entering(front.wheel, self._admitted, self._turn_away)
        self._answer: Deferred[str | None] | None = None
        self._admission: Admission | None = None
        self._registered = False

    def dataReceived(self, data: bytes) -> None:
        """Take in bytes; between request and answer there must be none (RFC 6455 §4.1)."""
        if self._answer is not None and self.state == self.STATE_CONNECTING:
            self._turn_away(400)
        elif self.state != self.STATE_CLOSED:
            self._dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        self._entering.leave()
        super().connectionLost(reason)

    def onConnect(self, request: ConnectionRequest) -> Deferred[str | None]:
        """The handshake is in order: ask whether the client may come in."""
        answer: Deferred[str | None] = Deferred()
        self._answer = answer
        self._entering.begin(self._admit, self._presentation)
        return answer

    def _admitted(self, admission: Admission) -> None:
        self._admission = admission
        if self._answer is not None:
            self._answer.callback(SUBPROTOCOL if SUBPROTOCOL in self.websocket_protocols else None)

    def onOpen(self) -> None:
        """The client has its answer."""
        self.factory.metrics.connection("websocket")
        admission, self._admission = self._admission, None
        assert admission is not None
        try:
            admission.attach(self)
        except Exception:
            tell(_log, Event.FAULT, log_failure=Failure())  # type: ignore[no-untyped-call]  # Twisted's
            self.dropConnection(abort=True)

    def failHandshake(self, reason: str, code: int = 400, responseHeaders: Any = None) -> None:  # noqa: N802, N803
        """The handshake is out of order."""
        self._turn_away(code, responseHeaders or ())

    def _turn_away(self, status: int, headers: Any = ()) -> None:
        """Say no; why, is not said."""
        if self.state == self.STATE_CONNECTING:
            self.factory.metrics.connection("refused")
            self._entering.leave()
            self.transport.write(simple_response(status, headers=headers))
            self.dropConnection(abort=False)

    def unregisterProducer(self) -> None:
        """autobahn asks for it whenever it drops a connection."""
        registered, self._registered = self._registered, False
        if registered:
            self.transport.unregisterProducer()

    def sendData(self, data: bytes, sync: bool = False, chopsize: int | None = None) -> None:  # noqa: N802
        """Write at once, without autobahn's log lines."""
        self.transport.write(data)


@implementer(IPushProducer)
class WebSocketPipe(_Upgrade):
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
            self.sendCloseFrame(code=int(closing.code), reasonUtf8=encode_truncate(closing.reason, 123))

    def abort(self) -> None:
        """Cut it now."""
        self._closing = True
        self._inbox.silence()
        self.dropConnection(abort=True)
        self._cut()

    async def probe(self, seconds: float) -> bool:
        """Whether anything comes in that time, for which it is asked."""
        self.sendPing()
        if not self._inbox.is_lost and not self._closing:
            self.transport.resumeProducing()  # a paused pipe hears no pong; the inbox keeps what else comes
        try:
            return await self._inbox.sign_of_life(seconds)
        finally:
            if self._inbox.paused and not (self._closing or self._inbox.is_lost):
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
        self._inbox.full(True)

    def resumeProducing(self) -> None:
        """The send buffer was taken: somebody is there."""
        self._full = False
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
        self._inbox.lost(wasClean and not self.failedByMe and code in _GOODBYES)

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
