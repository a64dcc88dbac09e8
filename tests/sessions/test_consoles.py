"""Consoles over all drivers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.hypervisors.static import StaticDriver
from gateway.model.errors import UnknownConsole
from gateway.model.target import ConsoleInfo, ConsoleKind, Target
from gateway.model.ticket import Grant
from gateway.sessions.consoles import Consoles


class ConsolesTests(SynchronousTestCase):
    """NAME and DRIVER/VM."""

    def setUp(self) -> None:
        self.lab = Target(ConsoleKind.VNC, identity="lab")
        self.vm = Target(ConsoleKind.VNC, identity="vm")
        by_hand = StaticDriver({"lab": (ConsoleInfo("lab", ConsoleKind.VNC), self.lab)})
        driver = StaticDriver({"vm-1": (ConsoleInfo("vc1/vm-1", ConsoleKind.VNC), self.vm)})
        self.consoles = Consoles(by_hand, {"vc1": driver})

    def test_list(self) -> None:
        """All are listed, by name."""
        names = [console.name for console in self.successResultOf(self.consoles.list())]
        self.assertEqual(["lab", "vc1/vm-1"], names)

    def test_resolve(self) -> None:
        """A grant leads to its driver's target, or to the one in the grant."""
        cases = {"lab": self.lab, "vc1/vm-1": self.vm}
        for name, target in cases.items():
            self.assertIs(target, self.successResultOf(self.consoles.resolve(Grant(name, ConsoleKind.VNC))))
        own = Grant("lab", ConsoleKind.VNC, target=self.vm)
        self.assertIs(self.vm, self.successResultOf(self.consoles.resolve(own)))

    def test_unknown(self) -> None:
        """Unknown drivers and machines are unknown consoles."""
        for name in ("none", "vc2/vm-1", "vc1/vm-2"):
            self.failureResultOf(self.consoles.find(name), UnknownConsole)
