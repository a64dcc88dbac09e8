"""SIGTERM stops the reactor; a second one is not ours any more."""

from __future__ import annotations

import os
import signal

from twisted.trial.unittest import SynchronousTestCase

from gateway.service.termination import Termination


class Reactor:
    """Notes what it is told."""

    stopped = 0

    def callWhenRunning(self, function) -> None:  # noqa: N802
        self.running = function

    def callFromThread(self, function) -> None:  # noqa: N802
        function()

    def stop(self) -> None:
        self.stopped += 1


class TerminationTests(SynchronousTestCase):
    """The first signal and the second."""

    def setUp(self) -> None:
        self.before = signal.getsignal(signal.SIGTERM)
        self.addCleanup(signal.signal, signal.SIGTERM, self.before)
        self.reactor = Reactor()
        Termination(self.reactor).startService()

    def test_it_waits_for_the_reactor(self) -> None:
        """Before the reactor runs, and takes the signal for itself, nothing is heard."""
        self.assertIs(signal.getsignal(signal.SIGTERM), self.before)

    def test_the_first_stops_the_reactor(self) -> None:
        """SIGTERM is an orderly stop, and the next one is the system's: it ends the process at once."""
        self.reactor.running()
        os.kill(os.getpid(), signal.SIGTERM)
        self.assertEqual(self.reactor.stopped, 1)
        self.assertIs(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)
