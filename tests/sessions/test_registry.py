"""The sessions of a node: looked after together, and taken up again after a restart."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Way
from gateway.model.errors import Reason, Refused, StoreAway
from gateway.model.session import State, Word
from tests.support.bench import Bench

S = "s" * 43


class RegistryTests(SynchronousTestCase):
    """Find, count, signal, recover."""

    def test_counts(self) -> None:
        """Every kind and state has its number."""
        bench = Bench()
        bench.connect(bench.ticket())
        bench.redeem(bench.ticket(), S)
        bench.connect(bench.ticket("line"))
        expected = {("vnc", "relaying"): 1, ("vnc", "authorizing"): 1, ("serial", "relaying"): 1}
        self.assertEqual(expected, bench.registry.by_kind_and_state())

    def test_ended_sessions_are_forgotten(self) -> None:
        """Nothing is left of a session that has ended."""
        bench = Bench()
        bench.connect(bench.ticket()).pipe.abort()
        bench.turn(130)
        self.assertEqual(0, len(bench.registry))

    def test_signal_of_another_node_ends_it(self) -> None:
        """An end told through the directory ends the session."""
        bench = Bench()
        record = bench.redeem(bench.ticket(), S)
        bench.connect(S, Way.GRANT)
        bench.result(bench.directory.signal(record.id, Word.END))
        self.assertEqual(["revoked"], bench.endings())

    def test_recovers_after_a_crash(self) -> None:
        """What an earlier life of the node had is parked, can be continued, and ends as client-lost else."""
        bench = Bench()
        kept = bench.redeem(bench.ticket(), S)
        bench.connect(S, Way.GRANT)
        forgotten = bench.redeem(bench.ticket(), "f" * 43)
        bench.connect("f" * 43, Way.GRANT)
        bench.registry._sessions.clear()
        self.assertEqual(2, bench.result(bench.registry.recover("gw-1")))
        bench.connect(S, Way.GRANT)
        self.assertIs(State.RELAYING, bench.registry.get(kept.id).state)
        bench.turn(130)
        self.assertIsNone(bench.registry.get(forgotten.id))
        self.assertEqual(["client-lost"], bench.endings())

    def test_recovers_under_another_name(self) -> None:
        """A container that comes back with another host name takes up the sessions of the one before."""
        bench = Bench()
        record = bench.redeem(bench.ticket(), S)
        bench.connect(S, Way.GRANT)
        bench.registry._sessions.clear()
        bench.result(bench.registry.recover("pod-2"))
        self.assertEqual("pod-2", bench.registry.get(record.id).record.node)

    def test_lost_since_the_node_died(self) -> None:
        """A session counts as lost since its client was seen last, not since the node came back."""
        bench = Bench()
        bench.redeem(bench.ticket(), S)
        bench.connect(S, Way.GRANT)
        bench.turn(60)
        bench.registry._sessions.clear()
        bench.clock.advance(100)
        bench.result(bench.registry.recover("gw-1"))
        bench.turn(30)
        self.assertEqual(["client-lost"], bench.endings())

    def test_one_living_session_of_an_id(self) -> None:
        """A session that is opened again here ends the one before as moved."""
        bench = Bench()
        record = bench.redeem(bench.ticket(), S)
        client = bench.connect(S, Way.GRANT)
        bench.registry.open(bench.result(bench.directory.claim(record)))
        bench.turn()
        self.assertEqual(["moved"], bench.endings())
        self.assertIsNotNone(client.lost)
        self.assertEqual(1, len(bench.registry))

    def test_one_faulty_session_does_not_stop_the_others(self) -> None:
        """A session that fails at its tick ends as a fault; the clock goes on for the rest."""
        bench = Bench()
        bench.redeem(bench.ticket(), S)
        bench.redeem(bench.ticket(), "o" * 43)
        first, second = bench.registry

        def fail() -> None:
            raise ZeroDivisionError

        first.tick = fail
        bench.turn(2)
        self.assertEqual(["fault"], bench.endings())
        self.assertEqual([second.id], [one.id for one in bench.registry])
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))


class OutageTests(SynchronousTestCase):
    """The directory is away for a while."""

    def test_what_ended_stays_ended(self) -> None:
        """A session that was ended while the store was away is not continued, and is told when it is back."""
        bench = Bench()
        record = bench.redeem(bench.ticket(), S)
        bench.connect(S, Way.GRANT)
        update = bench.directory.update

        async def away(record: object) -> bool:
            raise StoreAway

        bench.directory.update = away
        bench.result(bench.desk.end(record.id))
        refusal = self.assertRaises(Refused, bench.admit, S, Way.GRANT)
        self.assertIs(Reason.ENDED, refusal.reason)
        bench.directory.update = update
        bench.turn(2)
        self.assertEqual("revoked", bench.result(bench.directory.find(session=record.id)).ending.word)
        self.assertFalse(bench.registry.has_ended(record.id))
