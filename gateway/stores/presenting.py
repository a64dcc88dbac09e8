"""
The rules of presenting a ticket, the same whatever the store.

Pure: under which key a presenter is remembered, whether a presentation takes
a use, and how it is refused (contract section 5).  Nothing here stores
anything or reads a clock.

Stores look a ticket up by its SHA-256, so no secret is ever compared with a
guess: the time a look-up takes tells something of digests, nothing of tickets.
"""

from __future__ import annotations

import secrets

from attrs import frozen

from gateway.model.errors import Reason, Refused
from gateway.model.secret import Secret
from gateway.model.ticket import MAX_TICKET, UNLIMITED, Grant, Presenter

MAX_TICKETS = 200_000
"""Tickets kept by one store: about 200 MB in memory, far above what people can open in a minute."""

MAX_BINDINGS = 400_000
"""Presenters remembered by one store, for all its tickets."""

MAX_BINDINGS_PER_TICKET = 1024
"""
Presenters remembered for one ticket of unlimited uses; the oldest give way.

Who gives way takes another use when it comes back, which such a ticket has.
A ticket of fewer uses never has more presenters than uses.
"""

MAX_RETURNED = 32
"""Sessions named to one returning presenter, the newest ones."""

RETENTION = 7 * 86400.0
"""Seconds for which an expired ticket is remembered, so that its presenters can come back and others learn why not."""

PRUNE_BATCH = 16
"""Forgotten tickets cleared away per call: more than one call adds, few enough not to be felt."""


@frozen
class Standing:
    """How a ticket stands at the moment it is presented."""

    one_shot: bool
    uses: int
    used: int
    expires_at: float
    revoked: bool

    def takes_use(self, *, bound: bool, another: bool, now: float) -> bool:
        """
        Whether this presentation takes a use, rather than returning to what it opened.

        ``bound``: the presenter opened a session with this ticket before.
        Returning is not a matter of ``expires_at``: the session's own record governs it.

        :raises Refused: revoked, spent or expired.
        """
        if self.revoked:
            raise Refused(Reason.REVOKED)
        if self.one_shot and self.used:
            raise Refused(Reason.SPENT)
        if bound and not another:
            return False
        if now >= self.expires_at:
            raise Refused(Reason.EXPIRED)
        if self.uses != UNLIMITED and self.used >= self.uses:
            raise Refused(Reason.SPENT)
        return True


def digest_of(ticket: str) -> str:
    """
    What a presented ticket is looked up by.

    :raises Refused: when the text cannot be a ticket.
    """
    if not 0 < len(ticket) <= MAX_TICKET or not ticket.isascii():
        raise Refused(Reason.UNKNOWN)
    return Secret(ticket).digest()


def key_of(grant: Grant, presenter: Presenter) -> str:
    """Under what a presenter is remembered: its holder, or for a stock client where it comes from."""
    if presenter.holder:
        return "holder:" + presenter.holder
    return "direct:*" if grant.roaming else "direct:" + presenter.address


def new_ticket_id() -> str:
    """A ticket's name for every purpose but opening a console."""
    return "t-" + secrets.token_urlsafe(12)


def new_session_id() -> str:
    """A session's name; it never authorises anything."""
    return "s-" + secrets.token_urlsafe(12)
