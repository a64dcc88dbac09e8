"""Every row of the contract's table of presentations (section 5)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Way
from gateway.model.errors import Reason, Refused, StoreAway
from gateway.model.session import CloseCode, State
from gateway.model.ticket import Selector
from gateway.sessions.limits import Limits
from tests.support.bench import Bench

S = "s" * 43
OTHER = "o" * 43


class BenchTestCase(SynchronousTestCase):
    """A test on a bench, with refusals as assertions."""

    def setUp(self) -> None:
        self.bench = Bench()

    def assert_refused(self, reason: Reason, call: object, *args: object, **more: object) -> None:
        """The call must be refused for this reason."""
        refusal = self.assertRaises(Refused, call, *args, **more)
        self.assertIs(reason, refusal.reason)


class HolderTests(BenchTestCase):
    """Redeem with a holder: the page's way."""

    def test_first_time(self) -> None:
        """A fresh ticket becomes a session of its holder, and the grant opens the console."""
        record = self.bench.redeem(self.bench.ticket(), S)
        self.bench.connect(S, Way.GRANT)
        self.assertEqual([record.id], [session.id for session in self.bench.registry])
        self.assertIs(State.RELAYING, self.bench.registry.get(record.id).state)

    def test_same_holder_twice_is_idempotent(self) -> None:
        """Redeeming again with the same holder gives the same session and takes no use."""
        ticket = self.bench.ticket()
        first = self.bench.redeem(ticket, S)
        self.assertEqual(first.id, self.bench.redeem(ticket, S).id)
        self.assertEqual(1, self.bench.metrics.opened)

    def test_same_holder_while_connected_replaces(self) -> None:
        """A new socket of the same holder replaces the old one, which is told so with 1000."""
        ticket = self.bench.ticket()
        self.bench.redeem(ticket, S)
        old = self.bench.connect(S, Way.GRANT)
        self.bench.redeem(ticket, S)
        new = self.bench.connect(S, Way.GRANT)
        self.assertIs(True, old.lost)
        self.assertIsNone(new.lost)
        self.assertEqual(2, len(self.bench.servers))
        self.assertIsNotNone(self.bench.servers[0].lost)

    def test_same_holder_lost_continues(self) -> None:
        """Within the resume window a lost session continues."""
        record = self.bench.redeem(self.bench.ticket(), S)
        self.bench.connect(S, Way.GRANT).pipe.abort()
        self.bench.turn(100)
        self.bench.connect(S, Way.GRANT)
        session = self.bench.registry.get(record.id)
        self.assertIs(State.RELAYING, session.state)
        self.assertEqual(2, session.record.generation)

    def test_same_holder_ended(self) -> None:
        """After a good-bye the holder's ticket and grant are refused, and learn why."""
        ticket = self.bench.ticket()
        self.bench.redeem(ticket, S)
        client = self.bench.connect(S, Way.GRANT)
        client.pipe.close(_goodbye())
        self.bench.turn()
        self.assert_refused(Reason.ENDED, self.bench.redeem, ticket, S)
        self.assert_refused(Reason.ENDED, self.bench.admit, S, Way.GRANT)

    def test_same_holder_too_late(self) -> None:
        """After the resume window the session has ended as client-lost."""
        ticket = self.bench.ticket()
        self.bench.redeem(ticket, S)
        self.bench.connect(S, Way.GRANT).pipe.abort()
        self.bench.turn(121)
        self.assert_refused(Reason.ENDED, self.bench.redeem, ticket, S)
        self.assertEqual(["client-lost"], self.bench.endings())

    def test_another_holder_takes_another_use(self) -> None:
        """A second holder takes a use where there is one, and is refused where there is none."""
        ticket = self.bench.ticket(uses=2)
        first = self.bench.redeem(ticket, S)
        second = self.bench.redeem(ticket, OTHER)
        self.assertNotEqual(first.id, second.id)
        self.assert_refused(Reason.SPENT, self.bench.redeem, ticket, "x" * 43)

    def test_another_holder_of_an_ended_session(self) -> None:
        """A spent ticket is refused to another holder, whatever became of the session."""
        ticket = self.bench.ticket()
        self.bench.redeem(ticket, S)
        self.bench.connect(S, Way.GRANT).pipe.close(_goodbye())
        self.bench.turn()
        self.assert_refused(Reason.SPENT, self.bench.redeem, ticket, OTHER)

    def test_unused_ticket_expires(self) -> None:
        """A ticket that nobody presented in its time to live is refused."""
        ticket = self.bench.ticket(ttl=60)
        self.bench.turn(61)
        self.assert_refused(Reason.EXPIRED, self.bench.redeem, ticket, S)

    def test_grant_of_nobody(self) -> None:
        """A grant that no session belongs to is unknown."""
        self.assert_refused(Reason.UNKNOWN, self.bench.admit, S, Way.GRANT)

    def test_redeemed_but_never_connected(self) -> None:
        """A session whose client never comes ends as too-slow."""
        self.bench.redeem(self.bench.ticket(), S)
        self.bench.turn(121)
        self.assertEqual(["too-slow"], self.bench.endings())


