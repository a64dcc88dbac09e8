"""
The ticket store of one host: a SQLite file that outlives its processes.

Of a ticket only the digest is written, of a grant only its sealed text.
Rules are in :mod:`gateway.stores.presenting`, the file in
:mod:`gateway.stores.database`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable

from gateway.model.errors import Reason, Refused
from gateway.model.secret import Secret
from gateway.model.ticket import Grant, Mint, Minted, Presenter, Redeemed, Selector
from gateway.stores.codec import Malformed, pack_grant, unpack_grant
from gateway.stores.database import Database, size_of
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
from gateway.stores.sealing import BadSeal, Sealer

GRANT_TYP = "cgw-grant"
"""What a sealed grant says it is; its audience is the ticket's id, so that it fits no other row."""

_REVOKE = {
    "id": "UPDATE tickets SET revoked = 1 WHERE revoked = 0 AND id = ?",
    "console": "UPDATE tickets SET revoked = 1 WHERE revoked = 0 AND console = ?",
    "user": "UPDATE tickets SET revoked = 1 WHERE revoked = 0 AND user = ?",
}


class SqliteStore:
    """Tickets in a database; processes that share the file share the tickets."""

    def __init__(
        self,
        database: Database,
        sealer: Sealer,
        now: Callable[[], float],
        *,
        retention: float = RETENTION,
        max_tickets: int = MAX_TICKETS,
    ) -> None:
        self._database = database
        self._sealer = sealer
        self._now = now
        self._retention = retention
        self._max_tickets = max_tickets

    async def mint(self, mint: Mint) -> Minted:
        """Make a ticket."""
        ticket, name = Secret.random(), new_ticket_id()
        await self.adopt(ticket, name, mint)
        return Minted(name, ticket, mint.expires_at)

    async def adopt(self, ticket: Secret, name: str, mint: Mint) -> None:
        """Keep a ticket that was made elsewhere; one that is here already stays as it is."""
        grant, end = mint.grant, mint.expires_at
        sealed = self._sealer.seal(pack_grant(grant), typ=GRANT_TYP, aud=name)
        with self._database.writing() as db:
            self._prune(db)
            if size_of(db, "tickets") >= self._max_tickets:
                raise Refused(Reason.OVER_LIMIT)
            db.execute(
                "INSERT INTO tickets (digest, id, console, user, sealed_grant, uses, expires_at, keep_until)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (ticket.digest(), name, grant.console, grant.user, sealed, mint.uses, end, end + self._retention),
            )

    async def redeem(self, ticket: str, presenter: Presenter) -> Redeemed:
        """Present a ticket; atomic among all processes."""
        digest = digest_of(ticket)
        # A guess ends here, and never takes the lock; the grant of a ticket does not change.
        name, grant = self._known(digest)
        key = key_of(grant, presenter)
        with self._database.writing() as db:
            now = self._now()
            standing = self._standing(db, digest, grant)
            sessions = _sessions_of(db, digest, key)
            fresh = standing.takes_use(bound=bool(sessions), another=presenter.another, now=now)
            if fresh:
                sessions = (new_session_id(),)
                _bind(db, digest, key, sessions[0])
            db.execute(
                "UPDATE tickets SET used = used + ?, keep_until = max(keep_until, ?) WHERE digest = ?",
                (int(fresh), now + self._retention, digest),
            )
        return Redeemed(name, grant, sessions, fresh)

    async def revoke(self, what: Selector) -> int:
        """Withdraw tickets; how many."""
        field = "id" if what.id else "console" if what.console else "user"
        value = getattr(what, field)
        if not value:
            return 0
        with self._database.writing() as db:
            return db.execute(_REVOKE[field], (value,)).rowcount

    def _known(self, digest: str) -> tuple[str, Grant]:
        with self._database.reading() as db:
            row = db.execute("SELECT id, sealed_grant FROM tickets WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            raise Refused(Reason.UNKNOWN)
        name, sealed = row
        try:
            return name, unpack_grant(self._sealer.open(sealed, typ=GRANT_TYP, aud=name))
        except (BadSeal, Malformed):
            # Its key was taken away (or the file was changed): a ticket that nobody can use any more.
            raise Refused(Reason.UNKNOWN) from None

    def _standing(self, db: sqlite3.Connection, digest: str, grant: Grant) -> Standing:
        row = db.execute("SELECT uses, used, expires_at, revoked FROM tickets WHERE digest = ?", (digest,)).fetchone()
        if row is None:
            raise Refused(Reason.UNKNOWN)
        uses, used, expires_at, revoked = row
        return Standing(grant.one_shot, uses, used, expires_at, bool(revoked))

    def _prune(self, db: sqlite3.Connection) -> None:
        """Forget what is due; in a full store also what comes next, if it has expired."""
        now = self._now()
        db.execute(
            "DELETE FROM tickets WHERE digest IN"
            " (SELECT digest FROM tickets WHERE keep_until <= ? ORDER BY keep_until LIMIT ?)",
            (now, PRUNE_BATCH),
        )
        if size_of(db, "tickets") >= self._max_tickets:
            db.execute(
                "DELETE FROM tickets WHERE expires_at <= ? AND digest ="
                " (SELECT digest FROM tickets ORDER BY keep_until LIMIT 1)",
                (now,),
            )


def _sessions_of(db: sqlite3.Connection, digest: str, key: str) -> tuple[str, ...]:
    """The presenter's sessions, newest first."""
    rows = db.execute(
        "SELECT session FROM bindings WHERE ticket = ? AND presenter = ? ORDER BY rowid DESC LIMIT ?",
        (digest, key, MAX_RETURNED),
    )
    return tuple(session for (session,) in rows)


def _bind(db: sqlite3.Connection, digest: str, key: str, session: str) -> None:
    (bound,) = db.execute("SELECT count(*) FROM bindings WHERE ticket = ?", (digest,)).fetchone()
    if bound >= MAX_BINDINGS_PER_TICKET:
        db.execute("DELETE FROM bindings WHERE rowid = (SELECT min(rowid) FROM bindings WHERE ticket = ?)", (digest,))
    elif size_of(db, "bindings") >= MAX_BINDINGS:
        raise Refused(Reason.OVER_LIMIT)
    db.execute("INSERT INTO bindings (ticket, presenter, session) VALUES (?, ?, ?)", (digest, key, session))
