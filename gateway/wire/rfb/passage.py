"""
A stream on its way through: what goes on, what does not, what instead.

A generator walks the stream as straight-line code; what it keeps goes on as
it came, without a copy where that can be.  No protocol is known here.
"""

from __future__ import annotations

from collections.abc import Callable

from gateway.wire.errors import LocalError
from gateway.wire.reader import Need


class Passage:
    """
    One direction of a stream, and how far the walk has come in it.

    :param walk: makes the generator; it is given the passage, and never ends.

    Only what a walk has to see at once is held back (:meth:`look`): whatever
    is kept goes on with the chunk that it came in.
    """

    def __init__(self, walk: Callable[[Passage], Need[None]]) -> None:
        self._data = b""  # the chunk at hand, after what was held of the last
        self._at = 0  # how far the walk has come
        self._settled = 0  # up to where it is decided and in _out
        self._out: list[bytes] = []
        self._walk = walk(self)
        self.under_way = False
        """Whether something went on since :meth:`begin`."""

    def pump(self, data: bytes) -> bytes:
        """Take a chunk, walk on, and return what goes on: the very same object if all of it does."""
        self._data = self._data + data if self._data else data
        if next(self._walk, self) is self:
            raise LocalError("this stream has ended")
        if self._at == len(self._data) and not self._settled and not self._out:
            passed, self._data = self._data, b""
        else:
            self._settle()
            passed, self._data = b"".join(self._out), self._data[self._at :]
            self._out.clear()
        self._at = self._settled = 0
        return passed

    def begin(self) -> None:
        """A message begins here: nothing of it has gone on."""
        self.under_way = False

    def ahead(self, count: int) -> bool:
        """Tell whether so many bytes are at hand."""
        return len(self._data) - self._at >= count

    def octet(self, offset: int = 0) -> int:
        """Return a byte that is at hand without consuming it."""
        return self._data[self._at + offset]

    def look(self, count: int) -> Need[bytes]:
        """Wait for a few bytes and return them; they are held until it is said what becomes of them."""
        while len(self._data) - self._at < count:
            yield
        return self._data[self._at : self._at + count]

    def take(self, count: int) -> Need[bytes]:
        """Wait for a few bytes, return them, and let them go on."""
        while len(self._data) - self._at < count:
            yield
        start = self._at
        self._at += count
        self.under_way = True
        return self._data[start : self._at]

    def step(self, count: int) -> None:
        """Let so many bytes go on that are at hand."""
        self._at += count
        self.under_way = True

    def keep(self, count: int) -> Need[None]:
        """Let bytes go on as they come; they are counted, never held."""
        self.under_way = True
        while (have := len(self._data) - self._at) < count:
            self._at += have
            count -= have
            yield
        self._at += count

    def drop(self, count: int) -> Need[None]:
        """Let bytes vanish as they come."""
        self._settle()
        while (have := len(self._data) - self._at) < count:
            self._at = self._settled = len(self._data)
            count -= have
            yield
        self._at += count
        self._settled = self._at

    def put(self, data: bytes) -> None:
        """Insert bytes that did not come."""
        self._settle()
        self._out.append(data)
        self.under_way = True

    def _settle(self) -> None:
        """What the walk has passed and not dropped is to go on."""
        if self._settled < self._at:
            self._out.append(self._data[self._settled : self._at])
            self._settled = self._at
