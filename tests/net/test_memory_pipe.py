"""
Tests of ``gateway.net.memory_pipe``.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.memory_pipe import FULL_AT, MemoryPipe, pipe_pair
from tests.support.pipe_contract import FINISHED, PipeContract
from tests.support.pipes import RecordingReceiver, turn


class MemoryFarEnd:
    """The other pipe of the pair, read by a recorder."""

    def __init__(self, pipe: MemoryPipe) -> None:
        self._receiver = RecordingReceiver()
        pipe.start(self._receiver)
        self.say, self.end, self.vanish = pipe.send, pipe.half_close, pipe.abort
        self.stop_reading, self.read_on = pipe.pause, pipe.resume
        self._pipe = pipe

    def heard(self) -> bytes:
        return self._receiver.data

    def leave(self) -> None:
        self._pipe.close(FINISHED)

    def state(self) -> str:
        events = self._receiver.events
        if "lost" in events or "goodbye" in events or self._pipe._inbox.is_lost:
            return "closed"
        return "half-closed" if "ended" in events else "open"


class MemoryPipeTests(PipeContract, SynchronousTestCase):
    """The contract, on both ends in memory."""

    def make(self):
        clock = Clock()
        pipe, other = pipe_pair(clock)
        return pipe, MemoryFarEnd(other), clock


class PairTests(SynchronousTestCase):
    """What only a pair in memory does."""

    def test_delivery_takes_a_turn(self) -> None:
        """Nothing arrives inside send."""
        clock = Clock()
        left, right = pipe_pair(clock)
        receiver = RecordingReceiver()
        right.start(receiver)
        left.send(b"x")
        self.assertEqual(b"", receiver.data)
        turn(clock, 1)
        self.assertEqual(b"x", receiver.data)

    def test_a_paused_goodbye_keeps_the_bytes(self) -> None:
        """What was under way when the sender closed is delivered to a receiver that had paused, then the end."""
        clock = Clock()
        left, right = pipe_pair(clock)
        receiver = RecordingReceiver()
        right.start(receiver)
        right.pause()
        left.send(b"last")
        left.close(FINISHED)
        turn(clock)
        self.assertEqual((b"", []), (receiver.data, receiver.events))
        right.resume()
        turn(clock)
        self.assertEqual((b"last", ["goodbye"], FINISHED), (receiver.data, receiver.events, left.closing))

    def test_the_mark_is_exact(self) -> None:
        """The mark itself does not stop the sender, one byte more does."""
        clock = Clock()
        left, _ = pipe_pair(clock)
        receiver = RecordingReceiver()
        left.start(receiver)
        left.send(bytes(FULL_AT))
        turn(clock)
        self.assertEqual([], receiver.events)
        left.send(b"x")
        turn(clock)
        self.assertEqual(["full"], receiver.events)
