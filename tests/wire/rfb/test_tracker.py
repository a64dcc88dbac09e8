"""A whole session between a client and a server."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.rfb.constants import Encoding, Pseudo
from gateway.wire.rfb.pixels import BGRX
from gateway.wire.rfb.tracker import Rights, Tracker
from tests.support.feed import fed_three_ways
from tests.wire.rfb.building import (
    RGB565,
    SCREEN,
    continuous,
    counted,
    key,
    pointer,
    rect,
    request,
    server_fence,
    set_encodings,
    set_format,
    update,
)

ALL = Rights(control=True, clipboard=True, power=True)


class TrackerTests(SynchronousTestCase):
    """``Tracker`` stands in the middle and knows where both sides are."""

    def setUp(self) -> None:
        self.tracker = Tracker(SCREEN, "console", ALL)

    def test_beginning(self) -> None:
        """Before anything was sent it knows what ServerInit said."""
        self.assertEqual((self.tracker.format, self.tracker.size, self.tracker.encodings), (BGRX, (64, 48), ()))
        self.assertTrue(self.tracker.at_boundary)
        self.assertEqual((self.tracker.rectangles_owed, self.tracker.held.keys), (0, []))

    def test_a_browser_begins(self) -> None:
        """Format and encodings before the first request, as noVNC does, count from the first update on."""
        self.tracker.from_client(set_format(RGB565) + set_encodings(16, 21, 0) + request(False))
        self.assertEqual(self.tracker.encodings, (16, 0))
        small = update(rect(Encoding.RAW, bytes(32)))
        self.assertIs(self.tracker.from_server(small), small)
        self.assertEqual(self.tracker.format, RGB565)
        self.assertTrue(self.tracker.at_boundary)

    def test_format_within_an_update(self) -> None:
        """A change in the middle of an update leaves its rest in the old format."""
        self.tracker.from_client(request())
        self.tracker.from_server(update(rect(Encoding.RAW, bytes(64)), count=2))
        self.assertEqual(self.tracker.from_client(set_format(RGB565) + request())[:20], set_format(RGB565))
        self.tracker.from_server(rect(Encoding.RAW, bytes(64)))
        self.assertTrue(self.tracker.at_boundary)
        self.tracker.from_server(update(rect(Encoding.RAW, bytes(32))))
        self.assertTrue(self.tracker.at_boundary)

    def test_format_with_continuous_updates(self) -> None:
        """A viewer that stops them, changes and starts them again is followed over the fence."""
        marker = server_fence(b"consolegw\0\0\0\1", 0x80000005)
        self.tracker.from_server(server_fence(b"") + b"\x96")
        self.tracker.from_client(continuous(True))
        out = self.tracker.from_client(continuous(False) + set_format(RGB565) + request(False))
        self.assertEqual(out, continuous(False) + marker + set_format(RGB565) + request(False))
        old, new = update(rect(Encoding.RAW, bytes(64))), update(rect(Encoding.RAW, bytes(32)))
        answer = server_fence(b"consolegw\0\0\0\1", 5)
        self.assertEqual(self.tracker.from_server(old + old + b"\x96" + answer + new), old + old + b"\x96" + new)
        self.assertEqual(self.tracker.format, RGB565)

    def test_where_it_stands(self) -> None:
        """Boundary and owed rectangles after each step of an update."""
        data = update(rect(Encoding.RAW, bytes(64)), rect(Encoding.COPY_RECT, bytes(4)))
        seen = []
        for start, end in [(0, 3), (3, 4), (4, 15), (15, 16), (16, 79), (79, 80), (80, 95), (95, 96)]:
            self.tracker.from_server(data[start:end])
            seen.append((self.tracker.at_boundary, self.tracker.rectangles_owed))
        self.assertEqual(
            seen,
            [
                (True, 0),  # its header is held
                (False, 2),
                (False, 2),  # the rectangle's header is held
                (False, 1),
                (False, 1),
                (False, 1),
                (False, 0),
                (True, 0),
            ],
        )

    def test_name_anywhere(self) -> None:
        """The name is rewritten wherever it stands in an update and however that is cut."""
        pixels = rect(Encoding.RAW, bytes(range(64)))
        shown = rect(Pseudo.DESKTOP_NAME, counted(b"console"), (0, 0, 0, 0))
        inside = rect(Pseudo.DESKTOP_NAME, counted(b"vm-17.inside.example"), (0, 0, 0, 0))
        for place in range(4):
            others = [pixels] * 3
            data = update(*others[:place], inside, *others[place:]) + b"\2"
            wanted = update(*others[:place], shown, *others[place:]) + b"\2"

            def run(pieces: Sequence[bytes]) -> bytes:
                tracker = Tracker(SCREEN, "console", ALL)
                return b"".join(tracker.from_server(piece) for piece in pieces)

            self.assertEqual(fed_three_ways(data, run), wanted)

    def test_size(self) -> None:
        """The screen's size follows the server."""
        self.tracker.from_server(update(rect(Pseudo.DESKTOP_SIZE, b"", (0, 0, 800, 600))))
        self.assertEqual(self.tracker.size, (800, 600))

    def test_input_is_remembered(self) -> None:
        """What is down is known to whoever must let it up."""
        self.tracker.from_client(key(0xFFE3) + pointer(1, 3, 4))
        self.assertEqual((self.tracker.held.keys, self.tracker.held.buttons), ([(0xFFE3, 0)], 1))

    def test_nothing_copied(self) -> None:
        """Chunks of which all goes on are the ones that came, also in the middle of things."""
        body = struct.pack("!I", 3000) + bytes(3000)
        data = update(*[rect(Encoding.ZRLE, body)] * 3)
        for start in range(0, len(data), 1000):
            chunk = data[start : start + 1000]
            self.assertIs(self.tracker.from_server(chunk), chunk)
        chunk = request() + key(0x61)
        self.assertIs(self.tracker.from_client(chunk), chunk)

    @given(st.lists(st.tuples(st.booleans(), st.binary(max_size=60)), max_size=8))
    @settings(max_examples=200)
    def test_noise(self, pieces: list[tuple[bool, bytes]]) -> None:
        """Whatever both sides send, the tracker goes on or blames one of them."""
        tracker = Tracker(SCREEN, "console", Rights())
        for from_client, piece in pieces:
            try:
                tracker.from_client(piece) if from_client else tracker.from_server(piece)
            except PeerError:
                return
