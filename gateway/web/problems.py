"""
Problem documents (RFC 9457): how the API says no.

One table from what can go wrong to what a caller reads.  No text here names
an address, a path or a secret; what a fault really was is logged and not told.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen
from twisted.internet.defer import TimeoutError
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.errors import (
    AmbiguousConsole,
    GatewayError,
    NotSupported,
    Reason,
    Refused,
    StoreAway,
    UnknownConsole,
    Unreachable,
)
from gateway.model.events import Event, tell
from gateway.sessions.desk import TargetForbidden

CONTENT_TYPE: Final = "application/problem+json"
TYPE: Final = "urn:consolegw:problem:"
RETRY_AFTER: Final = 5  # seconds, where nobody knows better
MAX_IDS: Final = 100  # names of one ambiguous console that are listed

_log = Logger()


@frozen
class Problem:
    """One problem: the last segment of its type, and what a person reads."""

    status: int
    word: str
    title: str
    detail: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    more: Mapping[str, object] = field(factory=dict)

    def document(self) -> bytes:
        """The body."""
        members = {"type": TYPE + self.word, "title": self.title, "status": self.status}
        detail = {"detail": self.detail} if self.detail else {}
        return json.dumps({**members, **detail, **self.more}).encode()


class Trouble(GatewayError):
    """A call is answered with a problem."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail or problem.title)
        self.problem = problem


class BadField(GatewayError):
    """A part of a request is not what it must be; the text names it and says what would be accepted."""


_REFUSALS: Final[Mapping[Reason, tuple[int, str]]] = {
    Reason.UNKNOWN: (403, "This ticket opens nothing"),
    Reason.EXPIRED: (403, "This ticket has expired"),
    Reason.SPENT: (403, "This ticket was used already"),
    Reason.REVOKED: (403, "This ticket was withdrawn"),
    Reason.STOPPED: (403, "This session was ended"),
    Reason.ENDED: (403, "The session has ended"),
    Reason.ALIVE: (409, "The console is open already"),
    Reason.OVER_LIMIT: (429, "Too many at once"),
    Reason.DRAINING: (503, "Not just now"),
    Reason.STORE_AWAY: (503, "Not just now"),
    Reason.UNKNOWN_CONSOLE: (404, "No such console"),
    Reason.ORIGIN: (403, "This page may not open consoles"),
}


def not_in_this_version(what: str) -> Trouble:
    """Something that the API knows and this version cannot do."""
    return Trouble(Problem(501, "not-in-this-version", "Not in this version", f"{what} is not in this version."))


def over_limit(detail: str, seconds: float = 1) -> Problem:
    """Too many of something."""
    return Problem(429, Reason.OVER_LIMIT.word, "Too many at once", detail, _retry(seconds))


def problem_of(failure: Failure) -> Problem:
    """What a caller is told of a failure; one that nobody foresaw is logged with its traceback."""
    error = failure.value
    if isinstance(error, Trouble):
        return error.problem
    if isinstance(error, Refused):
        return _refused(error)
    if isinstance(error, AmbiguousConsole):
        ids = list(error.ids[:MAX_IDS])
        return Problem(409, "ambiguous-console", "Several consoles have this name", more={"ids": ids})
    for kind, problem in _BY_KIND:
        if isinstance(error, kind):
            return problem
    if isinstance(error, BadField):
        return Problem(400, "bad-request", "The request is not understood", str(error))
    if isinstance(error, NotSupported):
        return Problem(501, "not-supported", "This gateway cannot do that", str(error))
    tell(_log, Event.FAULT, log_failure=failure)
    return Problem(500, "fault", "The gateway made a mistake", "It is in the gateway's log.")


def _refused(refusal: Refused) -> Problem:
    reason = refusal.reason
    status, title = _REFUSALS[reason]
    headers = _retry(refusal.retry_after or RETRY_AFTER) if status in (429, 503) else ()
    return Problem(status, reason.word, title, reason.sentence, headers)


def _retry(seconds: float) -> tuple[tuple[str, str], ...]:
    return (("Retry-After", str(math.ceil(seconds))),)


_STORE_AWAY = Problem(
    503, Reason.STORE_AWAY.word, "Not just now", "The gateway's store does not answer. Try again.", _retry(RETRY_AFTER)
)

_BY_KIND: Final[tuple[tuple[type[Exception], Problem], ...]] = (
    (UnknownConsole, Problem(404, Reason.UNKNOWN_CONSOLE.word, "No such console", Reason.UNKNOWN_CONSOLE.sentence)),
    (StoreAway, _STORE_AWAY),
    (
        TargetForbidden,  # before NotSupported, whose child it is
        Problem(403, "target-forbidden", "Not an allowed target", "The target is not among limits.allowed_targets."),
    ),
    (Unreachable, Problem(502, "unreachable", "The machine could not be reached")),
    (TimeoutError, Problem(504, "too-slow", "That took too long", headers=_retry(RETRY_AFTER))),
)
