"""The ticket store in a SQLite file."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from attrs import evolve
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from gateway.model.errors import Reason, Refused, StoreAway
from gateway.model.ticket import UNLIMITED, Mint, Presenter
from gateway.stores import sqlite
from gateway.stores.database import Database
from gateway.stores.outage import AWAY_SECONDS
from gateway.stores.presenting import PRUNE_BATCH
from gateway.stores.sealing import Sealer, SealingKey
from gateway.stores.sqlite import SqliteStore
from tests.support.contracts import GRANT, PAGE, RICH_GRANT, START, STOCK, TTL, TicketStoreContract

DAY = 86400.0
SEALER = Sealer([SealingKey("k", b"k" * 32)])

# One of two processes: opens the file, waits to be told, presents one ticket as many holders, counts what it got.
RACER = """
import sys
from pathlib import Path
from gateway.model.errors import Refused
from gateway.model.ticket import Presenter
from gateway.stores import database
from gateway.stores.database import Database
from gateway.stores.sealing import Sealer, SealingKey
from gateway.stores.sqlite import SqliteStore

path, name = sys.argv[1:]
database.BUSY_SECONDS = 10.0  # who races with another waits for it
store = SqliteStore(Database(Path(path)), Sealer([SealingKey("k", b"k" * 32)]), lambda: 0.0)

def run(coroutine):
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value

print("ready", flush=True)
ticket = sys.stdin.readline().strip()
won = 0
for number in range(40):
    try:
        won += run(store.redeem(ticket, Presenter("a", holder=f"{name}{number}"))).fresh
    except Refused:
        pass
