"""
Deadlines for thousands of connections on one reactor timer.

A deadline may fire up to one tick late and never early; that is exact enough
for time-outs, and setting or cancelling one costs next to nothing.  What needs
a precise moment asks the reactor itself.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.events import Event, tell

_log = Logger()

_ROUNDING: Final = 1e-6  # ticks; a moment that is a tick's own must not slip into the next for a float's sake


class Entry:
    """One deadline that was set."""

    __slots__ = ("_bucket", "_wheel", "callback")

    def __init__(self, wheel: Wheel, bucket: dict[Entry, None], callback: Callable[[], None]) -> None:
        self._wheel: Wheel | None = wheel
        self._bucket = bucket
        self.callback: Callable[[], None] | None = callback

    @property
    def active(self) -> bool:
        """Whether it is still to come."""
        return self._wheel is not None

    def cancel(self) -> None:
        """Let it not happen; nothing happens when it is over already."""
        wheel, self._wheel = self._wheel, None
        if wheel is not None:
            self.callback = None
            del self._bucket[self]
            wheel.forget()

    def take(self) -> Callable[[], None] | None:
        """Its callback, once: the wheel calls it now."""
        callback, self.callback, self._wheel = self.callback, None, None
        return callback


class Wheel:
    """
    Sets deadlines on ``clock``, in steps of ``tick`` seconds.

    While no deadline is set there is no timer either.
    """

    def __init__(self, clock: IReactorTime, tick: float = 0.25) -> None:
        self.clock = clock
        self._tick = tick
        self._buckets: dict[int, dict[Entry, None]] = {}
        self._order: list[int] = []  # a heap of the keys of _buckets
        self._live = 0
        self._timer: IDelayedCall | None = None
        self._aimed_at = 0

    def __len__(self) -> int:
        return self._live

    def seconds(self) -> float:
        """The clock's time."""
        return float(self.clock.seconds())

    def after(self, seconds: float, callback: Callable[[], None]) -> Entry:
        """Call back once so many seconds have passed."""
        at = math.ceil((self.seconds() + max(seconds, 0.0)) / self._tick - _ROUNDING)
        bucket = self._buckets.get(at)
        if bucket is None:
            bucket = self._buckets[at] = {}
            heapq.heappush(self._order, at)
        entry = Entry(self, bucket, callback)
        bucket[entry] = None
        self._live += 1
        self._aim()
        return entry

    def forget(self) -> None:
        """One deadline was cancelled (its entry says so)."""
        self._live -= 1
        if not self._live:
            self._buckets.clear()
            self._order.clear()
            self._aim()

    def _aim(self) -> None:
        """Have the one timer stand at the next bucket."""
        if self._timer is not None and (not self._order or self._order[0] != self._aimed_at):
            self._timer.cancel()
            self._timer = None
        if self._timer is None and self._order:
            self._aimed_at = self._order[0]
            self._timer = self.clock.callLater(max(0.0, self._aimed_at * self._tick - self.seconds()), self._turn)

    def _turn(self) -> None:
        self._timer = None
        now = math.floor(self.seconds() / self._tick + _ROUNDING)
        due: list[Entry] = []
        while self._order and self._order[0] <= now:
            due.extend(self._buckets.pop(heapq.heappop(self._order)))
        for entry in due:
            if entry.active:  # an earlier one may have cancelled it
                self._fire(entry)
        self._aim()

    def _fire(self, entry: Entry) -> None:
        callback = entry.take()
        self._live -= 1
        try:
            if callback is not None:
                callback()
        except Exception:
            tell(_log, Event.FAULT, log_failure=Failure())


class Deadline:
    """The one deadline of something: setting it again moves it."""

    __slots__ = ("_entry", "_wheel")

    def __init__(self, wheel: Wheel) -> None:
        self._wheel = wheel
        self._entry: Entry | None = None

    def set(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call back then, and not when it was set to before."""
        self.clear()
        self._entry = self._wheel.after(seconds, callback)

    def clear(self) -> None:
        """Let it not happen."""
        if self._entry is not None:
            self._entry.cancel()
            self._entry = None
