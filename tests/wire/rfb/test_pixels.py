"""Pixel formats and ServerInit."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.rfb.pixels import BGRX, PixelFormat, ServerInit

BGRX_WIRE = bytes.fromhex(
    "20 18 00 01"  # 32 bits, depth 24, little-endian, true colour
    "00ff 00ff 00ff"  # maxima
    "10 08 00"  # shifts
    "000000"  # padding
)
RGB565 = PixelFormat(16, 16, False, True, (31, 63, 31), (11, 5, 0))
MAPPED = PixelFormat(8, 8, False, False, (0, 0, 0), (0, 0, 0))


def widened(
    depth: int = 24, maxima: tuple[int, int, int] = (255, 255, 255), shifts: tuple[int, int, int] = (0, 8, 16)
) -> PixelFormat:
    """Make a 32-bit format."""
    return PixelFormat(32, depth, False, True, maxima, shifts)


class PixelFormatTests(SynchronousTestCase):
    """``PixelFormat`` reads, writes, judges and measures."""

    def test_parse_and_pack(self) -> None:
        """The wire form reads as the value, and the value writes the wire form."""
        self.assertEqual(PixelFormat.parse(BGRX_WIRE), BGRX)
        self.assertEqual(BGRX.pack(), BGRX_WIRE)
        self.assertEqual(PixelFormat.parse(RGB565.pack()), RGB565)

    def test_flags_are_true_when_not_zero(self) -> None:
        """255 is as true as 1."""
        wire = BGRX_WIRE[:2] + b"\xff\xff" + BGRX_WIRE[4:]
        parsed = PixelFormat.parse(wire)
        self.assertIs(parsed.true_colour, True)
        self.assertIs(parsed.big_endian, True)
        self.assertEqual(parsed.pack()[2:4], b"\1\1")

    def test_odd_sizes_are_refused(self) -> None:
        """Only 8, 16 and 32 bits are pixels."""
        for bpp in (0, 1, 7, 24, 64, 255):
            with self.assertRaisesRegex(PeerError, f"{bpp} bits"):
                PixelFormat.parse(bytes([bpp]) + BGRX_WIRE[1:])

    def test_colours_stay_inside_the_pixel(self) -> None:
        """A colour that is shifted out of the pixel is refused, but not where a colour map decides."""
        for wrong in (widened(shifts=(25, 8, 0)), widened(maxima=(255, 65535, 255), shifts=(0, 17, 0))):
            with self.assertRaisesRegex(PeerError, "sticks out"):
                PixelFormat.parse(wrong.pack())
        PixelFormat.parse(widened(shifts=(24, 8, 0)).pack())
        PixelFormat.parse(PixelFormat(8, 8, False, False, (255, 255, 255), (9, 9, 9)).pack())

    def test_sizes(self) -> None:
        """Bytes per pixel in Raw, ZRLE and Tight."""
        for pixels, sizes in [
            (BGRX, (4, 3, 3)),
            (RGB565, (2, 2, 2)),
            (MAPPED, (1, 1, 1)),
            (widened(depth=32), (4, 4, 4)),
            (widened(shifts=(24, 16, 8)), (4, 3, 3)),  # the low byte is free
            (widened(shifts=(24, 8, 0)), (4, 4, 3)),  # neither end is
            (widened(maxima=(1023, 1023, 1023), shifts=(20, 10, 0), depth=30), (4, 4, 4)),
            (widened(maxima=(31, 63, 31), shifts=(11, 5, 0)), (4, 3, 4)),
            (PixelFormat(32, 24, False, False, (255, 255, 255), (16, 8, 0)), (4, 4, 4)),
        ]:
            self.assertEqual((pixels.bytes_per_pixel, pixels.cpixel_size, pixels.tpixel_size), sizes, pixels)


class ServerInitTests(SynchronousTestCase):
    """``ServerInit`` writes itself under any name."""

    def test_pack(self) -> None:
        """The name's length counts bytes of UTF-8."""
        init = ServerInit(640, 480, BGRX, b"inside")
        self.assertEqual(init.pack(), bytes.fromhex("0280 01e0") + BGRX_WIRE + b"\0\0\0\6inside")
        self.assertEqual(init.pack("é"), bytes.fromhex("0280 01e0") + BGRX_WIRE + b"\0\0\0\2\xc3\xa9")
        self.assertEqual(init.pack("")[-4:], b"\0\0\0\0")
