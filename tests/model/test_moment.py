"""How moments are written."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.moment import rfc3339


class MomentTests(SynchronousTestCase):
    def test_utc_with_milliseconds(self) -> None:
        """A moment is written in UTC with milliseconds, whatever the machine's time zone."""
        self.assertEqual(rfc3339(1_700_000_000.25), "2023-11-14T22:13:20.250Z")
        self.assertEqual(rfc3339(0), "1970-01-01T00:00:00.000Z")
