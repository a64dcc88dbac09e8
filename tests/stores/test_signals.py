"""Signals within one process."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.session import Ending, Word
from gateway.stores.signals import LocalSignals


class LocalSignalsTests(SynchronousTestCase):
    def test_watching_while_told(self):
        """Who begins to watch within a signal hears the next one."""
        signals, heard = LocalSignals(), []
        signals.watch(lambda *_: signals.watch(lambda *signal: heard.append(signal)))
        self.successResultOf(signals.signal("s-1", Word.MOVED))
        self.assertEqual(heard, [])
        self.successResultOf(signals.signal("s-1", Word.END, Ending.IDLE))
        self.assertEqual(heard, [("s-1", Word.END, Ending.IDLE)])
