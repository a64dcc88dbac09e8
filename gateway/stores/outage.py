"""
Whether a database answers, told when that changes.

The calls are synchronous and the reactor waits with them, so after a failure
the next ones fail at once for a while.  What a call is, and what fails in it,
is not known here.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.logger import Logger

from gateway.model.errors import StoreAway
from gateway.model.events import Event, tell

_log = Logger()

AWAY_SECONDS = 1.0
"""Seconds after a failure in which no call waits: of those to a locked file one a second does."""


class Outage:
    """The last word on writing (and on reading, which goes on while only writing fails)."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._since: float | None = None
        self._problem = ""
        self._heard_at = self._unreadable_at = seconds() - AWAY_SECONDS

    @property
    def is_on(self) -> bool:
        """Whether the last write failed."""
        return self._since is not None

    @property
    def is_news(self) -> bool:
        """Whether the last write is so short ago that another one would say the same."""
        return self._seconds() < self._heard_at + AWAY_SECONDS

    def check(self, *, reading: bool = False) -> None:
        """
        Let a call through, or not.

        :raises StoreAway: one has failed just now.
        """
        unreadable = self._seconds() < self._unreadable_at + AWAY_SECONDS
        if unreadable or (not reading and self.is_on and self.is_news):
            raise self._away()

    def failed(self, error: Exception, *, reading: bool = False) -> StoreAway:
        """A call failed; what to raise.  What cannot be read cannot be written either."""
        now = self._heard_at = self._seconds()
        self._problem = str(error)
        if reading:
            self._unreadable_at = now
        if self._since is None:
            self._since = now
            tell(_log, Event.STORE_FAILED, problem=self._problem)
        return self._away()

    def worked(self) -> None:
        """A write was committed."""
        self._heard_at = self._seconds()
        if self._since is not None:
            away, self._since = self._heard_at - self._since, None
            tell(_log, Event.STORE_BACK, seconds=round(away, 1))

    def _away(self) -> StoreAway:
        return StoreAway(f"the database does not answer: {self._problem}")
