"""How many connections fit."""

from __future__ import annotations

import resource

from twisted.trial.unittest import SynchronousTestCase

from gateway.service.descriptors import RESERVE, WANTED, connection_limit, raise_limit


class _Case(SynchronousTestCase):
    refuses = False

    def set_limit(self, soft: int, hard: int | None = None) -> None:
        """As if the system had this limit."""
        self.limits = (soft, soft if hard is None else hard)
        self.patch(resource, "getrlimit", lambda which: self.limits)
        self.patch(resource, "setrlimit", self.take)

    def take(self, which: int, limits: tuple[int, int]) -> None:
        """As the system does."""
        if self.refuses:
            raise ValueError("not allowed to raise maximum limit")
        self.limits = limits


class LimitTests(_Case):
    """The descriptor limit, less a reserve."""

    def test_unconfigured(self) -> None:
        """Two descriptors a connection, and a reserve."""
        self.set_limit(RESERVE + 2000)
        self.assertEqual(1000, connection_limit(0))

    def test_configured(self) -> None:
        """A configured limit holds where it fits, and is cut where it does not."""
        self.set_limit(RESERVE + 2000)
        self.assertEqual(10, connection_limit(10))
        self.assertEqual(1000, connection_limit(5000))

    def test_unlimited(self) -> None:
        """Without a limit of the system the configuration decides."""
        self.set_limit(resource.RLIM_INFINITY)
        self.assertEqual(7, connection_limit(7))
        self.assertGreater(connection_limit(0), 10_000)

    def test_a_shells_soft_limit(self) -> None:
        """A low soft limit is raised: for what is configured, or for as many as one process relays."""
        self.set_limit(1024, 1_048_576)
        self.assertEqual(1000, connection_limit(1000))
        self.assertEqual((RESERVE + 2000, 1_048_576), self.limits)
        self.assertEqual((WANTED - RESERVE) // 2, connection_limit(0))


class RaiseTests(_Case):
    """Raising the soft limit."""

    def test_within_the_hard_one(self) -> None:
        """No further than is wanted, nor than the hard limit, and never down."""
        self.set_limit(1024, 4096)
        self.assertEqual(2000, raise_limit(2000))
        self.assertEqual(4096, raise_limit(9000))
        self.assertEqual(4096, raise_limit(10))
        self.assertEqual((4096, 4096), self.limits)

    def test_without_a_hard_one(self) -> None:
        """Where there is no hard limit it becomes what is wanted."""
        self.set_limit(1024, resource.RLIM_INFINITY)
        self.assertEqual(5000, raise_limit(5000))

    def test_what_the_system_refuses(self) -> None:
        """Where it may not be raised it stays."""
        self.refuses = True
        self.set_limit(1024, 4096)
        self.assertEqual(1024, raise_limit(2000))
