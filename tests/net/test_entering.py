"""Tests of asking whether a presenter may come in."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Way
from gateway.model.errors import Reason, Refused
from gateway.net.entering import OPENING_DEADLINE, Entering
from gateway.net.wheel import Wheel
from tests.support.front import Gatekeeper, presentation


class EnteringTests(SynchronousTestCase):
    """One presenter."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.gate = Gatekeeper()
        self.outcome: list = []
        self.entering = Entering(Wheel(self.clock), self.outcome.append, self.outcome.append)

    def begin(self, way: Way = Way.QUERY) -> None:
        self.entering.begin(self.gate, presentation(way))

    def test_admitted(self) -> None:
        """The front gets the admission, and nothing of the deadline is left."""
        self.begin()
        self.assertEqual(self.outcome, [])
        self.gate.let_in()
        self.assertEqual(self.outcome, [self.gate.admission])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_refused(self) -> None:
        """A refusal is 403, on the one-shot way 503."""
        for way, status in ((Way.QUERY, 403), (Way.TICKET_PATH, 503)):
            self.setUp()
            self.begin(way)
            self.gate.refuse(Refused(Reason.EXPIRED))
            self.assertEqual(self.outcome, [status])

    def test_too_slow(self) -> None:
        """An answer that takes too long is a refusal; when it comes after all it is abandoned."""
        self.begin()
        self.clock.advance(OPENING_DEADLINE)
        self.assertEqual(self.outcome, [403])
        self.assertTrue(self.gate.let_in().abandoned)
        self.assertEqual(self.outcome, [403])

    def test_left(self) -> None:
        """For a front that left there is neither admission nor refusal."""
        self.begin()
        self.entering.leave()
        self.assertTrue(self.gate.let_in().abandoned)
        self.setUp()
        self.begin()
        self.entering.leave()
        self.gate.refuse(Refused(Reason.EXPIRED))
        self.assertEqual(self.outcome, [])
        self.assertEqual(self.clock.getDelayedCalls(), [])
