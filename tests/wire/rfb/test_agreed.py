"""What both ends agreed on."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.rfb.agreed import MAX_HELD, Agreed, Held, Rights
from gateway.wire.rfb.formats import Formats
from gateway.wire.rfb.pixels import BGRX


class HeldTests(SynchronousTestCase):
    """``Held`` knows what is down."""

    def test_keys(self) -> None:
        """A key is held from its first press to its release."""
        held = Held()
        for down, keysym, keycode in [(True, 0x61, 0), (True, 0x61, 0), (True, 0x62, 0), (False, 0x63, 0)]:
            held.key(down, keysym, keycode)
        self.assertEqual(held.keys, [(0x61, 0), (0x62, 0)])
        held.key(False, 0x61)
        self.assertEqual(held.keys, [(0x62, 0)])

    def test_keycode_names_a_key(self) -> None:
        """A key that gave another keysym on its release is up all the same."""
        held = Held()
        held.key(True, 0x61, 30)
        held.key(True, 0x61)
        held.key(False, 0x41, 30)
        self.assertEqual(held.keys, [(0x61, 0)])

    def test_bounded(self) -> None:
        """No client makes the list grow for ever."""
        held = Held()
        for keysym in range(2 * MAX_HELD):
            held.key(True, keysym)
        self.assertEqual(len(held.keys), MAX_HELD)

    def test_pointer(self) -> None:
        """The last pointer event counts."""
        held = Held()
        held.point(5, 10, 20)
        held.point(4, 11, 21)
        self.assertEqual((held.buttons, held.pointer), (4, (11, 21)))


class AgreedTests(SynchronousTestCase):
    """``Agreed`` keeps the screen within bounds."""

    def test_resize(self) -> None:
        """A new size is noted, one beyond the bound is the server's fault."""
        agreed = Agreed(1, 1, Formats(BGRX), Rights(), b"")
        agreed.resize(16384, 0)
        self.assertEqual((agreed.width, agreed.height), (16384, 0))
        with self.assertRaisesRegex(PeerError, "1×16385 is too big"):
            agreed.resize(1, 16385)
