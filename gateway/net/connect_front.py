"""
Clients that came by CONNECT: asked for a ticket until one is good, told yes, and attached to their console.

What they present is read by ``wire.connect``; who may come in was asked
before.  The authority that they name is nobody's business.
"""

from __future__ import annotations

from typing import Any, Final

from attrs import frozen
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from gateway.model.client import Arrival, Presentation, Way
from gateway.model.seams import Admission, Admit, Metrics
from gateway.model.secret import Secret
from gateway.net.connection import Connection, got_on, keep
from gateway.net.entering import Entering, tell_fault
from gateway.net.handover import replace
from gateway.net.stock_pipe import StockPipe
from gateway.net.wheel import Deadline, Wheel
from gateway.wire.connect import challenge, established, presented
from gateway.wire.http1 import MAX_TRAILING, BadRequest, Head, RequestStream, simple_response

NEXT_DEADLINE: Final = 30.0
"""Seconds for the next request after a 407; viewers that ask a person for the ticket reset the connection instead."""

MAX_REQUESTS: Final = 8
"""Requests of one connection: a client without a ticket, then with one, and some that are mistyped."""

CLOSE_DEADLINE: Final = 5.0
"""Seconds for a short last answer to be read."""


@frozen
class ConnectFront:
    """Makes what a connection is handed to whose first request is a CONNECT."""

    admit: Admit
    wheel: Wheel
    metrics: Metrics

    def __call__(self, head: Head, arrival: Arrival, behind: bytes) -> Connecting:
        """Take over with this request, and what came behind it."""
        return Connecting(self, head, arrival, behind)


class Connecting(Protocol):
    """One client, until it is let in or leaves."""

    transport: Any
    """The ``Connection``, or TLS on top of it."""

    def __init__(self, front: ConnectFront, head: Head, arrival: Arrival, behind: bytes) -> None:
        self._front = front
        self._first = head
        self._arrival = arrival
        self._asking = Entering(front.wheel, self._admitted, self._refused)
        self._requests: RequestStream | None = None
        """What reads the next request; none while one is judged."""
        self._held = behind
        self._asked = 0
        self._over = self._paused = False
        self._deadline = Deadline(front.wheel)

    # What the transport calls.

    def connectionMade(self) -> None:
        """Judge the request that led here."""
        self._judge(self._first)

    def dataReceived(self, data: bytes) -> None:
        """Hold what comes while a request is judged, but not much; else read the next one."""
        if self._over:
            return
        if self._requests is not None:
            self._read(self._requests, data)
            return
        self._held += data
        if len(self._held) > MAX_TRAILING and not self._paused:
            self._paused = True
            self.transport.pauseProducing()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        self._over = True
        self._asking.leave()
        self._deadline.clear()

    # Requests.

    def _judge(self, head: Head) -> None:
        self._deadline.clear()
        self._asked += 1
        try:
            ticket = presented(head)
        except BadRequest as bad:
            self._finish(bad.status)
            return
        if ticket is None:
            self._refused(407)
            return
        self._asking = Entering(self._front.wheel, self._admitted, self._refused)
        self._asking.begin(self._front.admit, Presentation(Way.CONNECT, Secret(ticket), self._arrival))

    def _refused(self, status: int) -> None:
        """Ask for another ticket: why this one is none is not said."""
        if status >= 500:
            self._finish(status)
            return
        self._front.metrics.connection("refused")
        self.transport.write(challenge())
        if self._asked >= MAX_REQUESTS:
            self._close()
            return
        self._deadline.set(NEXT_DEADLINE, self._close)
        self._requests = RequestStream()
        pending, self._held = self._held, b""
        self._go_on()
        if pending:
            self._read(self._requests, pending)

    def _read(self, requests: RequestStream, data: bytes) -> None:
        try:
            events = requests.receive(data)
        except BadRequest as bad:
            self._finish(bad.status)
            return
        if not events:
            return
        head = events[0]
        if isinstance(head, Head) and head.method == "CONNECT":
            self._requests, self._held = None, requests.trailing()
            got_on(self.transport)
            self._judge(head)
        else:
            self._finish(400)

    def _admitted(self, admission: Admission) -> None:
        """Say yes, before anything of the console's; what came behind the request is the console's now."""
        self._over = True
        self._front.metrics.connection("connect")
        self.transport.write(established())
        self._go_on()
        if isinstance(self.transport, Connection) and not admission.speaks_rfb:
            self.transport.tell_half_close()
        keep(self.transport)
        pipe = StockPipe(self._front.wheel.clock)
        replace(self.transport, pipe, self._held)
        try:
            admission.attach(pipe)
        except Exception as error:
            tell_fault("attaching a client that came by CONNECT", error)
            pipe.abort()

    def _go_on(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resumeProducing()

    # Ending.

    def _finish(self, status: int) -> None:
        """Say the last thing, and close."""
        self._front.metrics.connection("refused")
        self.transport.write(simple_response(status))
        self._close()

    def _close(self) -> None:
        self._over = True
        self._asking.leave()
        self._go_on()
        self._deadline.set(CLOSE_DEADLINE, self.transport.abortConnection)
        self.transport.loseConnection()
