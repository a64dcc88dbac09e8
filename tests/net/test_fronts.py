"""Tests of the value that says where requests go."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.fronts import Fronts
from gateway.net.wheel import Wheel
from tests.support.front import Counts, Gatekeeper


class FrontsTests(SynchronousTestCase):
    """One listener's fronts."""

    def test_one_socket_factory_with_the_listeners_ping(self) -> None:
        """All sockets of a listener share one factory, which has its ping, its wheel and its metrics."""
        wheel, counts = Wheel(Clock()), Counts()
        fronts = Fronts(
            upgrade=lambda head, arrival: None,
            admit=Gatekeeper(),
            site=None,
            health=lambda path: 200,
            wheel=wheel,
            metrics=counts,
            ping=7.0,
        )
        self.assertIs(fronts.sockets, fronts.sockets)
        self.assertEqual((fronts.sockets.ping, fronts.sockets.wheel, fronts.sockets.metrics), (7.0, wheel, counts))
        self.assertEqual((fronts.plaintext, fronts.connect, fronts.forwarded), ("redirect", None, None))