class DirectTests(BenchTestCase):
    """A stock client presents the ticket itself."""

    def test_first_time(self) -> None:
        """It opens a session."""
        self.bench.connect(self.bench.ticket())
        self.assertEqual(1, len(self.bench.servers))

    def test_old_half_alive_is_refused(self) -> None:
        """While the old half answers a probe, a ticket of one use is refused, and the old half stays."""
        ticket = self.bench.ticket()
        old = self.bench.connect(ticket)
        self.assert_refused(Reason.ALIVE, self.bench.admit, ticket)
        self.assertIsNone(old.lost)

    def test_old_half_alive_takes_another_use(self) -> None:
        """With a use left, an answering old half stays and a second session opens."""
        ticket = self.bench.ticket(uses=2)
        old = self.bench.connect(ticket)
        self.bench.connect(ticket)
        self.assertIsNone(old.lost)
        self.assertEqual(2, len(self.bench.registry))

    def test_old_half_silent_continues(self) -> None:
        """An old half that answers no probe for two seconds gives way."""
        ticket = self.bench.ticket()
        old = self.bench.connect(ticket)
        _make_silent(self.bench)
        before = self.bench.clock.seconds()
        self.bench.connect(ticket)
        self.assertGreaterEqual(self.bench.clock.seconds() - before, 2)
        self.assertEqual(1, len(self.bench.registry))
        self.assertIsNotNone(old.lost)

    def test_lost_continues_from_the_same_address(self) -> None:
        """A lost session continues with the ticket alone, and the audit says so."""
        ticket = self.bench.ticket()
        self.bench.connect(ticket).pipe.abort()
        self.bench.turn(5)
        self.bench.connect(ticket).pipe.close(_goodbye())
        self.bench.turn()
        (line,) = self.bench.audit.lines
        self.assertTrue(line["returned_by_ticket"])
        self.assertEqual(2, line["generations"])

    def test_lost_is_refused_to_another_address(self) -> None:
        """From elsewhere a spent ticket is refused."""
        ticket = self.bench.ticket()
        self.bench.connect(ticket).pipe.abort()
        self.bench.turn()
        self.assert_refused(Reason.SPENT, self.bench.admit, ticket, address="198.51.100.1")

    def test_same_site_of_ipv6(self) -> None:
        """An IPv6 client may come back from another address of its /64."""
        ticket = self.bench.ticket()
        self.bench.connect(ticket, address="2001:db8::1").pipe.abort()
        self.bench.turn()
        self.bench.connect(ticket, address="2001:db8::2")
        self.assertEqual(1, len(self.bench.registry))

    def test_roaming_continues_from_anywhere(self) -> None:
        """A roaming ticket continues from any address."""
        ticket = self.bench.ticket(roaming=True)
        self.bench.connect(ticket).pipe.abort()
        self.bench.turn()
        self.bench.connect(ticket, address="198.51.100.1")
        self.assertEqual(1, len(self.bench.registry))

    def test_ended_is_refused(self) -> None:
        """After the end a ticket of one use is refused."""
        ticket = self.bench.ticket()
        self.bench.connect(ticket).pipe.close(_goodbye())
        self.bench.turn()
        self.assert_refused(Reason.ENDED, self.bench.admit, ticket)

    def test_further_sockets_join(self) -> None:
        """Up to ``connections`` sockets belong to one session; the next is probed for."""
        ticket = self.bench.ticket("many")
        clients = [self.bench.connect(ticket) for _ in range(3)]
        self.assertEqual(1, len(self.bench.registry))
        self.assertEqual(3, len(self.bench.servers))
        self.assert_refused(Reason.ALIVE, self.bench.admit, ticket)
        self.assertEqual([None] * 3, [client.lost for client in clients])

    def test_after_a_holder_redeemed_it(self) -> None:
        """A ticket that a page has redeemed is spent for stock clients."""
        ticket = self.bench.ticket()
        self.bench.redeem(ticket, S)
        self.assert_refused(Reason.SPENT, self.bench.admit, ticket)

    def test_joining_and_leaving(self) -> None:
        """One socket of several leaves nothing behind for the others, and the rest goes on."""
        ticket = self.bench.ticket("many")
        first, second = self.bench.connect(ticket), self.bench.connect(ticket)
        first.pipe.abort()
        self.bench.turn()
        self.assertIsNotNone(self.bench.servers[0].lost)
        third = self.bench.connect(ticket)
        self.assertEqual(3, len(self.bench.servers))
        self.assertEqual([None, None], [second.lost, third.lost])
        (session,) = self.bench.registry
        self.assertIs(State.RELAYING, session.state)
        second.pipe.close(_goodbye())
        third.pipe.close(_goodbye())
        self.bench.turn()
        self.assertFalse(self.bench.audit.lines[0]["returned_by_ticket"])

    def test_one_shot_upstream_lost(self) -> None:
        """A one-shot client is not told to come back: its session ends with the machine's word."""
        client = self.bench.connect(self.bench.ticket(one_shot=True), Way.TICKET_PATH)
        self.bench.servers[0].pipe.abort()
        self.bench.turn()
        self.assertIsNotNone(client.lost)
        self.assertEqual(["upstream-gone"], self.bench.endings())

    def test_one_shot(self) -> None:
        """A one-shot ticket opens once: no joining, no return."""
        ticket = self.bench.ticket(one_shot=True)
        client = self.bench.connect(ticket, Way.TICKET_PATH)
        self.assert_refused(Reason.SPENT, self.bench.admit, ticket, Way.TICKET_PATH)
        client.pipe.abort()
        self.bench.turn()
        self.assert_refused(Reason.SPENT, self.bench.admit, ticket, Way.TICKET_PATH)
        self.assertEqual(1, len(self.bench.endings()))


