"""Making a ticket, printing it, opening it."""

from __future__ import annotations

import json
import stat
import time
import webbrowser
from pathlib import Path

from gateway.cli import ticket
from tests.cli.fake_gateway import GatewayCase, run

PAGE = "https://gw.example.com/console/#T&<>\"'"


class TicketCase(GatewayCase):
    def setUp(self) -> None:
        super().setUp()
        self.answer = {
            "id": "t1",
            "ticket": "T",
            "console": "lab",
            "kind": "vnc",
            "expires_at": time.time() + 60,
            "urls": {"page": PAGE, "websocket": "wss://gw.example.com/?ticket=T"},
        }
        self.answers.say(self.answer, 201)


class TicketTests(TicketCase):
    def test_url_alone(self) -> None:
        """The standard output is the page's URL alone; what it is for stands beside it."""
        outcome = run("ticket", "lab")
        self.assertEqual((outcome.status, outcome.out), (0, PAGE + "\n"))
        self.assertRegex(outcome.err, r"^ticket t1 for lab, to be used within (1m|59s)\n$")
        self.assertEqual(self.answers.asked[0].body, {"console": "lab"})

    def test_every_wish(self) -> None:
        """Each option is a wish of the API."""
        options = ["--user", "alice", "--ttl", "300", "--uses", "0", "--view-only", "--one-shot"]
        self.assertEqual(run("ticket", "vc1/vm-42", *options).status, 0)
        wish = {"console": "vc1/vm-42", "user": "alice", "ttl": 300, "uses": 0, "rights": ["view"], "one_shot": True}
        self.assertEqual(self.answers.asked[0].body, wish)

    def test_json(self) -> None:
        """With --json the answer is printed as it came."""
        outcome = run("--json", "ticket", "lab")
        self.assertEqual(json.loads(outcome.out), self.answer)
        self.assertEqual(outcome.err, "")

    def test_kind_without_a_page(self) -> None:
        """A console that no page shows prints the ways it has."""
        self.answers.say(self.answer | {"urls": {"connect": "https://gw/?token=T"}}, 201)
        self.assertEqual(run("ticket", "lab").out, "connect: https://gw/?token=T\n")

    def test_viewer_file(self) -> None:
        """The file of a SPICE viewer is ours alone, and trusts whom we trust; the ticket is nowhere else."""
        self.answers.say(self.answer | {"kind": "spice", "vv": "[virt-viewer]\npassword=T\n"}, 201)
        path = Path(self.mktemp())
        path.write_text("another")
        path.chmod(0o644)
        outcome = run("ticket", "lab", "--vv", str(path))
        self.assertEqual((outcome.status, outcome.out), (0, ""))
        self.assertRegex(outcome.err, "^ticket t1 for lab")
        head, _, ca = path.read_text().partition("ca=")
        self.assertEqual(("[virt-viewer]\npassword=T\n", 0o600), (head, stat.S_IMODE(path.stat().st_mode)))
        self.assertRegex(ca, r"^-----BEGIN CERTIFICATE-----\\n([A-Za-z0-9+/=]+\\n)+-----END CERTIFICATE-----\\n\n$")
        self.assertEqual(path.read_text(), run("ticket", "lab", "--vv", "-").out)

    def test_no_viewer_file(self) -> None:
        """Where there is none, or where it cannot be written, one line says so."""
        self.assert_fails(run("ticket", "lab", "--vv", "-"), 1, "only those of kind spice")
        self.answers.say(self.answer | {"vv": "[virt-viewer]\n"}, 201)
        self.assert_fails(run("ticket", "lab", "--vv", "/nowhere/x.vv"), 1, "/nowhere/x.vv cannot be written: No such")

    def test_refused(self) -> None:
        """A refusal says why on the standard error, with status 1."""
        self.answers.say({"title": "Unknown console", "detail": "There is no console of this name."}, 404)
        self.assert_fails(run("ticket", "nope"), 1, "consolegw: Unknown console: There is no console of this name\n")

    def test_numbers(self) -> None:
        """Numbers that make no sense are errors of usage, and nothing is asked."""
        for option in ("--ttl=0", "--ttl=x", "--uses=-1"):
            self.assert_fails(run("ticket", "lab", option), 2, "invalid number value")
        self.assertEqual(self.answers.asked, [])

    def test_strange_answer(self) -> None:
        """An answer without URLs is not understood."""
        for answer in ([], {"urls": None}, {}):
            self.answers.say(answer)
            self.assert_fails(run("ticket", "lab"), 1, "not understood")


class OpenTests(TicketCase):
    def setUp(self) -> None:
        super().setUp()
        self.opened: list[tuple[str, str, int]] = []
        self.there_is_a_browser = True

        def browse(url: str) -> bool:
            path = Path(url.removeprefix("file://"))
            self.opened.append((url, path.read_text(), stat.S_IMODE(path.stat().st_mode)))
            return self.there_is_a_browser

        self.patch(webbrowser, "open", browse)
        self.patch(ticket, "BROWSER_SECONDS", 0.0)

    def test_browser_is_sent_on(self) -> None:
        """The browser's argument tells nothing; a file that only we can read sends it on, and is gone afterwards."""
        self.assertEqual(run("ticket", "lab", "--open").status, 0)
        ((url, text, mode),) = self.opened
        self.assertNotIn("T&", url)
        self.assertIn('content="0;url=https://gw.example.com/console/#T&amp;&lt;&gt;&quot;&#x27;"', text)
        self.assertEqual(mode, 0o600)
        self.assertFalse(Path(url.removeprefix("file://")).exists())

    def test_no_browser(self) -> None:
        """Without a browser the URL is still printed, and the status says that nothing was opened."""
        self.there_is_a_browser = False
        outcome = run("ticket", "lab", "--open")
        self.assertEqual((outcome.status, outcome.out), (1, PAGE + "\n"))
        self.assertIn("there is no browser here", outcome.err)

    def test_only_pages_are_opened(self) -> None:
        """A browser is not sent where no page is."""
        for urls in ({}, {"page": "javascript:alert(1)"}, {"page": 5}):
            self.answers.say(self.answer | {"urls": urls}, 201)
            self.assertEqual(run("ticket", "lab", "--open").status, 1)
        self.assertEqual(self.opened, [])
