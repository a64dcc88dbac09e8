"""
The directory of a single process: everything in memory, gone at its end.

Also the numbers that every directory shares.  Records are values; nothing
here knows what a session does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from attrs import evolve

from gateway.model.errors import Reason, Refused
from gateway.model.session import SessionRecord
from gateway.stores.signals import LocalSignals

MAX_SESSIONS = 100_000
"""Records kept, ended ones included: some ten times what one node can relay."""

KEEP_ENDED = 3600.0
"""Seconds for which an ended session can still be found, to tell its client how it ended."""

PRUNE_BATCH = 16
"""Ended records cleared away per call."""


def may_replace(epoch: int, ended_at: float, new: SessionRecord) -> bool:
    """
    Whether an owner may store this change: not when taken over since, nor to bring back what has ended.

    :param epoch: as it is stored now, 0 for a session that is not known.
    :param ended_at: the same.
    """
    return new.epoch >= epoch and not (ended_at and not new.ended_at)


class MemoryDirectory(LocalSignals):
    """Session records in a dictionary, by id."""

    def __init__(
        self, now: Callable[[], float], *, keep_ended: float = KEEP_ENDED, max_sessions: int = MAX_SESSIONS
    ) -> None:
        super().__init__()
        self._now = now
        self._keep_ended = keep_ended
        self._max_sessions = max_sessions
        self._records: dict[str, SessionRecord] = {}
        self._by_holder: dict[str, set[str]] = {}
        # Ids in the order in which they ended.
        self._ended: dict[str, None] = {}

    async def claim(self, record: SessionRecord) -> SessionRecord:
        """
        Open a session or take it over; the stored record is returned.

        :raises Refused: the session has ended meanwhile, or there are too many.
        """
        self._prune()
        old = self._records.get(record.id)
        if old is None and len(self._records) >= self._max_sessions:
            raise Refused(Reason.OVER_LIMIT)
        if old is not None and old.ended_at:
            raise Refused(Reason.ENDED)
        record = evolve(record, epoch=old.epoch + 1 if old else 1)
        self._store(record)
        return record

    async def update(self, record: SessionRecord) -> bool:
        """
        Store a changed record.

        One that is not known (any more) is stored too: who holds a session knows best that it is there.
        """
        old = self._records.get(record.id)
        if old is not None and not may_replace(old.epoch, old.ended_at, record):
            return False
        self._store(record)
        return True

    async def find(self, session: str = "", holder: str = "") -> SessionRecord | None:
        """A session by its id or by its holder (the newest of them)."""
        self._prune()
        if session:
            record = self._records.get(session)
            return record if record is not None and holder in ("", record.holder) else None
        ids = self._by_holder.get(holder, ())
        return max((self._records[i] for i in ids), key=lambda record: record.opened_at, default=None)

    async def sessions(self) -> Sequence[SessionRecord]:
        """Every session that has not ended, oldest first."""
        return sorted((r for r in self._records.values() if not r.ended_at), key=lambda record: record.opened_at)

    def _store(self, record: SessionRecord) -> None:
        old = self._records.get(record.id)
        if old is not None and old.holder != record.holder:
            self._forget_holder(old)
        self._records[record.id] = record
        if record.holder:
            self._by_holder.setdefault(record.holder, set()).add(record.id)
        if record.ended_at:
            self._ended[record.id] = None

    def _prune(self) -> None:
        """Forget who ended long ago; in a full directory also who ended first."""
        horizon = self._now() - self._keep_ended
        for session in tuple(self._first_ended()):
            if self._records[session].ended_at > horizon and len(self._records) < self._max_sessions:
                return
            record = self._records.pop(session)
            del self._ended[session]
            self._forget_holder(record)

    def _first_ended(self) -> list[str]:
        return [session for session, _ in zip(self._ended, range(PRUNE_BATCH), strict=False)]

    def _forget_holder(self, record: SessionRecord) -> None:
        ids = self._by_holder.get(record.holder)
        if ids is not None:
            ids.discard(record.id)
            if not ids:
                del self._by_holder[record.holder]
