"""Exit statuses are what scripts rely on."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli.exits import MEANINGS, Exit, Failed


class ExitTests(SynchronousTestCase):
    def test_statuses(self) -> None:
        """The numbers never change, and each has its meaning."""
        self.assertEqual(
            {status.name: status.value for status in Exit}, {"OK": 0, "FAILED": 1, "USAGE": 2, "UNREACHABLE": 3}
        )
        self.assertEqual(set(MEANINGS), set(Exit))

    def test_failed_means_one(self) -> None:
        """A failure that says nothing else is 1."""
        self.assertEqual(Failed("no").status, 1)
