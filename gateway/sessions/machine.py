"""
The life of a session as a table: every state answers every input.

The table is the code; what a transition *does* is in ``session.py``.  A cell
is the next state, an ending (the session closes with that word), or ``None``:
the input is ignored in that state.
"""

from __future__ import annotations

import enum

from gateway.model.session import Ending, State


class Input(enum.Enum):
    """What can happen to a session."""

    GRANTED = enum.auto()
    """A client that was let in has its pipe."""
    REFUSED = enum.auto()
    """There was no room for it, nor for its waiting."""
    DIALED = enum.auto()
    """An upstream was reached and logged in to."""
    DIAL_FAILED = enum.auto()
    """For good: patience with the machine is over."""
    UPSTREAM_LOST = enum.auto()
    CLIENT_BYE = enum.auto()
    """The client closed in an orderly way."""
    CLIENT_VANISHED = enum.auto()
    CLIENT_BACK = enum.auto()
    MOVED = enum.auto()
    """Another node has the session now."""
    REVOKED = enum.auto()
    DRAIN = enum.auto()
    DEADLINE = enum.auto()
    """The time for this state is over."""
    IDLED = enum.auto()
    EXPIRED = enum.auto()
    CLIENT_ERROR = enum.auto()
    """The client broke its protocol or its rights."""
    UPSTREAM_ERROR = enum.auto()
    FAULT = enum.auto()


Cell = State | Ending | None

# What ends a session wherever it stands.
_ALWAYS: dict[Input, Cell] = {
    Input.MOVED: Ending.MOVED,
    Input.REVOKED: Ending.REVOKED,
    Input.IDLED: Ending.IDLE,
    Input.EXPIRED: Ending.EXPIRED,
    Input.DRAIN: Ending.DRAINED,
    Input.CLIENT_ERROR: Ending.CLIENT_ERROR,
    Input.UPSTREAM_ERROR: Ending.UPSTREAM_ERROR,
    Input.FAULT: Ending.FAULT,
}

_BY_STATE: dict[State, dict[Input, Cell]] = {
    State.AUTHORIZING: {
        Input.GRANTED: State.STARTING,
        Input.REFUSED: Ending.REFUSED,
        Input.CLIENT_BYE: Ending.ABANDONED,
        Input.CLIENT_VANISHED: Ending.ABANDONED,
        Input.DEADLINE: Ending.TOO_SLOW,
    },
    State.STARTING: {
        Input.DIALED: State.RELAYING,
        Input.DIAL_FAILED: Ending.UNREACHABLE,
        Input.CLIENT_BYE: Ending.ABANDONED,
        Input.CLIENT_VANISHED: State.PARKED,
        Input.CLIENT_BACK: State.STARTING,
        Input.DEADLINE: Ending.UNREACHABLE,
    },
    State.RELAYING: {
        Input.DIALED: State.RELAYING,
        Input.UPSTREAM_LOST: State.RESUMING,
        Input.CLIENT_BYE: Ending.FINISHED,
        Input.CLIENT_VANISHED: State.PARKED,
        Input.CLIENT_BACK: State.RESUMING,
        # Of several sockets the one that was relaying left, and the console of the last cannot be reached.
        Input.DIAL_FAILED: Ending.UPSTREAM_GONE,
    },
    State.RESUMING: {
        Input.DIALED: State.RELAYING,
        Input.DIAL_FAILED: Ending.UPSTREAM_GONE,
        Input.CLIENT_BYE: Ending.FINISHED,
        Input.CLIENT_VANISHED: State.PARKED,
        Input.CLIENT_BACK: State.RESUMING,
        Input.DEADLINE: Ending.UPSTREAM_GONE,
    },
    State.PARKED: {
        Input.DIALED: State.PARKED,
        Input.UPSTREAM_LOST: State.PARKED,
        Input.CLIENT_BACK: State.RESUMING,
        Input.DEADLINE: Ending.CLIENT_LOST,
    },
    State.CLOSED: {},
}


def _row(state: State) -> dict[Input, Cell]:
    everywhere: dict[Input, Cell] = dict.fromkeys(Input)
    if state is State.CLOSED:
        return everywhere
    return everywhere | _ALWAYS | _BY_STATE[state]


TABLE: dict[State, dict[Input, Cell]] = {state: _row(state) for state in State}


class Machine:
    """Where one session stands; it moves only along :data:`TABLE`, and ends once."""

    __slots__ = ("ending", "state")

    def __init__(self, state: State = State.AUTHORIZING) -> None:
        self.state = state
        self.ending: Ending | None = None

    def receive(self, what: Input) -> bool:
        """Move; whether the input meant anything in this state."""
        cell = TABLE[self.state][what]
        if cell is None:
            return False
        if isinstance(cell, Ending):
            self.state, self.ending = State.CLOSED, cell
        else:
            self.state = cell
        return True
