"""
What changes while the gateway runs: certificates, API keys, the audit's file.

On SIGHUP everything is read again; certificates and keys also when their
files change.  What cannot be read keeps what was there before.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Any

from attrs import frozen
from twisted.application.service import Service
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.events import Event, tell

LOOK_EVERY = 2.0
"""Seconds between two looks at files that may have changed."""

_log = Logger()


@frozen
class Reloadable:
    """Something that can be read again; ``changed`` is ``None`` for what only a signal reads again."""

    reload: Callable[[], object]
    changed: Callable[[], bool] | None = None


class Reloader(Service):
    """Reads again what changed, and everything on SIGHUP."""

    def __init__(self, reactor: Any, parts: Sequence[Reloadable]) -> None:
        self._reactor = reactor
        self._parts = parts
        self._looking = LoopingCall(self._look)
        self._looking.clock = reactor
        self._before: Any = None

    def startService(self) -> None:
        """Begin to look, and to hear the signal."""
        super().startService()  # type: ignore[no-untyped-call]
        self._looking.start(LOOK_EVERY, now=False)
        if hasattr(signal, "SIGHUP"):
            self._before = signal.signal(signal.SIGHUP, self._hangup)

    def stopService(self) -> None:
        """Look no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        if self._looking.running:
            self._looking.stop()
        if self._before is not None:
            signal.signal(signal.SIGHUP, self._before)
            self._before = None

    def reload(self) -> None:
        """Read everything again."""
        for part in self._parts:
            self._read(part)
        tell(_log, Event.FILES_RELOADED)

    def _hangup(self, number: int, frame: FrameType | None) -> None:
        self._reactor.callFromThread(self.reload)

    def _look(self) -> None:
        for part in self._parts:
            if part.changed is not None and part.changed():
                self._read(part)

    def _read(self, part: Reloadable) -> None:
        try:
            part.reload()
        except Exception:
            tell(_log, Event.FAULT, log_failure=Failure())
