"""Tests of the slots for TLS handshakes."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.handshakes import Slots, Turn
from gateway.net.wheel import Wheel


class SlotsTests(SynchronousTestCase):
    """Two at once, one second undisturbed, three may wait."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.slots = Slots(Wheel(self.clock), limit=2, grace=1.0, waiting_limit=3)
        self.heard: list[str] = []

    def turn(self, name: str) -> Turn:
        turn = self.slots.turn(lambda: self.heard.append(f"+{name}"), lambda: self.heard.append(f"-{name}"))
        turn.wait()
        return turn

    def advance(self, seconds: float) -> None:
        for _ in range(round(seconds / 0.25)):
            self.clock.advance(0.25)

    def test_begins_at_once_while_there_is_room(self) -> None:
        """The first two begin, the third waits until one is over."""
        first, _, _ = self.turn("a"), self.turn("b"), self.turn("c")
        self.assertEqual(self.heard, ["+a", "+b"])
        first.over()
        self.assertEqual(self.heard, ["+a", "+b", "+c"])
        self.assertEqual((self.slots.active, self.slots.waiting), (2, 0))

    def test_over_counts_once(self) -> None:
        """A turn that is over twice frees one place only."""
        first = self.turn("a")
        for name in "bcd":
            self.turn(name)
        first.over()
        first.over()
        self.assertEqual(self.heard, ["+a", "+b", "+c"])

    def test_the_oldest_makes_room_after_its_grace(self) -> None:
        """A handshake that takes longer than the grace is evicted when somebody waits, and not before."""
        self.turn("a")
        self.advance(0.5)
        self.turn("b")
        self.turn("c")
        self.advance(0.25)
        self.assertEqual(self.heard, ["+a", "+b"])
        self.advance(0.25)
        self.assertEqual(self.heard, ["+a", "+b", "-a", "+c"])
        self.advance(5)
        self.assertEqual(self.heard, ["+a", "+b", "-a", "+c"])

    def test_a_slow_handshake_is_left_alone_while_nobody_waits(self) -> None:
        """Without others a handshake may take as long as its own deadline allows."""
        self.turn("a"), self.turn("b")
        self.advance(60)
        self.assertEqual(self.heard, ["+a", "+b"])
        self.turn("c")
        self.assertEqual(self.heard, ["+a", "+b", "-a", "+c"])

    def test_who_leaves_the_queue_is_not_begun(self) -> None:
        """A client that went away while it waited takes no place."""
        first, _, third = self.turn("a"), self.turn("b"), self.turn("c")
        self.turn("d")
        third.over()
        first.over()
        self.assertEqual(self.heard, ["+a", "+b", "+d"])

    def test_the_queue_is_bounded(self) -> None:
        """Who finds the queue full is evicted at once."""
        for name in "abcdef":
            self.turn(name)
        self.assertEqual(self.heard, ["+a", "+b", "-f"])
        self.assertEqual(self.slots.waiting, 3)

    def test_a_flood_passes_through(self) -> None:
        """Handshakes that never end hold up the waiting ones for the grace each, two at a time."""
        for name in "abcde":
            self.turn(name)
        self.advance(1)
        self.assertEqual(self.heard[2:], ["-a", "+c", "-b", "+d"])
        self.advance(1)
        self.assertEqual(self.heard[6:], ["-c", "+e"])
        self.clock.advance(0)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_handshake_that_fails_at_once(self) -> None:
        """One that is over before its begin returns leaves its place to the next."""
        turn = self.slots.turn(lambda: turn.over(), lambda: None)
        turn.wait()
        self.assertEqual((self.slots.active, self.slots.waiting), (0, 0))
        self.turn("a"), self.turn("b")
        self.assertEqual(self.heard, ["+a", "+b"])

    def test_a_long_queue_that_fails_at_once(self) -> None:
        """A thousand handshakes that fail as they begin do not pile up on the stack."""
        slots = Slots(Wheel(self.clock), limit=1, waiting_limit=2000)
        blocker = slots.turn(lambda: None, lambda: None)
        blocker.wait()
        begun: list[Turn] = []

        def queue() -> None:
            turn = slots.turn(lambda: (begun.append(turn), turn.over()), lambda: None)
            turn.wait()

        for _ in range(2000):
            queue()
        blocker.over()
        self.clock.advance(0)
        self.assertEqual((len(begun), slots.active, slots.waiting), (2000, 0, 0))

    def test_only_a_few_begin_in_one_turn(self) -> None:
        """Of many that ask at once, or that a place becomes free for, some wait for the reactor's next turns."""
        slots = Slots(Wheel(self.clock), limit=7, grace=1.0, a_turn=3)
        begun: list[int] = []
        for number in range(9):
            slots.turn(lambda number=number: begun.append(number), lambda: None).wait()
        self.assertEqual(begun, [0, 1, 2])
        self.clock.advance(0)
        self.assertEqual(begun, list(range(7)))
        self.advance(1.25)
        self.assertEqual(begun, list(range(9)))

    def test_those_that_fail_at_once_count(self) -> None:
        """A turn of handshakes that all fail leaves the rest waiting, not lost."""
        slots = Slots(Wheel(self.clock), limit=7, a_turn=3)
        begun: list[Turn] = []

        def queue() -> None:
            turn = slots.turn(lambda: (begun.append(turn), turn.over()), lambda: None)
            turn.wait()

        for _ in range(5):
            queue()
        self.assertEqual((len(begun), slots.active, slots.waiting), (3, 0, 2))
        self.clock.advance(0)
        self.assertEqual((len(begun), slots.active, slots.waiting), (5, 0, 0))
