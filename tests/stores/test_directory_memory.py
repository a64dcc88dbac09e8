"""The directory in memory."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import TestCase

from gateway.model.errors import Reason, Refused
from gateway.model.session import Ending
from gateway.stores.directory_memory import PRUNE_BATCH, MemoryDirectory
from tests.support.contracts import RECORD, START, DirectoryContract


class MemoryDirectoryTests(DirectoryContract, TestCase):
    def make_directory(self):
        return MemoryDirectory(self.now)

    async def test_bounded(self):
        """A full directory refuses new sessions, but not takings-over; ended ones give way."""
        self.directory = MemoryDirectory(self.now, max_sessions=2)
        first = await self.directory.claim(RECORD)
        await self.directory.claim(evolve(RECORD, id="s-2"))
        third = evolve(RECORD, id="s-3")
        with self.assertRaises(Refused) as caught:
            await self.directory.claim(third)
        self.assertIs(caught.exception.reason, Reason.OVER_LIMIT)
        first = await self.directory.claim(first)
        await self.directory.update(evolve(first, ended_at=START, ending=Ending.FINISHED))
        await self.directory.claim(third)
        self.assertIsNone(await self.directory.find(session="s-1"))

    async def test_clears_away_in_steps(self):
        """One call clears away a batch of ended sessions, the next calls the rest."""
        for number in range(PRUNE_BATCH + 1):
            record = await self.directory.claim(evolve(RECORD, id=f"s-{number}"))
            await self.directory.update(evolve(record, ended_at=START, ending=Ending.FINISHED))
        self.time += 3600
        self.assertIsNotNone(await self.directory.find(session=f"s-{PRUNE_BATCH}"))
        self.assertIsNone(await self.directory.find(session=f"s-{PRUNE_BATCH}"))

    async def test_holder_may_change(self):
        """A session that got another holder is found by that one alone."""
        record = await self.directory.claim(RECORD)
        await self.directory.update(evolve(record, holder="I" * 43))
        self.assertIsNone(await self.directory.find(holder=RECORD.holder))
        self.assertEqual((await self.directory.find(holder="I" * 43)).id, "s-1")
