"""The embedded database file."""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path

from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import StoreAway
from gateway.model.events import Event
from gateway.stores.database import BUSY_SECONDS, OPENING_SECONDS, Database, size_of
from gateway.stores.outage import AWAY_SECONDS


class DatabaseTests(SynchronousTestCase):
    def setUp(self):
        self.path = Path(self.mktemp()) / "consolegw.sqlite"

    def opened(self, **more):
        opened = Database(self.path, **more)
        self.addCleanup(opened.close)
        return opened

    def insert(self, opened, name):
        with opened.writing() as db:
            db.execute("INSERT INTO sessions VALUES (?, '', 1, 0, 0, '')", (name,))

    def names(self, opened):
        with opened.reading() as db:
            return [name for (name,) in db.execute("SELECT id FROM sessions ORDER BY id")]

    def test_private(self):
        """The file and those beside it are for the owner alone, in whatever mode files are made."""
        self.addCleanup(os.umask, os.umask(0))
        self.insert(self.opened(), "s")
        modes = {name: (self.path.parent / name).stat().st_mode & 0o777 for name in os.listdir(self.path.parent)}
        self.assertEqual(modes, {self.path.name + end: 0o600 for end in ("", "-wal", "-shm")})

    def test_shared(self):
        """Two that open the file see each other's rows."""
        one, two = self.opened(), self.opened()
        self.insert(one, "a")
        self.insert(two, "b")
        self.assertEqual(self.names(one), ["a", "b"])

    def test_taken_back(self):
        """A transaction that fails changes nothing, and the next one works."""
        opened = self.opened()
        with self.assertRaises(KeyError), opened.writing() as db:
            db.execute("INSERT INTO sessions VALUES ('a', '', 1, 0, 0, '')")
            raise KeyError
        self.insert(opened, "b")
        self.assertEqual(self.names(opened), ["b"])

    def test_locked(self):
        """While another process holds the lock, the store is away for writing and reads on."""
        clock = Clock()
        one, two = self.opened(), self.opened(seconds=clock.seconds)
        with one.writing() as db:
            db.execute("INSERT INTO sessions VALUES ('a', '', 1, 0, 0, '')")
            self.assertRaises(StoreAway, self.insert, two, "b")
            self.assertEqual(self.names(two), [])
        clock.advance(AWAY_SECONDS)
        self.insert(two, "b")
        self.assertEqual(self.names(two), ["a", "b"])

    def test_locked_costs_little(self):
        """Of the calls to a locked file one a second waits, and that not long."""
        clock = Clock()
        one, two = self.opened(), self.opened(seconds=clock.seconds)
        with one.writing():
            began = time.monotonic()
            for _ in range(20):
                self.assertRaises(StoreAway, self.insert, two, "b")
            self.assertLess(time.monotonic() - began, 10 * BUSY_SECONDS)

    def test_waits_at_the_opening(self):
        """A file that is locked while it is opened is waited for, but later calls wait for less."""
        opened = self.opened()
        (waits,) = opened._connection.execute("PRAGMA busy_timeout").fetchone()
        self.assertEqual(waits, BUSY_SECONDS * 1000)
        self.assertGreater(OPENING_SECONDS, BUSY_SECONDS)

    def test_unreadable(self):
        """Where not even reading works, nothing waits for a second, and what fails is told as away."""
        clock = Clock()
        opened = self.opened(seconds=clock.seconds)
        with self.assertRaises(StoreAway), opened.reading() as db:
            db.execute("SELECT * FROM nothing")
        self.assertRaises(StoreAway, self.names, opened)
        self.assertRaises(StoreAway, self.insert, opened, "a")
        clock.advance(AWAY_SECONDS)
        self.insert(opened, "a")
        self.assertEqual(self.names(opened), ["a"])

    def test_usable(self):
        """Whether writing works is asked of the file at most once a second, and of no file that is closed."""
        clock = Clock()
        one, two = self.opened(), self.opened(seconds=clock.seconds)
        self.assertTrue(two.usable())
        with one.writing():
            self.assertTrue(two.usable())
            clock.advance(AWAY_SECONDS)
            self.assertFalse(two.usable())
        self.assertFalse(two.usable())
        clock.advance(AWAY_SECONDS)
        self.assertTrue(two.usable())
        two.close()
        self.assertFalse(two.usable())

    def test_back_when_something_was_written(self):
        """An outage is over when something was written; a transaction that changes nothing proves nothing."""
        log = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        clock = Clock()
        opened = self.opened(seconds=clock.seconds)
        opened._connection.execute("PRAGMA query_only = ON")
        self.assertFalse(opened.usable())
        opened._connection.execute("PRAGMA query_only = OFF")
        clock.advance(AWAY_SECONDS)
        with opened.writing():
            pass
        self.assertEqual([event["event"] for event in log], [Event.STORE_FAILED])
        self.assertTrue(opened.usable())
        self.assertEqual([event["event"] for event in log], [Event.STORE_FAILED, Event.STORE_BACK])

    def test_closed(self):
        """Once closed, the store is away."""
        opened = self.opened()
        opened.close()
        self.assertRaises(StoreAway, self.insert, opened, "a")
        self.assertRaises(StoreAway, self.names, opened)

    def test_sizes(self):
        """The sizes follow what is inserted and deleted, by a cascade too."""
        opened = self.opened()
        with opened.writing() as db:
            db.execute(
                "INSERT INTO tickets (digest, id, console, user, sealed_grant, uses, expires_at, keep_until)"
                " VALUES ('d', 't', '', '', '', 1, 0, 0)"
            )
            for session in "ab":
                db.execute("INSERT INTO bindings VALUES ('d', 'p', ?)", (session,))
            self.assertEqual((size_of(db, "tickets"), size_of(db, "bindings")), (1, 2))
            db.execute("DELETE FROM tickets")
            self.assertEqual((size_of(db, "tickets"), size_of(db, "bindings")), (0, 0))

    def test_not_a_database(self):
        """A file that is something else is refused in one line that names it, and left as it is."""
        self.path.parent.mkdir()
        self.path.write_text("something else, long enough to be looked at as a database" * 20)
        error = self.assertRaises(ValueError, Database, self.path)
        self.assertIn(str(self.path), str(error))
        self.assertTrue(self.path.read_text().startswith("something else"))

    def test_other_version(self):
        """A database of a later version is refused."""
        Database(self.path).close()
        with sqlite3.connect(self.path) as connection:
            connection.execute("UPDATE version SET version = 2")
        connection.close()
        error = self.assertRaises(ValueError, Database, self.path)
        self.assertIn("version 2", str(error))