class RevocationTests(BenchTestCase):
    """What an operator withdraws is gone at once."""

    def test_by_id_console_and_user(self) -> None:
        """Each selector ends the live sessions it covers, with 1008, and refuses the ticket from then on."""
        for selector in ("id", "console", "user"):
            self.bench = Bench()
            made = self.bench.mint(user="alice")
            ticket = made.minted.ticket.reveal()
            client = self.bench.connect(ticket)
            value = {"id": made.minted.id, "console": "lab", "user": "alice"}[selector]
            self.assertEqual(1, self.bench.result(self.bench.desk.revoke(Selector(**{selector: value}))))
            self.bench.turn()
            self.assertIsNotNone(client.lost)
            self.assertEqual(["revoked"], self.bench.endings())
            self.assert_refused(Reason.REVOKED, self.bench.admit, ticket)

    def test_others_stay(self) -> None:
        """A revocation of somebody else's tickets ends nothing."""
        client = self.bench.connect(self.bench.ticket(user="alice"))
        self.bench.result(self.bench.desk.revoke(Selector(user="bob")))
        self.bench.turn()
        self.assertIsNone(client.lost)

    def test_revoked_grant_learns_it(self) -> None:
        """A holder whose session was ended by an operator reads that word."""
        made = self.bench.mint()
        self.bench.redeem(made.minted.ticket.reveal(), S)
        self.bench.connect(S, Way.GRANT)
        self.bench.result(self.bench.desk.revoke(Selector(id=made.minted.id)))
        self.assert_refused(Reason.STOPPED, self.bench.admit, S, Way.GRANT)


