"""
Which stores there are, and how each kind is put together.

The one place where a kind's name (configuration, ``tickets.store``) becomes
objects.  Nothing here knows how they work.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from attrs import frozen

from gateway.model.seams import Directory, TicketStore
from gateway.stores.database import Database
from gateway.stores.directory_memory import MemoryDirectory
from gateway.stores.directory_sqlite import SqliteDirectory
from gateway.stores.files import FileLock
from gateway.stores.memory import MemoryStore
from gateway.stores.sealed import SealedStore
from gateway.stores.sealing import Sealer, create_keys, read_keys
from gateway.stores.sqlite import SqliteStore

KINDS = ("memory", "sqlite", "sealed", "sealed+sqlite")

DATABASE_NAME = "consolegw.sqlite"

LOCK_NAME = "consolegw.lock"
"""Beside the database, which must not be opened a second time for a lock: closing it would drop SQLite's own."""

BEARER_REMARK = (
    "sealed tickets without a store are bearer tokens until they expire:"
    " no uses, no revocation, sessions and limits per node"
)


@frozen
class Stores:
    """The open stores of one node; ``remarks`` are what the operator should read at start."""

    tickets: TicketStore
    directory: Directory
    remarks: tuple[str, ...] = ()
    database: Database | None = None
    lock: FileLock | None = None

    def usable(self) -> bool:
        """Whether tickets could be redeemed just now: that takes writing."""
        return self.database is None or self.database.usable()

    def close(self) -> None:
        """Close what is open; later calls find the store away."""
        if self.database is not None:
            self.database.close()
        if self.lock is not None:
            self.lock.release()


def open_stores(
    kind: str, *, state_dir: Path, sealer_keys_path: Path, audience: str, now: Callable[[], float]
) -> Stores:
    """
    Open the stores of a kind (one of ``KINDS``).

    The keys file is made when it is missing, with a remark: nodes that share
    sealed tickets or a database need the same one.

    A database is one process's: signals and limits are known within it alone.

    :raises ValueError: no such kind, or a keys file or database that cannot be used, or another process
        uses it; one line, for people.
    :raises OSError: a file cannot be read or made.
    """
    if kind not in KINDS:
        raise ValueError(f"{kind!r} is not a ticket store; accepted: {', '.join(KINDS)}")
    if kind == "memory":
        return Stores(MemoryStore(now), MemoryDirectory(now))
    remarks = [f"made a new sealing key in {sealer_keys_path}"] if create_keys(sealer_keys_path) else []
    sealer = Sealer(read_keys(sealer_keys_path))
    if kind == "sealed":
        return Stores(SealedStore(sealer, audience, now), MemoryDirectory(now), (*remarks, BEARER_REMARK))
    lock = FileLock(state_dir / LOCK_NAME)
    try:
        database = Database(state_dir / DATABASE_NAME)
    except BaseException:
        lock.release()
        raise
    counted = SqliteStore(database, sealer, now)
    tickets = counted if kind == "sqlite" else SealedStore(sealer, audience, now, counted)
    return Stores(tickets, SqliteDirectory(database, sealer, now), tuple(remarks), database, lock)
