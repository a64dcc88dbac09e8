"""
Which pixel format the server's next rectangle is in.

RFB does not mark the place where a new format begins; this is the bookkeeping
that finds it.  What a pixel looks like is in ``pixels.py``.
"""

from __future__ import annotations

from collections import deque
from struct import Struct
from typing import Final

from gateway.wire.errors import PeerError
from gateway.wire.rfb.constants import ClientMessage
from gateway.wire.rfb.pixels import PixelFormat

MARKER: Final = b"consolegw"
"""Our own fences begin so; a client's may not."""

MAX_PENDING: Final = 8
"""Changes of format that a server has not taken up yet: a viewer has one."""

FENCE: Final = Struct("!B3xIB")
SYNC_NEXT: Final = 4
BLOCK_BEFORE: Final = 1
REQUEST: Final = 1 << 31


class Formats:
    """
    The format in force, and those to come, each with the mark that brings it.

    A server uses a new format for the updates that it makes after reading the
    client's message.  When nothing can be on its way, that is the next update.
    Else a fence goes ahead of the message: its answer is the border.
    """

    def __init__(self, first: PixelFormat) -> None:
        self._use(first)
        self._pending: deque[tuple[bytes | None, PixelFormat]] = deque()  # the marker, or None: with the next update
        self._owed = 0
        self._continuous = False
        self._ends_owed = 0
        self._count = 0

    def _use(self, current: PixelFormat) -> None:
        self.current = current
        self.bytes_per_pixel = current.bytes_per_pixel
        self.tpixel_size = current.tpixel_size

    @property
    def newest(self) -> PixelFormat:
        """What the client asked for last, in force or not."""
        return self._pending[-1][1] if self._pending else self.current

    @property
    def quiet(self) -> bool:
        """Whether no update can be on its way: each asked for has come, and none comes by itself."""
        return not (self._owed or self._continuous or self._ends_owed)

    def change(self, wanted: PixelFormat, fences: bool, strict: bool) -> bytes:
        """
        Note a change; return what must go to the server ahead of it.

        :param fences: whether the server answers fences.
        :param strict: refuse a change whose place nobody can tell.  Else the
            client's own guess is taken: with the next update.
        """
        if len(self._pending) >= MAX_PENDING:
            raise PeerError(f"more than {MAX_PENDING} changes of the pixel format are pending")
        marked = any(marker for marker, _ in self._pending)
        if not marked and (self.quiet or _framed_alike(wanted, self.current, self.newest)):
            self._pending.append((None, wanted))
            return b""
        if fences:
            self._count += 1
            marker = MARKER + self._count.to_bytes(4, "big")
            self._pending.append((marker, wanted))
            return FENCE.pack(ClientMessage.FENCE, REQUEST | SYNC_NEXT | BLOCK_BEFORE, len(marker)) + marker
        if strict:
            raise PeerError("the pixel format was changed while an update was on its way")
        self._pending.append((None, wanted))
        return b""

    def update_asked(self) -> None:
        """The client asked for an update."""
        self._owed += 1

    def update_begins(self) -> None:
        """An update's header came: changes that waited for it are in force."""
        self._owed = max(0, self._owed - 1)
        while self._pending and self._pending[0][0] is None:
            self._use(self._pending.popleft()[1])

    def fence_came(self, payload: bytes) -> bool:
        """Look at a fence of the server; tell whether it answers one of ours."""
        if payload not in [marker for marker, _ in self._pending]:
            return False
        while True:
            marker, current = self._pending.popleft()
            if marker == payload:
                self._use(current)
                return True

    def continuous(self, enabled: bool) -> None:
        """The client switched continuous updates; the end of them will be told."""
        if not enabled:
            self._ends_owed += 1
        self._continuous = enabled

    def continuous_ended(self) -> None:
        """The server told their end (or, the first time, that it knows them)."""
        self._ends_owed = max(0, self._ends_owed - 1)


def _framed_alike(*formats: PixelFormat) -> bool:
    """Tell whether rectangles in these formats have the same lengths."""
    return len({(each.bytes_per_pixel, each.tpixel_size) for each in formats}) == 1
