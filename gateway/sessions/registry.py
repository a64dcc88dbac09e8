"""
The sessions that live on this node: found, counted, looked after, ended.

One clock for all of them; no session has a timer of its own.  It decides
nothing about who may have a session.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.events import Event, tell
from gateway.model.session import Ending, SessionRecord, Word
from gateway.model.ticket import Selector
from gateway.sessions.machine import Input
from gateway.sessions.session import Session
from gateway.sessions.surroundings import Surroundings

TICK = 1.0
"""Seconds between two looks at the clock: limits of sessions are kept to about this."""

_log = Logger()


class Registry:
    """Every session of this node, by id."""

    def __init__(self, around: Surroundings, clock: IReactorTime) -> None:
        self._around = around
        self._sessions: dict[str, Session] = {}
        self._unsettled: dict[str, Session] = {}
        self._ticking = LoopingCall(self._tick)
        self._ticking.clock = clock
        around.directory.watch(self._signalled)

    def __iter__(self) -> Iterator[Session]:
        return iter(tuple(self._sessions.values()))

    def __len__(self) -> int:
        return len(self._sessions)

    def start(self) -> None:
        """Begin to look at the clock."""
        self._ticking.start(TICK, now=False)

    def stop(self) -> None:
        """Drain: every session ends here, its client told to come back."""
        if self._ticking.running:
            self._ticking.stop()
        for session in self:
            session.end(Input.DRAIN)

    async def recover(self, node: str) -> int:
        """
        Take up, parked, what earlier lives of this host's gateway left behind; how many.

        The stores of one host have one gateway at a time, so whatever has not
        ended is its own, under whatever name of the node.
        """
        left = [one for one in await self._around.directory.sessions() if one.id not in self._sessions]
        for record in left:
            lost_at = record.lost_at or record.seen_at or record.opened_at
            self.open(await self._around.directory.claim(attrs.evolve(record, node=node, lost_at=lost_at)))
        return len(left)

    def open(self, record: SessionRecord) -> Session:
        """Take up a session that this node has claimed; an older one of the same id has moved."""
        if (older := self._sessions.get(record.id)) is not None:
            older.end(Input.MOVED)
        session = Session(record, self._around, self._closed)
        self._sessions[record.id] = session
        return session

    def get(self, session: str) -> Session | None:
        """A living session of this node."""
        return self._sessions.get(session)

    def has_ended(self, session: str) -> bool:
        """Whether it ended here without the directory knowing so far."""
        return session in self._unsettled

    @property
    def turned_away(self) -> int:
        """How many sessions wait for room."""
        return sum(session.turned_away for session in self._sessions.values())

    def by_kind_and_state(self) -> dict[tuple[str, str], int]:
        """How many sessions of each kind stand where."""
        counts: dict[tuple[str, str], int] = {}
        for session in self._sessions.values():
            key = (session.kind, session.state.value)
            counts[key] = counts.get(key, 0) + 1
        return counts

    def revoke(self, what: Selector) -> int:
        """End the sessions that a revocation covers; how many."""
        covered = [
            one for one in self if what.covers(ticket_id=one.record.ticket_id, console=one.console, user=one.user)
        ]
        for session in covered:
            session.end(Input.REVOKED)
        return len(covered)

    def _tick(self) -> None:
        for session in self:
            try:
                session.tick()
            except Exception:
                tell(_log, Event.FAULT, session=session.id, log_failure=Failure())
                session.end(Input.FAULT)
        self._settle()

    def _settle(self) -> None:
        """Tell the directory what it did not take; while it is away, one question a tick is enough."""
        for session in (*self._unsettled.values(), *self):
            session.settle()
            if not session.settled:
                break
            self._unsettled.pop(session.id, None)

    def _closed(self, session: Session) -> None:
        if self._sessions.get(session.id) is session:
            del self._sessions[session.id]
        if not session.settled:
            self._unsettled[session.id] = session

    def _signalled(self, session_id: str, word: Word, ending: Ending | None) -> None:
        session = self.get(session_id)
        if session is not None:
            session.end(Input.MOVED if word is Word.MOVED else Input.REVOKED)
