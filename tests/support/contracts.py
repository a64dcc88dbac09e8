"""
What every implementation of a seam must do: one test class per seam.

A test module mixes one of these into trial's ``TestCase`` and overrides the
``make_…`` method.  Nothing here knows a particular implementation.
"""

from __future__ import annotations

from attrs import evolve

from gateway.model.errors import NotSupported, Reason, Refused
from gateway.model.secret import Secret
from gateway.model.session import Ending, SessionRecord, State, Word
from gateway.model.target import ConsoleKind, Security, SecurityType, Target, TcpAddress
from gateway.model.ticket import UNLIMITED, Grant, Mint, Presenter, Right, Selector

START = 1_700_000_000.0
TTL = 60.0

GRANT = Grant("lab", ConsoleKind.VNC, user="alice")
TARGET = Target(
    ConsoleKind.VNC, (TcpAddress("10.0.0.7", 5901),), Security(SecurityType.VNC, Secret("canary-pw")), identity="vm-7"
)
RICH_GRANT = Grant(
    "vc1/vm-42",
    ConsoleKind.SPICE,
    user="bob",
    rights=frozenset({Right.VIEW, Right.POWER}),
    target=TARGET,
    roaming=True,
    connections=8,
    listener="outside",
)

PAGE = Presenter("10.1.1.1", holder="H" * 43)
OTHER_PAGE = Presenter("10.1.1.1", holder="I" * 43)
STOCK = Presenter("10.1.1.1")
STOCK_ELSEWHERE = Presenter("10.1.1.2")


def again(presenter: Presenter) -> Presenter:
    """The same presenter, asking for a further session."""
    return evolve(presenter, another=True)


class Timed:
    """A test with a clock that it sets itself: ``self.time``, read by ``self.now``."""

    time = START

    def now(self):
        return self.time


