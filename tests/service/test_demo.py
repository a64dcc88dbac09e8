"""The demo's one URL."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.target import ConsoleInfo, ConsoleKind
from gateway.service.demo import DemoUrl
from tests.support.bench import Bench


class DemoUrlTests(SynchronousTestCase):
    """What a newcomer reads."""

    def test_url_opens_the_console_again_and_again(self) -> None:
        """The ticket in the URL opens the demo any number of times, for a day."""
        bench = Bench()
        bench.driver._consoles["demo"] = (ConsoleInfo("demo", ConsoleKind.DEMO), bench.target(ConsoleKind.DEMO))
        said: list[str] = []
        DemoUrl(bench.desk, "https://localhost:8443", Path("keys/demo-api-key"), said.append).startService()
        (text,) = said
        self.assertIn("keys/demo-api-key", text)
        ticket = text.split("https://localhost:8443/console/#")[1].split()[0]
        bench.turn(86_000)
        for address in ("192.0.2.1", "192.0.2.2", "192.0.2.3"):
            bench.connect(ticket, address=address)
        self.assertEqual(3, len(bench.registry))
