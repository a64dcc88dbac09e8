"""Where rectangles end."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need
from gateway.wire.rfb.constants import Encoding, Pseudo
from gateway.wire.rfb.formats import Formats
from gateway.wire.rfb.passage import Passage
from gateway.wire.rfb.pixels import BGRX, PixelFormat
from gateway.wire.rfb.rects import FIXED, PIXELS, SHAPES
from tests.support.feed import fed_three_ways
from tests.wire.rfb.building import RGB332, RGB565, counted

READERS = {**PIXELS, **SHAPES}
END = b"<end>"


def read(encoding: int, size: tuple[int, int], pixels: PixelFormat, pieces: Sequence[bytes]) -> bytes:
    """Read one rectangle; return what is left, and see that all of it went on."""
    ended: list[bool] = []

    def walk(passage: Passage) -> Need[None]:
        yield from READERS[encoding](passage, *size, Formats(pixels))
        ended.append(True)
        yield from passage.drop(1 << 40)

    passage = Passage(walk)
    body, data = b"".join(passage.pump(piece) for piece in pieces), b"".join(pieces)
    if not ended:
        raise AssertionError("the rectangle did not end")
    if not data.startswith(body):
        raise AssertionError("something was changed")
    return data[len(body) :]


class RectTests(SynchronousTestCase):
    """Each reader walks exactly one body and lets all of it go on."""

    def ends(
        self, encoding: int, body: str | bytes, size: tuple[int, int] = (4, 4), pixels: PixelFormat = BGRX
    ) -> None:
        """Feed a body and some more; expect the reader to stop where the body does."""
        data = bytes.fromhex(body) if isinstance(body, str) else body
        self.assertEqual(fed_three_ways(data + END, partial(read, encoding, size, pixels)), END)

    def fails(self, encoding: int, body: str, reason: str, size: tuple[int, int] = (4, 4)) -> None:
        """Feed a body that cannot be; expect the peer to be blamed."""
        with self.assertRaisesRegex(PeerError, reason):
            read(encoding, size, BGRX, [bytes.fromhex(body)])

    def test_raw(self) -> None:
        """Width times height times bytes per pixel."""
        for pixels in (BGRX, RGB565, RGB332):
            self.ends(Encoding.RAW, bytes(4 * 3 * pixels.bytes_per_pixel), (4, 3), pixels)
        self.ends(Encoding.RAW, b"", (0, 9))

    def test_copy_rect(self) -> None:
        """Four bytes of a place."""
        self.ends(Encoding.COPY_RECT, "0001 0002")

    def test_rre(self) -> None:
        """A count, a background, and a colour and a place each."""
        self.ends(Encoding.RRE, "00000000 aabbccdd")
        self.ends(Encoding.RRE, "00000002 aabb" + 2 * "ccdd 0001 0001 0002 0002", pixels=RGB565)
        self.ends(Encoding.CORRE, "00000002 aabbccdd" + 2 * "eeeeeeee 01 01 02 02")
        self.fails(Encoding.RRE, "00000011 aabbccdd", "17 subrectangles in a rectangle of 16 pixels")

    def test_hextile(self) -> None:
        """Tiles of every form, the last ones smaller; each says by its mask how long it is."""
        tiles = [
            "00",  # as the last one
            "02 aabbccdd",  # background
            "0e aabbccdd 11223344 02 1122 3344",  # background, foreground, two subrectangles
            "04 11223344",  # foreground alone
            "1a aabbccdd 01 99887766 1122",  # coloured subrectangles
            "08 00",  # none of them
            "10",  # coloured, but none
            "01" + "ab" * (4 * 16 * 4),  # raw: what else the mask says is ignored, and the tile is 4 wide
            "e0",  # bits that mean nothing here
        ]
        # 36 × 40 makes three tiles a row, three rows.
        self.ends(Encoding.HEXTILE, "".join([*tiles[:7], "00", "00"]), (36, 40))
        self.ends(Encoding.HEXTILE, "".join([tiles[0], tiles[1], tiles[7], *tiles[3:7], tiles[0], tiles[8]]), (36, 40))
        self.ends(Encoding.HEXTILE, "1f" + "ab" * (2 * 3 * 2), (2, 3), RGB565)
        self.ends(Encoding.HEXTILE, "06 aa bb", (16, 16), RGB332)
        self.ends(Encoding.HEXTILE, "", (0, 0))
        self.ends(Encoding.HEXTILE, "", (0, 40))

    def test_deflated(self) -> None:
        """A length and so many bytes, whatever they are."""
        for encoding in (Encoding.ZLIB, Encoding.ZRLE):
            self.ends(encoding, counted(zlib.compress(b"anything")))
            self.ends(encoding, counted(b""))
            self.fails(encoding, "00010081", r"65665 bytes for 4×4 pixels")

    def test_tight_simple_forms(self) -> None:
        """One colour, and JPEG; the low bits reset streams and say nothing of the length."""
        for control in ("80", "8f"):
            self.ends(Encoding.TIGHT, control + "aabbcc")
            self.ends(Encoding.TIGHT, control + "aabb", pixels=RGB565)
        self.ends(Encoding.TIGHT, "91 03 ffd8ff")
        self.ends(Encoding.TIGHT_PNG, "90 03 ffd8ff")
        self.ends(Encoding.TIGHT_PNG, "a0 03 895047")

    def test_tight_compact_lengths(self) -> None:
        """One, two and three bytes of length, the third with all its bits."""
        for head, length in [
            ("00", 0),
            ("7f", 127),
            ("8001", 128),
            ("ff7f", 16383),
            ("808001", 16384),
            ("8080ff", 4177920),
        ]:
            data = b"\x90" + bytes.fromhex(head) + bytes(length)
            self.assertEqual(read(Encoding.TIGHT, (4, 4), BGRX, [data, END]), END)
            self.assertEqual(read(Encoding.TIGHT, (4, 4), BGRX, [data[:2], data[2:3], data[3:], END]), END)

    def test_tight_basic(self) -> None:
        """Without a filter, and with each; less than 12 bytes come bare."""
        for control in ("00", "1f", "20", "30"):  # each stream
            self.ends(Encoding.TIGHT, control + "02 aabb")
        self.ends(Encoding.TIGHT, "00" + "ab" * 9, (3, 1))  # 9 bytes, bare
        self.ends(Encoding.TIGHT, "00 01 aa", (4, 1))  # 12 bytes, packed
        self.ends(Encoding.TIGHT, "00", (0, 4))
        self.ends(Encoding.TIGHT, "40 00 02 aabb")  # copy
        self.ends(Encoding.TIGHT, "60 02 02 aabb")  # gradient
        self.ends(Encoding.TIGHT, "50 01 01 aabbcc ddeeff" + "11" * 8, (9, 4))  # two colours: bits, 8 bytes, bare
        self.ends(Encoding.TIGHT, "50 01 01 aabbcc ddeeff 02 1122", (9, 6))  # 12 bytes, packed
        self.ends(Encoding.TIGHT, "50 01 00 aabbcc" + "11" * 4)  # one colour
        self.ends(Encoding.TIGHT, "70 01 02 aabb ccdd eeff" + "00" * 11, (11, 1), RGB565)  # three: bytes
        self.ends(Encoding.TIGHT, "70 01 ff" + "aabbcc" * 256 + "01 99")

    def test_tight_illegal_forms(self) -> None:
        """Forms and filters that were not offered are refused."""
        for control in ("a0", "b0", "c0", "d0", "e0", "f0"):
            self.fails(Encoding.TIGHT, control, "has no form")
        self.fails(Encoding.TIGHT_PNG, "b0", "has no form 11")
        self.fails(Encoding.TIGHT, "40 03", "has no filter 3")

    def test_cursors(self) -> None:
        """Pixels and masks, each row of a mask in whole bytes."""
        self.ends(Pseudo.CURSOR, bytes(9 * 3 * 4 + 2 * 3), (9, 3))
        self.ends(Pseudo.CURSOR, b"", (0, 0))
        self.ends(Pseudo.X_CURSOR, bytes(6 + 2 * 2 * 3), (9, 3))
        self.ends(Pseudo.X_CURSOR, b"", (9, 0))
        self.ends(Pseudo.VMWARE_CURSOR, b"\0\0" + bytes(2 * 9 * 3 * 2), (9, 3), RGB565)
        self.ends(Pseudo.VMWARE_CURSOR, b"\1\0" + bytes(4 * 9 * 3), (9, 3), RGB565)
        self.fails(Pseudo.VMWARE_CURSOR, "02 00", "cursor of type 2")
        for encoding in SHAPES:
            self.fails(encoding, "", "1025×1 is too big", (1025, 1))

    def test_fixed(self) -> None:
        """Notices that change nothing have one length each."""
        self.assertEqual({int(number): size for number, size in FIXED.items() if size}, {
            -261: 1,
            0x574D5665: 2,
            0x574D5667: 10,
            0x574D5668: 4,
            0x574D566A: 2,
        })  # fmt: skip

    @given(
        st.sampled_from(sorted(READERS)),
        st.tuples(st.integers(0, 40), st.integers(0, 40)),
        st.sampled_from([BGRX, RGB565, RGB332]),
        st.binary(max_size=200),
        st.integers(1, 50),
    )
    @settings(max_examples=300)
    def test_noise(self, encoding: int, size: tuple[int, int], pixels: PixelFormat, noise: bytes, cut: int) -> None:
        """Whatever comes, a reader walks on, ends or blames the peer, and the chunks make no difference."""
        outcomes = []
        for pieces in ([noise], [noise[at : at + cut] for at in range(0, len(noise), cut)]):
            try:
                outcomes.append(read(encoding, size, pixels, pieces))
            except PeerError as error:
                outcomes.append(str(error).encode())
            except AssertionError as error:
                self.assertEqual(str(error), "the rectangle did not end")
                outcomes.append(b"")
        self.assertEqual(outcomes[0], outcomes[1])

    def test_big_bodies_are_counted(self) -> None:
        """A body of a hundred megabytes goes on as the very chunks that came."""
        seen: list[bytes] = []
        chunk = bytes(65536)

        def walk(passage: Passage) -> Need[None]:
            yield from PIXELS[Encoding.RAW](passage, 8192, 3200, Formats(BGRX))
            seen.append(b"end")
            yield from passage.keep(1)

        passage = Passage(walk)
        for _ in range(8192 * 3200 * 4 // 65536):
            self.assertFalse(seen)
            self.assertIs(passage.pump(chunk), chunk)
        self.assertTrue(seen)

    def test_length_bounds_follow_the_rectangle(self) -> None:
        """A big rectangle may have a big body."""
        most = struct.pack("!I", 65664) + bytes(65664)
        self.assertEqual(read(Encoding.ZRLE, (4, 4), BGRX, [most, END]), END)
        body = struct.pack("!I", 100_000) + bytes(100_000)
        self.assertEqual(read(Encoding.ZRLE, (256, 256), BGRX, [body, END]), END)
