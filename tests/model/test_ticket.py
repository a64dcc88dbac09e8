"""Tickets: what a revocation covers, and what a grant does not show."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret
from gateway.model.target import ConsoleKind, Target, TcpAddress
from gateway.model.ticket import DEFAULT_RIGHTS, Grant, Minted, Right, Selector

ALICE = {"ticket_id": "t-1", "console": "lab", "user": "alice"}
NOBODY = {"ticket_id": "t-2", "console": "lab", "user": ""}


class SelectorTests(SynchronousTestCase):
    def test_one_property_selects(self) -> None:
        """By id, by console and by user; each for itself."""
        self.assertTrue(Selector(id="t-1").covers(**ALICE))
        self.assertFalse(Selector(id="t-2").covers(**ALICE))
        self.assertTrue(Selector(console="lab").covers(**NOBODY))
        self.assertFalse(Selector(console="la").covers(**ALICE))
        self.assertTrue(Selector(user="alice").covers(**ALICE))
        self.assertFalse(Selector(user="bob").covers(**ALICE))

    def test_an_empty_selector_covers_nothing(self) -> None:
        """No name is not everybody's name, nor that of those without one."""
        self.assertFalse(Selector().covers(**ALICE))
        self.assertFalse(Selector().covers(**NOBODY))


class GrantTests(SynchronousTestCase):
    def test_rights_by_default(self) -> None:
        """To see, to type and to copy; not to switch the machine."""
        self.assertEqual(DEFAULT_RIGHTS, {Right.VIEW, Right.CONTROL, Right.CLIPBOARD})
        self.assertEqual(Grant("lab", ConsoleKind.VNC).rights, DEFAULT_RIGHTS)

    def test_nothing_secret_is_shown(self) -> None:
        """A grant hides where its target is, a minted ticket its text."""
        target = Target(ConsoleKind.VNC, (TcpAddress("inside.example", 5900),))
        self.assertNotIn("inside", repr(Grant("lab", ConsoleKind.VNC, target=target)))
        self.assertNotIn("canary", repr(Minted("t-1", Secret("canary"), 0.0)))
