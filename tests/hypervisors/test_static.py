"""Consoles given by hand, behind the Driver seam."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.hypervisors.static import StaticDriver
from gateway.model.errors import UnknownConsole
from gateway.model.seams import Driver
from gateway.model.target import ConsoleInfo, ConsoleKind, Target, parse_address

LAB = (
    ConsoleInfo("lab", ConsoleKind.VNC, title="The lab"),
    Target(ConsoleKind.VNC, (parse_address("10.0.0.7:5901"),), identity="lab"),
)
DEMO = (ConsoleInfo("demo", ConsoleKind.DEMO), Target(ConsoleKind.DEMO, identity="demo"))


class StaticDriverTests(SynchronousTestCase):
    """What the static driver answers."""

    def setUp(self) -> None:
        self.driver: Driver = StaticDriver({"lab": LAB, "demo": DEMO})

    def test_lists_in_order(self) -> None:
        """The list has every console once, in the order it was given."""
        self.assertEqual(list(self.successResultOf(self.driver.consoles())), [LAB[0], DEMO[0]])

    def test_finds_and_resolves(self) -> None:
        """A console is found and resolved by its exact name."""
        self.assertEqual(self.successResultOf(self.driver.find("lab")), LAB[0])
        self.assertEqual(self.successResultOf(self.driver.resolve("demo")), DEMO[1])

    def test_unknown(self) -> None:
        """A name that is not there is unknown; the error does not repeat it."""
        for ask in (self.driver.find, self.driver.resolve):
            failure = self.failureResultOf(ask("Lab"), UnknownConsole)
            self.assertNotIn("Lab", str(failure.value))

    def test_keeps_its_own_list(self) -> None:
        """Changing the mapping afterwards changes nothing."""
        given = {"lab": LAB}
        driver = StaticDriver(given)
        given.clear()
        self.assertEqual(self.successResultOf(driver.find("lab")), LAB[0])
