"""Where a client's messages end."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need
from gateway.wire.rfb.client_messages import MAX_ENCODINGS, read
from gateway.wire.rfb.passage import Passage
from gateway.wire.rfb.server_messages import MAX_SKIPPED
from tests.support.feed import fed_three_ways
from tests.wire.rfb.building import (
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

MESSAGES = [
    set_format(RGB565),
    set_encodings(),
    set_encodings(16, 0, -239),
    request(),
    key(0x61),
    pointer(0xFF, 1, 2),
    continuous(True),
    server_fence(b""),
    server_fence(b"f" * 64),
    b"\xfa\0\1\2",
    desktop_size(800, 600, 2),
    extended_key(0x61, 30),
]


def messages(data: bytes, wide: bool = False) -> list[tuple[bytes, int]]:
    """Read all messages, three ways."""

    def run(pieces: Sequence[bytes]) -> list[tuple[bytes, int]]:
        seen = []

        def walk(passage: Passage) -> Need[None]:
            while True:
                message, following = yield from read(passage, wide)
                seen.append((message, following))
                yield from passage.drop(len(message) + following)

        passage = Passage(walk)
        for piece in pieces:
            passage.pump(piece)
        return seen

    return fed_three_ways(data, run)


class ReadTests(SynchronousTestCase):
    """``read`` finds the end of each message of the allow-list."""

    def test_each(self) -> None:
        """Messages that follow each other are told apart."""
        self.assertEqual(messages(b"".join(MESSAGES)), [(message, 0) for message in MESSAGES])

    def test_clipboard(self) -> None:
        """A clipboard's head is read, its text only counted; a negative length is an extended one."""
        data = cut_text(4, b"text", kind=6) + cut_text(-6, b"\0\0\0\1zz", kind=6) + key(1)
        self.assertEqual(messages(data), [(cut_text(4, kind=6), 4), (cut_text(-6, kind=6), 6), (key(1), 0)])

    def test_wide_pointer(self) -> None:
        """Bit 7 brings a second byte of buttons, once that was agreed."""
        data = pointer(0x01, 1, 2) + pointer(0x81, 1, 2) + b"\1" + pointer(0, 3, 4)
        wanted = [pointer(1, 1, 2), pointer(0x81, 1, 2) + b"\1", pointer(0, 3, 4)]
        self.assertEqual([message for message, _ in messages(data, wide=True)], wanted)

    def test_strangers(self) -> None:
        """A message that is not on the list ends the session, with any rights."""
        for kind in (1, 7, 8, 11, 127, 128, 252, 253, 254):
            with self.assertRaisesRegex(PeerError, f"type {kind}"):
                messages(bytes([kind]) + bytes(10))
        with self.assertRaisesRegex(PeerError, "QEMU message of type 1"):
            messages(b"\xff\1\0\0")

    def test_bounds(self) -> None:
        """Counts and lengths beyond their bounds end the session before anything is stored."""
        for data, reason in [
            (set_encodings(*range(MAX_ENCODINGS + 1))[:4], "1025 encodings"),
            (server_fence(b"f" * 65)[:9], "fence of 65 bytes"),
            (cut_text(MAX_SKIPPED + 1, kind=6), "clipboard of 67108865 bytes"),
            (cut_text(-(2**31), kind=6), "clipboard of 2147483648 bytes"),
        ]:
            with self.assertRaisesRegex(PeerError, reason):
                messages(data)
