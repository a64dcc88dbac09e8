"""How a server says no."""

from __future__ import annotations

from collections.abc import Sequence

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.reader import Dialogue
from gateway.wire.rfb.constants import MAX_REASON, Version
from gateway.wire.rfb.refusal import UpstreamRefused, printable, read_reason, refuse
from tests.support.feed import fed_three_ways
from tests.wire.rfb.talking import FAILED


class RefuseTests(SynchronousTestCase):
    """``refuse`` turns a client down as its version has it."""

    def test_each_version(self) -> None:
        """3.8 is given SecurityResult 1 and the reason, 3.7 the result alone, 3.3 the type 0 and the reason."""
        self.assertEqual(refuse(Version.V3_8, "no"), FAILED + b"\0\0\0\2no")
        self.assertEqual(refuse(Version.V3_7, "no"), FAILED)
        self.assertEqual(refuse(Version.V3_3, "no"), b"\0\0\0\0" + b"\0\0\0\2no")

    def test_long_reason(self) -> None:
        """A reason is cut to what a client reads, and its length says so."""
        self.assertEqual(refuse(Version.V3_8, "x" * 9999), FAILED + b"\0\0\x10\0" + b"x" * MAX_REASON)


class UpstreamRefusedTests(SynchronousTestCase):
    """What is known of a server's no."""

    def test_reason_is_kept_apart(self) -> None:
        """The text is ours alone; what the server wrote is beside it."""
        refused = UpstreamRefused("the log-in", b"host 10.0.0.1\nis mine")
        self.assertEqual((str(refused), refused.reason), ("the server refused the log-in", "host 10.0.0.1 is mine"))

    def test_printable(self) -> None:
        """Nothing in a peer's text steers a terminal or breaks a line."""
        self.assertEqual(printable(b"\na\x1b[1m\0b\xff\xc3\xa9 "), "a [1m b\N{REPLACEMENT CHARACTER}é")


class ReadReasonTests(SynchronousTestCase):
    """``read_reason`` takes what there is."""

    def read(self, pieces: Sequence[bytes]) -> bytes:
        """Read a reason out of a stream that ends."""
        dialogue = Dialogue(read_reason)
        for piece in pieces:
            if not dialogue.done:
                dialogue.receive(piece)
        if not dialogue.done:
            dialogue.receive_eof()
        return dialogue.result

    def test_whole_and_cut(self) -> None:
        """A reason is read to its end, or as far as the server sent it."""
        for data, reason in [
            (b"\0\0\0\4full, and more", b"full"),
            (b"\0\0\0\x09full", b"full"),
            (b"\0\0\0\0", b""),
            (b"\0\0\0", b""),
        ]:
            self.assertEqual(fed_three_ways(data, self.read), reason)

    def test_bound(self) -> None:
        """However long a reason is said to be, only so much of it is read."""
        self.assertEqual(self.read([b"\xff\xff\xff\xff" + b"x" * 9999]), b"x" * MAX_REASON)
