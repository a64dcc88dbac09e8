"""
What becomes of each message of a client: it goes on, is left out, or goes on changed.

One rule per message of the allow-list.  A rule is given what both ends agreed
on and the whole message, and returns what goes on in its place.  What the
rights do not cover, or the server does not know, silently does not go on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need
from gateway.wire.rfb.agreed import Agreed
from gateway.wire.rfb.client_messages import CUT_TEXT, WIDE, read
from gateway.wire.rfb.constants import MAX_SIDE, ClientMessage, Pseudo
from gateway.wire.rfb.encodings import permitted
from gateway.wire.rfb.formats import FENCE, MARKER, REQUEST, SYNC_NEXT
from gateway.wire.rfb.passage import Passage
from gateway.wire.rfb.pixels import PixelFormat
from gateway.wire.rfb.server_messages import MAX_CUT_TEXT

ENCODINGS: Final = Struct("!xxH")
KEY: Final = Struct("!xBxxI")
EXTENDED_KEY: Final = Struct("!xxHII")
POINTER: Final = Struct("!xBHH")
WIDE_POINTER: Final = Struct("!xBHHB")
DESKTOP_SIZE: Final = Struct("!xxHHxx")

Rule = Callable[[Agreed, bytes], bytes]

NOTHING: Final = b""


def walk(passage: Passage, agreed: Agreed) -> Need[None]:
    """Walk what the client sends, for ever."""
    while True:
        passage.begin()
        message, following = yield from read(passage, Pseudo.EXTENDED_MOUSE_BUTTONS in agreed.announced)
        instead = RULES[message[0]](agreed, message)
        if instead and message[0] != ClientMessage.FENCE:
            agreed.fence_open = False
        if instead is message:
            yield from passage.keep(len(message) + following)
        else:
            if instead:
                passage.put(instead)
            yield from passage.drop(len(message) + following)


def _set_pixel_format(agreed: Agreed, message: bytes) -> bytes:
    """Keep the border between two formats known (docs/wire/rfb.md)."""
    ahead = agreed.formats.change(
        PixelFormat.parse(message[4:]),
        fences=Pseudo.FENCE in agreed.announced and not agreed.fence_open,
        strict=not agreed.rights.clipboard,
    )
    return ahead + message if ahead else message


def _set_encodings(agreed: Agreed, message: bytes) -> bytes:
    """Offer the server what can be framed; noVNC and the like always have something left."""
    (count,) = ENCODINGS.unpack_from(message)
    numbers = Struct(f"!{count}i")
    offered = numbers.unpack_from(message, ENCODINGS.size)
    agreed.encodings = permitted(offered, agreed)
    if agreed.encodings == offered:
        return message
    kept = len(agreed.encodings)
    return Struct(f"!BxH{kept}i").pack(ClientMessage.SET_ENCODINGS, kept, *agreed.encodings)


def _update_request(agreed: Agreed, message: bytes) -> bytes:
    agreed.formats.update_asked()
    return message


def _key(agreed: Agreed, message: bytes) -> bytes:
    if not agreed.rights.control:
        return NOTHING
    down, keysym = KEY.unpack(message)
    agreed.held.key(bool(down), keysym)
    return message


def _qemu(agreed: Agreed, message: bytes) -> bytes:
    if not agreed.rights.control or Pseudo.QEMU_EXTENDED_KEY not in agreed.announced:
        return NOTHING
    down, keysym, keycode = EXTENDED_KEY.unpack(message)
    agreed.held.key(bool(down), keysym, keycode)
    return message


def _pointer(agreed: Agreed, message: bytes) -> bytes:
    if not agreed.rights.control:
        return NOTHING
    if len(message) == WIDE_POINTER.size:
        buttons, x, y, more = WIDE_POINTER.unpack(message)
        agreed.held.point(buttons & ~WIDE | more << 7, x, y)
    else:
        agreed.held.point(*POINTER.unpack(message))
    return message


def _cut_text(agreed: Agreed, message: bytes) -> bytes:
    (length,) = CUT_TEXT.unpack(message)
    return message if agreed.rights.clipboard and abs(length) <= MAX_CUT_TEXT else NOTHING


def _enable_continuous_updates(agreed: Agreed, message: bytes) -> bytes:
    if Pseudo.CONTINUOUS_UPDATES not in agreed.announced:
        return NOTHING
    agreed.formats.continuous(bool(message[1]))
    return message


def _fence(agreed: Agreed, message: bytes) -> bytes:
    if Pseudo.FENCE not in agreed.announced:
        return NOTHING
    if message.startswith(MARKER, FENCE.size):
        raise PeerError("the client sent a fence like one of ours")
    _, flags, _ = FENCE.unpack_from(message)
    agreed.fence_open = flags & (REQUEST | SYNC_NEXT) == REQUEST | SYNC_NEXT
    return message


def _xvp(agreed: Agreed, message: bytes) -> bytes:
    return message if agreed.rights.power and Pseudo.XVP in agreed.announced else NOTHING


def _set_desktop_size(agreed: Agreed, message: bytes) -> bytes:
    width, height = DESKTOP_SIZE.unpack_from(message)
    # Xvnc 1.12 dies of this message where nobody offered it the answer (splice.md §5).
    known = Pseudo.EXTENDED_DESKTOP_SIZE in agreed.announced
    return message if agreed.rights.control and known and max(width, height) <= MAX_SIDE else NOTHING


RULES: Final[Mapping[int, Rule]] = {
    ClientMessage.SET_PIXEL_FORMAT: _set_pixel_format,
    ClientMessage.SET_ENCODINGS: _set_encodings,
    ClientMessage.UPDATE_REQUEST: _update_request,
    ClientMessage.KEY: _key,
    ClientMessage.POINTER: _pointer,
    ClientMessage.CUT_TEXT: _cut_text,
    ClientMessage.ENABLE_CONTINUOUS_UPDATES: _enable_continuous_updates,
    ClientMessage.FENCE: _fence,
    ClientMessage.XVP: _xvp,
    ClientMessage.SET_DESKTOP_SIZE: _set_desktop_size,
    ClientMessage.QEMU: _qemu,
}
