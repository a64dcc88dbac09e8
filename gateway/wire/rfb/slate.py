"""
A tiny RFB server after its handshake: a bitmap in, Raw rectangles out.

It reads what a client sends as events and writes pixels in the client's
format.  What is painted, when, and to whom it is sent is others' business:
no text, no clock, no pipe.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import Struct
from typing import Final

import attrs

from gateway.wire.errors import LocalError
from gateway.wire.reader import Need
from gateway.wire.rfb.client_messages import read
from gateway.wire.rfb.constants import ClientMessage, Encoding, ServerMessage
from gateway.wire.rfb.passage import Passage
from gateway.wire.rfb.pixels import BGRX, PixelFormat, ServerInit

MAX_RECTANGLES: Final = 0xFFFE
"""In one update; one more would mean “until LastRect”."""

REQUEST: Final = Struct("!xBHHHH")
KEY: Final = Struct("!xBxxI")
EXTENDED_KEY: Final = Struct("!xxHI4x")
POINTER: Final = Struct("!xBHH")
RECT: Final = Struct("!HHHHi")
UPDATE: Final = Struct("!BxH")
COLOUR_MAP: Final = Struct("!BxHH")
COLOUR: Final = Struct("!3H")

MAPPED: Final = ((7, 7, 3), (5, 2, 0))
"""Maxima and shifts of the colour map that is set for a client that asks for one."""


@attrs.frozen
class Key:
    """A key went down or up."""

    keysym: int
    down: bool


@attrs.frozen
class Pointer:
    """The pointer moved, or a button did: bit 0 is the left one."""

    x: int
    y: int
    buttons: int


@attrs.frozen
class Wanted:
    """The client asks for a part of the screen: all of it, or (incremental) what has changed."""

    incremental: bool
    x: int
    y: int
    width: int
    height: int


Event = Key | Pointer | Wanted

Area = tuple[int, int, int, int]
"""Left, top, width, height."""


class Slate:
    """
    The server's side of a session, for a screen of ours.

    :param name: the desktop's name in :attr:`init`.

    Give :meth:`receive` what the client sends, and send it :meth:`update` when
    it has :attr:`asked`.
    """

    def __init__(self, width: int, height: int, name: str = "") -> None:
        self.init = ServerInit(width, height, BGRX, name.encode())
        self.format = BGRX
        self.encodings: tuple[int, ...] = ()
        self.asked = False
        """Whether the client waits for an update."""
        self._colours = Colours(BGRX)
        self._map_due = False
        self._events: list[Event] = []
        self._passage = Passage(self._walk)

    def receive(self, data: bytes) -> list[Event]:
        """Take what the client sent; return what it means."""
        self._passage.pump(data)
        events, self._events = self._events, []
        return events

    def update(self, rectangles: Sequence[tuple[int, int, int, int, bytes]], unasked: bool = False) -> bytes:
        """
        Make an update of rectangles: left, top, width, height, and three bytes (RGB) for each pixel.

        :param unasked: paint though the client waits for nothing.  Every viewer
            takes that once it has sent its encodings and a first request.
        """
        if not (self.asked or unasked):
            raise LocalError("the client did not ask for an update")
        if len(rectangles) > MAX_RECTANGLES:
            raise LocalError(f"{len(rectangles)} rectangles are too many for one update")
        out = [self._colours.map()] if self._map_due else []
        out.append(UPDATE.pack(ServerMessage.UPDATE, len(rectangles)))
        for x, y, width, height, rgb in rectangles:
            if x + width > self.init.width or y + height > self.init.height or min(x, y, width, height) < 0:
                raise LocalError("a rectangle is outside the screen")
            if len(rgb) != 3 * width * height:
                raise LocalError(f"{len(rgb)} bytes are no {width}×{height} pixels")
            out += (RECT.pack(x, y, width, height, Encoding.RAW), self._colours.convert(rgb))
        self.asked = self._map_due = False
        return b"".join(out)

    def _walk(self, passage: Passage) -> Need[None]:
        while True:
            message, following = yield from read(passage, wide_pointers=False)
            self._understand(message)
            yield from passage.drop(len(message) + following)

    def _understand(self, message: bytes) -> None:
        """Note what a message means; fences, clipboards and the like mean nothing here."""
        kind = message[0]
        if kind == ClientMessage.UPDATE_REQUEST:
            incremental, *area = REQUEST.unpack(message)
            self.asked = True
            self._events.append(Wanted(bool(incremental), *self._clipped(*area)))
        elif kind == ClientMessage.POINTER:
            buttons, x, y = POINTER.unpack(message)
            self._events.append(Pointer(x, y, buttons))
        elif kind == ClientMessage.KEY:
            down, keysym = KEY.unpack(message)
            self._events.append(Key(keysym, bool(down)))
        elif kind == ClientMessage.QEMU:
            down, keysym = EXTENDED_KEY.unpack(message)
            self._events.append(Key(keysym, bool(down)))
        elif kind == ClientMessage.SET_PIXEL_FORMAT:
            self.format = PixelFormat.parse(message[4:])
            self._colours = Colours(self.format)
            self._map_due = not self.format.true_colour
        elif kind == ClientMessage.SET_ENCODINGS:
            self.encodings = Struct(f"!{len(message) // 4 - 1}i").unpack_from(message, 4)

    def _clipped(self, x: int, y: int, width: int, height: int) -> Area:
        x, y = min(x, self.init.width), min(y, self.init.height)
        return x, y, min(width, self.init.width - x), min(height, self.init.height - y)


class Colours:
    """
    Turns RGB into the pixels of one format, a whole bitmap at a time.

    Each byte of a pixel is a plane that is made by itself: a table turns a
    colour's bytes into that colour's part of the plane, the parts are or-ed as
    two long integers, and the planes are dealt out in strides.  So all work per
    pixel is done by the interpreter's own loops.
    """

    def __init__(self, pixels: PixelFormat) -> None:
        self._size = size = pixels.bytes_per_pixel
        maxima, shifts = (pixels.maxima, pixels.shifts) if pixels.true_colour else MAPPED
        self._planes: list[tuple[int, list[tuple[int, bytes | None]]]] = []
        for number in range(size):
            place = size - 1 - number if pixels.big_endian else number
            parts = [
                (channel, table)
                for channel in range(3)
                if (table := _table(maxima[channel], shifts[channel], number)) != bytes(256)
            ]
            same = bytes(range(256))
            self._planes.append((place, [(channel, None if table == same else table) for channel, table in parts]))

    def convert(self, rgb: bytes) -> bytes:
        """Convert three bytes a pixel."""
        out = bytearray(len(rgb) // 3 * self._size)
        channels = rgb[0::3], rgb[1::3], rgb[2::3]
        for place, parts in self._planes:
            planes = [channels[channel].translate(table) if table else channels[channel] for channel, table in parts]
            if planes:
                out[place :: self._size] = _ored(planes)
        return bytes(out)

    def map(self) -> bytes:
        """Return the SetColourMapEntries that makes :data:`MAPPED` true."""
        colours = []
        for pixel in range(256):
            levels = [(pixel >> shift & maximum) * 0xFFFF // maximum for maximum, shift in zip(*MAPPED, strict=True)]
            colours.append(COLOUR.pack(*levels))
        return COLOUR_MAP.pack(ServerMessage.COLOUR_MAP, 0, len(colours)) + b"".join(colours)


def _table(maximum: int, shift: int, number: int) -> bytes:
    """By a colour's value: what it adds to byte ``number`` of a pixel, the least significant being 0."""
    return bytes(((value * maximum + 127) // 255 << shift) >> 8 * number & 0xFF for value in range(256))


def _ored(planes: list[bytes]) -> bytes:
    if len(planes) == 1:
        return planes[0]
    total = 0
    for plane in planes:
        total |= int.from_bytes(plane, "little")
    return total.to_bytes(len(planes[0]), "little")
