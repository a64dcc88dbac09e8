"""
Reads a connection's HTTP requests, one whole head at a time, and sends each where it belongs.

Health, redirects and refusals are answered here; upgrades become WebSockets;
all else goes to the site, which is not built before it is needed.  Which
ticket a request carries, and every page, is somebody else's.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from gateway.model.client import Arrival
from gateway.model.errors import HttpRefusal
from gateway.net.connection import got_on
from gateway.net.entering import tell_fault
from gateway.net.fronts import Fronts
from gateway.net.handover import replace
from gateway.net.site_channel import SiteChannel
from gateway.net.wheel import Deadline
from gateway.wire.http1 import BadRequest, Body, End, Event, Head, RequestStream, simple_response

__all__ = ["Door", "Fronts"]

HEAD_DEADLINE: Final = 10.0
"""Seconds for a head, from its first byte."""

BODY_DEADLINE: Final = 30.0
"""Seconds for a body of at most 64 kB, from its head."""

IDLE_DEADLINE: Final = 30.0
"""Seconds that a connection may wait for its next request."""

ANSWER_DEADLINE: Final = 300.0
"""Seconds for an answer, to be made and to be read."""

CLOSE_DEADLINE: Final = 5.0
"""Seconds for a short last answer to be read."""

HELD_MAX: Final = 64 * 1024
"""Bytes of further requests held while one is answered; reading stops at the first of them."""

_HEALTH: Final = ("/healthz", "/readyz")
_BROWSING: Final = ("GET", "HEAD")
_OPTIONS: Final = b"HTTP/1.1 204 No Content\r\nAllow: GET, HEAD, POST, DELETE, OPTIONS\r\n"


class Door(Protocol):
    """The HTTP side of one connection, until it ends or becomes something else."""

    transport: Any
    """The ``Connection``, or TLS on top of it."""

    def __init__(self, fronts: Fronts, arrival: Arrival) -> None:
        self._fronts = fronts
        self._arrival = arrival
        self._requests = RequestStream()
        self._events: deque[Event] = deque()
        self._unread: bytes | None = None  # empty: ask the stream once more, it may have a refusal
        self._channel: SiteChannel | None = None
        self._incomplete = self._busy = self._over = self._stepping = self._paused = self._used = False
        self._phase = ""
        self._deadline = Deadline(fronts.wheel)

    # What the transport calls.

    def connectionMade(self) -> None:
        """Wait for the first head."""
        self._enter_phase("head", HEAD_DEADLINE)

    def dataReceived(self, data: bytes) -> None:
        """Take in bytes; while a request is answered, hold what follows it, but not much."""
        if self._over:
            return
        if self._phase == "idle":
            self._enter_phase("head", HEAD_DEADLINE)
        self._unread = (self._unread or b"") + data
        if len(self._unread) > HELD_MAX + len(data):
            self._abort()
        self._proceed()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        self._over = True
        self._deadline.clear()
        if self._channel is not None:
            self._channel.connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted's

    # Going through the requests.

    def _proceed(self) -> None:
        if self._stepping:
            return  # an answer that was complete at once: the loop below goes on
        self._stepping = True
        try:
            while not self._over and self._step():
                pass
        finally:
            self._stepping = False
        if not self._over:
            self._pace()

    def _step(self) -> bool:
        if self._events:
            if self._busy and isinstance(self._events[0], Head):
                return False
            self._take(self._events.popleft())
            return True
        if self._unread is None or (self._busy and not self._incomplete):
            return False
        data, self._unread = self._unread, None
        try:
            self._events.extend(self._requests.receive(data))
        except BadRequest as bad:
            self._finish(simple_response(bad.status))
            return False
        if self._events:
            self._unread = b""
        return bool(self._events)

    def _pace(self) -> None:
        """Read on or not, and until when."""
        held = bool(self._unread)
        if held or self._paused:
            (self.transport.pauseProducing if held else self.transport.resumeProducing)()
            self._paused = held
        if self._incomplete:
            self._enter_phase("body", BODY_DEADLINE)
        elif self._busy:
            self._enter_phase("answer", ANSWER_DEADLINE)
        elif self._phase != "head":
            self._enter_phase("idle", IDLE_DEADLINE)

    def _enter_phase(self, phase: str, seconds: float) -> None:
        if phase != self._phase:
            self._phase = phase
            self._deadline.set(seconds, self._too_late)

    def _too_late(self) -> None:
        if self._phase == "idle":
            self._finish(b"")
        else:
            self._abort()

    def _take(self, event: Event) -> None:
        if isinstance(event, Head):
            self._phase = ""
            got_on(self.transport)
            self._incomplete = not event.switches
            self._decide(event)
        elif isinstance(event, Body):
            if self._busy:
                self._feed(event.data)
        elif isinstance(event, End):
            self._incomplete = False

    # One request.

    def _decide(self, head: Head) -> None:
        plain = not self._arrival.secure and self._fronts.plaintext != "serve"
        used, self._used = self._used, True
        if head.target in _HEALTH and head.method in _BROWSING:
            self._answer(head, simple_response(self._fronts.health(head.target), close=not _keeps_alive(head)))
        elif head.method == "OPTIONS" and head.target in ("*", "/"):
            self._answer(head, _OPTIONS + (b"\r\n" if _keeps_alive(head) else b"Connection: close\r\n\r\n"))
        elif plain:
            self._finish(self._in_the_clear(head))
        elif head.upgrade:
            self._upgrade(head)
        elif head.method == "CONNECT":
            self._connect(head, used)
        else:
            self._serve(head)

    def _answer(self, head: Head, data: bytes) -> None:
        if _keeps_alive(head):
            self.transport.write(data)
        else:
            self._finish(data)

    def _in_the_clear(self, head: Head) -> bytes:
        """What is answered outside TLS; nothing is redeemed, and no ticket is sent back over the open line."""
        self._fronts.metrics.connection("refused")
        url, target = self._arrival.public_url, head.target
        bare = target.startswith("/") and not any(part in target for part in ("?", ";", "/ticket/"))
        if self._fronts.plaintext == "redirect" and url and bare and head.method in _BROWSING and not head.upgrade:
            return simple_response(308, headers=[("Location", url.rstrip("/") + target)])
        return simple_response(403)

    def _asking(self, head: Head) -> Arrival:
        """Who makes this request: a balancer's connection carries those of several clients."""
        forwarded = self._fronts.forwarded
        return forwarded(head, self._arrival) if forwarded else self._arrival

    def _serve(self, head: Head) -> None:
        arrival = self._asking(head)
        if self._channel is None:
            self._channel = channel = self._fronts.site.channel_for(arrival)
            channel.answered, channel.closing = self._answered, self._closing
            channel.timeOut = None  # the deadlines are ours
            channel.makeConnection(self.transport)  # type: ignore[no-untyped-call]  # Twisted's
        self._channel.arrival = arrival
        self._busy = True
        self._feed(head.raw)

    def _feed(self, data: bytes) -> None:
        if self._channel is not None:
            self._channel.dataReceived(data)  # type: ignore[no-untyped-call]  # Twisted's

    def _answered(self) -> None:
        self._busy = False
        got_on(self.transport)
        self._proceed()

    def _closing(self) -> None:
        """The site ends the connection: what it wrote still has its time."""
        self._over = True
        if self._paused:
            self.transport.resumeProducing()  # TLS reads the peer's close_notify
        self._deadline.set(ANSWER_DEADLINE, self._abort)

    # Becoming something else.

    def _upgrade(self, head: Head) -> None:
        if self._requests.spoke_early or self._unread:
            self._finish(simple_response(400))
            return
        try:
            presentation = self._fronts.upgrade(head, self._asking(head))
        except HttpRefusal as no:
            self._fronts.metrics.connection("refused")
            self._finish(simple_response(no.status))
        except Exception as error:
            tell_fault("reading an upgrade request", error)
            self._finish(simple_response(500))
        else:
            self._leave()
            self._fronts.sockets.open(self.transport, head, presentation, self._fronts.admit)

    def _connect(self, head: Head, used: bool) -> None:
        if self._fronts.connect is None or used:  # a balancer that shares connections would hand on another's console
            self._finish(simple_response(400 if used else 501))
            return
        behind = self._requests.trailing() + (self._unread or b"")
        try:
            successor = self._fronts.connect(head, self._asking(head), behind)
        except HttpRefusal as no:
            self._fronts.metrics.connection("refused")
            self._finish(simple_response(no.status))
            return
        self._leave()
        replace(self.transport, successor)

    # Ending.

    def _leave(self) -> None:
        """Let go of the transport: twisted.web stays registered as its producer otherwise."""
        self._over = True
        self._deadline.clear()
        if self._channel is not None:
            self._channel = None
            self.transport.unregisterProducer()
        if self._paused:
            self.transport.resumeProducing()

    def _finish(self, data: bytes) -> None:
        """Say the last thing, and close."""
        self._leave()
        if data:
            self.transport.write(data)
        self._deadline.set(CLOSE_DEADLINE, self._abort)
        self.transport.loseConnection()

    def _abort(self) -> None:
        self._over = True
        self.transport.abortConnection()


def _keeps_alive(head: Head) -> bool:
    return head.version == 1 and "close" not in head.tokens("connection")