class TicketContract(Timed):
    """What holds for every ticket store, with or without a memory shared by nodes."""

    #: The number of uses with which this store mints an ordinary ticket.
    plain_uses = 1

    def make_store(self):
        raise NotImplementedError

    def setUp(self):
        self.store = self.make_store()

    async def minted(self, grant=GRANT, uses=None, ttl=TTL):
        """The text of a fresh ticket."""
        uses = self.plain_uses if uses is None else uses
        return (await self.store.mint(Mint(grant, uses, self.time + ttl))).ticket.reveal()

    async def assert_refused(self, reason, ticket, presenter=PAGE):
        with self.assertRaises(Refused) as caught:
            await self.store.redeem(ticket, presenter)
        self.assertIs(caught.exception.reason, reason)

    async def assert_fresh(self, ticket, presenter=PAGE):
        """The presentation opens a session; its id."""
        redeemed = await self.store.redeem(ticket, presenter)
        self.assertTrue(redeemed.fresh)
        (session,) = redeemed.sessions
        return session

    async def assert_returns(self, sessions, ticket, presenter=PAGE):
        """The presentation leads back to just these sessions."""
        redeemed = await self.store.redeem(ticket, presenter)
        self.assertEqual((redeemed.fresh, redeemed.sessions), (False, tuple(sessions)))

    async def test_mint_says_until_when(self):
        """A minted ticket comes with a name of its own and its end."""
        minted = await self.store.mint(Mint(GRANT, self.plain_uses, START + TTL))
        self.assertEqual(minted.expires_at, START + TTL)
        self.assertNotIn(minted.id, minted.ticket.reveal())
        self.assertNotIn(minted.ticket.reveal(), repr(minted))

    async def test_tickets_differ(self):
        """No two tickets have the same text or name."""
        minted = [await self.store.mint(Mint(GRANT, self.plain_uses, START + TTL)) for _ in range(3)]
        self.assertEqual(len({m.ticket.reveal() for m in minted}), 3)
        self.assertEqual(len({m.id for m in minted}), 3)

    async def test_redeemed_says_what_for(self):
        """A redeemed ticket answers its name and its whole grant."""
        grant = evolve(RICH_GRANT, target=None)
        minted = await self.store.mint(Mint(grant, UNLIMITED, START + TTL))
        redeemed = await self.store.redeem(minted.ticket.reveal(), PAGE)
        self.assertEqual((redeemed.ticket_id, redeemed.grant), (minted.id, grant))

    async def test_same_holder_returns(self):
        """Redeem, same holder: the first time a new session, then always that one."""
        ticket = await self.minted()
        session = await self.assert_fresh(ticket, PAGE)
        await self.assert_returns([session], ticket, PAGE)
        await self.assert_returns([session], ticket, evolve(PAGE, address="10.9.9.9"))

    async def test_holder_returns_after_expiry(self):
        """A holder comes back to its session after the ticket's end: the session's record governs that."""
        ticket = await self.minted()
        session = await self.assert_fresh(ticket)
        self.time += TTL * 10
        await self.assert_returns([session], ticket)

    async def test_stock_client_returns(self):
        """Direct: presented again from the same address, the ticket leads to the same session."""
        ticket = await self.minted()
        session = await self.assert_fresh(ticket, STOCK)
        await self.assert_returns([session], ticket, STOCK)
        self.time += TTL
        await self.assert_returns([session], ticket, STOCK)

    async def test_roaming_returns_from_anywhere(self):
        """Direct and roaming: presented again from any address, the ticket leads to the same session."""
        ticket = await self.minted(evolve(GRANT, roaming=True))
        session = await self.assert_fresh(ticket, STOCK)
        await self.assert_returns([session], ticket, STOCK_ELSEWHERE)

    async def test_roaming_is_not_for_holders(self):
        """A roaming ticket's session still belongs to the holder that opened it."""
        ticket = await self.minted(evolve(GRANT, roaming=True), UNLIMITED)
        session = await self.assert_fresh(ticket, PAGE)
        self.assertNotEqual(await self.assert_fresh(ticket, OTHER_PAGE), session)
        self.assertNotEqual(await self.assert_fresh(ticket, STOCK), session)

    async def test_unlimited_never_ends(self):
        """A ticket of unlimited uses opens a session for every presenter."""
        ticket = await self.minted(uses=UNLIMITED)
        presenters = [evolve(PAGE, holder=f"holder-{i}") for i in range(20)]
        sessions = {await self.assert_fresh(ticket, presenter) for presenter in presenters}
        self.assertEqual(len(sessions), 20)

    async def test_another_opens_a_further_session(self):
        """Who asks for another session gets a new one, and has both from then on, newest first."""
        ticket = await self.minted(uses=UNLIMITED)
        for presenter in (PAGE, STOCK):
            first = await self.assert_fresh(ticket, presenter)
            second = await self.assert_fresh(ticket, again(presenter))
            third = await self.assert_fresh(ticket, again(presenter))
            self.assertEqual(len({first, second, third}), 3)
            await self.assert_returns([third, second, first], ticket, presenter)

    async def test_expires(self):
        """From its end on a ticket opens nothing, and a moment before it does."""
        late, early = await self.minted(), await self.minted()
        self.time = START + TTL - 0.001
        session = await self.assert_fresh(early)
        self.time = START + TTL
        await self.assert_refused(Reason.EXPIRED, late)
        await self.assert_refused(Reason.EXPIRED, early, again(PAGE))
        await self.assert_returns([session], early)

    async def test_unknown(self):
        """What is no ticket of ours is refused as unknown, however it looks."""
        await self.minted()
        junk = ["", "x", "A" * 43, "A" * 4096, "A" * 4097, "ü" * 43, "\0", "\ud800", "a.b.c.d.e", "....", "' OR 1=1 --"]
        for ticket in junk:
            await self.assert_refused(Reason.UNKNOWN, ticket)

    async def test_near_miss_is_unknown(self):
        """A ticket with one character changed, missing or added opens nothing."""
        ticket = await self.minted()
        for near in (ticket[:-1], ticket + "A", ("B" if ticket[0] == "A" else "A") + ticket[1:]):
            await self.assert_refused(Reason.UNKNOWN, near)
        await self.assert_fresh(ticket)


