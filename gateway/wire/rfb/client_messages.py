"""
Where a client's message ends: the allow-list and its lengths (protocols.md §5.2).

What is not here cannot come through, with any rights.  What becomes of a
message is decided in ``rules.py``; the slate reads with this too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need
from gateway.wire.rfb.constants import ClientMessage
from gateway.wire.rfb.passage import Passage
from gateway.wire.rfb.server_messages import MAX_FENCE, MAX_SKIPPED

MAX_ENCODINGS: Final = 1024
"""The longest list of encodings; no viewer measured offers a hundred."""

EXTENDED_KEY: Final = 0
WIDE: Final = 0x80
"""A pointer event with this bit has a second byte of buttons, once the server has said so."""

ENCODINGS: Final = Struct("!xxH")
CUT_TEXT: Final = Struct("!4xi")

FIXED: Final[Mapping[int, int]] = {
    ClientMessage.SET_PIXEL_FORMAT: 20,
    ClientMessage.UPDATE_REQUEST: 10,
    ClientMessage.KEY: 8,
    ClientMessage.POINTER: 6,
    ClientMessage.CUT_TEXT: 8,
    ClientMessage.ENABLE_CONTINUOUS_UPDATES: 10,
    ClientMessage.XVP: 4,
}


def read(passage: Passage, wide_pointers: bool) -> Need[tuple[bytes, int]]:
    """
    Wait for a message and return it, unconsumed, with the length of what follows it.

    Only a clipboard has something to follow: its text is never held.
    """
    (kind,) = yield from passage.look(1)
    if (size := FIXED.get(kind)) is None:
        if (measure := VARIABLE.get(kind)) is None:
            raise PeerError(f"the client sent a message of type {kind}")
        size = yield from measure(passage)
    elif kind == ClientMessage.POINTER and wide_pointers and (yield from passage.look(2))[1] & WIDE:
        size += 1
    message = yield from passage.look(size)
    return message, _clipboard(message) if kind == ClientMessage.CUT_TEXT else 0


def _clipboard(message: bytes) -> int:
    length: int = abs(CUT_TEXT.unpack(message)[0])  # negative: an extended clipboard
    if length > MAX_SKIPPED:
        raise PeerError(f"a clipboard of {length} bytes is too long")
    return length


def _encodings(passage: Passage) -> Need[int]:
    count: int = ENCODINGS.unpack((yield from passage.look(4)))[0]
    if count > MAX_ENCODINGS:
        raise PeerError(f"the client offers {count} encodings")
    return 4 + 4 * count


def _fence(passage: Passage) -> Need[int]:
    length = (yield from passage.look(9))[8]
    if length > MAX_FENCE:
        raise PeerError(f"a fence of {length} bytes is too long")
    return 9 + length


def _desktop_size(passage: Passage) -> Need[int]:
    return 8 + 16 * (yield from passage.look(8))[6]


def _qemu(passage: Passage) -> Need[int]:
    sort = (yield from passage.look(2))[1]
    if sort != EXTENDED_KEY:
        raise PeerError(f"the client sent a QEMU message of type {sort}")
    return 12


VARIABLE: Final[Mapping[int, Callable[[Passage], Need[int]]]] = {
    ClientMessage.SET_ENCODINGS: _encodings,
    ClientMessage.FENCE: _fence,
    ClientMessage.SET_DESKTOP_SIZE: _desktop_size,
    ClientMessage.QEMU: _qemu,
}
