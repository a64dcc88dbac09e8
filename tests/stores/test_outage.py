"""Whether a database answers."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import StoreAway
from gateway.model.events import Event
from gateway.stores.outage import AWAY_SECONDS, Outage


class OutageTests(SynchronousTestCase):
    def setUp(self):
        self.clock = Clock()
        self.outage = Outage(self.clock.seconds)
        self.log = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def told(self):
        return [event["event"] for event in self.log if "event" in event]

    def passes(self, **how):
        try:
            self.outage.check(**how)
        except StoreAway:
            return False
        return True

    def test_at_first(self):
        """Nothing is known at first: calls pass, and the next write is the news."""
        self.assertTrue(self.passes() and self.passes(reading=True))
        self.assertFalse(self.outage.is_on or self.outage.is_news)

    def test_fails_fast(self):
        """After a failed write further writes fail at once, for a second; reading goes on."""
        self.assertIn("locked", str(self.outage.failed(ValueError("locked"))))
        self.assertFalse(self.passes())
        self.assertTrue(self.passes(reading=True))
        self.clock.advance(AWAY_SECONDS)
        self.assertTrue(self.passes())

    def test_unreadable(self):
        """After a failed look-up neither is tried."""
        self.outage.failed(ValueError("broken"), reading=True)
        self.assertFalse(self.passes() or self.passes(reading=True))
        self.clock.advance(AWAY_SECONDS)
        self.assertTrue(self.passes() and self.passes(reading=True))

    def test_told_once(self):
        """However often calls fail, an outage is told once, and once that it is over."""
        self.outage.worked()
        for _ in range(2):
            for _ in range(3):
                self.outage.failed(ValueError("locked"))
                self.clock.advance(2)
            self.outage.worked()
            self.outage.worked()
        self.assertEqual(self.told(), [Event.STORE_FAILED, Event.STORE_BACK] * 2)
        (failed, back) = [event for event in self.log if "event" in event][:2]
        self.assertEqual((failed["problem"], back["seconds"]), ("locked", 6.0))

    def test_last_word(self):
        """The last write says whether there is an outage, and is news for a second."""
        self.outage.failed(ValueError("locked"))
        self.assertTrue(self.outage.is_on and self.outage.is_news)
        self.outage.worked()
        self.assertFalse(self.outage.is_on)
        self.assertTrue(self.passes() and self.outage.is_news)
        self.clock.advance(AWAY_SECONDS)
        self.assertFalse(self.outage.is_news)
