"""
What a pixel looks like, and what a server says of its screen first.

Values with their wire form: ``PixelFormat`` and ``ServerInit``.  Converting
pixels is the slate's business, framing them the rectangles'.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

import attrs

from gateway.wire.errors import PeerError

PIXEL_FORMAT: Final = Struct("!BBBB3H3B3x")
SERVER_INIT: Final = Struct("!HH16sI")


@attrs.frozen
class PixelFormat:
    """
    How a colour is written into ``bpp`` bits (rfbproto §7.4).

    :param maxima: the greatest red, green and blue.
    :param shifts: how far each is shifted left.
    """

    bpp: int
    depth: int
    big_endian: bool
    true_colour: bool
    maxima: tuple[int, int, int]
    shifts: tuple[int, int, int]

    @classmethod
    def parse(cls, data: bytes) -> PixelFormat:
        """Read the 16 bytes of the wire; one that no pixel can have is the peer's fault."""
        bpp, depth, big_endian, true_colour, *rest = PIXEL_FORMAT.unpack(data)
        red, green, blue, *shifts = rest
        # The flags are true when they are not zero: x11vnc writes 255.
        parsed = cls(
            bpp, depth, bool(big_endian), bool(true_colour), (red, green, blue), (shifts[0], shifts[1], shifts[2])
        )
        parsed.check()
        return parsed

    def check(self) -> None:
        """Refuse what cannot be: other sizes than 8, 16 and 32 bits, colours that stick out of a pixel."""
        if self.bpp not in (8, 16, 32):
            raise PeerError(f"a pixel of {self.bpp} bits is not in the protocol")
        if self.true_colour:
            for maximum, shift in zip(self.maxima, self.shifts, strict=True):
                if maximum.bit_length() + shift > self.bpp:
                    raise PeerError(f"a colour sticks out of a pixel of {self.bpp} bits")

    def pack(self) -> bytes:
        """Write the 16 bytes of the wire."""
        return PIXEL_FORMAT.pack(self.bpp, self.depth, self.big_endian, self.true_colour, *self.maxima, *self.shifts)

    @property
    def bytes_per_pixel(self) -> int:
        """How many bytes a pixel takes in most encodings."""
        return self.bpp // 8

    @property
    def cpixel_size(self) -> int:
        """How many bytes a pixel takes in ZRLE (rfbproto §7.7.5)."""
        if self.bpp != 32 or not self.true_colour or self.depth > 24:
            return self.bytes_per_pixel
        used = 0
        for maximum, shift in zip(self.maxima, self.shifts, strict=True):
            used |= maximum << shift
        return 3 if used < 1 << 24 or not used & 0xFF else 4

    @property
    def tpixel_size(self) -> int:
        """How many bytes a pixel takes in Tight (rfbproto §7.7.6)."""
        narrow = self.bpp == 32 and self.depth == 24 and self.true_colour and self.maxima == (255, 255, 255)
        return 3 if narrow else self.bytes_per_pixel


BGRX: Final = PixelFormat(32, 24, False, True, (255, 255, 255), (16, 8, 0))
"""What most servers and all browsers use: four bytes, blue first."""


@attrs.frozen
class ServerInit:
    """
    The screen as its server introduces it.

    :param name: the server's own name for it, at most ``KEPT_NAME`` bytes; no
        client is shown it.
    """

    width: int
    height: int
    format: PixelFormat
    name: bytes = b""

    @classmethod
    def parse(cls, data: bytes) -> ServerInit:
        """Read a whole message, as :meth:`pack` wrote it."""
        width, height, format_, length = SERVER_INIT.unpack_from(data)
        return cls(width, height, PixelFormat.parse(format_), data[SERVER_INIT.size : SERVER_INIT.size + length])

    def pack(self, name: str | None = None) -> bytes:
        """Write the message, under another name if one is given."""
        shown = self.name if name is None else name.encode()
        return SERVER_INIT.pack(self.width, self.height, self.format.pack(), len(shown)) + shown
