"""
The receiving half that every pipe has: what came, in order, to whoever reads now.

Keeps what came before there was a receiver or while it paused, tells a new
receiver what the old one knew, and calls nobody from inside a call of theirs.
Knows no transport; how much may be kept is for the pipe to bound, by not
reading on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.model.seams import Receiver


class Inbox:
    """
    Orders a pipe's events for its receiver.

    Bytes go straight through while nothing is in the way; all other events
    come from the clock's next turn.  Each receiver hears ``pipe_ended`` and
    ``pipe_lost`` at most once, and of a pipe that is full already.

    :param taken: called after kept bytes were delivered.
    """

    def __init__(self, clock: IReactorTime, taken: Callable[[], None] | None = None) -> None:
        self._clock = clock
        self._taken = taken
        self._receiver: Receiver | None = None
        self._direct: Receiver | None = None
        self._kept: deque[bytes] = deque()
        self.kept = 0
        """How many bytes wait."""
        self._paused = self._silent = False
        self._full = self._ended = False
        self._lost: bool | None = None
        self._told_full = self._told_ended = self._told_lost = False
        self._wake: IDelayedCall | None = None
        self._probes: list[Deferred[bool]] = []
        self._probe_end: IDelayedCall | None = None

    # The reader's side.

    def start(self, receiver: Receiver) -> None:
        """Deliver to this receiver from now on, what was kept first."""
        self._receiver = receiver
        self._paused = self._told_full = self._told_ended = self._told_lost = False
        self._settle()

    def rewind(self, unread: bytes = b"") -> None:
        """Stand as before :meth:`start`, with these bytes to be delivered first."""
        self._receiver = None
        if unread:
            self._kept.appendleft(unread)
            self.kept += len(unread)
        self._settle()

    def pause(self) -> None:
        """Deliver no bytes."""
        self._paused = True
        self._settle()

    def resume(self) -> None:
        """Deliver bytes again."""
        self._paused = False
        self._settle()

    def silence(self) -> None:
        """Deliver nothing more but the loss."""
        self._silent = True
        self._kept.clear()
        self.kept = 0
        self._settle()

    @property
    def paused(self) -> bool:
        """Whether the receiver asked for a pause."""
        return self._paused

    @property
    def started(self) -> bool:
        """Whether there is a receiver."""
        return self._receiver is not None

    @property
    def is_ended(self) -> bool:
        """Whether the end of the peer's bytes was seen."""
        return self._ended

    @property
    def is_lost(self) -> bool:
        """Whether the connection is gone."""
        return self._lost is not None

    @property
    def probing(self) -> bool:
        """Whether somebody waits for a sign of life."""
        return bool(self._probes)

    async def sign_of_life(self, seconds: float) -> bool:
        """Whether anything comes in that time; who asks while another waits gets the same answer as that one."""
        if self._lost is not None:
            return False
        probe: Deferred[bool] = Deferred()
        if not self._probes:
            self._probe_end = self._clock.callLater(seconds, self.alive, False)
        self._probes.append(probe)
        try:
            return await probe
        finally:
            if probe in self._probes:
                self._probes.remove(probe)
                self._end_probe()

    # The connection's side.

    def data(self, data: bytes) -> None:
        """Bytes came: straight to the receiver, unless something is in the way."""
        if self._probes:
            self.alive()
        if self._direct is not None:
            self._direct.pipe_data(data)
        else:
            self.post(data)

    def post(self, data: bytes) -> None:
        """Bytes came from inside this process: deliver them at the next turn."""
        if data and not self._silent:
            self._kept.append(data)
            self.kept += len(data)
            self._settle()

    def ended(self) -> None:
        """The peer sends no more."""
        self._ended = True
        self._settle()

    def lost(self, goodbye: bool) -> None:
        """The connection is gone; only the first word counts."""
        if self._lost is None:
            self._lost = goodbye
            self.alive(False)
            self._settle()

    def full(self, full: bool) -> None:
        """The send buffer is over its mark, or under it again."""
        self._full = full
        self._settle()

    def alive(self, sign: bool = True) -> None:
        """Answer whoever waits for a sign of life."""
        probes, self._probes = self._probes, []
        self._end_probe()
        for probe in probes:
            probe.callback(sign)

    def _end_probe(self) -> None:
        if not self._probes and self._probe_end is not None and self._probe_end.active():
            self._probe_end.cancel()

    # Telling.

    def _settle(self) -> None:
        clear = not (self._paused or self._silent or self._kept or self._lost is not None)
        self._direct = self._receiver if clear else None
        if self._wake is None and self._next() is not None:
            self._wake = self._clock.callLater(0, self._run)

    def _run(self) -> None:
        self._wake = None
        try:
            while (event := self._next()) is not None:
                event()
        finally:
            self._settle()

    def _next(self) -> Callable[[], None] | None:
        """The next thing to tell, in the order in which it happened."""
        if self._receiver is None:
            return None
        if self._silent or self._lost is False:
            return self._tell_lost if self._lost is not None and not self._told_lost else None
        if self._full is not self._told_full and self._lost is None:
            return self._tell_full
        if self._kept:
            return None if self._paused else self._tell_data
        if self._ended and not self._told_ended:
            return self._tell_ended
        if self._lost is not None and not self._told_lost:
            return self._tell_lost
        return None

    def _tell_full(self) -> None:
        assert self._receiver is not None
        self._told_full = self._full
        (self._receiver.pipe_full if self._full else self._receiver.pipe_drained)()

    def _tell_data(self) -> None:
        assert self._receiver is not None
        data = self._kept.popleft()
        self.kept -= len(data)
        self._receiver.pipe_data(data)
        if self._taken is not None:
            self._taken()

    def _tell_ended(self) -> None:
        assert self._receiver is not None
        self._told_ended = True
        self._receiver.pipe_ended()

    def _tell_lost(self) -> None:
        assert self._receiver is not None and self._lost is not None
        self._told_lost = True
        self._receiver.pipe_lost(self._lost)
