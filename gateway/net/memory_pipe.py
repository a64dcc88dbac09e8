"""
Two pipes joined inside this process: what one sends the other receives.

For upstreams that are made here (the demo console, painted notices) and for
tests of whatever holds pipes.  No sockets.
"""

from __future__ import annotations

from twisted.internet.interfaces import IReactorTime

from gateway.model.seams import Receiver
from gateway.model.session import Closing
from gateway.net.inbox import Inbox

FULL_AT = 65536
"""Bytes under way that stop the sender: as much as a transport of Twisted buffers."""

DRAINED_AT = 16384
"""Bytes under way at which it may go on; well below, so that the two do not alternate with every chunk."""


class MemoryPipe:
    """One end; :func:`pipe_pair` makes two of them."""

    def __init__(self, clock: IReactorTime) -> None:
        self._inbox = Inbox(clock, self._taken)
        self._peer: MemoryPipe = self
        self._closed = self._half_closed = self._peer_is_full = False
        self.closing: Closing | None = None
        """Why this end was closed, once it was."""

    def join(self, peer: MemoryPipe) -> None:
        """Make the other one the far end of this one."""
        self._peer = peer

    def start(self, receiver: Receiver) -> None:
        """Deliver to this receiver from the clock's next turn on."""
        self._inbox.start(receiver)

    def rewind(self, unread: bytes = b"") -> None:
        """Take the receiver away and put bytes back: the next :meth:`start` delivers them first."""
        self._inbox.rewind(unread)

    def send(self, data: bytes) -> None:
        """Put it into the other end's hands at the clock's next turn."""
        if self._closed or self._half_closed:
            return
        self._peer._inbox.post(data)
        if self._peer._inbox.kept > FULL_AT and not self._peer_is_full:
            self._peer_is_full = True
            self._inbox.full(True)

    def pause(self) -> None:
        """Take no more."""
        self._inbox.pause()

    def resume(self) -> None:
        """Take on."""
        self._inbox.resume()

    def half_close(self) -> None:
        """Send no more."""
        if self._closed or self._half_closed:
            return
        self._half_closed = True
        self._peer._inbox.ended()
        if self._peer._half_closed:
            # Neither will say more: that is the end of a connection.
            self._inbox.lost(True)
            self._peer._inbox.lost(True)

    def close(self, closing: Closing) -> None:
        """Close; the other end receives what is under way first."""
        if not self._closed:
            self.closing = closing
            self._gone(True)
            self._peer._inbox.lost(True)

    def abort(self) -> None:
        """Cut it now."""
        if not self._closed:
            self._gone(False)
            self._peer._inbox.lost(False)

    async def probe(self, seconds: float) -> bool:
        """Whether the other end still stands: known at once."""
        return not (self._closed or self._inbox.is_lost)

    def _gone(self, goodbye: bool) -> None:
        self._closed = True
        self._inbox.silence()
        self._inbox.lost(goodbye)

    def _taken(self) -> None:
        sender = self._peer
        if sender._peer_is_full and self._inbox.kept <= DRAINED_AT:
            sender._peer_is_full = False
            sender._inbox.full(False)


def pipe_pair(clock: IReactorTime) -> tuple[MemoryPipe, MemoryPipe]:
    """Join two pipes; each event takes one turn of the clock."""
    left, right = MemoryPipe(clock), MemoryPipe(clock)
    left.join(right)
    right.join(left)
    return left, right
