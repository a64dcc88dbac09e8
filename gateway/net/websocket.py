"""
The opening of a WebSocket, by autobahn, between a checked request and a client that was let in.

autobahn sees a head that was made anew from the checked one: no path, no
query, no other sub-protocol, so that no ticket is in its hands.  What an open
WebSocket does is in ``websocket_pipe.py``.
"""

from __future__ import annotations

from typing import Any, Final

import txaio
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.types import ConnectionRequest
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.client import Presentation
from gateway.model.events import Event, tell
from gateway.model.seams import Admission, Admit, Metrics
from gateway.net.connection import keep
from gateway.net.entering import Entering
from gateway.net.wheel import Wheel
from gateway.wire.http1 import simple_response
from gateway.wire.websocket import SUBPROTOCOL

_log = Logger()

_quiet = txaio.make_logger()
_quiet.set_log_level("none")  # it would tell heads, reasons and peers, each in words of its own

MAX_PAYLOAD: Final = 1024 * 1024
"""Largest frame and message taken: a clipboard and then some; what a client sends is small."""


class HandshakeFactory(WebSocketServerFactory):  # type: ignore[misc]  # autobahn has no types
    """How WebSockets are spoken here; timers, logs and compression of autobahn's are off."""

    log = _quiet
    noisy = False

    def __init__(self, wheel: Wheel, metrics: Metrics) -> None:
        super().__init__(server="", reactor=wheel.clock)
        self.wheel = wheel
        self.metrics = metrics
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


class Handshake(WebSocketServerProtocol):  # type: ignore[misc]  # autobahn has no types
    """
    A client that asked for a WebSocket: it is let in, as the ``Pipe`` that a subclass makes of it, or turned away.
    """

    log = _quiet

    def __init__(self, factory: HandshakeFactory, presentation: Presentation, admit: Admit) -> None:
        super().__init__()
        self.factory = factory
        self._presentation = presentation
        self._admit = admit
        self._entering = Entering(factory.wheel, self._admitted, self._turn_away)
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
        keep(self.transport)
        try:
            admission.attach(self)
        except Exception:
            tell(_log, Event.FAULT, log_failure=Failure())
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
