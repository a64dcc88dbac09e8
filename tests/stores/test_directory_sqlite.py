"""The directory in a SQLite file."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import TestCase

from gateway.model.errors import Reason, Refused, StoreAway
from gateway.model.session import Ending, State
from gateway.stores import directory_sqlite
from gateway.stores.database import Database, size_of
from gateway.stores.directory_sqlite import SqliteDirectory
from gateway.stores.sealing import Sealer, SealingKey
from tests.support.contracts import RECORD, RICH_GRANT, START, DirectoryContract

SEALER = Sealer([SealingKey("k", b"k" * 32)])


class SqliteDirectoryTests(DirectoryContract, TestCase):
    def setUp(self):
        self.path = Path(self.mktemp()) / "consolegw.sqlite"
        super().setUp()

    def make_directory(self, sealer=SEALER, **more):
        opened = Database(self.path)
        self.addCleanup(opened.close)
        return SqliteDirectory(opened, sealer, self.now, **more)

    async def ended(self, record):
        return await self.directory.update(evolve(record, ended_at=self.time, ending=Ending.FINISHED))

    async def test_survives_restart(self):
        """A session that was live when its node died is found afterwards, with that node's name."""
        record = await self.directory.claim(evolve(RECORD, grant=RICH_GRANT, state=State.RELAYING))
        self.directory = self.make_directory()
        self.assertEqual(list(await self.directory.sessions()), [record])
        self.assertEqual((await self.directory.find(holder=RECORD.holder)).node, "gw-1#1")

    async def test_two_on_one_file(self):
        """Of two processes the one that claims last owns the session."""
        other = self.make_directory()
        mine = await self.directory.claim(RECORD)
        theirs = await other.claim(evolve(mine, node="gw-1#2"))
        self.assertEqual(theirs.epoch, 2)
        self.assertFalse(await self.directory.update(mine))
        self.assertEqual(await self.directory.find("s-1"), theirs)

    async def test_no_secret_in_the_file(self):
        """Neither a target's password nor its address is in any of the database's files."""
        await self.directory.claim(evolve(RECORD, grant=RICH_GRANT))
        content = b"".join(path.read_bytes() for path in self.path.parent.iterdir())
        self.assertIn(b"s-1", content)
        for secret in (b"canary-pw", b"10.0.0.7"):
            self.assertNotIn(secret, content)

    async def test_key_taken_away(self):
        """Sessions whose key is gone are not listed; the id can be claimed with a higher epoch all the same."""
        await self.directory.claim(RECORD)
        self.directory = self.make_directory(Sealer([SealingKey("other", b"o" * 32)]))
        self.assertEqual(list(await self.directory.sessions()), [])
        self.assertIsNone(await self.directory.find("s-1"))
        self.assertEqual((await self.directory.claim(RECORD)).epoch, 2)

    async def test_records_fit_their_own_row_only(self):
        """A record moved to another session's row is not shown for that one."""
        await self.directory.claim(RECORD)
        await self.directory.claim(evolve(RECORD, id="s-2", opened_at=START + 1))
        with Database(self.path).writing() as db:
            db.execute("UPDATE sessions SET sealed_record = (SELECT sealed_record FROM sessions WHERE id = 's-1')")
        self.assertEqual([record.id for record in await self.directory.sessions()], ["s-1"])
        self.assertIsNone(await self.directory.find("s-2"))

    async def test_bounded(self):
        """A full directory refuses new sessions, but not takings-over; ended ones give way."""
        self.directory = self.make_directory(max_sessions=2)
        first = await self.directory.claim(RECORD)
        await self.directory.claim(evolve(RECORD, id="s-2"))
        third = evolve(RECORD, id="s-3")
        with self.assertRaises(Refused) as caught:
            await self.directory.claim(third)
        self.assertIs(caught.exception.reason, Reason.OVER_LIMIT)
        await self.ended(await self.directory.claim(first))
        await self.directory.claim(third)
        self.assertIsNone(await self.directory.find(session="s-1"))

    async def test_clears_away(self):
        """What ended long ago leaves the file, a batch at each claim."""
        self.patch(directory_sqlite, "PRUNE_BATCH", 2)
        for number in range(3):
            await self.ended(await self.directory.claim(evolve(RECORD, id=f"s-{number}")))
        self.time += 3600
        sizes = []
        for number in range(3, 6):
            await self.directory.claim(evolve(RECORD, id=f"s-{number}"))
            with Database(self.path).reading() as db:
                sizes.append(size_of(db, "sessions"))
        self.assertEqual(sizes, [2, 2, 3])

    async def test_remembers_boundedly(self):
        """However many records pass, only some are kept open, and each is still read right."""
        self.patch(directory_sqlite, "MAX_OPENED", 2)
        records = [await self.directory.claim(evolve(RECORD, id=f"s-{n}", opened_at=START + n)) for n in range(5)]
        for _ in range(2):
            self.assertEqual(list(await self.directory.sessions()), records)
        self.assertEqual(len(self.directory._opened), 2)

    async def test_remembers_a_session_once(self):
        """However often a session's record changes, only the last one is kept open."""
        record = await self.directory.claim(RECORD)
        for bytes_in in range(1, 20):
            record = evolve(record, bytes_in=bytes_in)
            self.assertTrue(await self.directory.update(record))
        self.assertEqual(len(self.directory._opened), 1)
        self.assertEqual(await self.directory.find(record.id), record)

    async def test_what_others_wrote_counts(self):
        """A record that somebody else has stored meanwhile is read anew."""
        record = await self.directory.claim(RECORD)
        changed = evolve(record, bytes_in=7)
        await self.make_directory().update(changed)
        self.assertEqual(await self.directory.find(record.id), changed)

    async def test_away(self):
        """With the file closed, the store is away."""
        opened = Database(self.path)
        directory = SqliteDirectory(opened, SEALER, self.now)
        opened.close()
        for attempt in (directory.claim(RECORD), directory.update(RECORD), directory.find("s-1"), directory.sessions()):
            with self.assertRaises(StoreAway):
                await attempt