class TicketStoreContract(TicketContract):
    """What holds for every store that counts: uses, one-shot tickets, revocation, a target in the ticket."""

    async def test_another_holder_takes_a_use(self):
        """Redeem, another holder: takes another use, else is refused; the first one's session stays its own."""
        ticket = await self.minted(uses=2)
        mine = await self.assert_fresh(ticket, PAGE)
        yours = await self.assert_fresh(ticket, OTHER_PAGE)
        self.assertNotEqual(mine, yours)
        await self.assert_refused(Reason.SPENT, ticket, evolve(PAGE, holder="J" * 43))
        await self.assert_returns([mine], ticket, PAGE)
        await self.assert_returns([yours], ticket, OTHER_PAGE)

    async def test_another_address_takes_a_use(self):
        """Direct, from elsewhere and not roaming: takes another use, else is refused."""
        ticket = await self.minted(uses=2)
        session = await self.assert_fresh(ticket, STOCK)
        self.assertNotEqual(await self.assert_fresh(ticket, STOCK_ELSEWHERE), session)
        await self.assert_refused(Reason.SPENT, ticket, Presenter("10.1.1.3"))

    async def test_holder_and_stock_client_are_two(self):
        """A ticket redeemed by a page is spent for a stock client at the same address, and the other way round."""
        for first, second in ((PAGE, STOCK), (STOCK, PAGE)):
            ticket = await self.minted()
            await self.assert_fresh(ticket, first)
            await self.assert_refused(Reason.SPENT, ticket, second)

    async def test_another_is_refused_without_uses(self):
        """Who asks for another session of a spent ticket is refused and keeps what it has."""
        ticket = await self.minted(uses=2)
        first = await self.assert_fresh(ticket, STOCK)
        second = await self.assert_fresh(ticket, again(STOCK))
        await self.assert_refused(Reason.SPENT, ticket, again(STOCK))
        await self.assert_returns([second, first], ticket, STOCK)

    async def test_another_as_the_first(self):
        """Asking for another session with a ticket never used opens the first."""
        await self.assert_fresh(await self.minted(), again(STOCK))

    async def test_returning_takes_no_use(self):
        """However often a presenter comes back, the uses stay for others."""
        ticket = await self.minted(uses=2)
        session = await self.assert_fresh(ticket, PAGE)
        for _ in range(5):
            await self.assert_returns([session], ticket, PAGE)
        await self.assert_fresh(ticket, OTHER_PAGE)

    async def test_refusal_takes_no_use(self):
        """A refused presentation changes nothing."""
        ticket = await self.minted(uses=1)
        await self.assert_refused(Reason.UNKNOWN, ticket + "x")
        self.time += TTL
        await self.assert_refused(Reason.EXPIRED, ticket)
        self.time -= 1
        await self.assert_fresh(ticket)

    async def test_one_shot(self):
        """A one-shot ticket works once: the second presentation is refused, whoever makes it and when."""
        for presenter in (PAGE, STOCK):
            ticket = await self.minted(evolve(GRANT, one_shot=True))
            await self.assert_fresh(ticket, presenter)
            await self.assert_refused(Reason.SPENT, ticket, presenter)
            await self.assert_refused(Reason.SPENT, ticket, again(presenter))
            await self.assert_refused(Reason.SPENT, ticket, STOCK_ELSEWHERE)
            self.time += TTL
            await self.assert_refused(Reason.SPENT, ticket, presenter)

    async def test_one_shot_expires(self):
        """A one-shot ticket that nobody used in time is expired."""
        ticket = await self.minted(evolve(GRANT, one_shot=True))
        self.time += TTL
        await self.assert_refused(Reason.EXPIRED, ticket)

    async def test_target_is_kept(self):
        """A target that a broker named comes back with the grant, its password too."""
        ticket = await self.minted(RICH_GRANT)
        redeemed = await self.store.redeem(ticket, PAGE)
        self.assertEqual(redeemed.grant, RICH_GRANT)
        self.assertEqual((await self.store.redeem(ticket, PAGE)).grant, RICH_GRANT)

    async def test_revoke_by_id(self):
        """A revoked ticket is refused, to those it was opened by too; others work on."""
        minted = await self.store.mint(Mint(GRANT, 5, START + TTL))
        other = await self.minted()
        ticket = minted.ticket.reveal()
        await self.assert_fresh(ticket)
        self.assertEqual(await self.store.revoke(Selector(id=minted.id)), 1)
        await self.assert_refused(Reason.REVOKED, ticket, PAGE)
        await self.assert_refused(Reason.REVOKED, ticket, OTHER_PAGE)
        self.time += TTL
        await self.assert_refused(Reason.REVOKED, ticket, OTHER_PAGE)
        self.time -= TTL
        await self.assert_fresh(other)

    async def test_revoke_by_console_and_user(self):
        """Every ticket of a console, or of a user, is withdrawn together."""
        lab, lab_bob = await self.minted(), await self.minted(evolve(GRANT, user="bob"))
        den, nobodys = await self.minted(evolve(GRANT, console="den")), await self.minted(evolve(GRANT, user=""))
        self.assertEqual(await self.store.revoke(Selector(user="bob")), 1)
        await self.assert_refused(Reason.REVOKED, lab_bob)
        self.assertEqual(await self.store.revoke(Selector(console="lab")), 2)
        await self.assert_refused(Reason.REVOKED, lab)
        await self.assert_refused(Reason.REVOKED, nobodys)
        await self.assert_fresh(den)

    async def test_revoke_nothing(self):
        """A selector that fits nothing, or says nothing, withdraws nothing."""
        ticket = await self.minted(evolve(GRANT, user=""))
        for what in (Selector(id="t-none"), Selector(console="den"), Selector(user="bob"), Selector()):
            self.assertEqual(await self.store.revoke(what), 0)
        await self.assert_fresh(ticket)

    async def test_revoke_counts_once(self):
        """A ticket that is withdrawn already is not counted again."""
        minted = await self.store.mint(Mint(GRANT, 1, START + TTL))
        self.assertEqual(await self.store.revoke(Selector(id=minted.id)), 1)
        self.assertEqual(await self.store.revoke(Selector(console="lab")), 0)


