"""
Tickets and what they grant.

Values only; the ticket itself is a :class:`~gateway.model.secret.Secret`
that occurs in :class:`Minted` and nowhere else.
"""

from __future__ import annotations

import enum

from attrs import field, frozen

from gateway.model.secret import Secret
from gateway.model.target import ConsoleKind, Target


class Right(enum.Enum):
    """What the holder of a ticket may do; enforced in the gateway."""

    VIEW = "view"
    CONTROL = "control"
    CLIPBOARD = "clipboard"
    POWER = "power"
    MEDIA = "media"


DEFAULT_RIGHTS = frozenset({Right.VIEW, Right.CONTROL, Right.CLIPBOARD})

MAX_TICKET = 4096
"""Characters of a ticket: the longest sealed one (contract section 5); what most clients can carry is far below."""

UNLIMITED = 0
"""As ``uses``: any number."""


@frozen
class Grant:
    """
    What a ticket is good for: one console, some rights, for one user.

    ``target`` is set when a broker named it in the ticket; otherwise the
    console's driver resolves it at each dial.
    """

    console: str
    kind: ConsoleKind
    user: str = ""
    rights: frozenset[Right] = DEFAULT_RIGHTS
    target: Target | None = field(default=None, repr=False)
    one_shot: bool = False
    roaming: bool = False
    connections: int = 1
    listener: str = ""


@frozen
class Mint:
    """A wish for a ticket: how often (``UNLIMITED`` = any number) and until when (Unix time) it opens a session."""

    grant: Grant
    uses: int
    expires_at: float


@frozen
class Minted:
    """A fresh ticket; the only place where its text is."""

    id: str
    ticket: Secret
    expires_at: float


@frozen
class Presenter:
    """
    Who presents a ticket.

    ``holder`` is the digest of the page's own secret, or empty for a stock
    client, which is known by its ``address`` (an IPv6 one cut to its /64).
    ``another`` asks for a further session where the presenter has one.
    """

    address: str
    holder: str = ""
    another: bool = False


@frozen
class Redeemed:
    """
    What a presented ticket came to.

    ``fresh``: a use was taken, and ``sessions`` holds the one new id.  Else
    ``sessions`` are those that this presenter opened before, newest first.
    """

    ticket_id: str
    grant: Grant
    sessions: tuple[str, ...]
    fresh: bool


@frozen
class Selector:
    """Which tickets to revoke: exactly one of the three is set."""

    id: str = ""
    console: str = ""
    user: str = ""

    def covers(self, *, ticket_id: str, console: str, user: str) -> bool:
        """Whether a ticket or session with these properties is meant."""
        if self.id:
            return self.id == ticket_id
        if self.console:
            return self.console == console
        return bool(self.user) and self.user == user
