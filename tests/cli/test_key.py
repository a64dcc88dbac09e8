"""Making API keys."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import stat
from pathlib import Path

from gateway.cli import key as module
from tests.cli.fake_gateway import ToolCase, run


class KeyTests(ToolCase):
    def setUp(self) -> None:
        super().setUp()
        self.file = Path("keys/api-keys")

    def test_first(self) -> None:
        """The key is printed once; the file, readable by its owner alone, has its digest and role."""
        self.addCleanup(os.umask, os.umask(0))
        outcome = run("key", "new", "portal", "--role", "operator")
        self.assertEqual((outcome.status, outcome.err, len(outcome.out)), (0, "", 44))
        digest = hashlib.sha256(outcome.out.strip().encode()).hexdigest()
        self.assertEqual(self.file.read_text(), f"portal:{digest}:operator\n")
        self.assertEqual(stat.S_IMODE(self.file.stat().st_mode), 0o600)
        self.assertEqual(os.listdir("keys"), ["api-keys"])

    def test_appended(self) -> None:
        """What is in the file stays, also when its last line is not ended."""
        self.file.parent.mkdir()
        self.file.write_text("# ours\nold:00:viewer")
        self.assertEqual(run("key", "new", "lab", "--role", "viewer", "--console", "vc1/lab-*").status, 0)
        *before, line = self.file.read_text().splitlines()
        self.assertEqual(before, ["# ours", "old:00:viewer"])
        self.assertRegex(line, r"^lab:[0-9a-f]{64}:viewer:vc1/lab-\*$")

    def test_duplicate(self) -> None:
        """A name that is taken is refused, and the file left alone."""
        run("key", "new", "portal", "--role", "viewer")
        before = self.file.read_bytes()
        self.assert_fails(run("key", "new", "portal", "--role", "admin"), 1, "a key called portal")
        self.assertEqual(self.file.read_bytes(), before)

    def test_names_that_begin_alike(self) -> None:
        """A name that begins another is another."""
        for name in ("portal", "port", "portal.2"):
            self.assertEqual(run("key", "new", name, "--role", "viewer").status, 0)

    def test_usage(self) -> None:
        """A name, role or glob that would break the file is an error of usage, and no file is made."""
        for argv in (
            ("a:b", "--role", "viewer"),
            ("", "--role", "viewer"),
            ("x" * 65, "--role", "viewer"),
            ("a\nb", "--role", "viewer"),
            ("a", "--role", "root"),
            ("a",),
            ("a", "--role", "viewer", "--console", "x:y"),
            ("a", "--role", "viewer", "--console", "x\ny"),
            ("a", "--role", "viewer", "--console", ""),
        ):
            self.assert_fails(run("key", "new", *argv), 2)
        self.assertFalse(self.file.exists())

    def test_json(self) -> None:
        """With --json the key comes with its name and role."""
        answer = json.loads(run("key", "new", "lab", "--role", "viewer", "--console", "lab", "--json").out)
        self.assertEqual(answer | {"key": ""}, {"name": "lab", "role": "viewer", "console": "lab", "key": ""})
        self.assertIn(hashlib.sha256(answer["key"].encode()).hexdigest(), self.file.read_text())

    def test_link_stays_a_link(self) -> None:
        """A file behind a symbolic link is changed where it is."""
        Path("elsewhere").write_text("")
        Path("link").symlink_to("elsewhere")
        run("key", "new", "a", "--role", "viewer", "--keys-file", "link")
        self.assertTrue(Path("link").is_symlink())
        self.assertTrue(Path("elsewhere").read_text().startswith("a:"))

    def test_strange_file(self) -> None:
        """A file that cannot be a keys file is not rewritten."""
        self.patch(module, "FILE_LIMIT", 100)
        for content in (b"\xff\xfe", b"x" * 101):
            Path("strange").write_bytes(content)
            outcome = run("key", "new", "a", "--role", "viewer", "--keys-file", "strange")
            self.assert_fails(outcome, 1, "strange is not a keys file")
            self.assertEqual(Path("strange").read_bytes(), content)

    def test_no_directory(self) -> None:
        """A directory that cannot be made is named in one line."""
        outcome = run("key", "new", "a", "--role", "viewer", "--keys-file", "no/such/file")
        self.assert_fails(outcome, 1, "no/such/file cannot be changed")

    def test_two_at_once(self) -> None:
        """While somebody else adds a key nothing is changed."""
        self.file.parent.mkdir()
        descriptor = os.open(self.file.parent, os.O_RDONLY)
        self.addCleanup(os.close, descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        self.assert_fails(run("key", "new", "a", "--role", "viewer"), 1, "somebody else")
        self.assertFalse(self.file.exists())
