"""Tests of the deadline wheel."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.wheel import Deadline, Wheel


class WheelTests(SynchronousTestCase):
    """Deadlines on one timer."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.wheel = Wheel(self.clock, tick=0.25)
        self.fired: list[tuple[str, float]] = []

    def after(self, seconds: float, name: str):
        return self.wheel.after(seconds, lambda: self.fired.append((name, self.clock.seconds())))

    def test_fires_never_early_and_at_most_a_tick_late(self) -> None:
        """Whatever the fraction, a deadline comes within one tick after its time."""
        self.clock.advance(0.1)
        for seconds in (0.0, 0.01, 0.25, 0.3, 1.0, 7.77):
            self.after(seconds, str(seconds))
        for _ in range(200):
            self.clock.advance(0.05)
        self.assertEqual(len(self.fired), 6)
        for name, at in self.fired:
            late = at - 0.1 - float(name)
            self.assertTrue(-1e-9 <= late <= 0.25 + 0.05 + 1e-9, (name, late))

    def test_keeps_one_timer_for_all_and_none_when_empty(self) -> None:
        """However many deadlines there are, the reactor sees one call; without any it sees none."""
        self.assertEqual(self.clock.getDelayedCalls(), [])
        entries = [self.after(i / 10, str(i)) for i in range(100)]
        self.assertEqual(len(self.clock.getDelayedCalls()), 1)
        for entry in entries:
            entry.cancel()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertEqual(len(self.wheel), 0)

    def test_an_earlier_deadline_moves_the_timer(self) -> None:
        """A deadline set later but due earlier comes in time."""
        self.after(10, "late")
        self.after(1, "soon")
        self.clock.advance(1)
        self.assertEqual([name for name, _ in self.fired], ["soon"])
        self.clock.advance(9)
        self.assertEqual([name for name, _ in self.fired], ["soon", "late"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_cancelled_does_not_fire(self) -> None:
        """A cancelled deadline does not happen, and its neighbours of the same tick do."""
        self.after(1, "kept")
        entry = self.after(1, "dropped")
        entry.cancel()
        entry.cancel()
        self.assertFalse(entry.active)
        self.clock.advance(2)
        self.assertEqual([name for name, _ in self.fired], ["kept"])

    def test_one_may_cancel_another_of_the_same_tick(self) -> None:
        """A callback cancels a deadline that is due at the same moment."""
        self.wheel.after(1, lambda: other.cancel())
        other = self.after(1, "other")
        self.clock.advance(1)
        self.assertEqual(self.fired, [])
        self.assertEqual(len(self.wheel), 0)

    def test_sets_anew_from_its_callback(self) -> None:
        """A callback may set the next deadline, which comes a full time later."""

        def again() -> None:
            self.fired.append(("beat", self.clock.seconds()))
            self.wheel.after(1, again)

        self.wheel.after(1, again)
        for _ in range(12):
            self.clock.advance(0.25)
        self.assertEqual([at for _, at in self.fired], [1, 2, 3])

    def test_a_fault_of_one_does_not_stop_the_others(self) -> None:
        """An exception is logged, and the deadlines after it still come."""

        def fault() -> None:
            raise ZeroDivisionError

        self.wheel.after(1, fault)
        self.after(1, "next")
        self.clock.advance(1)
        self.assertEqual([name for name, _ in self.fired], ["next"])
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_a_clock_that_stood_still_is_caught_up_with(self) -> None:
        """After a long pause of the process all that is due comes, in order."""
        self.after(3, "b")
        self.after(2, "a")
        self.clock.advance(100)
        self.assertEqual([name for name, _ in self.fired], ["a", "b"])


class DeadlineTests(SynchronousTestCase):
    """One deadline that is moved."""

    def test_the_last_setting_counts(self) -> None:
        """A deadline that is set again happens once, at the new time; cleared, it does not happen."""
        clock, fired = Clock(), []
        deadline = Deadline(Wheel(clock))
        deadline.set(1, lambda: fired.append("first"))
        deadline.set(2, lambda: fired.append("second"))
        clock.advance(3)
        self.assertEqual(fired, ["second"])
        deadline.clear()
        deadline.set(1, lambda: fired.append("third"))
        deadline.clear()
        clock.advance(3)
        self.assertEqual(fired, ["second"])
        self.assertEqual(clock.getDelayedCalls(), [])