class StatelessTicketContract(TicketContract):
    """What holds for a store that keeps nothing: a ticket is good for its bearer until its end."""

    async def test_counting_is_not_supported(self):
        """One-shot tickets, counted uses, targets and revocation need a store, and are refused at once."""
        wishes = [Mint(evolve(GRANT, one_shot=True), 1, START + TTL), Mint(GRANT, 2, START + TTL)]
        for mint in [*wishes, Mint(RICH_GRANT, 1, START + TTL)]:
            with self.assertRaises(NotSupported):
                await self.store.mint(mint)
        with self.assertRaises(NotSupported):
            await self.store.revoke(Selector(console="lab"))

    async def test_bearer(self):
        """Whoever has the ticket opens a session of its own until the ticket's end."""
        ticket = await self.minted()
        sessions = {await self.assert_fresh(ticket, p) for p in (PAGE, OTHER_PAGE, STOCK, STOCK_ELSEWHERE)}
        self.assertEqual(len(sessions), 4)


RECORD = SessionRecord("s-1", "t-1", GRANT, "10.1.1.1", START, holder="H" * 43, node="gw-1#1")


class DirectoryContract(Timed):
    """What holds for every directory."""

    def make_directory(self):
        raise NotImplementedError

    def setUp(self):
        self.directory = self.make_directory()

    async def test_claim_opens(self):
        """A claimed session is found by its id and by its holder, with its first epoch."""
        claimed = await self.directory.claim(RECORD)
        self.assertEqual(claimed, evolve(RECORD, epoch=1))
        self.assertEqual(await self.directory.find(session="s-1"), claimed)
        self.assertEqual(await self.directory.find(holder=RECORD.holder), claimed)

    async def test_record_is_kept_whole(self):
        """Every field of a record comes back as it was stored."""
        record = evolve(
            RECORD,
            grant=RICH_GRANT,
            state=State.RELAYING,
            generation=3,
            lost_at=START + 1,
            bytes_in=7,
            bytes_out=1 << 40,
        )
        claimed = await self.directory.claim(record)
        self.assertEqual(await self.directory.find(session="s-1"), evolve(record, epoch=1))
        ended = evolve(claimed, state=State.CLOSED, ended_at=START + 2, ending=Ending.IDLE)
        self.assertTrue(await self.directory.update(ended))
        self.assertEqual(await self.directory.find(session="s-1"), ended)

    async def test_unknown_is_none(self):
        """What was never claimed is not found, and nobody is found by nothing."""
        await self.directory.claim(evolve(RECORD, holder=""))
        self.assertIsNone(await self.directory.find(session="s-2"))
        self.assertIsNone(await self.directory.find(holder=RECORD.holder))
        self.assertIsNone(await self.directory.find())

    async def test_taking_over(self):
        """Who claims last owns the session: an update by the one before is refused and changes nothing."""
        first = await self.directory.claim(RECORD)
        second = await self.directory.claim(evolve(first, node="gw-2#1"))
        self.assertEqual((first.epoch, second.epoch), (1, 2))
        self.assertFalse(await self.directory.update(evolve(first, state=State.CLOSED, ended_at=START)))
        self.assertEqual(await self.directory.find(session="s-1"), second)
        relaying = evolve(second, state=State.RELAYING)
        self.assertTrue(await self.directory.update(relaying))
        self.assertEqual(await self.directory.find(session="s-1"), relaying)

    async def test_claim_counts_from_what_is_stored(self):
        """A claim made with an old record still gets an epoch of its own."""
        await self.directory.claim(RECORD)
        await self.directory.claim(RECORD)
        self.assertEqual((await self.directory.claim(RECORD)).epoch, 3)

    async def test_end_is_final(self):
        """A session that has ended is neither brought back by its owner nor taken over."""
        record = await self.directory.claim(RECORD)
        ended = evolve(record, ended_at=START, ending=Ending.FINISHED)
        self.assertTrue(await self.directory.update(ended))
        self.assertFalse(await self.directory.update(record))
        with self.assertRaises(Refused) as caught:
            await self.directory.claim(record)
        self.assertIs(caught.exception.reason, Reason.ENDED)
        self.assertEqual(await self.directory.find(session="s-1"), ended)

    async def test_update_heals(self):
        """A directory that lost a session learns of it by its next update."""
        record = evolve(RECORD, epoch=4, state=State.RELAYING)
        self.assertTrue(await self.directory.update(record))
        self.assertEqual(await self.directory.find(session="s-1"), record)
        self.assertEqual((await self.directory.claim(record)).epoch, 5)

    async def test_newest_of_a_holder(self):
        """A holder finds the newest of its sessions."""
        older = await self.directory.claim(evolve(RECORD, id="s-2", opened_at=START - 5))
        newer = await self.directory.claim(RECORD)
        await self.directory.update(older)
        self.assertEqual(await self.directory.find(holder=RECORD.holder), newer)

    async def test_id_and_holder_must_agree(self):
        """Asked for an id and a holder, a session of another holder is not found."""
        claimed = await self.directory.claim(RECORD)
        self.assertEqual(await self.directory.find("s-1", RECORD.holder), claimed)
        self.assertIsNone(await self.directory.find("s-1", "I" * 43))

    async def test_sessions(self):
        """The list has what has not ended, oldest first."""
        self.assertEqual(list(await self.directory.sessions()), [])
        newer = await self.directory.claim(evolve(RECORD, id="s-2", opened_at=START + 5))
        older = await self.directory.claim(RECORD)
        gone = await self.directory.claim(evolve(RECORD, id="s-3"))
        self.assertEqual([r.id for r in await self.directory.sessions() if r.id != gone.id], [older.id, newer.id])
        await self.directory.update(evolve(gone, ended_at=START, ending=Ending.EXPIRED))
        self.assertEqual(list(await self.directory.sessions()), [older, newer])

    async def test_ended_is_remembered_for_a_while(self):
        """An ended session is found for an hour, then forgotten, by its holder too."""
        record = await self.directory.claim(RECORD)
        ended = evolve(record, ended_at=START, ending=Ending.FINISHED)
        await self.directory.update(ended)
        self.time += 3599
        self.assertEqual(await self.directory.find(holder=RECORD.holder), ended)
        self.time += 1
        self.assertIsNone(await self.directory.find(holder=RECORD.holder))
        self.assertIsNone(await self.directory.find(session="s-1"))

    async def test_signals_reach_watchers(self):
        """Everybody who watches in this process hears a signal, though another watcher fails."""
        heard = []

        def fail(session, word, ending):
            raise ValueError("a watcher's own mistake")

        self.directory.watch(fail)
        self.directory.watch(lambda *signal: heard.append(signal))
        await self.directory.signal("s-1", Word.MOVED)
        await self.directory.signal("s-1", Word.END, Ending.REVOKED)
        self.assertEqual(heard, [("s-1", Word.MOVED, None), ("s-1", Word.END, Ending.REVOKED)])
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 2)
