"""
Where audit lines go: a file or the standard output, one JSON object a line.

One line is one write to a descriptor opened for appending.  A write that
fails must not cost anybody a session: the line is lost, counted, and the
operator told once a minute.  What a line says is in ``gateway.model.audit``.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from twisted.logger import Logger

from gateway.model.audit import AUDIT_FIELDS, line_of
from gateway.model.events import Event, tell

__all__ = ["AUDIT_FIELDS", "FileAudit", "MemoryAudit", "line_of"]

_log = Logger()

STDOUT = "stdout"
_STDOUT_DESCRIPTOR = 1

COMPLAINT_INTERVAL = 60.0
"""Seconds between two log lines about lost audit lines: a full disk must not fill the log too."""

# O_NONBLOCK: a named pipe that nobody reads is an error, not a hang.
_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY


class FileAudit:
    """
    Appends audit lines to a file (made with mode 0600), or to ``stdout``.

    :raises OSError: when the file cannot be opened: a gateway that shall keep
        an audit does not start without it.
    """

    def __init__(self, path: str | os.PathLike[str], seconds: Callable[[], float] = time.monotonic) -> None:
        self._path = os.fspath(path)
        self._seconds = seconds
        self._descriptor = self._opened()
        self._torn = False
        self._complained_at: float | None = None
        self._untold = 0
        self.lost = 0
        """How many lines could not be written."""

    def record(self, line: Mapping[str, Any]) -> None:
        """Append one line; never raises for want of disk."""
        data = json.dumps(line, separators=(",", ":"), default=str).encode() + b"\n"
        if self._torn:
            data = b"\n" + data
        try:
            self._write(data)
        except OSError as error:
            self._count_loss(error)

    def reopen(self) -> None:
        """Open the file by its name again, after a rotation; what cannot be opened leaves the old one in use."""
        try:
            fresh = self._opened()
        except OSError as error:
            self._complain(error)
            return
        self.close()
        self._descriptor, self._torn = fresh, False

    def close(self) -> None:
        """Close the file; ``stdout`` stays open."""
        if self._path != STDOUT and self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1

    def _opened(self) -> int:
        if self._path == STDOUT:
            return _STDOUT_DESCRIPTOR
        return os.open(self._path, _FLAGS, 0o600)

    def _write(self, data: bytes) -> None:
        """Write all of it; a disk that fills in the middle leaves a torn line, which the next one ends first."""
        written = 0
        while written < len(data):
            written += os.write(self._descriptor, data[written:])
            self._torn = written < len(data)

    def _count_loss(self, error: OSError) -> None:
        self.lost += 1
        self._untold += 1
        now = self._seconds()
        if self._complained_at is None or now - self._complained_at >= COMPLAINT_INTERVAL:
            self._complained_at = now
            self._complain(error)

    def _complain(self, error: OSError) -> None:
        tell(_log, Event.AUDIT_FAILED, file=self._path, error=error.strerror, lost=self._untold)
        self._untold = 0


class MemoryAudit:
    """Keeps audit lines in a list, for tests."""

    def __init__(self) -> None:
        self.lines: list[Mapping[str, Any]] = []

    def record(self, line: Mapping[str, Any]) -> None:
        """Keep one line."""
        self.lines.append(dict(line))
