"""
The directory of one host: sessions in a SQLite file, so that a restarted node still knows them.

Records are sealed; beside them stands what they are looked up by.  Signals
stay within the process: who needs them on several has Redis.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence

from attrs import evolve

from gateway.model.errors import Reason, Refused
from gateway.model.session import SessionRecord
from gateway.stores.codec import Malformed, pack_record, unpack_record
from gateway.stores.database import Database, size_of
from gateway.stores.directory_memory import KEEP_ENDED, MAX_SESSIONS, PRUNE_BATCH, may_replace
from gateway.stores.sealing import BadSeal, Sealer
from gateway.stores.signals import LocalSignals

RECORD_TYP = "cgw-session"
"""What a sealed record says it is; its audience is the session's id, so that it fits no other row."""

MAX_OPENED = 4096
"""Sessions whose record is kept open: a list of them is asked for again and again, and opening takes 65 µs each."""

_STORE = (
    "INSERT INTO sessions (id, holder, epoch, opened_at, ended_at, sealed_record) VALUES (?, ?, ?, ?, ?, ?)"
    " ON CONFLICT (id) DO UPDATE SET holder = excluded.holder, epoch = excluded.epoch,"
    " opened_at = excluded.opened_at, ended_at = excluded.ended_at, sealed_record = excluded.sealed_record"
)

_FIND_ID = "SELECT id, sealed_record FROM sessions WHERE id = ? AND (ended_at = 0 OR ended_at > ?)"
_FIND_HOLDER = (
    "SELECT id, sealed_record FROM sessions WHERE holder = ? AND holder != '' AND (ended_at = 0 OR ended_at > ?)"
    " ORDER BY opened_at DESC LIMIT 1"
)


class SqliteDirectory(LocalSignals):
    """Session records in a database; processes that share the file share the sessions, but not the signals."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        now: Callable[[], float],
        *,
        keep_ended: float = KEEP_ENDED,
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        super().__init__()
        self._database = database
        self._sealer = sealer
        self._now = now
        self._keep_ended = keep_ended
        self._max_sessions = max_sessions
        # By session the sealed text that was written or read last, and what it says.
        self._opened: dict[str, tuple[str, SessionRecord]] = {}

    async def claim(self, record: SessionRecord) -> SessionRecord:
        """
        Open a session or take it over; the stored record is returned.

        :raises Refused: the session has ended meanwhile, or there are too many.
        """
        with self._database.writing() as db:
            self._prune(db)
            epoch, ended_at = _standing(db, record.id)
            if ended_at:
                raise Refused(Reason.ENDED)
            if not epoch and size_of(db, "sessions") >= self._max_sessions:
                raise Refused(Reason.OVER_LIMIT)
            record = evolve(record, epoch=epoch + 1)
            self._store(db, record)
        return record

    async def update(self, record: SessionRecord) -> bool:
        """
        Store a changed record.

        One that is not known (any more) is stored too: who holds a session knows best that it is there.
        """
        with self._database.writing() as db:
            if not may_replace(*_standing(db, record.id), record):
                return False
            self._store(db, record)
        return True

    async def find(self, session: str = "", holder: str = "") -> SessionRecord | None:
        """A session by its id or by its holder (the newest of them)."""
        horizon = self._now() - self._keep_ended
        with self._database.reading() as db:
            row = db.execute(_FIND_ID if session else _FIND_HOLDER, (session or holder, horizon)).fetchone()
        record = self._open(*row) if row else None
        return record if record is not None and holder in ("", record.holder) else None

    async def sessions(self) -> Sequence[SessionRecord]:
        """Every session that has not ended, oldest first."""
        with self._database.reading() as db:
            rows = db.execute("SELECT id, sealed_record FROM sessions WHERE ended_at = 0 ORDER BY opened_at").fetchall()
        return [record for row in rows if (record := self._open(*row)) is not None]

    def _store(self, db: sqlite3.Connection, record: SessionRecord) -> None:
        sealed = self._sealer.seal(pack_record(record), typ=RECORD_TYP, aud=record.id)
        db.execute(_STORE, (record.id, record.holder, record.epoch, record.opened_at, record.ended_at, sealed))
        self._remember(sealed, record)

    def _open(self, session: str, sealed: str) -> SessionRecord | None:
        """The record in a row; ``None`` when its key was taken away."""
        known, record = self._opened.get(session, ("", None))
        if record is None or known != sealed:
            try:
                record = unpack_record(self._sealer.open(sealed, typ=RECORD_TYP, aud=session))
            except (BadSeal, Malformed):
                return None
            self._remember(sealed, record)
        return record

    def _remember(self, sealed: str, record: SessionRecord) -> None:
        self._opened.pop(record.id, None)
        if len(self._opened) >= MAX_OPENED:
            # Who was quiet longest; in the order in which they came, as a dict keeps them.
            del self._opened[next(iter(self._opened))]
        self._opened[record.id] = (sealed, record)

    def _prune(self, db: sqlite3.Connection) -> None:
        """Forget who ended long ago; in a full directory also who ended first."""
        horizon = self._now() - self._keep_ended
        full = size_of(db, "sessions") >= self._max_sessions
        db.execute(
            "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE ended_at > 0 AND ended_at <= ?"
            " ORDER BY ended_at LIMIT ?)",
            (horizon, PRUNE_BATCH),
        )
        if full:
            db.execute(
                "DELETE FROM sessions WHERE id = (SELECT id FROM sessions WHERE ended_at > 0 ORDER BY ended_at LIMIT 1)"
            )


def _standing(db: sqlite3.Connection, session: str) -> tuple[int, float]:
    """The epoch of a session (0: not known) and when it ended (0: it has not)."""
    row = db.execute("SELECT epoch, ended_at FROM sessions WHERE id = ?", (session,)).fetchone()
    return row if row is not None else (0, 0.0)
