"""
``consolegw`` as an operator runs it, against a real gateway.
"""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.clients import WebClient
from tests.support.running import ROOT, Demo, Gateway, consolegw, free_port
from tests.support.sharing import shared

TICKET = re.compile(r"https://localhost:(\d+)/console/#([A-Za-z0-9_-]{43})\n")
OK, FAILED, USAGE, UNREACHABLE = range(4)


class Commanding(SynchronousTestCase):
    """Tests that share a gateway, and command it."""

    timeout = 60

    def setUp(self) -> None:
        consoles = '[console.demo]\nkind = "demo"\ntitle = "Try it"\n[console.other]\nkind = "demo"\n'
        self.gateway = shared(self, lambda: Gateway(consoles).start(), Gateway.clean)
        (key,) = (self.gateway.directory / "keys").glob("*-api-key")
        self.environment = {
            "CONSOLEGW_URL": self.gateway.url,
            "CONSOLEGW_KEY_FILE": str(key),
            "CONSOLEGW_CA": str(self.gateway.certificate),
        }

    def run_tool(self, *argv: str, status: int = OK, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run it; it must end with this status, and a failure says why on the standard error alone."""
        done = consolegw(*argv, **self.environment | environment)
        self.assertEqual(status, done.returncode, done.stderr)
        if status in (FAILED, UNREACHABLE):
            self.assertEqual("", done.stdout)
            self.assertTrue(done.stderr.startswith("consolegw: "), done.stderr)
        return done

    def as_json(self, *argv: str) -> Any:
        return json.loads(self.run_tool(*argv, "--json").stdout)

    def session(self, *more: str) -> tuple[WebClient, str]:
        """A live session of a ticket that the tool made, and its id."""
        before = {one["id"] for one in self.gateway.sessions()}
        client = WebClient(self.gateway, f"/?token={self.as_json('ticket', 'demo', *more)['ticket']}")
        self.assertEqual(101, client.status)
        self.addCleanup(client.socket.close)
        (session,) = {one["id"] for one in self.gateway.sessions()} - before
        return client, session


class TicketTests(Commanding):
    """``ticket``."""

    def test_the_page(self) -> None:
        """The page's URL is all of the standard output; its ticket opens the console; the rest is for the reader."""
        done = self.run_tool("ticket", "demo")
        match = TICKET.fullmatch(done.stdout)
        self.assertIsNotNone(match, done.stdout)
        self.assertEqual(str(self.gateway.port), match[1])
        self.assertRegex(done.stderr, r"\Aticket t-\S+ for demo, to be used within (1m|59s)\n\Z")
        self.assertNotIn(match[2], done.stderr)
        self.assertEqual("demo", self.gateway.redeem(match[2], "s").json["console"])

    def test_options(self) -> None:
        """User, rights, uses and times reach the gateway."""
        made = self.as_json("ticket", "demo", "--user", "alice", "--view-only", "--uses", "2", "--ttl", "600")
        redeemed = [self.gateway.redeem(made["ticket"], holder) for holder in ("one", "two", "three")]
        self.assertEqual([200, 200, 403], [answer.status for answer in redeemed])
        self.assertEqual(["view"], redeemed[0].json["rights"])
        self.assertEqual(2, len([one for one in self.gateway.sessions() if one["user"] == "alice"]))
        shot = self.as_json("ticket", "demo", "--one-shot")
        self.assertEqual(101, WebClient(self.gateway, f"/ticket/{shot['ticket']}").status)
        self.assertEqual(503, WebClient(self.gateway, f"/ticket/{shot['ticket']}").status)

    def test_unknown_console(self) -> None:
        """The gateway's words, and status 1."""
        done = self.run_tool("ticket", "nobody", status=FAILED)
        self.assertIn("There is no console of this name", done.stderr)


class ListTests(Commanding):
    """``consoles`` and ``sessions``, and what ends them."""

    def test_consoles(self) -> None:
        """A table for people, the answer itself for programs."""
        lines = self.run_tool("consoles").stdout.splitlines()
        self.assertEqual(["NAME", "KIND", "DRIVER", "POWER", "TITLE"], lines[0].split())
        self.assertEqual(["demo", "demo"], lines[1].split()[:2])
        self.assertTrue(lines[1].endswith("Try it"))
        self.assertEqual(["demo", "other"], [one["name"] for one in self.as_json("consoles")["consoles"]])

    def test_sessions_and_kill(self) -> None:
        """A live session is in the list; killed, its client is told and it is gone; a second kill fails."""
        client, session = self.session("--user", "bob")
        (row,) = [line for line in self.run_tool("sessions").stdout.splitlines() if line.startswith(session)]
        for word in ("demo", "bob", "127.0.0.1", "viewer"):
            self.assertIn(word, row.split())
        self.assertIn(session, [one["id"] for one in self.as_json("sessions")["sessions"]])
        self.assertIn(session, self.run_tool("kill", session).stdout)
        self.assertEqual((1008, "An operator ended this session."), client.closed())
        self.assertNotIn(session, self.run_tool("sessions").stdout)
        self.assertIn("no live session", self.run_tool("kill", session, status=FAILED).stderr)

    def test_revoke(self) -> None:
        """By id, by console and by user: live sessions close, and the ticket is withdrawn."""
        for how in ("--id", "--console", "--user"):
            made = self.as_json("ticket", "demo", "--user", "carol d", "--uses", "2")
            client = WebClient(self.gateway, f"/?token={made['ticket']}")
            self.run_tool("revoke", how, {"--id": made["id"], "--console": "demo", "--user": "carol d"}[how])
            self.assertEqual(1008, client.closed()[0])
            answer = self.gateway.redeem(made["ticket"], "s")
            self.assertEqual("urn:consolegw:problem:ticket-revoked", answer.json["type"])


class CheckTests(Commanding):
    """``check``, which asks no gateway."""

    def test_good(self) -> None:
        """The configuration of the running gateway, and the one that is shipped, are good."""
        for path in (self.gateway.config, ROOT / "docs" / "consolegw.toml"):
            self.assertEqual(f"{path}: good\n", self.run_tool("check", str(path)).stdout)
        self.assertEqual({"ok": True, "error": None, "warnings": []}, self.as_json("check", str(self.gateway.config)))

    def test_wrong(self) -> None:
        """A wrong one ends with status 1 and one line that names file, key and what would be accepted."""
        path = self.gateway.directory / "wrong.toml"
        for text, *words in (
            ('public_url = "ftp://x"', "gateway.public_url", "https://"),
            ('public_url = "https://x"\n[tickets]\nstore = "redis"', "tickets.store", "not in this version", "sqlite"),
            ('public_url = "https://x"\ncolour = "red"', "gateway.colour"),
            ("public_url = ", "wrong.toml"),
        ):
            path.write_text(f"[gateway]\n{text}\n")
            done = self.run_tool("check", str(path), status=FAILED)
            self.assertEqual(1, done.stderr.count("\n"), done.stderr)
            for word in (str(path), *words):
                self.assertIn(word, done.stderr)
        missing = self.run_tool("check", "/nowhere/consolegw.toml", status=FAILED)
        self.assertIn("/nowhere/consolegw.toml", missing.stderr)


class KeyTests(Commanding):
    """``key new``."""

    def test_used_at_once(self) -> None:
        """A new key works without a restart, as far as its role and consoles go; the file holds its digest alone."""
        file = self.gateway.directory / "keys" / "api-keys"
        key = self.run_tool("key", "new", "carl", "--role", "operator", "--console", "dem*", "--keys-file", str(file))
        written = self.gateway.directory / "carl.key"
        written.write_text(key.stdout)
        self.assertNotIn(key.stdout.strip(), file.read_text())
        self.assertEqual(0o600, file.stat().st_mode & 0o777)
        mine = {"CONSOLEGW_KEY_FILE": str(written)}
        listed = json.loads(self.run_tool("consoles", "--json", **mine).stdout)["consoles"]
        self.assertEqual(["demo"], [one["name"] for one in listed])
        self.assertRegex(self.run_tool("ticket", "demo", **mine).stdout, TICKET)
        self.run_tool("ticket", "other", status=FAILED, **mine)
        again = self.run_tool("key", "new", "carl", "--role", "viewer", "--keys-file", str(file), status=FAILED)
        self.assertIn("carl", again.stderr)
        lines = [line for line in file.read_text().splitlines() if not line.startswith("carl:")]
        file.write_text("\n".join(lines) + "\n")
        self.assertIn("API key", self.run_tool("consoles", status=FAILED, **mine).stderr)


class StatusTests(Commanding):
    """Exit statuses."""

    def test_unreachable(self) -> None:
        """No gateway, and one whose certificate is not trusted, are status 3; the second is told how to mend it."""
        self.run_tool("consoles", "--url", f"https://localhost:{free_port()}", status=UNREACHABLE)
        bare = {name: value for name, value in self.environment.items() if name != "CONSOLEGW_CA"}
        done = consolegw("consoles", **bare)
        self.assertEqual(UNREACHABLE, done.returncode)
        self.assertIn("--ca", done.stderr)

    def test_usage(self) -> None:
        """No command, no key and a key file that is none are status 2; a wrong key is status 1."""
        self.run_tool(status=USAGE)
        self.run_tool("consoles", "--colour", status=USAGE)
        self.assertEqual(USAGE, consolegw("consoles", CONSOLEGW_URL=self.gateway.url).returncode)
        self.run_tool("consoles", CONSOLEGW_KEY_FILE="/nowhere", status=USAGE)
        wrong = self.gateway.directory / "wrong.key"
        wrong.write_text("k" * 43 + "\n")
        done = self.run_tool("consoles", CONSOLEGW_KEY_FILE=str(wrong), status=FAILED)
        self.assertNotIn("k" * 43, done.stderr)

    def test_version_and_help(self) -> None:
        """Both are answered without a gateway; the help tells the exit statuses."""
        self.assertTrue(consolegw("--version").stdout.startswith("consolegw "))
        self.assertIn("exit status", consolegw("--help").stdout)


class DemoTests(SynchronousTestCase):
    """Beside the demo nothing has to be given."""

    timeout = 60

    def test_defaults(self) -> None:
        """In the demo's directory the tool finds gateway, key and certificate by itself."""
        demo = Demo()
        self.addCleanup(demo.clean)
        demo.start()
        done = consolegw("ticket", "demo", cwd=demo.directory)
        self.assertEqual((OK, True), (done.returncode, bool(TICKET.fullmatch(done.stdout))), done.stderr)
        self.assertEqual(USAGE, consolegw("ticket", "demo", cwd=Path("/")).returncode)
