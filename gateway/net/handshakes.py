"""
How many TLS handshakes may be under way at once.

A handshake costs thirty times the memory of the ClientHello that asks for it,
and a signature; so only so many are begun, and whoever does not get on makes
room for the next.  What a handshake is, is not known here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.net.wheel import Entry, Wheel

AT_ONCE: Final = 200
"""Handshakes under way: about 12 MB of TLS objects."""

GRACE: Final = 1.0
"""Seconds a handshake may take undisturbed: three round trips to the other side of the world."""

A_TURN: Final = 10
"""Handshakes begun in one turn of the reactor, half a millisecond each: in between sessions are served."""

WAITING_LIMIT: Final = 1000
"""Who may wait for a turn, each holding one ClientHello: mostly two kB, at most sixteen."""


class Turn:
    """
    One handshake: to come, waiting, under way, or over.

    :param begin: called when it may be done.
    :param evict: called when it has to be given up; the turn is over then.
    """

    __slots__ = ("_slots", "began_at", "begin", "evict")

    def __init__(self, slots: Slots, begin: Callable[[], None], evict: Callable[[], None]) -> None:
        self._slots = slots
        self.begin = begin
        self.evict = evict
        self.began_at = 0.0

    def wait(self) -> None:
        """Begin as soon as there is room: now, if there is."""
        self._slots.admit(self)

    def over(self) -> None:
        """The handshake is completed, or given up, or not waited for any more; once is enough."""
        self._slots.release(self)


class Slots:
    """
    Lets up to ``limit`` handshakes be under way, in the order in which they were asked for.

    Of many at once only a few are begun in each turn of the reactor.
    """

    def __init__(
        self,
        wheel: Wheel,
        limit: int = AT_ONCE,
        grace: float = GRACE,
        waiting_limit: int = WAITING_LIMIT,
        a_turn: int = A_TURN,
    ) -> None:
        self._wheel = wheel
        self._limit = limit
        self._grace = grace
        self._waiting_limit = waiting_limit
        self._a_turn = a_turn
        self._begun = 0  # in this turn of the reactor
        self._active: dict[Turn, None] = {}  # both in order, the oldest first
        self._waiting: dict[Turn, None] = {}
        self._check: Entry | None = None
        self._settling = False

    @property
    def active(self) -> int:
        """How many are under way."""
        return len(self._active)

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def turn(self, begin: Callable[[], None], evict: Callable[[], None]) -> Turn:
        """One more handshake, which waits from :meth:`Turn.wait` on."""
        return Turn(self, begin, evict)

    def admit(self, turn: Turn) -> None:
        """See :meth:`Turn.wait`."""
        if len(self._waiting) >= self._waiting_limit:
            turn.evict()
            return
        self._waiting[turn] = None
        self._settle()

    def release(self, turn: Turn) -> None:
        """See :meth:`Turn.over`."""
        self._waiting.pop(turn, None)
        self._active.pop(turn, None)
        self._settle()

    def _settle(self) -> None:
        if self._settling:
            return  # called from a turn's begin or evict: the loop below goes on anyway
        self._settling = True
        try:
            self._begin_waiting()
        finally:
            self._settling = False
        self._watch_oldest()

    def _begin_waiting(self) -> None:
        while self._waiting and self._begun < self._a_turn and self._has_room():
            self._count()
            turn = next(iter(self._waiting))
            del self._waiting[turn]
            self._active[turn] = None
            turn.began_at = self._wheel.seconds()
            turn.begin()

    def _count(self) -> None:
        if not self._begun:
            self._wheel.clock.callLater(0, self._next_turn)
        self._begun += 1

    def _next_turn(self) -> None:
        self._begun = 0
        self._settle()

    def _has_room(self) -> bool:
        return len(self._active) < self._limit or self._evict_oldest()

    def _watch_oldest(self) -> None:
        if self._begun < self._a_turn and self._waiting and self._check is None:
            oldest = next(iter(self._active))
            self._check = self._wheel.after(oldest.began_at + self._grace - self._wheel.seconds(), self._look_again)
        elif not self._waiting and self._check is not None:
            self._check.cancel()
            self._check = None

    def _evict_oldest(self) -> bool:
        """Make room, if the oldest handshake had its time."""
        oldest = next(iter(self._active))
        if self._wheel.seconds() - oldest.began_at < self._grace:
            return False
        del self._active[oldest]
        oldest.evict()
        return True

    def _look_again(self) -> None:
        self._check = None
        self._settle()
