"""
The walk of what a server sends: message by message, rectangle by rectangle.

Lengths of protocols.md §5.3 and §5.6.  It notes what the session agreed on,
writes the console's name over the server's, and leaves out what the rights do
not cover; the bodies of rectangles are walked by ``rects.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need
from gateway.wire.rfb.agreed import Agreed
from gateway.wire.rfb.constants import MAX_NAME, Pseudo, ServerMessage
from gateway.wire.rfb.passage import Passage
from gateway.wire.rfb.rects import FIXED, PIXELS, SHAPES

MAX_FENCE: Final = 64
"""What a fence may carry (rfbproto §7.5.8)."""

MAX_CUT_TEXT: Final = 1024 * 1024
"""The longest clipboard that is passed on; TigerVNC's is 256 KiB.  A longer one is left out."""

MAX_SKIPPED: Final = 64 * 1024 * 1024
"""The longest clipboard that is left out; beyond it somebody is out of step."""

MAX_AUDIO: Final = 1024 * 1024
"""The most sound in one of VMware's messages."""

COUNT: Final = Struct("!xxH")
RECT: Final = Struct("!HHHHi")
CUT_TEXT: Final = Struct("!4xi")
COLOUR_MAP: Final = Struct("!4xH")
FENCE: Final = Struct("!4xIB")
U32: Final = Struct("!I")

AUDIO: Final = 3
SETTLED_BY_CLIENT: Final = 1


def walk(passage: Passage, agreed: Agreed) -> Need[None]:
    """Walk for ever."""
    while True:
        passage.begin()
        (kind,) = yield from passage.look(1)
        message = MESSAGES.get(kind)
        if message is None:
            raise PeerError(f"the server sent a message of type {kind}")
        yield from message(passage, agreed)


def _update(passage: Passage, agreed: Agreed) -> Need[None]:
    (agreed.rectangles_owed,) = COUNT.unpack((yield from passage.look(4)))
    agreed.formats.update_begins()
    yield from passage.keep(4)
    while agreed.rectangles_owed:  # 65535 of them, if a LastRect will end it
        yield from _rectangle(passage, agreed)


def _rectangle(passage: Passage, agreed: Agreed) -> Need[None]:
    x, y, width, height, encoding = RECT.unpack((yield from passage.take(RECT.size)))
    agreed.rectangles_owed -= 1
    if (reader := PIXELS.get(encoding)) is not None:
        if x + width > agreed.width or y + height > agreed.height:
            raise PeerError(f"{width}×{height} at {x},{y} is outside a screen of {agreed.width}×{agreed.height}")
        yield from reader(passage, width, height, agreed.formats)
    elif (reader := SHAPES.get(encoding)) is not None:
        yield from reader(passage, width, height, agreed.formats)
    elif (size := FIXED.get(encoding)) is not None:
        yield from passage.keep(size)
    elif encoding == Pseudo.DESKTOP_NAME:
        yield from _name(passage, agreed)
    elif encoding == Pseudo.EXTENDED_DESKTOP_SIZE:
        (screens, *_) = yield from passage.look(4)
        yield from passage.keep(4 + 16 * screens)
        agreed.announced.add(encoding)
        if x != SETTLED_BY_CLIENT or y == 0:  # else it tells why the client did not get its size
            agreed.resize(width, height)
    elif encoding == Pseudo.DESKTOP_SIZE:
        agreed.resize(width, height)
    elif encoding == Pseudo.LAST_RECT:
        agreed.rectangles_owed = 0
    elif encoding in (Pseudo.QEMU_EXTENDED_KEY, Pseudo.EXTENDED_MOUSE_BUTTONS):
        agreed.announced.add(encoding)
    else:
        raise PeerError(f"the server sent a rectangle of encoding {encoding}, which nobody offered")


def _name(passage: Passage, agreed: Agreed) -> Need[None]:
    """Write the console's name over the server's, its length included."""
    (length,) = U32.unpack((yield from passage.look(4)))
    if length > MAX_NAME:
        raise PeerError(f"a desktop name of {length} bytes is too long")
    passage.put(U32.pack(len(agreed.name)) + agreed.name)
    yield from passage.drop(4 + length)


def _colour_map(passage: Passage, agreed: Agreed) -> Need[None]:
    (colours,) = COLOUR_MAP.unpack((yield from passage.look(6)))
    yield from passage.keep(6 + 6 * colours)


def _bell(passage: Passage, agreed: Agreed) -> Need[None]:
    return passage.keep(1)


def _cut_text(passage: Passage, agreed: Agreed) -> Need[None]:
    (length,) = CUT_TEXT.unpack((yield from passage.look(8)))
    length = abs(length)  # negative: an extended clipboard
    if length > MAX_SKIPPED:
        raise PeerError(f"a clipboard of {length} bytes is too long")
    passed = agreed.rights.clipboard and length <= MAX_CUT_TEXT
    yield from (passage.keep(8 + length) if passed else passage.drop(8 + length))


def _vmware(passage: Passage, agreed: Agreed) -> Need[None]:
    """Walk one of VMware's own; the length counts everything but a sound (protocols.md §2.4)."""
    _, sort, total = Struct("!BBH").unpack((yield from passage.look(4)))
    extra = 0
    if sort == AUDIO:
        (extra,) = U32.unpack((yield from passage.look(8))[4:])
    if total < (8 if sort == AUDIO else 4) or extra > MAX_AUDIO:
        raise PeerError(f"a VMware message {sort} of {total}+{extra} bytes")
    yield from passage.keep(total + extra)


def _end_of_continuous_updates(passage: Passage, agreed: Agreed) -> Need[None]:
    yield from passage.keep(1)
    agreed.announced.add(Pseudo.CONTINUOUS_UPDATES)
    agreed.formats.continuous_ended()


def _fence(passage: Passage, agreed: Agreed) -> Need[None]:
    _, length = FENCE.unpack((yield from passage.look(FENCE.size)))
    if length > MAX_FENCE:
        raise PeerError(f"a fence of {length} bytes is too long")
    payload = (yield from passage.look(FENCE.size + length))[FENCE.size :]
    agreed.announced.add(Pseudo.FENCE)
    ours = agreed.formats.fence_came(payload)
    yield from (passage.drop if ours else passage.keep)(FENCE.size + length)


def _xvp(passage: Passage, agreed: Agreed) -> Need[None]:
    yield from passage.keep(4)
    agreed.announced.add(Pseudo.XVP)


MESSAGES: Final[Mapping[int, Callable[[Passage, Agreed], Need[None]]]] = {
    ServerMessage.UPDATE: _update,
    ServerMessage.COLOUR_MAP: _colour_map,
    ServerMessage.BELL: _bell,
    ServerMessage.CUT_TEXT: _cut_text,
    ServerMessage.VMWARE: _vmware,
    ServerMessage.END_OF_CONTINUOUS_UPDATES: _end_of_continuous_updates,
    ServerMessage.FENCE: _fence,
    ServerMessage.XVP: _xvp,
}
"""By type: each walks one whole message, its type included."""
