"""Audit lines on disk, and when the disk does not take them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

from twisted.internet.task import Clock
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.events import Event
from gateway.observe.audit import COMPLAINT_INTERVAL, STDOUT, FileAudit, MemoryAudit


class FileAuditTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp())
        self.clock = Clock()
        self.told: list[dict[str, Any]] = []

        def observe(event: dict[str, Any]) -> None:
            if event.get("event") is Event.AUDIT_FAILED:
                self.told.append(event)

        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)

    def audit(self, path: str | None = None) -> FileAudit:
        audit = FileAudit(path or str(self.path), self.clock.seconds)
        self.addCleanup(audit.close)
        return audit

    def test_one_line_each(self) -> None:
        """Each record is one line of JSON, on disk at once, whatever is in it."""
        audit = self.audit()
        audit.record({"user": "a\nb", "seconds": 1.5})
        audit.record({"user": "müller"})
        lines = self.path.read_text().splitlines()
        self.assertEqual([json.loads(line) for line in lines], [{"user": "a\nb", "seconds": 1.5}, {"user": "müller"}])

    def test_appends(self) -> None:
        """What an earlier life of the gateway wrote stays."""
        self.audit().record({"n": 1})
        self.audit().record({"n": 2})
        self.assertEqual(self.path.read_text(), '{"n":1}\n{"n":2}\n')

    def test_mode(self) -> None:
        """A new file is readable by its owner alone, whatever the umask."""
        self.addCleanup(os.umask, os.umask(0))
        self.audit()
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)

    def test_reopened_after_rotation(self) -> None:
        """After a rename lines go to the old file until it is reopened, then to a new one."""
        audit = self.audit()
        rotated = self.path.rename(self.path.with_suffix(".1"))
        audit.record({"n": 1})
        audit.reopen()
        audit.record({"n": 2})
        self.assertEqual((rotated.read_text(), self.path.read_text()), ('{"n":1}\n', '{"n":2}\n'))

    def test_reopening_that_fails_keeps_the_old_file(self) -> None:
        """When the directory is gone the old file is used on, and the operator told."""
        directory = Path(self.mktemp())
        directory.mkdir()
        audit = self.audit(str(directory / "audit.jsonl"))
        moved = directory.rename(self.mktemp())
        audit.reopen()
        audit.record({"n": 1})
        self.assertEqual((moved / "audit.jsonl").read_text(), '{"n":1}\n')
        self.assertEqual(len(self.told), 1)

    def test_full_disk(self) -> None:
        """A full disk raises nothing; each line is counted, and the operator told once a minute."""
        audit = self.audit("/dev/full")
        for _ in range(3):
            audit.record({"n": 1})
        self.assertEqual((audit.lost, [event["lost"] for event in self.told]), (3, [1]))
        self.clock.advance(COMPLAINT_INTERVAL)
        audit.record({"n": 1})
        self.assertEqual((audit.lost, [event["lost"] for event in self.told]), (4, [1, 3]))

    def test_torn_line_spoils_no_other(self) -> None:
        """When only half a line fits, the next one begins on a line of its own."""
        os.mkfifo(self.path)
        reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, reader)
        audit = self.audit()
        audit.record({"user": "x" * 200_000})
        torn = os.read(reader, 1_000_000)
        audit.record({"n": 2})
        self.assertNotIn(b"\n", torn)
        self.assertEqual((audit.lost, os.read(reader, 100)), (1, b'\n{"n":2}\n'))

    def test_cannot_be_opened(self) -> None:
        """A gateway that shall keep an audit but cannot does not start."""
        with self.assertRaises(OSError):
            FileAudit(str(self.path / "no" / "such"))

    def test_pipe_without_a_reader(self) -> None:
        """A named pipe that nobody reads is an error instead of a hang."""
        os.mkfifo(self.path)
        with self.assertRaises(OSError):
            FileAudit(str(self.path))

    def test_stdout(self) -> None:
        """``stdout`` is the process's own, which neither reopening nor closing takes away."""
        kept = os.dup(1)
        self.addCleanup(os.close, kept)
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        os.dup2(writer, 1)
        os.close(writer)
        try:
            audit = FileAudit(STDOUT)
            audit.record({"n": 1})
            audit.reopen()
            audit.record({"n": 2})
            audit.close()
            os.write(1, b"still open")
        finally:
            os.dup2(kept, 1)
        self.assertEqual(os.read(reader, 100), b'{"n":1}\n{"n":2}\nstill open')


class MemoryAuditTests(SynchronousTestCase):
    def test_keeps_copies(self) -> None:
        """Lines are kept as they were when recorded."""
        audit, line = MemoryAudit(), {"n": 1}
        audit.record(line)
        line["n"] = 2
        self.assertEqual(audit.lines, [{"n": 1}])
