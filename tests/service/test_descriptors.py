"""How many connections fit."""

from __future__ import annotations

import resource

from twisted.trial.unittest import SynchronousTestCase

from gateway.service.descriptors import RESERVE, connection_limit


class LimitTests(SynchronousTestCase):
    """The descriptor limit, less a reserve."""

    def set_limit(self, soft: int) -> None:
        """As if the system had this limit."""
        self.patch(resource, "getrlimit", lambda which: (soft, soft))

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
