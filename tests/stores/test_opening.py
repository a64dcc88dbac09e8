"""Which stores there are."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from twisted.trial.unittest import TestCase

from gateway.model.errors import NotSupported, StoreAway
from gateway.model.ticket import Mint, Selector
from gateway.stores.opening import BEARER_REMARK, DATABASE_NAME, KINDS, open_stores
from tests.support.contracts import GRANT, PAGE, RECORD


class OpenStoresTests(TestCase):
    def setUp(self):
        self.root = Path(self.mktemp())

    def opened(self, kind):
        stores = open_stores(
            kind,
            state_dir=self.root / "state",
            sealer_keys_path=self.root / "keys" / "sealing-keys",
            audience="console.example.com",
            now=lambda: 0.0,
        )
        self.addCleanup(stores.close)
        return stores

    def files(self):
        return {str(path.relative_to(self.root)) for path in self.root.rglob("*") if path.is_file()}

    async def test_each_kind_works(self):
        """Every kind mints, redeems and keeps sessions."""
        for kind in KINDS:
            stores = self.opened(kind)
            minted = await stores.tickets.mint(Mint(GRANT, 1, 60.0))
            self.assertTrue((await stores.tickets.redeem(minted.ticket.reveal(), PAGE)).fresh)
            self.assertEqual((await stores.directory.claim(RECORD)).id, RECORD.id)
            await stores.directory.update(await stores.directory.find(RECORD.id))
            stores.close()
            if kind.startswith("sealed"):
                self.assertEqual(minted.ticket.reveal().count("."), 4)

    async def test_memory_leaves_no_file(self):
        """Memory needs neither keys nor a directory."""
        self.opened("memory")
        self.assertFalse(self.root.exists())

    async def test_files(self):
        """A missing key is made once, with a remark; sealed tickets alone need no database."""
        sealed = self.opened("sealed")
        self.assertEqual(self.files(), {"keys/sealing-keys"})
        self.assertIn("made a new sealing key", sealed.remarks[0])
        self.assertEqual(self.opened("sealed").remarks, (BEARER_REMARK,))
        self.assertEqual(self.opened("sealed+sqlite").remarks, ())
        self.assertIn("state/consolegw.sqlite", self.files())
        with self.assertRaises(NotSupported):
            await sealed.tickets.revoke(Selector(id="t"))

    async def test_restart(self):
        """What was minted before is good after the next opening."""
        for kind in ("sqlite", "sealed+sqlite"):
            stores = self.opened(kind)
            minted = await stores.tickets.mint(Mint(GRANT, 1, 60.0))
            stores.close()
            with self.assertRaises(StoreAway):
                await stores.tickets.redeem(minted.ticket.reveal(), PAGE)
            again = self.opened(kind)
            self.assertTrue((await again.tickets.redeem(minted.ticket.reveal(), PAGE)).fresh)
            again.close()

    async def test_usable(self):
        """Every kind says that it answers; one whose database is closed says that it does not."""
        for kind in KINDS:
            stores = self.opened(kind)
            self.assertTrue(stores.usable())
            stores.close()
            self.assertEqual(stores.usable(), stores.database is None)

    async def test_locked_for_writing(self):
        """While another process writes and does not end, the store is not usable: tickets could not be redeemed."""
        stores = self.opened("sqlite")
        with closing(sqlite3.connect(self.root / "state" / DATABASE_NAME, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            self.assertFalse(stores.usable())

    async def test_one_process(self):
        """A database that a gateway has open is refused to a second one; when the first is closed it is free."""
        first = self.opened("sqlite")
        error = self.assertRaises(ValueError, self.opened, "sealed+sqlite")
        self.assertIn(f"{self.root / 'state'}: used by another running gateway", str(error))
        self.opened("sealed"), self.opened("memory")
        first.close()
        self.opened("sqlite").close()

    async def test_a_failed_opening_keeps_no_lock(self):
        """After a database could not be opened, another attempt finds no lock."""
        (self.root / "state").mkdir(parents=True)
        (self.root / "state" / DATABASE_NAME).write_text("something else" * 1000)
        for _ in range(2):
            self.assertIn("not a usable database", str(self.assertRaises(ValueError, self.opened, "sqlite")))

    async def test_wrong(self):
        """A kind that does not exist is refused with those that do; a broken keys file with its name."""
        self.assertIn("sealed+sqlite", str(self.assertRaises(ValueError, self.opened, "redis")))
        self.opened("sqlite").close()
        (self.root / "keys" / "sealing-keys").write_text("x")
        self.assertIn("sealing-keys, line 1", str(self.assertRaises(ValueError, self.opened, "sqlite")))
