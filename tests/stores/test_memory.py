"""The ticket store in memory."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import TestCase

from gateway.model.errors import Reason, Refused
from gateway.model.ticket import UNLIMITED, Mint
from gateway.stores import memory
from gateway.stores.memory import MemoryStore
from gateway.stores.presenting import MAX_RETURNED, PRUNE_BATCH
from tests.support.contracts import GRANT, PAGE, START, STOCK, TTL, TicketStoreContract, again

DAY = 86400.0


class MemoryStoreTests(TicketStoreContract, TestCase):
    def make_store(self):
        return MemoryStore(self.now, retention=DAY)

    async def test_bounded(self):
        """A full store refuses to mint, and takes tickets again when older ones have expired."""
        self.store = MemoryStore(self.now, retention=DAY, max_tickets=3)
        tickets = []
        for _ in range(3):
            tickets.append(await self.minted())
            self.time += 1
        with self.assertRaises(Refused) as caught:
            await self.minted()
        self.assertIs(caught.exception.reason, Reason.OVER_LIMIT)
        session = await self.assert_fresh(tickets[2])
        self.time += TTL
        fourth = await self.minted()
        await self.assert_refused(Reason.UNKNOWN, tickets[0])
        await self.assert_refused(Reason.EXPIRED, tickets[1])
        await self.assert_returns([session], tickets[2])
        await self.assert_fresh(fourth)

    async def test_forgotten_after_retention(self):
        """A ticket is remembered for the retention after its end or its last presentation."""
        unused, used = await self.minted(), await self.minted()
        session = await self.assert_fresh(used)
        self.time = START + TTL + DAY - 1
        await self.minted()
        await self.assert_refused(Reason.EXPIRED, unused)
        await self.assert_returns([session], used)
        self.time += 1
        await self.minted()
        await self.assert_refused(Reason.UNKNOWN, unused)
        await self.assert_returns([session], used)
        self.time += DAY
        await self.minted()
        await self.assert_refused(Reason.UNKNOWN, used)

    async def test_clears_away_in_steps(self):
        """One call clears away a batch of forgotten tickets, the next calls the rest."""
        old = []
        for _ in range(PRUNE_BATCH + 1):
            self.time += 1
            old.append(await self.minted())
        self.time += TTL + DAY
        await self.minted()
        await self.assert_refused(Reason.EXPIRED, old[-1])
        await self.assert_refused(Reason.UNKNOWN, old[-2])
        await self.minted()
        await self.assert_refused(Reason.UNKNOWN, old[-1])

    async def test_presenters_are_bounded(self):
        """A ticket of unlimited uses forgets its oldest presenters first."""
        self.patch(memory, "MAX_BINDINGS_PER_TICKET", 3)
        ticket = await self.minted(uses=UNLIMITED)
        pages = [evolve(PAGE, holder=f"holder-{i}") for i in range(4)]
        sessions = [await self.assert_fresh(ticket, page) for page in pages]
        await self.assert_returns([sessions[1]], ticket, pages[1])
        self.assertNotEqual(await self.assert_fresh(ticket, pages[0]), sessions[0])

    async def test_presenters_are_bounded_in_all(self):
        """A store that remembers too many presenters opens nothing more until some are forgotten."""
        self.patch(memory, "MAX_BINDINGS", 2)
        tickets = [await self.minted() for _ in range(3)]
        await self.assert_fresh(tickets[0])
        await self.assert_fresh(tickets[1])
        await self.assert_refused(Reason.OVER_LIMIT, tickets[2])
        self.time += TTL + DAY
        fresh = await self.minted()
        await self.assert_fresh(fresh)

    async def test_returns_the_newest(self):
        """Who has very many sessions is led to the newest of them."""
        ticket = await self.minted(uses=UNLIMITED)
        sessions = [await self.assert_fresh(ticket, again(STOCK)) for _ in range(MAX_RETURNED + 1)]
        await self.assert_returns(sessions[:0:-1], ticket, STOCK)

    async def test_keeps_no_ticket(self):
        """A dump of the store's memory shows digests, not tickets."""
        ticket = await self.minted()
        await self.assert_fresh(ticket)
        self.assertNotIn(ticket, repr(vars(self.store)))

    async def test_adopt(self):
        """A ticket made elsewhere is kept once: a second time changes nothing."""
        minted = await MemoryStore(self.now).mint(Mint(GRANT, 1, START + TTL))
        for uses in (1, 5):
            await self.store.adopt(minted.ticket, minted.id, Mint(GRANT, uses, START + TTL))
        await self.assert_fresh(minted.ticket.reveal(), PAGE)
        await self.assert_refused(Reason.SPENT, minted.ticket.reveal(), STOCK)
