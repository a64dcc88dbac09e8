"""Which pixel format is in force."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.rfb.formats import MAX_PENDING, Formats
from gateway.wire.rfb.pixels import BGRX
from tests.wire.rfb.building import RGB332, RGB565, server_fence

RGBX = attrs.evolve(BGRX, shifts=(0, 8, 16))
MARKER = 0x80000005  # request, sync next, block before


class FormatsTests(SynchronousTestCase):
    """``Formats`` finds the place where a new format begins."""

    def setUp(self) -> None:
        self.formats = Formats(BGRX)

    def change(self, wanted: object, fences: bool = True, strict: bool = True) -> bytes:
        """Change with the usual answers."""
        return self.formats.change(wanted, fences, strict)  # type: ignore[arg-type]

    def test_before_any_request(self) -> None:
        """When nothing is on its way the next update brings the new format, and no fence is needed."""
        self.assertEqual(self.change(RGB565, fences=False), b"")
        self.assertEqual((self.formats.current, self.formats.newest), (BGRX, RGB565))
        self.formats.update_asked()
        self.formats.update_begins()
        self.assertEqual(self.formats.current, RGB565)
        self.assertEqual((self.formats.bytes_per_pixel, self.formats.tpixel_size), (2, 2))

    def test_last_change_counts(self) -> None:
        """Of several changes before an update the last one counts."""
        for wanted in (RGB565, RGB332, BGRX, RGB332):
            self.change(wanted)
        self.formats.update_begins()
        self.assertEqual((self.formats.current, self.formats.newest), (RGB332, RGB332))

    def test_between_updates(self) -> None:
        """A viewer that changes between an update's header and its next request is on the safe side."""
        self.formats.update_asked()
        self.formats.update_begins()
        self.assertTrue(self.formats.quiet)
        self.assertEqual(self.change(RGB565, fences=False), b"")

    def test_update_on_its_way(self) -> None:
        """With an update owed a fence goes ahead; only its answer brings the new format."""
        self.formats.update_asked()
        self.assertEqual(self.change(RGB565), server_fence(b"consolegw\0\0\0\1", MARKER))
        self.formats.update_begins()
        self.assertEqual(self.formats.current, BGRX)
        self.assertFalse(self.formats.fence_came(b"consolegw\0\0\0\2"))
        self.assertTrue(self.formats.fence_came(b"consolegw\0\0\0\1"))
        self.assertEqual(self.formats.current, RGB565)
        self.assertFalse(self.formats.fence_came(b"consolegw\0\0\0\1"))

    def test_more_requests_than_updates(self) -> None:
        """A second request is still owed after the first update."""
        self.formats.update_asked()
        self.formats.update_asked()
        self.formats.update_begins()
        self.assertFalse(self.formats.quiet)
        self.formats.update_begins()
        self.formats.update_begins()  # unasked
        self.formats.update_asked()
        self.assertFalse(self.formats.quiet)

    def test_continuous_updates(self) -> None:
        """Updates may come by themselves until the server has said that it stopped."""
        self.formats.continuous_ended()  # only says that it knows them
        self.assertTrue(self.formats.quiet)
        self.formats.continuous(True)
        self.assertFalse(self.formats.quiet)
        self.formats.continuous(False)
        self.assertFalse(self.formats.quiet)
        self.formats.continuous_ended()
        self.assertTrue(self.formats.quiet)

    def test_mixed_marks(self) -> None:
        """An update brings what waited for it; a fence's answer all that was before it."""
        self.change(RGB565)  # with the next update
        self.formats.update_asked()
        self.assertNotEqual(self.change(RGB332), b"")
        self.assertNotEqual(self.change(BGRX), b"")  # what follows a fence needs one too
        self.formats.update_begins()
        self.assertEqual(self.formats.current, RGB565)
        self.formats.fence_came(b"consolegw\0\0\0\2")
        self.assertEqual(self.formats.current, BGRX)
        self.formats.update_begins()
        self.assertEqual((self.formats.current, self.formats.newest), (BGRX, BGRX))

    def test_behind_a_fence(self) -> None:
        """As long as a fence is unanswered the next change needs one too, though all updates have come."""
        self.formats.update_asked()
        self.change(RGB565)
        self.formats.update_begins()
        self.assertTrue(self.formats.quiet)
        self.assertNotEqual(self.change(RGB332), b"")
        self.formats.update_begins()
        self.assertEqual(self.formats.current, BGRX)

    def test_same_lengths(self) -> None:
        """Formats whose rectangles have the same lengths need no border."""
        self.formats.update_asked()
        self.assertEqual(self.change(RGBX, fences=False), b"")

    def test_no_border_to_be_had(self) -> None:
        """Without fences the change is refused, or the client's own guess is taken."""
        self.formats.update_asked()
        with self.assertRaisesRegex(PeerError, "while an update was on its way"):
            self.change(RGB565, fences=False)
        self.assertEqual(self.change(RGB565, fences=False, strict=False), b"")
        self.formats.update_begins()
        self.assertEqual(self.formats.current, RGB565)

    def test_bounded(self) -> None:
        """A client that only changes formats is stopped."""
        for _ in range(MAX_PENDING):
            self.change(RGB565)
        with self.assertRaisesRegex(PeerError, "are pending"):
            self.change(RGB565)
