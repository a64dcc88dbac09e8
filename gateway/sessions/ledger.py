"""
Keeps a session's record in the directory: one write at a time, the newest last.

What the record says is the session's business.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.errors import StoreAway
from gateway.model.events import Event, tell
from gateway.model.seams import Directory
from gateway.model.session import SessionRecord

_log = Logger()


class Ledger:
    """
    :param current: gives the record as it is to be stored.
    :param moved: called when another node owns the session by now.
    """

    def __init__(self, directory: Directory, current: Callable[[], SessionRecord], moved: Callable[[], None]) -> None:
        self._directory = directory
        self._current = current
        self._moved = moved
        self._writing = False
        self._dirty = False

    def write(self) -> None:
        """Store the record as it is now, or as soon as the write under way is done."""
        self._dirty = True
        if not self._writing:
            self._writing = True
            Deferred.fromCoroutine(self._write_all())

    @property
    def settled(self) -> bool:
        """Whether the directory has the record as it is."""
        return not (self._dirty or self._writing)

    def retry(self) -> None:
        """Try again what the store did not take; called about once a second."""
        if self._dirty:
            self.write()

    async def _write_all(self) -> None:
        try:
            while self._dirty:
                self._dirty = False
                if not await self._directory.update(self._current()):
                    self._moved()
        except StoreAway:
            self._dirty = True
        except Exception:
            tell(_log, Event.FAULT, log_failure=Failure())
        finally:
            self._writing = False
