"""
SIGTERM: an orderly end is a success, and a second one does not wait for it.

twistd alone would die of the signal even after an orderly end.  What such an
end consists of is in ``shutdown.py``.
"""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from twisted.application.service import Service


class Termination(Service):
    """Hears SIGTERM in the reactor's place: the process ends with status 0, or by a second one at once."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def startService(self) -> None:
        """Hear it from when the reactor runs, which takes it for itself first."""
        super().startService()  # type: ignore[no-untyped-call]
        self._reactor.callWhenRunning(self._hear)

    def _hear(self) -> None:
        signal.signal(signal.SIGTERM, self._terminated)

    def _terminated(self, number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self._reactor.callFromThread(self._reactor.stop)
