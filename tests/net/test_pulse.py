"""Tests of asking a quiet client."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.pulse import PONG_WITHIN, Pulse
from gateway.net.wheel import Wheel


class PulseTests(SynchronousTestCase):
    """A ping every 25 seconds."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.heard: list[tuple[str, float]] = []

    def pulse(self, seconds: float) -> Pulse:
        pulse = Pulse(Wheel(self.clock), seconds, lambda: self.note("ping"), lambda: self.note("dead"))
        pulse.start()
        return pulse

    def note(self, word: str) -> None:
        self.heard.append((word, self.clock.seconds()))

    def advance(self, seconds: int) -> None:
        self.clock.pump([0.25] * (seconds * 4))

    def test_silence_is_death(self) -> None:
        """Nothing within the time after a ping: dead, once, and no more pings."""
        self.pulse(25)
        self.advance(200)
        self.assertEqual(self.heard, [("ping", 25), ("dead", 25 + PONG_WITHIN)])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_an_answer_keeps_the_rhythm(self) -> None:
        """While answers come the pings stay an interval apart."""
        pulse = self.pulse(25)
        for _ in range(8):
            self.advance(10)
            pulse.heard = True
        self.assertEqual(self.heard, [("ping", 25), ("ping", 50), ("ping", 75)])

    def test_a_short_interval(self) -> None:
        """With an interval below the time for an answer that time is the interval."""
        self.pulse(2)
        self.advance(10)
        self.assertEqual(self.heard, [("ping", 2), ("dead", 4)])

    def test_off_and_stopped(self) -> None:
        """With no interval, or once stopped, there is no ping and no timer."""
        self.pulse(0)
        self.pulse(25).stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
