"""Files that nobody else may read."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.stores.files import FileLock, create_privately


class CreatePrivatelyTests(SynchronousTestCase):
    def setUp(self):
        self.path = Path(self.mktemp()) / "state" / "file"

    def names(self):
        return sorted(os.listdir(self.path.parent))

    def test_made_whole(self):
        """A file is made with its directory, readable by its owner alone, and nothing else is left."""
        self.assertTrue(create_privately(self.path, lambda draft: draft.write_text("all") and None))
        self.assertEqual(self.path.read_text(), "all")
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.path.parent.stat().st_mode & 0o777, 0o700)
        self.assertEqual(self.names(), ["file"])

    def test_not_made_twice(self):
        """A file that came meanwhile is left as it is."""
        create_privately(self.path, lambda draft: draft.write_text("first") and None)
        self.assertFalse(create_privately(self.path, lambda draft: draft.write_text("second") and None))
        self.assertEqual(self.path.read_text(), "first")
        self.assertEqual(self.names(), ["file"])

    def test_failed_leaves_nothing(self):
        """A file that could not be filled is not there."""

        def fail(draft):
            draft.write_text("half")
            raise RuntimeError("no more")

        self.assertRaises(RuntimeError, create_privately, self.path, fail)
        self.assertEqual(self.names(), [])


class FileLockTests(SynchronousTestCase):
    def setUp(self):
        self.path = Path(self.mktemp()) / "state" / "lock"

    def test_one_at_a_time(self):
        """Who comes second is refused with the directory's name, until the first lets go (twice is no fault)."""
        first = FileLock(self.path)
        self.assertIn(str(self.path.parent), str(self.assertRaises(ValueError, FileLock, self.path)))
        first.release()
        first.release()
        FileLock(self.path).release()

    def test_private(self):
        """The file is the owner's alone."""
        self.addCleanup(FileLock(self.path).release)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_survives_its_maker(self):
        """It is held on by a process that was forked when its maker ends, as a daemon's first process does."""
        first = FileLock(self.path)
        kept = os.dup(first._file)
        first.release()
        self.assertRaises(ValueError, FileLock, self.path)
        os.close(kept)
        FileLock(self.path).release()
