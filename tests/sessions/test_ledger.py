"""A session's record reaches the directory, newest last, and survives an outage."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import StoreAway
from gateway.sessions.ledger import Ledger


class SlowDirectory:
    """A directory whose writes end when the test says so."""

    def __init__(self) -> None:
        self.stored: list[object] = []
        self.waiting: list[Deferred[bool]] = []

    async def update(self, record: object) -> bool:
        self.waiting.append(Deferred())
        answer = await self.waiting[-1]
        self.stored.append(record)
        return answer


class LedgerTests(SynchronousTestCase):
    """One write at a time."""

    def setUp(self) -> None:
        self.directory = SlowDirectory()
        self.record = "first"
        self.moved = 0
        self.ledger = Ledger(self.directory, lambda: self.record, self._moved)

    def _moved(self) -> None:
        self.moved += 1

    def test_newest_last(self) -> None:
        """What changes while a write is under way is written once, afterwards."""
        self.ledger.write()
        self.record = "second"
        self.ledger.write()
        self.record = "third"
        self.ledger.write()
        self.assertEqual(1, len(self.directory.waiting))
        self.directory.waiting[0].callback(True)
        self.directory.waiting[1].callback(True)
        self.assertEqual(["first", "third"], self.directory.stored)

    def test_outage(self) -> None:
        """A write that the store did not take is repeated at the next occasion, and only then."""
        self.ledger.write()
        self.directory.waiting[0].errback(StoreAway())
        self.assertEqual(1, len(self.directory.waiting))
        self.ledger.retry()
        self.directory.waiting[1].callback(True)
        self.ledger.retry()
        self.assertEqual(["first"], self.directory.stored)

    def test_owned_by_another(self) -> None:
        """A refused write means that the session has moved."""
        self.ledger.write()
        self.directory.waiting[0].callback(False)
        self.assertEqual(1, self.moved)

    def test_fault(self) -> None:
        """An unexpected failure is logged and blocks no later write."""
        self.ledger.write()
        self.directory.waiting[0].errback(ZeroDivisionError())
        self.ledger.write()
        self.directory.waiting[1].callback(True)
        self.assertEqual(["first"], self.directory.stored)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