class LimitTests(BenchTestCase):
    """Limits of sessions and of failed tickets."""

    def test_one_session_per_user(self) -> None:
        """One more is turned away, and its ticket still opens when there is room."""
        self.bench = Bench(limits=Limits(sessions_per_user=1))
        first = self.bench.connect(self.bench.ticket(user="alice"))
        ticket = self.bench.ticket(user="alice")
        self.assert_refused(Reason.OVER_LIMIT, self.bench.redeem, ticket, S)
        self.assert_refused(Reason.OVER_LIMIT, self.bench.redeem, ticket, S)
        first.pipe.close(_goodbye())
        self.bench.turn()
        self.bench.redeem(ticket, S)
        self.bench.connect(S, Way.GRANT)
        self.assertEqual(1, len(self.bench.registry))

    def test_guessing_is_slowed_down(self) -> None:
        """Who guesses too often learns no more reasons; a good ticket of the same address still opens."""
        self.bench = Bench(limits=Limits(failed_tickets_per_address=1))
        for _ in range(10):
            self.assert_refused(Reason.UNKNOWN, self.bench.admit, "wrong")
        self.assert_refused(Reason.OVER_LIMIT, self.bench.admit, "wrong")
        self.bench.connect(self.bench.ticket())
        self.assert_refused(Reason.UNKNOWN, self.bench.admit, "wrong", address="198.51.100.1")

    def test_turned_away_session_is_revoked_and_ends(self) -> None:
        """A session that waits for room is no way round a revocation, and does not wait for ever."""
        for revoke in (True, False):
            self.bench = Bench(limits=Limits(sessions_per_console=1))
            first = self.bench.connect(self.bench.ticket())
            made = self.bench.mint()
            self.assert_refused(Reason.OVER_LIMIT, self.bench.redeem, made.minted.ticket.reveal(), S)
            if revoke:
                self.bench.result(self.bench.desk.revoke(Selector(id=made.minted.id)))
            else:
                self.bench.turn(121)
            first.pipe.close(_goodbye())
            self.bench.turn()
            self.assert_refused(Reason.STOPPED if revoke else Reason.ENDED, self.bench.admit, S, Way.GRANT)
            self.assertEqual([], self.bench.result(self.bench.directory.sessions()))

    def test_sites_of_ipv6_count_together(self) -> None:
        """The addresses of one /64 are one address."""
        self.bench = Bench(limits=Limits(sessions_per_address=1))
        self.bench.connect(self.bench.ticket(), address="2001:db8::1")
        self.assert_refused(Reason.OVER_LIMIT, self.bench.admit, self.bench.ticket(), address="2001:db8::2")

    def test_nothing_is_lost_while_the_directory_is_away(self) -> None:
        """A use that was taken while the session could not be written down is good at the next try."""
        for redeem in (True, False):
            self.bench = Bench()
            ticket = self.bench.ticket()
            claim = self.bench.directory.claim

            async def away(record: object) -> object:
                raise StoreAway

            self.bench.directory.claim = away
            if redeem:
                self.assertRaises(StoreAway, self.bench.redeem, ticket, S)
            else:
                self.assert_refused(Reason.STORE_AWAY, self.bench.admit, ticket)
            self.bench.directory.claim = claim
            if redeem:
                self.bench.redeem(ticket, S)
                self.bench.connect(S, Way.GRANT)
            else:
                self.bench.connect(ticket)
            self.assertEqual(1, len(self.bench.servers))

    def test_draining_node_refuses(self) -> None:
        """A node that is told to stop takes nobody."""
        self.bench.broker.draining = True
        self.assert_refused(Reason.DRAINING, self.bench.admit, self.bench.ticket())


def _goodbye() -> object:
    from gateway.model.session import Closing

    return Closing(CloseCode.FINISHED, "")


def _make_silent(bench: Bench) -> None:
    """The client's pipe shows no sign of life any more."""
    from twisted.internet.task import deferLater

    async def silent(seconds: float) -> bool:
        await deferLater(bench.clock, seconds, lambda: None)
        return False

    for session in bench.registry:
        for link in session._links:
            link._pipe.probe = silent
