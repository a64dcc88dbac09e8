"""
How asking can fail: the refusals and failures that cross floors.

The text of each is for people who proved a right to know it; none names an
address of the inside.
"""

from __future__ import annotations

import enum


class Reason(enum.Enum):
    """Why a presenter is refused: the problem's last segment, and the sentence for a user."""

    UNKNOWN = ("unknown-ticket", "This ticket is not known here. Ask for a new one.")
    EXPIRED = ("ticket-expired", "This ticket was not used in time. Ask for a new one.")
    SPENT = ("ticket-spent", "This ticket was used already. Ask for a new one.")
    REVOKED = ("ticket-revoked", "This ticket was withdrawn by an operator.")
    ENDED = ("session-ended", "This console session has ended. Ask for a new ticket.")
    STOPPED = ("session-stopped", "An operator ended this session. Ask for a new ticket.")
    ALIVE = ("session-alive", "This console is open in another window.")
    OVER_LIMIT = ("over-limit", "Too many consoles are open. Close one, or try again later.")
    DRAINING = ("draining", "This gateway is being restarted. Try again in a moment.")
    STORE_AWAY = ("store-away", "The ticket could not be checked just now. Try again.")
    UNKNOWN_CONSOLE = ("unknown-console", "There is no console of this name.")
    ORIGIN = ("origin", "This page may not open consoles here.")

    def __init__(self, word: str, sentence: str) -> None:
        self.word = word
        self.sentence = sentence


class GatewayError(Exception):
    """The family of errors that callers are expected to handle."""


class Refused(GatewayError):
    """A presenter is not let in."""

    def __init__(self, reason: Reason, *, retry_after: int = 0) -> None:
        super().__init__(reason.sentence)
        self.reason = reason
        self.retry_after = retry_after


class HttpRefusal(GatewayError):
    """
    An HTTP client is answered with this status, and no word of why.

    ``detail`` is for the log; it holds nothing of what was presented.
    """

    def __init__(self, status: int, detail: str = "") -> None:
        super().__init__(detail)
        self.status = status


class UnknownConsole(GatewayError):
    """No driver knows a console of this name."""


class AmbiguousConsole(GatewayError):
    """A name fits several machines; ``ids`` are the names that fit one each."""

    def __init__(self, ids: tuple[str, ...]) -> None:
        super().__init__("several consoles have this name: " + ", ".join(ids))
        self.ids = ids


class Unreachable(GatewayError):
    """
    The upstream could not be reached or logged in to.

    The text is for the operator's log and may name the address; a client is
    told nothing of it.  ``final``: trying again cannot help.
    """

    def __init__(self, detail: str, *, final: bool = False) -> None:
        super().__init__(detail)
        self.final = final


class NotSupported(GatewayError):
    """What was asked for cannot be done with this configuration (or not in this version)."""


class StoreAway(GatewayError):
    """The shared store does not answer; nothing was changed."""
