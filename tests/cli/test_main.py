"""The tool as a whole: usage, statuses, and the key that appears nowhere."""

from __future__ import annotations

import os
import subprocess
import sys

from gateway import __version__
from tests.cli.fake_gateway import KEY, GatewayCase, ToolCase, run


class UsageTests(ToolCase):
    def test_help(self) -> None:
        """The help lists the commands of this version and the exit statuses."""
        outcome = run("--help")
        self.assertEqual(outcome.status, 0)
        for word in ("ticket", "consoles", "sessions", "kill", "revoke", "check", "key", "CONSOLEGW_URL", "  3  the"):
            self.assertIn(word, outcome.out)
        for later in ("power", "doctor", "drain", "tunnel", "mks"):
            self.assertNotIn(f"    {later}", outcome.out)

    def test_version(self) -> None:
        """The version is the package's."""
        self.assertEqual(run("--version").out, f"consolegw {__version__}\n")

    def test_wrong_usage(self) -> None:
        """No command, an unknown one, or one without its arguments: status 2."""
        for argv in ((), ("fly",), ("ticket",), ("kill",), ("check",), ("key",), ("key", "new")):
            self.assert_fails(run(*argv), 2, "usage: consolegw")

    def test_no_key(self) -> None:
        """Without a key the tool says how to give one."""
        self.assert_fails(run("consoles"), 2, "CONSOLEGW_KEY_FILE")


class ProcessTests(GatewayCase):
    def tool(self, *argv: str, **options: object) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-c", "import sys; from gateway.cli import main; sys.exit(main())", *argv]
        return subprocess.Popen(  # noqa: S603
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=self.environ(), **options
        )

    def environ(self) -> dict[str, str]:
        return dict(os.environ) | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}

    def test_process(self) -> None:
        """As a process of its own it prints the table and nothing else, and ends with 0."""
        self.answers.say({"consoles": [{"name": "lab"}]})
        process = self.tool("consoles")
        out, err = process.communicate(timeout=30)
        self.assertEqual(process.returncode, 0)
        self.assertEqual((out.splitlines()[1].split()[0], err), (b"lab", b""))

    def test_light(self) -> None:
        """The tool asks a gateway without any of Twisted."""
        self.answers.say({"consoles": []})
        code = "import sys; from gateway.cli import main; main(['consoles']); sys.exit('twisted' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], env=self.environ(), capture_output=True, timeout=30)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_reader_leaves(self) -> None:
        """A reader that has enough ends the tool quietly."""
        self.answers.say({"consoles": [{"name": f"machine-{n}"} for n in range(50_000)]})
        process = self.tool("consoles")
        assert process.stdout is not None
        process.stdout.read(10)
        process.stdout.close()
        process.wait(30)
        assert process.stderr is not None
        self.addCleanup(process.stderr.close)
        self.assertEqual((process.returncode, process.stderr.read()), (1, b""))


class KeyTests(GatewayCase):
    def test_key_is_nowhere(self) -> None:
        """Whatever fails, the key is in no output."""
        for status in (200, 204, 308, 401, 500):
            self.answers.body, self.answers.status = b"no", status
            for argv in (("consoles",), ("ticket", "lab"), ("kill", "x"), ("--json", "sessions")):
                outcome = run(*argv)
                self.assertNotIn(KEY, outcome.out + outcome.err)
        self.assertEqual(self.answers.asked[0].headers["Authorization"], f"Bearer {KEY}")
