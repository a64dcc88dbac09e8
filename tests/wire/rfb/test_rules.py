"""What becomes of a client's messages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.rfb.agreed import Agreed, Rights
from gateway.wire.rfb.constants import Pseudo
from gateway.wire.rfb.formats import Formats
from gateway.wire.rfb.passage import Passage
from gateway.wire.rfb.pixels import BGRX
from gateway.wire.rfb.rules import walk
from gateway.wire.rfb.server_messages import MAX_CUT_TEXT
from tests.support.feed import fed_three_ways
from tests.wire.rfb.building import (
    RGB332,
    RGB565,
    continuous,
    cut_text,
    desktop_size,
    extended_key,
    key,
    pointer,
    request,
    server_fence,
    set_encodings,
    set_format,
)

ALL = Rights(control=True, clipboard=True, power=True)
VIEW = Rights()
SYNC_FENCE = server_fence(b"theirs", 0x80000004)
EVERYTHING_KNOWN = frozenset(Pseudo)
SHUT_DOWN = b"\xfa\0\1\2"


class RulesTests(SynchronousTestCase):
    """``walk`` passes on what the rights cover and the server knows."""

    agreed: Agreed

    def passed(self, data: bytes, rights: Rights = ALL, announced: Iterable[int] = EVERYTHING_KNOWN) -> bytes:
        """Feed what a client sends, three ways; return what goes to the server."""

        def run(pieces: Sequence[bytes]) -> bytes:
            self.agreed = agreed = Agreed(64, 48, Formats(BGRX), rights, b"shown", announced=set(announced))
            passage = Passage(lambda passage: walk(passage, agreed))
            return b"".join(passage.pump(piece) for piece in pieces)

        return fed_three_ways(data, run)

    def test_everything(self) -> None:
        """With all rights and a server that knows all, everything goes on as it came."""
        data = b"".join(
            [
                set_format(RGB565),
                set_encodings(16, 0, -239),
                request(False),
                key(0x61),
                extended_key(0x62, 48),
                pointer(1, 5, 6),
                pointer(0x81, 5, 6) + b"\1",
                cut_text(4, b"text", kind=6),
                cut_text(-4, b"\0\0\0\1", kind=6),
                continuous(True),
                server_fence(b"theirs", 1),
                desktop_size(800, 600),
                SHUT_DOWN,
            ]
        )
        self.assertEqual(self.passed(data), data)

    def test_each_right(self) -> None:
        """Without its right a message vanishes, and those around it do not."""
        control = [key(0x61), extended_key(0x61, 30), pointer(1, 2, 3), pointer(0x80, 2, 3) + b"\1", desktop_size(9, 9)]
        clipboard = [cut_text(4, b"text", kind=6), cut_text(-4, b"\0\0\0\1", kind=6)]
        for rights, messages in [
            (Rights(control=False, clipboard=True, power=True), control),
            (Rights(control=True, clipboard=False, power=True), clipboard),
            (Rights(control=True, clipboard=True, power=False), [SHUT_DOWN]),
        ]:
            for message in messages:
                self.assertEqual(self.passed(request() + message + request(), rights), request() + request())
                self.assertEqual(self.agreed.held.keys, [])
                self.assertEqual(self.passed(message), message)

    def test_unannounced(self) -> None:
        """What the server did not show it knows never reaches it: some close, and one dies."""
        for message, number in [
            (extended_key(0x61, 30), Pseudo.QEMU_EXTENDED_KEY),
            (continuous(True), Pseudo.CONTINUOUS_UPDATES),
            (server_fence(b"theirs"), Pseudo.FENCE),
            (SHUT_DOWN, Pseudo.XVP),
            (desktop_size(800, 600), Pseudo.EXTENDED_DESKTOP_SIZE),
        ]:
            self.assertEqual(self.passed(message, announced=EVERYTHING_KNOWN - {number}), b"")
            self.assertEqual(self.passed(message, announced={number}), message)

    def test_pointer_is_narrow_until_agreed(self) -> None:
        """Bit 7 is the eighth button as long as the server did not say otherwise."""
        self.assertEqual(self.passed(pointer(0x81, 5, 6), announced=()), pointer(0x81, 5, 6))
        self.assertEqual(self.agreed.held.buttons, 0x81)

    def test_encodings_are_cut(self) -> None:
        """The server is told what can be framed, and what it was told is remembered."""
        self.assertEqual(self.passed(set_encodings(21, 16, 50, 6, -239, 0)), set_encodings(16, -239, 0))
        self.assertEqual(self.agreed.encodings, (16, -239, 0))
        self.assertEqual(self.passed(set_encodings(21)), set_encodings())

    def test_long_clipboard(self) -> None:
        """A clipboard beyond the bound is left out whole."""
        agreed = Agreed(64, 48, Formats(BGRX), ALL, b"shown")
        passage = Passage(lambda passage: walk(passage, agreed))
        self.assertEqual(passage.pump(cut_text(MAX_CUT_TEXT + 1, bytes(MAX_CUT_TEXT), kind=6)), b"")
        self.assertEqual(passage.pump(b"\0" + request()), request())

    def test_huge_desktop(self) -> None:
        """A screen beyond the bound is not asked for."""
        self.assertEqual(self.passed(desktop_size(16385, 1)), b"")
        self.assertEqual(self.passed(desktop_size(16384, 16384)), desktop_size(16384, 16384))

    def test_held(self) -> None:
        """What is down at the server is known."""
        self.passed(key(0x61) + key(0xFFE1) + extended_key(0x62, 48) + key(0x61, False) + pointer(0x85, 7, 8) + b"\2")
        self.assertEqual(self.agreed.held.keys, [(0xFFE1, 0), (0x62, 48)])
        self.assertEqual((self.agreed.held.buttons, self.agreed.held.pointer), (0x105, (7, 8)))

    def test_wrong_format(self) -> None:
        """A format that cannot be ends the session."""
        with self.assertRaisesRegex(PeerError, "24 bits"):
            self.passed(b"\0\0\0\0\x18" + set_format(RGB565)[5:])

    def test_format_while_an_update_is_owed(self) -> None:
        """A fence goes ahead of the change, or where there is none the clipboard right decides."""
        data = request() + set_format(RGB565) + request(False)
        marker = server_fence(b"consolegw\0\0\0\1", 0x80000005)
        self.assertEqual(self.passed(data, VIEW), request() + marker + set_format(RGB565) + request(False))
        self.assertEqual(self.passed(data, ALL, announced=()), data)
        with self.assertRaisesRegex(PeerError, "while an update was on its way"):
            self.passed(data, VIEW, announced=())

    def test_continuous_updates_are_on_their_way(self) -> None:
        """While updates may come by themselves a change needs a fence, even when none was asked for."""
        for before in (continuous(True), continuous(True) + continuous(False)):
            wanted = before + server_fence(b"consolegw\0\0\0\1", 0x80000005) + set_format(RGB332)
            self.assertEqual(self.passed(before + set_format(RGB332)), wanted)

    def test_fence_that_waits_for_the_next_message(self) -> None:
        """Our fence is not put between a client's and the message that it belongs to."""
        data = request() + SYNC_FENCE + set_format(RGB565)
        self.assertEqual(self.passed(data), data)
        with self.assertRaisesRegex(PeerError, "while an update was on its way"):
            self.passed(data, VIEW)
        between = request() + SYNC_FENCE + request() + set_format(RGB565)
        self.assertIn(b"consolegw", self.passed(between, VIEW))

    def test_forged_marker(self) -> None:
        """A client cannot send a fence that looks like ours."""
        with self.assertRaisesRegex(PeerError, "like one of ours"):
            self.passed(server_fence(b"consolegw\0\0\0\1"))
