"""Dialling with patience."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import Unreachable
from gateway.model.target import ConsoleKind, Target
from gateway.model.ticket import Grant
from gateway.sessions.resume import Dialling
from tests.support.bench import CountingMetrics

GRANT = Grant("lab", ConsoleKind.VNC)


class DiallingTests(SynchronousTestCase):
    """Back-off, patience, and giving up."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.dialled_at: list[float] = []

    def reach(self, patience: float, jitter: float = 1.0) -> Deferred[object]:
        """Dial a console that never answers."""

        async def resolve(grant: Grant) -> Target:
            return Target(ConsoleKind.VNC)

        async def dial(target: Target, opening: object = None) -> object:
            self.dialled_at.append(self.clock.seconds())
            raise Unreachable("refused")

        dialling = Dialling(resolve, dial, dial, self.clock, CountingMetrics(), lambda: jitter)
        return Deferred.fromCoroutine(dialling.reach(GRANT, "s-1", patience))

    def test_back_off(self) -> None:
        """The pauses double up to five seconds, and the last failure is told when patience is over."""
        outcome = self.reach(20)
        self.clock.pump([0.25] * 100)
        self.assertEqual([0, 0.25, 0.75, 1.75, 3.75, 7.75, 12.75, 17.75], self.dialled_at)
        self.failureResultOf(outcome, Unreachable)

    def test_jitter(self) -> None:
        """Each pause is stretched by the jitter."""
        self.reach(2, jitter=2.0).addErrback(lambda _: None)
        self.clock.pump([0.25] * 20)
        self.assertEqual([0, 0.5, 1.5], self.dialled_at[:3])

    def test_cancelled_between_attempts(self) -> None:
        """Who is no longer interested causes no further attempt."""
        outcome = self.reach(20)
        outcome.cancel()
        self.failureResultOf(outcome)
        self.clock.pump([1] * 10)
        self.assertEqual([0], self.dialled_at)