print(won)
"""


class SqliteStoreTests(TicketStoreContract, TestCase):
    def setUp(self):
        self.path = Path(self.mktemp()) / "consolegw.sqlite"
        super().setUp()

    def make_store(self, sealer=SEALER, seconds=time.monotonic, **more):
        opened = Database(self.path, seconds)
        self.addCleanup(opened.close)
        return SqliteStore(opened, sealer, self.now, retention=DAY, **more)

    def file_bytes(self):
        return b"".join(path.read_bytes() for path in self.path.parent.iterdir())

    async def test_survives_restart(self):
        """What was minted and opened is known to the next process."""
        minted, used = await self.store.mint(Mint(RICH_GRANT, 1, START + TTL)), await self.minted()
        session = await self.assert_fresh(used)
        self.store = self.make_store()
        redeemed = await self.store.redeem(minted.ticket.reveal(), PAGE)
        self.assertEqual((redeemed.grant, redeemed.ticket_id), (RICH_GRANT, minted.id))
        await self.assert_returns([session], used)
        await self.assert_refused(Reason.SPENT, used, STOCK)

    async def test_two_on_one_file(self):
        """Two stores on one file count the uses together."""
        ticket, stores = await self.minted(uses=3), [self.store, self.make_store()]
        outcomes = []
        for number in range(8):
            self.store = stores[number % 2]
            try:
                outcomes.append(await self.assert_fresh(ticket, Presenter("a", holder=f"h{number}")))
            except Refused as refused:
                self.assertIs(refused.reason, Reason.SPENT)
        self.assertEqual(len(set(outcomes)), 3)

    async def test_race_of_two_processes(self):
        """Of two processes that present one ticket at once, together exactly as many win as there are uses."""
        ticket = await self.minted(uses=25)
        racers = [
            subprocess.Popen(
                [sys.executable, "-c", RACER, str(self.path), name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            )
            for name in "ab"
        ]
        for racer in racers:
            self.addCleanup(racer.kill)
            self.assertEqual(racer.stdout.readline(), "ready\n")
        for racer in racers:
            racer.stdin.write(ticket + "\n")
            racer.stdin.flush()
        won = [int(racer.communicate(timeout=30)[0]) for racer in racers]
        self.assertEqual(sum(won), 25)
        await self.assert_refused(Reason.SPENT, ticket)

    async def test_no_secret_in_the_file(self):
        """Neither a ticket nor a target's password or address is in any of the database's files."""
        ticket = await self.minted(RICH_GRANT)
        await self.assert_fresh(ticket)
        content = self.file_bytes()
        self.assertIn(b"vc1/vm-42", content)
        for secret in (ticket, "canary-pw", "10.0.0.7"):
            self.assertNotIn(secret.encode(), content)

    async def test_locked(self):
        """While another process holds the lock, the store is away, and no use is taken."""
        clock = Clock()
        self.store, other = self.make_store(seconds=clock.seconds), Database(self.path)
        self.addCleanup(other.close)
        ticket = await self.minted()
        with other.writing():
            for attempt in (self.store.redeem(ticket, PAGE), self.store.mint(Mint(GRANT, 1, START + TTL))):
                with self.assertRaises(StoreAway):
                    await attempt
            # A guess is answered all the same.
            await self.assert_refused(Reason.UNKNOWN, "x" * 43)
        clock.advance(AWAY_SECONDS)
        await self.assert_fresh(ticket)

    async def test_key_taken_away(self):
        """A ticket whose key is gone is unknown."""
        ticket = await self.minted()
        self.store = self.make_store(Sealer([SealingKey("other", b"o" * 32)]))
        await self.assert_refused(Reason.UNKNOWN, ticket)

    async def test_grants_fit_their_own_row_only(self):
        """A grant moved to another ticket's row opens nothing."""
        poor, rich = await self.minted(), await self.minted(RICH_GRANT)
        with Database(self.path).writing() as db:
            db.execute("UPDATE tickets SET sealed_grant = (SELECT sealed_grant FROM tickets WHERE console != 'lab')")
        await self.assert_refused(Reason.UNKNOWN, poor)
        await self.assert_fresh(rich)

    async def test_bounded(self):
        """A full store refuses to mint, and takes tickets again when older ones have expired."""
        self.store = self.make_store(max_tickets=3)
        tickets = []
        for _ in range(3):
            tickets.append(await self.minted())
            self.time += 1
        await self.assert_over_limit()
        session = await self.assert_fresh(tickets[2])
        self.time += TTL
        fourth = await self.minted()
        await self.assert_refused(Reason.UNKNOWN, tickets[0])
        await self.assert_refused(Reason.EXPIRED, tickets[1])
        await self.assert_returns([session], tickets[2])
        await self.assert_fresh(fourth)

    async def assert_over_limit(self):
        with self.assertRaises(Refused) as caught:
            await self.minted()
        self.assertIs(caught.exception.reason, Reason.OVER_LIMIT)

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
        """A ticket of unlimited uses forgets its oldest presenters first; the store, nobody before it is full."""
        self.patch(sqlite, "MAX_BINDINGS_PER_TICKET", 3)
        self.patch(sqlite, "MAX_BINDINGS", 4)
        ticket = await self.minted(uses=UNLIMITED)
        pages = [evolve(PAGE, holder=f"holder-{i}") for i in range(4)]
        sessions = [await self.assert_fresh(ticket, page) for page in pages]
        await self.assert_returns([sessions[1]], ticket, pages[1])
        self.assertNotEqual(await self.assert_fresh(ticket, pages[0]), sessions[0])
        await self.assert_fresh(await self.minted())
        await self.assert_refused(Reason.OVER_LIMIT, await self.minted())

    async def test_adopt(self):
        """A ticket made elsewhere is kept once: a second time changes nothing."""
        minted = await self.store.mint(Mint(GRANT, 1, START + TTL))
        await self.store.adopt(minted.ticket, minted.id, Mint(GRANT, 5, START + TTL))
        await self.assert_fresh(minted.ticket.reveal(), PAGE)
        await self.assert_refused(Reason.SPENT, minted.ticket.reveal(), STOCK)
