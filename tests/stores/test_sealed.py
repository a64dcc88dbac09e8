"""Tickets that carry their own grant: alone, and counted in a database."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import TestCase

from gateway.model.errors import NotSupported, Reason
from gateway.model.target import ConsoleKind
from gateway.model.ticket import MAX_TICKET, UNLIMITED, Grant, Mint
from gateway.stores.database import Database
from gateway.stores.memory import MemoryStore
from gateway.stores.sealed import SealedStore
from gateway.stores.sealing import Sealer, SealingKey
from gateway.stores.sqlite import SqliteStore
from tests.support.contracts import (
    GRANT,
    OTHER_PAGE,
    PAGE,
    RICH_GRANT,
    START,
    STOCK,
    TTL,
    StatelessTicketContract,
    TicketStoreContract,
    again,
)

SEALER = Sealer([SealingKey("k", b"k" * 32)])


class SealedAloneTests(StatelessTicketContract, TestCase):
    def make_store(self, sealer=SEALER, audience="console.example.com"):
        return SealedStore(sealer, audience, self.now)

    async def test_any_node_opens(self):
        """A ticket opens on every node with the keys; a presenter's first session has the same id on each."""
        ticket = await self.minted()
        session = await self.assert_fresh(ticket)
        stranger = await self.assert_fresh(ticket, OTHER_PAGE)
        self.store = self.make_store()
        self.assertEqual(await self.assert_fresh(ticket), session)
        self.assertNotEqual(session, stranger)
        self.time += TTL
        self.store = self.make_store()
        await self.assert_refused(Reason.EXPIRED, ticket)

    async def test_others_do_not_open(self):
        """A ticket of other keys or for another audience is unknown."""
        ticket = await self.minted()
        for other in (self.make_store(audience="other"), self.make_store(Sealer([SealingKey("k", b"x" * 32)]))):
            self.store = other
            await self.assert_refused(Reason.UNKNOWN, ticket)

    async def test_what_another_store_counts(self):
        """A ticket that is counted in a store is not taken for a bearer's by a node without it."""
        counting = SealedStore(SEALER, "console.example.com", self.now, MemoryStore(self.now))
        minted = await counting.mint(Mint(evolve(GRANT, one_shot=True), 1, START + TTL))
        await self.assert_refused(Reason.UNKNOWN, minted.ticket.reveal())

    async def test_size(self):
        """A sealed ticket is short enough for most clients, and never longer than any may be."""
        usual = Grant("vc1/vm-4211", ConsoleKind.VNC, user="alice@example.com")
        self.assertTrue(300 <= len(await self.minted(usual)) <= 460, len(await self.minted(usual)))
        with self.assertRaises(NotSupported):
            await self.minted(evolve(GRANT, user="u" * MAX_TICKET))

    async def test_shows_nothing(self):
        """Neither console nor user can be read from the ticket."""
        ticket = await self.minted()
        store = self.make_store()
        await store.redeem(ticket, PAGE)
        self.assertNotIn("lab", ticket.split(".")[0])
        self.assertNotIn(ticket, repr(vars(store)))

    async def test_forged_claims(self):
        """A text sealed with our key for us that is no ticket is unknown."""
        claims = {"jti": "t-1", "exp": START + TTL, "grant": {"v": 1}}
        for change in ({}, {"jti": 1}, {"exp": "soon"}, {"exp": True}, {"grant": None}, {"more": 1}):
            ticket = SEALER.seal({**claims, **change}, typ="cgw-ticket", aud="console.example.com")
            await self.assert_refused(Reason.UNKNOWN, ticket)


class SealedSqliteTests(TicketStoreContract, TestCase):
    def make_store(self):
        opened = Database(Path(self.mktemp()) / "consolegw.sqlite")
        self.addCleanup(opened.close)
        return SealedStore(SEALER, "here", self.now, SqliteStore(opened, SEALER, self.now))

    async def test_target_stays_in_the_store(self):
        """The ticket is no longer for a target: that stays in the inner store."""
        sizes = [len(await self.minted(evolve(RICH_GRANT, target=target))) for target in (None, RICH_GRANT.target)]
        self.assertEqual(*sizes)


class CountingInner:
    """An inner store that says how often it was asked."""

    def __init__(self, store):
        self.store, self.asked = store, 0

    async def redeem(self, ticket, presenter):
        self.asked += 1
        return await self.store.redeem(ticket, presenter)

    def __getattr__(self, name):
        return getattr(self.store, name)


class SealedInnerTests(TicketStoreContract, TestCase):
    def make_store(self):
        self.inner = CountingInner(MemoryStore(self.now))
        return SealedStore(SEALER, "here", self.now, self.inner)

    async def test_forgeries_stay_outside(self):
        """What was not sealed by us never reaches the inner store."""
        ticket = await self.minted()
        forged = Sealer([SealingKey("k", b"x" * 32)]).seal({}, typ="cgw-ticket-s", aud="here")
        for junk in (forged, "x" * 43, ticket[:-1], "", "x" * 10_000):
            await self.assert_refused(Reason.UNKNOWN, junk)
        self.assertEqual(self.inner.asked, 0)
        await self.assert_fresh(ticket)

    async def test_bearer_ticket_is_not_counted(self):
        """A ticket from a node without a store is unknown where uses are counted."""
        minted = await SealedStore(SEALER, "here", self.now).mint(Mint(GRANT, UNLIMITED, START + TTL))
        await self.assert_refused(Reason.UNKNOWN, minted.ticket.reveal())
        await self.assert_refused(Reason.UNKNOWN, minted.ticket.reveal(), again(STOCK))
