"""What a server sends, message by message."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.rfb.agreed import Agreed, Rights
from gateway.wire.rfb.constants import MAX_NAME, Encoding, Pseudo
from gateway.wire.rfb.formats import Formats
from gateway.wire.rfb.passage import Passage
from gateway.wire.rfb.pixels import BGRX
from gateway.wire.rfb.server_messages import MAX_AUDIO, MAX_CUT_TEXT, MAX_SKIPPED, walk
from tests.support.feed import fed_three_ways
from tests.wire.rfb.building import RGB565, counted, cut_text, rect, server_fence, update

RAW = rect(Encoding.RAW, bytes(64))
BELL = b"\2"


def agree(rights: Rights) -> Agreed:
    """Agree on a small screen."""
    return Agreed(64, 48, Formats(BGRX), rights, b"shown")


class ServerMessagesTests(SynchronousTestCase):
    """``walk`` frames every message, and changes what must change."""

    def setUp(self) -> None:
        self.agreed = agree(Rights(clipboard=True))

    def sent(self, data: bytes, rights: Rights = Rights(clipboard=True)) -> bytes:  # noqa: B008
        """Feed what a server sends three ways, then a bell; return what goes on without the bell."""

        def run(pieces: Sequence[bytes]) -> tuple[bytes, bool]:
            self.agreed = agreed = agree(rights)
            passage = Passage(lambda passage: walk(passage, agreed))
            out = b"".join(passage.pump(piece) for piece in pieces)
            return out, passage.under_way

        out, under_way = fed_three_ways(data + BELL, run)
        self.assertTrue(out.endswith(BELL))
        self.assertFalse(under_way)
        return out[:-1]

    def unchanged(self, data: bytes) -> None:
        """Feed what a server sends; expect all of it to go on."""
        self.assertEqual(self.sent(data), data)

    def fails(self, data: bytes, reason: str) -> None:
        """Feed what no server may send; expect it to be blamed."""
        with self.assertRaisesRegex(PeerError, reason):
            self.sent(data)

    def test_updates(self) -> None:
        """Any mixture of rectangles goes on as it is."""
        self.unchanged(update())
        self.unchanged(update(RAW))
        self.unchanged(
            update(
                RAW,
                rect(Encoding.COPY_RECT, bytes(4), (60, 44, 4, 4)),
                rect(Pseudo.CURSOR, bytes(9 * 2 * 4 + 4), (200, 200, 9, 2)),
                rect(Pseudo.QEMU_LED_STATE, b"\2"),
                rect(Pseudo.POINTER_POS, b"", (9, 9, 0, 0)),
                rect(Encoding.TIGHT, b"\x80abc"),
                rect(Encoding.ZRLE, counted(b"zzzz")),
            )
        )

    def test_last_rect(self) -> None:
        """A LastRect ends an update, whatever its count says."""
        for count in (2, 5, 0xFFFF):
            self.unchanged(update(RAW, rect(Pseudo.LAST_RECT, b"", (0, 0, 0, 0)), count=count))
            self.assertEqual(self.agreed.rectangles_owed, 0)

    def test_rectangles_outside(self) -> None:
        """A rectangle of the screen lies inside it, to the pixel."""
        self.unchanged(update(rect(Encoding.COPY_RECT, bytes(4), (0, 0, 64, 48))))
        for place in [(61, 0, 4, 4), (0, 45, 4, 4), (65, 0, 0, 0), (0xFFFF, 0, 0xFFFF, 1)]:
            self.fails(update(rect(Encoding.COPY_RECT, bytes(4), place)), "outside a screen of 64×48")

    def test_unknown_encoding(self) -> None:
        """What cannot be framed ends the session."""
        self.fails(update(rect(21, b"\xff\xd8")), "encoding 21, which nobody offered")
        self.fails(update(rect(-259)), "encoding -259")

    def test_desktop_name(self) -> None:
        """The console's name takes the place of the server's, its length included, and nothing else moves."""
        for name in (b"", b"inside.example", b"shown", b"n" * 300):
            named = rect(Pseudo.DESKTOP_NAME, counted(name), (0, 0, 0, 0))
            wanted = rect(Pseudo.DESKTOP_NAME, counted(b"shown"), (0, 0, 0, 0))
            for before, after in [([], []), ([RAW], []), ([], [RAW]), ([RAW], [RAW, RAW])]:
                self.assertEqual(self.sent(update(*before, named, *after)), update(*before, wanted, *after))
        self.fails(update(rect(Pseudo.DESKTOP_NAME, struct.pack("!I", MAX_NAME + 1))), "65537 bytes is too long")

    def test_desktop_size(self) -> None:
        """A new size counts from its rectangle on."""
        self.unchanged(
            update(
                rect(Pseudo.DESKTOP_SIZE, b"", (0, 0, 100, 90)),
                rect(Encoding.COPY_RECT, bytes(4), (90, 80, 10, 10)),
            )
        )
        self.assertEqual((self.agreed.width, self.agreed.height), (100, 90))
        self.fails(update(rect(Pseudo.DESKTOP_SIZE, b"", (0, 0, 16385, 1))), "too big")
        shrunk = rect(Pseudo.DESKTOP_SIZE, b"", (0, 0, 2, 2))
        self.fails(update(shrunk, RAW), "outside a screen of 2×2")

    def test_extended_desktop_size(self) -> None:
        """So does one with its screens; a size that was refused to this client does not count."""
        screens = b"\2\0\0\0" + bytes(32)
        for reason, status, wanted in [(0, 0, (100, 90)), (1, 0, (100, 90)), (2, 0, (100, 90)), (1, 3, (64, 48))]:
            self.unchanged(update(rect(Pseudo.EXTENDED_DESKTOP_SIZE, screens, (reason, status, 100, 90))))
            self.assertEqual((self.agreed.width, self.agreed.height), wanted)
            self.assertEqual(self.agreed.announced, {Pseudo.EXTENDED_DESKTOP_SIZE})

    def test_acknowledgements(self) -> None:
        """What a server shows it knows is remembered."""
        for number, message in [
            (Pseudo.QEMU_EXTENDED_KEY, update(rect(Pseudo.QEMU_EXTENDED_KEY))),
            (Pseudo.EXTENDED_MOUSE_BUTTONS, update(rect(Pseudo.EXTENDED_MOUSE_BUTTONS))),
            (Pseudo.CONTINUOUS_UPDATES, b"\x96"),
            (Pseudo.FENCE, server_fence(b"theirs")),
            (Pseudo.XVP, b"\xfa\0\1\1"),
        ]:
            self.unchanged(message)
            self.assertEqual(self.agreed.announced, {number})

    def test_other_messages(self) -> None:
        """Colour maps, VMware's own and fences of any size go on."""
        self.unchanged(b"\1\0\0\0\0\2" + bytes(12))
        self.unchanged(b"\1\0\0\0\0\0")
        self.unchanged(b"\x7f\4\0\6ab")
        self.unchanged(b"\x7f\3\0\x24" + struct.pack("!I", 5) + bytes(28) + b"sound")
        self.unchanged(server_fence(b""))
        self.unchanged(server_fence(b"f" * 64))

    def test_messages_out_of_bounds(self) -> None:
        """Unknown types and impossible lengths end the session."""
        for kind in (4, 7, 11, 200, 253, 255):
            self.fails(bytes([kind]) + bytes(20), f"type {kind}")
        self.fails(server_fence(b"f" * 65), "fence of 65 bytes")
        self.fails(b"\x7f\4\0\3", r"VMware message 4 of 3\+0 bytes")
        self.fails(b"\x7f\3\0\7" + bytes(4), r"VMware message 3 of 7\+0 bytes")
        self.fails(b"\x7f\3\0\x24" + struct.pack("!I", MAX_AUDIO + 1), "VMware message 3 of")
        self.fails(cut_text(MAX_SKIPPED + 1), "clipboard of 67108865 bytes")
        self.fails(cut_text(-(2**31)), "clipboard of 2147483648 bytes")

    def test_clipboard(self) -> None:
        """The clipboard, plain or extended, goes on with its right and vanishes without."""
        for message in (cut_text(4, b"text"), cut_text(0), cut_text(-8, b"\x10\0\0\0zzzz")):
            self.assertEqual(self.sent(update(RAW) + message + update()), update(RAW) + message + update())
            self.assertEqual(self.sent(update(RAW) + message + update(), Rights()), update(RAW) + update())

    def test_long_clipboard(self) -> None:
        """A clipboard beyond the bound is left out whole."""
        passage = Passage(lambda passage: walk(passage, self.agreed))
        self.assertEqual(passage.pump(cut_text(MAX_CUT_TEXT + 1) + bytes(MAX_CUT_TEXT)), b"")
        self.assertEqual(passage.pump(b"\0" + BELL), BELL)

    def test_our_fence(self) -> None:
        """The answer to a fence of ours brings the new format and is not shown to the client."""
        self.agreed.formats.update_asked()
        marker = self.agreed.formats.change(RGB565, fences=True, strict=True)
        passage = Passage(lambda passage: walk(passage, self.agreed))
        answer = server_fence(marker[9:], flags=5)
        small = update(rect(Encoding.RAW, bytes(2), (0, 0, 1, 1)))
        big = update(rect(Encoding.RAW, bytes(4), (0, 0, 1, 1)))
        self.assertEqual(passage.pump(big + answer + small + BELL), big + small + BELL)

    @given(st.binary(max_size=120), st.integers(1, 30))
    @settings(max_examples=300)
    def test_noise(self, noise: bytes, cut: int) -> None:
        """Whatever comes, the walk goes on or blames the server, and the chunks make no difference."""
        outcomes = []
        for prefix in (b"", b"\0\0\0\5"):
            for pieces in ([prefix + noise], [prefix, *(noise[at : at + cut] for at in range(0, len(noise), cut))]):
                agreed, out = agree(Rights()), b""
                passage = Passage(lambda passage, agreed=agreed: walk(passage, agreed))
                try:
                    out = b"".join(passage.pump(piece) for piece in pieces)
                    outcomes.append((out, passage.under_way))
                except PeerError as error:
                    outcomes.append((str(error).encode(), False))
        self.assertEqual(outcomes[0], outcomes[1])
        self.assertEqual(outcomes[2], outcomes[3])
