"""
The embedded database: one SQLite file for the gateways of one host.

Opening, transactions and errors; what stands in the tables is the stores'
matter.  Calls are synchronous and run on the reactor: each is a handful of
indexed look-ups, a commit waits for no disk (see ``_SYNCHRONOUS``), and a
thread would cost more than it saves.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib import resources
from pathlib import Path

from gateway.model.errors import StoreAway
from gateway.stores.files import create_privately
from gateway.stores.outage import Outage

VERSION = 1

BUSY_SECONDS = 0.05
"""Seconds that a call waits for somebody else's transaction, and every client of the gateway with it."""

OPENING_SECONDS = 5.0
"""The same while the file is opened: nobody is connected yet, and who closed it just now may still tidy up."""

# In WAL mode a commit is then safe when the process dies, and a checkpoint waits for the disk, not a commit.
# After a power loss the last moments may be missing: the tickets of that minute are minted again.
_SYNCHRONOUS = "PRAGMA synchronous = NORMAL"


class Database:
    """
    An open database file; whoever opens it closes it.

    :raises OSError: the file cannot be made.
    :raises ValueError: it is not a database of this version.
    """

    def __init__(self, path: Path, seconds: Callable[[], float] = time.monotonic) -> None:
        self._closed = False
        self._outage = Outage(seconds)
        if not path.exists():
            create_privately(path, _initialise)
        try:
            self._connection = _connect(path)
            self._check_version(path)
            self._connection.execute(f"PRAGMA busy_timeout = {round(BUSY_SECONDS * 1000)}")
        except sqlite3.Error as error:
            raise ValueError(f"{path}: not a usable database ({error})") from error

    def _check_version(self, path: Path) -> None:
        (version,) = self._connection.execute("SELECT version FROM version").fetchone()
        if version != VERSION:
            self.close()
            raise ValueError(f"{path}: a database of version {version}; this gateway knows version {VERSION}")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """
        One transaction, alone among all processes from its first look on; an exception takes it back.

        :raises StoreAway: locked for too long, or broken, or so just before; nothing was changed.
        """
        self._check_open()
        self._outage.check()
        before = self._connection.total_changes
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                with suppress(sqlite3.Error):
                    self._connection.rollback()
                raise
        except sqlite3.Error as error:
            raise self._outage.failed(error) from error
        if self._connection.total_changes != before:  # on a full disk a transaction without any succeeds
            self._outage.worked()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """
        Single look-ups, which never wait for a writer.

        :raises StoreAway: broken, or so just before.
        """
        self._check_open()
        self._outage.check(reading=True)
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise self._outage.failed(error, reading=True) from error

    def usable(self) -> bool:
        """Whether writing works: what the last write says; when that is long ago, one for the purpose."""
        if self._closed:
            return False
        if not self._outage.is_news:
            with suppress(StoreAway), self.writing() as db:
                db.execute("UPDATE version SET version = version")
        return not self._outage.is_on

    def close(self) -> None:
        """Close the file; every later call finds the store away."""
        self._closed = True
        self._connection.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoreAway("the database is closed")


def size_of(connection: sqlite3.Connection, table: str) -> int:
    """How many rows a bounded table has."""
    (total,) = connection.execute("SELECT total FROM sizes WHERE name = ?", (table,)).fetchone()
    return int(total)


def _connect(path: Path) -> sqlite3.Connection:
    # No transactions of the module's own: each is begun by name.
    connection = sqlite3.connect(path, timeout=OPENING_SECONDS, isolation_level=None)
    for pragma in (_SYNCHRONOUS, "PRAGMA foreign_keys = ON", "PRAGMA trusted_schema = OFF"):
        connection.execute(pragma)
    return connection


def _initialise(path: Path) -> None:
    schema = resources.files("gateway.stores").joinpath("schema", f"v{VERSION}.sql").read_text("utf-8")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN; {schema} COMMIT;")
