"""
The embedded database: one SQLite file for the gateways of one host.

Opening, transactions and errors; what stands in the tables is the stores'
matter.  Calls are synchronous and run on the reactor: each is a handful of
indexed look-ups, a commit waits for no disk (see ``_SYNCHRONOUS``), and a
thread would cost more than it saves.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from importlib import resources
from pathlib import Path

from gateway.model.errors import StoreAway
from gateway.stores.files import create_privately

VERSION = 1

BUSY_SECONDS = 0.5
"""How long a call waits for another process's transaction, which takes well below a millisecond."""

# In WAL mode a commit is then safe when the process dies, and a checkpoint waits for the disk, not a commit.
# After a power loss the last moments may be missing: the tickets of that minute are minted again.
_SYNCHRONOUS = "PRAGMA synchronous = NORMAL"


class Database:
    """
    An open database file; whoever opens it closes it.

    :raises OSError: the file cannot be made.
    :raises ValueError: it is not a database of this version.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            create_privately(path, _initialise)
        try:
            self._connection = _connect(path)
            self._check_version(path)
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

        :raises StoreAway: locked for too long, or broken; nothing was changed.
        """
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
            raise StoreAway(f"the database does not answer: {error}") from error

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """
        Single look-ups, which never wait for a writer.

        :raises StoreAway: broken.
        """
        try:
            yield self._connection
        except sqlite3.Error as error:
            raise StoreAway(f"the database does not answer: {error}") from error

    def close(self) -> None:
        """Close the file; every later call finds the store away."""
        self._connection.close()


def size_of(connection: sqlite3.Connection, table: str) -> int:
    """How many rows a bounded table has."""
    (total,) = connection.execute("SELECT total FROM sizes WHERE name = ?", (table,)).fetchone()
    return int(total)


def _connect(path: Path) -> sqlite3.Connection:
    # No transactions of the module's own: each is begun by name.
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
    for pragma in (_SYNCHRONOUS, "PRAGMA foreign_keys = ON", "PRAGMA trusted_schema = OFF"):
        connection.execute(pragma)
    return connection


def _initialise(path: Path) -> None:
    schema = resources.files("gateway.stores").joinpath("schema", f"v{VERSION}.sql").read_text("utf-8")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.executescript(f"BEGIN; {schema} COMMIT;")
