"""The tiny server of painted screens."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import LocalError, PeerError
from gateway.wire.rfb.pixels import BGRX, PixelFormat, ServerInit
from gateway.wire.rfb.slate import Event, Key, Pointer, Slate, Wanted
from gateway.wire.rfb.tracker import Rights, Tracker
from tests.support.feed import fed_three_ways
from tests.wire.rfb.building import (
    RGB332,
    RGB565,
    cut_text,
    extended_key,
    key,
    pointer,
    request,
    server_fence,
    set_encodings,
    set_format,
)

RED, GREEN, BLUE, WHITE, BLACK, GREY = (
    b"\xff\0\0",
    b"\0\xff\0",
    b"\0\0\xff",
    b"\xff\xff\xff",
    b"\0\0\0",
    b"\x80\x80\x80",
)
MAPPED = PixelFormat(8, 8, False, False, (0, 0, 0), (0, 0, 0))


def plainly(pixels: PixelFormat, rgb: bytes) -> bytes:
    """Convert pixel by pixel, as one would write it down."""
    out = b""
    for at in range(0, len(rgb), 3):
        value = 0
        for channel, maximum, shift in zip(rgb[at : at + 3], pixels.maxima, pixels.shifts, strict=True):
            value |= (channel * maximum + 127) // 255 << shift
        out += value.to_bytes(pixels.bytes_per_pixel, "big" if pixels.big_endian else "little")
    return out


class SlateTests(SynchronousTestCase):
    """``Slate`` understands a client and paints for it."""

    def setUp(self) -> None:
        self.slate = Slate(40, 30, "demo")

    def painted(self, pixels: PixelFormat, rgb: bytes) -> bytes:
        """Paint a row of pixels in a format; return them as they are sent."""
        self.slate.receive(set_format(pixels) + request())
        return self.slate.update([(0, 0, len(rgb) // 3, 1, rgb)])[16:]

    def test_init(self) -> None:
        """It introduces itself in the format of most viewers."""
        self.assertEqual(self.slate.init, ServerInit(40, 30, BGRX, b"demo"))

    def test_events(self) -> None:
        """What the client does is told in order, wherever it is cut; what means nothing here is left out."""
        data = b"".join(
            [
                set_format(RGB565),
                set_encodings(7, 0, -239),
                request(False, (0, 0, 40, 30)),
                key(0x61),
                pointer(5, 7, 8),
                cut_text(4, b"text", kind=6),
                server_fence(b"f"),
                extended_key(0x61, 30, down=False),
                request(True, (1, 2, 3, 4)),
            ]
        )

        def run(pieces: Sequence[bytes]) -> tuple[list[Event], PixelFormat, tuple[int, ...]]:
            slate = Slate(40, 30)
            return [event for piece in pieces for event in slate.receive(piece)], slate.format, slate.encodings

        events, pixels, encodings = fed_three_ways(data, run)
        self.assertEqual(
            events,
            [
                Wanted(False, 0, 0, 40, 30),
                Key(0x61, True),
                Pointer(7, 8, 5),
                Key(0x61, False),
                Wanted(True, 1, 2, 3, 4),
            ],
        )
        self.assertEqual((pixels, encodings), (RGB565, (7, 0, -239)))

    def test_requests_are_clipped(self) -> None:
        """Nobody is asked for what is not on the screen."""
        for place, clipped in [
            ((0, 0, 65535, 65535), (0, 0, 40, 30)),
            ((39, 29, 9, 9), (39, 29, 1, 1)),
            ((65535, 65535, 9, 9), (40, 30, 0, 0)),
        ]:
            self.assertEqual(self.slate.receive(request(True, place)), [Wanted(True, *clipped)])

    def test_answers_only_when_asked(self) -> None:
        """One request is one update; more only if the caller insists."""
        dot = [(3, 4, 1, 1, RED)]
        with self.assertRaises(LocalError):
            self.slate.update(dot)
        self.slate.receive(request())
        self.assertTrue(self.slate.asked)
        wanted = bytes.fromhex("00 00 0001  0003 0004 0001 0001 00000000  0000ff00")
        self.assertEqual(self.slate.update(dot), wanted)
        self.assertFalse(self.slate.asked)
        with self.assertRaises(LocalError):
            self.slate.update(dot)
        self.assertEqual(self.slate.update(dot, unasked=True), wanted)

    def test_several_rectangles(self) -> None:
        """An update may have none, or many."""
        self.slate.receive(request())
        self.assertEqual(self.slate.update([]), b"\0\0\0\0")
        out = self.slate.update([(0, 0, 2, 1, RED + BLUE), (0, 1, 1, 2, GREEN + WHITE)], unasked=True)
        self.assertEqual(
            out,
            bytes.fromhex(
                "00 00 0002"
                "0000 0000 0002 0001 00000000  0000ff00 ff000000"
                "0000 0001 0001 0002 00000000  00ff0000 ffffff00"
            ),
        )

    def test_callers_mistakes(self) -> None:
        """Pixels that do not fit their rectangle, or a rectangle its screen, are our own fault."""
        for wrong in [(0, 0, 1, 1, b"\0\0"), (40, 0, 1, 1, RED), (0, 29, 1, 2, RED * 2), (-1, 0, 1, 1, RED)]:
            with self.assertRaises(LocalError):
                self.slate.update([wrong], unasked=True)
        with self.assertRaises(LocalError):
            self.slate.update([(0, 0, 0, 0, b"")] * 65535, unasked=True)

    def test_formats(self) -> None:
        """Known colours in known formats."""
        big = attrs.evolve(RGB565, big_endian=True)
        deep = PixelFormat(32, 30, False, True, (1023, 1023, 1023), (20, 10, 0))
        for pixels, wanted in [
            (BGRX, "0000ff00 00ff0000 ff000000 ffffff00 00000000 80808000"),
            (attrs.evolve(BGRX, big_endian=True), "00ff0000 0000ff00 000000ff 00ffffff 00000000 00808080"),
            (attrs.evolve(BGRX, shifts=(0, 8, 16)), "ff000000 00ff0000 0000ff00 ffffff00 00000000 80808000"),
            (RGB565, "00f8 e007 1f00 ffff 0000 1084"),
            (big, "f800 07e0 001f ffff 0000 8410"),
            (RGB332, "e0 1c 03 ff 00 92"),
            (deep, "0000f03f 00fc0f00 ff030000 ffffff3f 00000000 020a2820"),
        ]:
            row = RED + GREEN + BLUE + WHITE + BLACK + GREY
            self.assertEqual(self.painted(pixels, row), bytes.fromhex(wanted), pixels)

    @given(
        st.sampled_from([8, 16, 32]),
        st.booleans(),
        st.tuples(*[st.tuples(st.integers(0, 10), st.integers(0, 31))] * 3),
        st.binary(max_size=30),
    )
    @settings(max_examples=200)
    def test_any_format(self, bpp: int, big: bool, channels: Sequence[tuple[int, int]], rgb: bytes) -> None:
        """Whatever format a client asks for, each pixel is what the protocol says, or the format is refused."""
        maxima = tuple((1 << bits) - 1 for bits, _ in channels)
        shifts = tuple(shift for _, shift in channels)
        pixels = PixelFormat(bpp, bpp, big, True, maxima, shifts)  # type: ignore[arg-type]
        rgb = rgb[: len(rgb) // 3 * 3]
        self.slate = Slate(40, 30)
        try:
            out = self.painted(pixels, rgb)
        except PeerError:
            return
        self.assertEqual(out, plainly(pixels, rgb))

    def test_colour_map(self) -> None:
        """A client that wants a colour map is sent one, once, before its first pixels."""
        self.slate.receive(set_format(MAPPED) + request())
        out = self.slate.update([(0, 0, 2, 1, RED + WHITE)])
        length = 6 + 256 * 6
        self.assertEqual(out[:6], b"\1\0\0\0\1\0")
        colour_of = {number: out[6 + 6 * number : 12 + 6 * number] for number in out[length + 16 :]}
        self.assertEqual(list(colour_of.values()), [b"\xff\xff\0\0\0\0", b"\xff\xff\xff\xff\xff\xff"])
        self.assertEqual(self.slate.update([], unasked=True), b"\0\0\0\0")

    def test_strangers(self) -> None:
        """What no client may send ends it here too."""
        with self.assertRaises(PeerError):
            self.slate.receive(b"\x07")

    def test_behind_a_tracker(self) -> None:
        """What it sends is what the tracker frames."""
        tracker = Tracker(self.slate.init, "console", Rights(control=True))
        for pixels in (RGB565, MAPPED, BGRX):
            self.slate.receive(tracker.from_client(set_format(pixels) + set_encodings(7, 0) + request()))
            out = self.slate.update([(0, 0, 40, 30, bytes(3600)), (1, 1, 1, 1, RED)])
            self.assertIs(tracker.from_server(out), out)
            self.assertTrue(tracker.at_boundary)
