"""The start of the product, and its very end."""

from __future__ import annotations

from typing import Any

from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Way
from gateway.model.errors import StoreAway
from gateway.model.events import Event
from gateway.model.session import State
from gateway.service.recovery import Recovery
from gateway.stores.opening import Stores
from tests.support.bench import Bench

S = "s" * 43


class Closable:
    """A database that is asked to close."""

    closed = False

    def close(self) -> None:
        self.closed = True


class RecoveryTests(SynchronousTestCase):
    """A start after another life."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.bench.registry._ticking.stop()  # it begins with the service
        self.told: list[dict[str, Any]] = []
        globalLogPublisher.addObserver(self.told.append)
        self.addCleanup(globalLogPublisher.removeObserver, self.told.append)

    def start(self, *remarks: str) -> tuple[Recovery, Closable]:
        """Start it on the bench's node."""
        database = Closable()
        stores = Stores(self.bench.tickets, self.bench.directory, database=database)
        recovery = Recovery("gw-1", self.bench.registry, stores, remarks)
        recovery.startService()
        self.addCleanup(self.bench.registry.stop)
        return recovery, database

    def events(self, event: Event) -> list[dict[str, Any]]:
        """What was logged of one sort."""
        return [one for one in self.told if one.get("event") is event]

    def test_sessions_of_an_earlier_life_are_taken_up(self) -> None:
        """They wait for their clients, and end when these do not come: the clock runs."""
        record = self.bench.redeem(self.bench.ticket(), S)
        self.bench.connect(S, Way.GRANT)
        self.bench.registry._sessions.clear()
        self.start()
        session = self.bench.registry.get(record.id)
        self.assertIs(session.state, State.PARKED)
        self.assertEqual([one["recovered"] for one in self.events(Event.GATEWAY_STARTED)], [1])
        self.bench.turn(130)
        self.assertIsNone(self.bench.registry.get(record.id))

    def test_the_operator_reads_every_remark(self) -> None:
        """What is worth knowing of this configuration is logged at each start."""
        self.start("made keys/default.pem", "a ticket is a bearer token")
        remarks = [one["remark"] for one in self.events(Event.REMARK)]
        self.assertEqual(remarks, ["made keys/default.pem", "a ticket is a bearer token"])

    def test_a_store_that_is_away_is_a_fault_and_no_silence(self) -> None:
        """What was left could not be read: the start is not called one."""

        async def away() -> None:
            raise StoreAway("locked")

        self.patch(self.bench.directory, "sessions", away)
        self.start()
        self.assertEqual(len(self.events(Event.FAULT)), 1)
        self.assertEqual(self.events(Event.GATEWAY_STARTED), [])
        self.assertEqual(len(self.flushLoggedErrors(StoreAway)), 1)

    def test_the_stores_are_closed_at_the_end(self) -> None:
        """Not before: sessions write their last records while everything else stops."""
        recovery, database = self.start()
        self.assertFalse(database.closed)
        recovery.stopService()
        self.assertTrue(database.closed)
