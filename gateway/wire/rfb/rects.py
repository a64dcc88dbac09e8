"""
Where a rectangle ends: one reader per encoding (protocols.md §5.4–5.6, §2.4).

A reader is called after the 12-byte header; it walks exactly one body and lets
all of it go on.  Nothing is decoded, nothing is held but a few bytes of a
length, and a body takes time in proportion to its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from struct import Struct
from typing import Final

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need
from gateway.wire.rfb.constants import Encoding, Pseudo
from gateway.wire.rfb.formats import Formats
from gateway.wire.rfb.passage import Passage

MAX_CURSOR: Final = 1024
"""The widest and highest cursor; TigerVNC takes 256."""

SLACK: Final = 64 * 1024
"""What a compressed body may have beyond twice its pixels: headers, flushes, tiles."""

TIGHT_RAW: Final = 12
"""Tight does not compress what is shorter, and then sends no length."""

U32: Final = Struct("!I")

HEADS: Final = {
    pixel: {0: 1, 2: 1 + pixel, 4: 1 + pixel, 6: 1 + 2 * pixel}  # mask, background (2), foreground (4)
    for pixel in (1, 2, 4)
}
"""How a Hextile tile begins, by the size of a pixel and two bits of the mask."""

RectReader = Callable[[Passage, int, int, Formats], Need[None]]


def raw(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk plain pixels."""
    return passage.keep(width * height * formats.bytes_per_pixel)


def copy_rect(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk the place to copy from."""
    return passage.keep(4)


def rre(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk a background and the rectangles on it."""
    return _on_background(passage, width * height, formats.bytes_per_pixel, 8)


def corre(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk a background and the small rectangles on it."""
    return _on_background(passage, width * height, formats.bytes_per_pixel, 4)


def _on_background(passage: Passage, area: int, pixel: int, place: int) -> Need[None]:
    (count,) = U32.unpack((yield from passage.look(4)))
    if count > area:
        raise PeerError(f"{count} subrectangles in a rectangle of {area} pixels")
    yield from passage.keep(4 + pixel + count * (pixel + place))


def hextile(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk tiles of 16×16, left to right, top to bottom."""
    pixel = formats.bytes_per_pixel
    heads = HEADS[pixel]
    for top in range(0, height, 16):
        tile_height = min(16, height - top)
        for left in range(0, width, 16):
            while not passage.ahead(1):
                yield
            mask = passage.octet()
            if mask & 1:
                size = 1 + min(16, width - left) * tile_height * pixel
            else:
                size = heads[mask & 6]
                if mask & 8:
                    while not passage.ahead(size + 1):
                        yield
                    each = pixel + 2 if mask & 16 else 2
                    size += 1 + passage.octet(size) * each
            if passage.ahead(size):
                passage.step(size)
            else:
                yield from passage.keep(size)


def deflated(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk a length and so many bytes: Zlib and ZRLE."""
    (length,) = U32.unpack((yield from passage.look(4)))
    if length > 2 * width * height * formats.bytes_per_pixel + SLACK:
        raise PeerError(f"a body of {length} bytes for {width}×{height} pixels")
    yield from passage.keep(4 + length)


def tight(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk any form of Tight, but PNG."""
    return _tight(passage, width, height, formats.tpixel_size, (0x9,))


def tight_png(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk any form of Tight, and PNG."""
    return _tight(passage, width, height, formats.tpixel_size, (0x9, 0xA))


def _tight(passage: Passage, width: int, height: int, pixel: int, pictures: tuple[int, ...]) -> Need[None]:
    while not passage.ahead(1):
        yield
    form = passage.octet() >> 4
    if form == 0x8:  # one colour
        yield from passage.keep(1 + pixel)
    elif form in pictures:
        yield from _compact(passage, 1)
    elif form < 0x8:
        passage.step(1)
        size = width * height * pixel
        if form & 0x4:
            size = yield from _filtered(passage, width, height, pixel)
        if size < TIGHT_RAW:
            yield from passage.keep(size)
        else:
            yield from _compact(passage, 0)
    else:
        raise PeerError(f"Tight has no form {form}")


def _filtered(passage: Passage, width: int, height: int, pixel: int) -> Need[int]:
    """Walk the filter; return how many bytes the pixels take behind it."""
    (kind,) = yield from passage.take(1)
    if kind == 1:  # palette
        colours = (yield from passage.take(1))[0] + 1
        yield from passage.keep(colours * pixel)
        return (width + 7) // 8 * height if colours <= 2 else width * height
    if kind > 2:
        raise PeerError(f"Tight has no filter {kind}")
    return width * height * pixel  # copy and gradient


def _compact(passage: Passage, before: int) -> Need[None]:
    """Walk a few bytes, a length of one to three, low bits first, and so many bytes."""
    length, at = 0, before
    for shift in (0, 7, 14):
        while not passage.ahead(at + 1):
            yield
        octet = passage.octet(at)
        at += 1
        if shift == 14:
            length |= octet << 14  # all eight bits count in the third
        else:
            length |= (octet & 0x7F) << shift
            if not octet & 0x80:
                break
    yield from passage.keep(at + length)


def cursor(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk a cursor's pixels and its mask."""
    _check_cursor(width, height)
    return passage.keep(width * height * formats.bytes_per_pixel + (width + 7) // 8 * height)


def x_cursor(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk a cursor's two colours, its bits and its mask."""
    _check_cursor(width, height)
    return passage.keep(6 + 2 * ((width + 7) // 8) * height if width * height else 0)


def vmware_cursor(passage: Passage, width: int, height: int, formats: Formats) -> Need[None]:
    """Walk a cursor as two masks in pixels, or as RGBA."""
    _check_cursor(width, height)
    kind = (yield from passage.look(2))[0]
    if kind > 1:
        raise PeerError(f"a VMware cursor of type {kind}")
    yield from passage.keep(2 + width * height * (4 if kind else 2 * formats.bytes_per_pixel))


def _check_cursor(width: int, height: int) -> None:
    if max(width, height) > MAX_CURSOR:
        raise PeerError(f"a cursor of {width}×{height} is too big")


PIXELS: Final[Mapping[int, RectReader]] = {
    Encoding.RAW: raw,
    Encoding.COPY_RECT: copy_rect,
    Encoding.RRE: rre,
    Encoding.CORRE: corre,
    Encoding.HEXTILE: hextile,
    Encoding.ZLIB: deflated,
    Encoding.TIGHT: tight,
    Encoding.ZRLE: deflated,
    Encoding.TIGHT_PNG: tight_png,
}
"""Rectangles of the screen: they lie inside it."""

SHAPES: Final[Mapping[int, RectReader]] = {
    Pseudo.CURSOR: cursor,
    Pseudo.X_CURSOR: x_cursor,
    Pseudo.VMWARE_CURSOR: vmware_cursor,
}
"""Cursors: their place is a hot spot."""

FIXED: Final[Mapping[int, int]] = {
    Pseudo.POINTER_POS: 0,
    Pseudo.QEMU_POINTER_MOTION: 0,
    Pseudo.QEMU_LED_STATE: 1,
    Pseudo.VMWARE_CURSOR_STATE: 2,
    Pseudo.VMWARE_CURSOR_POSITION: 0,
    Pseudo.VMWARE_KEY_REPEAT: 10,
    Pseudo.VMWARE_LED_STATE: 4,
    Pseudo.VMWARE_VM_STATE: 2,
}
"""Notices of one length that change nothing here."""
