"""
Tests of ``gateway.net.inbox``; most of what it does is told by the pipes' contract.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.inbox import Inbox
from tests.support.pipes import RecordingReceiver, turn


class InboxTests(SynchronousTestCase):
    """Order, and nothing from inside a call."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.inbox = Inbox(self.clock)
        self.receiver = RecordingReceiver()

    def test_bytes_go_straight_through(self) -> None:
        """With nothing in the way bytes take no turn of the clock."""
        self.inbox.start(self.receiver)
        self.inbox.data(b"x")
        self.assertEqual((b"x", []), (self.receiver.data, self.clock.getDelayedCalls()))

    def test_full_and_drained_within_a_turn(self) -> None:
        """A buffer that fills and drains before the next turn is not worth a word."""
        self.inbox.start(self.receiver)
        self.inbox.full(True)
        self.inbox.full(False)
        turn(self.clock)
        self.assertEqual([], self.receiver.events)

    def test_a_broken_connection_ends_the_waiting(self) -> None:
        """After a loss without goodbye what waited is not delivered any more."""
        self.inbox.start(self.receiver)
        self.inbox.pause()
        self.inbox.data(b"x")
        self.inbox.lost(False)
        turn(self.clock)
        self.assertEqual((b"", ["lost"]), (self.receiver.data, self.receiver.events))

    def test_each_receiver_hears_the_end(self) -> None:
        """An end that the old receiver heard is told to the new one too."""
        self.inbox.start(self.receiver)
        self.inbox.ended()
        turn(self.clock)
        second = RecordingReceiver()
        self.inbox.start(second)
        turn(self.clock)
        self.assertEqual((["ended"], ["ended"]), (self.receiver.events, second.events))
        self.inbox.lost(True)
        turn(self.clock)
        third = RecordingReceiver()
        self.inbox.start(third)
        turn(self.clock)
        self.assertEqual((["ended", "goodbye"], ["ended", "goodbye"]), (second.events, third.events))

    def test_a_failing_receiver_does_not_stop_the_rest(self) -> None:
        """When a receiver raises, what comes after it is still told at the next turn."""

        class Fails(RecordingReceiver):
            def pipe_data(self, data: bytes) -> None:
                raise ValueError("a bug")

        receiver = Fails()
        self.inbox.data(b"x")
        self.inbox.lost(True)
        self.inbox.start(receiver)
        self.assertRaises(ValueError, self.clock.advance, 0)
        turn(self.clock)
        self.assertEqual(["goodbye"], receiver.events)

    def test_kept_is_counted(self) -> None:
        """What waits is counted until it is taken or dropped."""
        self.inbox.data(b"abc")
        self.inbox.rewind(b"xy")
        self.assertEqual(5, self.inbox.kept)
        self.inbox.start(self.receiver)
        turn(self.clock)
        self.assertEqual((0, b"xyabc"), (self.inbox.kept, self.receiver.data))
        self.inbox.pause()
        self.inbox.data(b"more")
        self.inbox.silence()
        self.assertEqual(0, self.inbox.kept)

    def test_one_sign_answers_all(self) -> None:
        """Probes that overlap have one deadline and one answer; one that is begun in an answer has its own."""
        probes = [Deferred.fromCoroutine(self.inbox.sign_of_life(2)) for _ in range(2)]
        self.assertEqual((1, True), (len(self.clock.getDelayedCalls()), self.inbox.probing))
        again: list[Deferred[bool]] = []
        probes[0].addCallback(lambda alive: again.append(Deferred.fromCoroutine(self.inbox.sign_of_life(2))))
        self.clock.advance(1)
        self.inbox.data(b"x")
        self.assertTrue(self.successResultOf(probes[1]))
        self.clock.advance(1.5)
        self.assertNoResult(again[0])
        self.clock.advance(0.5)
        self.assertFalse(self.successResultOf(again[0]))
        self.assertEqual(([], False), (self.clock.getDelayedCalls(), self.inbox.probing))

    def test_who_gives_up_leaves_no_deadline(self) -> None:
        """The deadline goes with the last who waits for a sign."""
        first, second = (Deferred.fromCoroutine(self.inbox.sign_of_life(2)) for _ in range(2))
        first.addErrback(lambda reason: None).cancel()
        self.assertTrue(self.inbox.probing)
        second.addErrback(lambda reason: None).cancel()
        self.assertEqual(([], False), (self.clock.getDelayedCalls(), self.inbox.probing))
