"""Files are read again when they change, and on a signal."""

from __future__ import annotations

import os
import signal

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.service.reload import LOOK_EVERY, Reloadable, Reloader


class ThreadlessClock(Clock):
    """A clock that runs at once what a signal asks for."""

    def callFromThread(self, function: object) -> None:  # noqa: N802
        function()


class ReloaderTests(SynchronousTestCase):
    """Looking and listening."""

    def setUp(self) -> None:
        self.clock = ThreadlessClock()
        self.read: list[str] = []
        self.changed = False
        self.reloader = Reloader(
            self.clock,
            [
                Reloadable(lambda: self.read.append("files"), lambda: self.changed),
                Reloadable(lambda: self.read.append("audit")),
            ],
        )
        before = signal.getsignal(signal.SIGHUP)
        self.addCleanup(signal.signal, signal.SIGHUP, before)
        self.reloader.startService()
        self.addCleanup(self.reloader.stopService)

    def test_on_change(self) -> None:
        """What changed is read again, the rest is not."""
        self.clock.advance(LOOK_EVERY)
        self.assertEqual([], self.read)
        self.changed = True
        self.clock.advance(LOOK_EVERY)
        self.assertEqual(["files"], self.read)

    def test_on_signal(self) -> None:
        """SIGHUP reads everything again."""
        os.kill(os.getpid(), signal.SIGHUP)
        self.assertEqual(["files", "audit"], self.read)

    def test_one_failure(self) -> None:
        """What cannot be read is logged and keeps nobody else from it."""

        def fail() -> None:
            raise ZeroDivisionError

        Reloader(self.clock, [Reloadable(fail), Reloadable(lambda: self.read.append("next"))]).reload()
        self.assertEqual(["next"], self.read)
        self.assertEqual(1, len(self.flushLoggedErrors(ZeroDivisionError)))
