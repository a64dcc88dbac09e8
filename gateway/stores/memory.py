"""
The ticket store of a single process: everything in memory, gone at its end.

Each method does its work without waiting, so on one reactor it is atomic.
Rules are in :mod:`gateway.stores.presenting`; nothing is written anywhere.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable

from attrs import Factory, define

from gateway.model.errors import Reason, Refused
from gateway.model.secret import Secret
from gateway.model.ticket import Mint, Minted, Presenter, Redeemed, Selector
from gateway.stores.presenting import (
    MAX_BINDINGS,
    MAX_BINDINGS_PER_TICKET,
    MAX_RETURNED,
    MAX_TICKETS,
    PRUNE_BATCH,
    RETENTION,
    Standing,
    digest_of,
    key_of,
    new_session_id,
    new_ticket_id,
)


@define
class _Row:
    """One ticket; ``bindings`` are (key of the presenter, session), oldest first."""

    id: str
    mint: Mint
    keep_until: float
    used: int = 0
    revoked: bool = False
    bindings: list[tuple[str, str]] = Factory(list)

    def standing(self) -> Standing:
        return Standing(self.mint.grant.one_shot, self.mint.uses, self.used, self.mint.expires_at, self.revoked)

    def sessions_of(self, key: str) -> tuple[str, ...]:
        """The presenter's sessions, newest first."""
        found = [session for bound, session in reversed(self.bindings) if bound == key]
        return tuple(found[:MAX_RETURNED])


NameSession = Callable[[str, str, bool], str]
"""Makes a session's id from the ticket's digest, the presenter's key, and whether it is the presenter's first."""


def _at_random(digest: str, key: str, first: bool) -> str:
    return new_session_id()


class MemoryStore:
    """Tickets in a dictionary, by digest."""

    def __init__(
        self,
        now: Callable[[], float],
        *,
        retention: float = RETENTION,
        max_tickets: int = MAX_TICKETS,
        name_session: NameSession = _at_random,
    ) -> None:
        self._now = now
        self._retention = retention
        self._max_tickets = max_tickets
        self._name_session = name_session
        self._rows: dict[str, _Row] = {}
        # One entry a row: when to look at it for forgetting; a row that was touched since goes back in.
        self._due: list[tuple[float, str]] = []
        self._bindings = 0

    async def mint(self, mint: Mint) -> Minted:
        """Make a ticket."""
        ticket, name = Secret.random(), new_ticket_id()
        await self.adopt(ticket, name, mint)
        return Minted(name, ticket, mint.expires_at)

    async def adopt(self, ticket: Secret, name: str, mint: Mint) -> None:
        """Keep a ticket that was made elsewhere; one that is here already stays as it is."""
        digest = ticket.digest()
        if digest in self._rows:
            return
        self._prune()
        if len(self._rows) >= self._max_tickets:
            raise Refused(Reason.OVER_LIMIT)
        row = _Row(name, mint, mint.expires_at + self._retention)
        self._rows[digest] = row
        heapq.heappush(self._due, (row.keep_until, digest))

    async def redeem(self, ticket: str, presenter: Presenter) -> Redeemed:
        """Present a ticket; atomic."""
        digest = digest_of(ticket)
        row = self._rows.get(digest)
        if row is None:
            raise Refused(Reason.UNKNOWN)
        now = self._now()
        key = key_of(row.mint.grant, presenter)
        sessions = row.sessions_of(key)
        fresh = row.standing().takes_use(bound=bool(sessions), another=presenter.another, now=now)
        if fresh:
            sessions = (self._name_session(digest, key, not sessions),)
            self._bind(row, key, sessions[0])
        row.keep_until = max(row.keep_until, now + self._retention)
        return Redeemed(row.id, row.mint.grant, sessions, fresh)

    async def revoke(self, what: Selector) -> int:
        """Withdraw tickets; how many.  One pass over all, bounded by ``max_tickets``."""
        revoked = 0
        for row in self._rows.values():
            grant = row.mint.grant
            if not row.revoked and what.covers(ticket_id=row.id, console=grant.console, user=grant.user):
                row.revoked = True
                revoked += 1
        return revoked

    def _bind(self, row: _Row, key: str, session: str) -> None:
        if len(row.bindings) >= MAX_BINDINGS_PER_TICKET:
            row.bindings.pop(0)
            self._bindings -= 1
        elif self._bindings >= MAX_BINDINGS:
            raise Refused(Reason.OVER_LIMIT)
        row.used += 1
        row.bindings.append((key, session))
        self._bindings += 1

    def _prune(self) -> None:
        """Forget what is due; in a full store also what comes next, if it has expired."""
        now = self._now()
        for _ in range(min(PRUNE_BATCH, len(self._due))):
            due, digest = self._due[0]
            row = self._rows[digest]
            if due < row.keep_until:
                heapq.heapreplace(self._due, (row.keep_until, digest))
            elif due <= now or (len(self._rows) >= self._max_tickets and row.mint.expires_at <= now):
                heapq.heappop(self._due)
                del self._rows[digest]
                self._bindings -= len(row.bindings)
            else:
                return
