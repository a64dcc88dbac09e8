"""
Sessions as the cluster sees them: states, endings, records.

Every session ends with exactly one :class:`Ending`; that word is what we log,
count, audit and assert.
"""

from __future__ import annotations

import enum

from attrs import field, frozen

from gateway.model.ticket import Grant


class State(enum.Enum):
    """Where a session is in its life (``docs/architecture.md``)."""

    AUTHORIZING = "authorizing"
    STARTING = "starting"
    RELAYING = "relaying"
    RESUMING = "resuming"
    PARKED = "parked"
    CLOSED = "closed"


class CloseCode(enum.IntEnum):
    """The WebSocket close codes that clients see (contract section 4)."""

    FINISHED = 1000
    REVOKED = 1008
    FAILED = 1011
    COME_BACK = 1012
    OVER_LIMIT = 1013


class Ending(enum.Enum):
    """
    The closed list of ways in which a session ends.

    Each has the word, the close code and the sentence that a user reads.
    """

    FINISHED = ("finished", CloseCode.FINISHED, "The console was closed.")
    ABANDONED = ("abandoned", CloseCode.FINISHED, "The client left before the console was there.")
    REFUSED = ("refused", CloseCode.REVOKED, "This ticket does not open the console.")
    TOO_SLOW = ("too-slow", CloseCode.REVOKED, "The client took too long to begin.")
    UNREACHABLE = ("unreachable", CloseCode.FAILED, "The machine's console could not be reached.")
    UPSTREAM_GONE = ("upstream-gone", CloseCode.FAILED, "The machine's console was lost and did not come back.")
    MOVED = ("moved", CloseCode.FINISHED, "The console was opened elsewhere.")
    REVOKED = ("revoked", CloseCode.REVOKED, "An operator ended this session.")
    EXPIRED = ("expired", CloseCode.REVOKED, "The session reached its time limit.")
    IDLE = ("idle", CloseCode.REVOKED, "The session was idle for too long.")
    DRAINED = ("drained", CloseCode.COME_BACK, "This gateway is being restarted; please come back.")
    CLIENT_LOST = ("client-lost", CloseCode.COME_BACK, "The client was lost and did not come back.")
    CLIENT_ERROR = ("client-error", CloseCode.REVOKED, "The client sent something that is not allowed.")
    UPSTREAM_ERROR = (
        "upstream-error",
        CloseCode.FAILED,
        "The machine's console sent something that is not understood.",
    )
    FAULT = ("fault", CloseCode.FAILED, "The gateway made a mistake.")

    def __init__(self, word: str, code: CloseCode, sentence: str) -> None:
        self.word = word
        self.code = code
        self.sentence = sentence


@frozen
class Closing:
    """How one client connection is closed: not always the end of its session."""

    code: CloseCode
    reason: str

    @classmethod
    def of(cls, ending: Ending) -> Closing:
        """The closing that belongs to a session's end."""
        return cls(ending.code, ending.sentence)


COME_BACK = Closing(CloseCode.COME_BACK, "The connection to the machine was lost; please come back.")
REPLACED = Closing(CloseCode.FINISHED, "The console continues on a newer connection.")


class Word(enum.Enum):
    """What one node tells another about a session."""

    END = "end"
    MOVED = "moved"


@frozen
class SessionRecord:
    """
    One session as every node may see it; times are Unix seconds.

    ``holder`` is the page's holder, or empty for a stock client; ``epoch``
    counts the takings-over: who has the highest owns the session.  ``lost_at``
    is when the client half was lost (0: it is connected), ``seen_at`` when it
    was known to be connected last.  The id never
    authorises anything.
    """

    id: str
    ticket_id: str
    grant: Grant
    address: str
    opened_at: float
    holder: str = ""
    node: str = ""
    epoch: int = 0
    state: State = State.PARKED
    generation: int = 0
    lost_at: float = 0.0
    ended_at: float = 0.0
    ending: Ending | None = None
    bytes_in: int = field(default=0)
    """From the client to the machine."""
    bytes_out: int = field(default=0)
    """From the machine to the client."""
    seen_at: float = 0.0
