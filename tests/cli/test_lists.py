"""Consoles and sessions as tables."""

from __future__ import annotations

import json
import time

from tests.cli.fake_gateway import GatewayCase, run

CONSOLES = {
    "consoles": [
        {"name": "lab", "kind": "vnc", "driver": "config", "power": None, "title": "Lab machine"},
        {"name": "vc1/vm-42", "kind": "webmks", "driver": "vc1", "power": "on", "title": "\x1b]0;evil\x07"},
    ]
}


def session(**changes: object) -> dict[str, object]:
    return {
        "id": "s1",
        "console": "lab",
        "kind": "vnc",
        "user": "alice",
        "address": "192.0.2.7",
        "node": "gw-1",
        "state": "relaying",
        "opened_at": time.time() - 3725,
        "generation": 2,
        "bytes_in": 1200,
        "bytes_out": 34_500_000,
        "held": True,
        "ticket_id": "t1",
    } | changes


class ConsolesTests(GatewayCase):
    def test_table(self) -> None:
        """Consoles are listed in columns; what others named cannot command the terminal."""
        self.answers.say(CONSOLES)
        outcome = run("consoles")
        self.assertEqual((outcome.status, self.answers.asked[0].path), (0, "/api/v1/consoles"))
        self.assertEqual(
            outcome.out.splitlines(),
            [
                "NAME       KIND    DRIVER  POWER  TITLE",
                "lab        vnc     config  -      Lab machine",
                "vc1/vm-42  webmks  vc1     on     ?]0;evil?",
            ],
        )

    def test_json(self) -> None:
        """With --json, before or after the command, the answer is printed as it came."""
        self.answers.say(CONSOLES)
        for argv in (("--json", "consoles"), ("consoles", "--json")):
            self.assertEqual(json.loads(run(*argv).out), CONSOLES)


class SessionsTests(GatewayCase):
    def test_table(self) -> None:
        """Sessions show who works on what, from where, for how long, and how much went each way."""
        self.answers.say({"sessions": [session(), session(id="s2", user="", held=False, opened_at=None)]})
        header, first, second = run("sessions").out.splitlines()
        titles = "ID CONSOLE KIND USER FROM BY NODE STATE AGE GEN IN OUT"
        self.assertEqual(header.split(), titles.split())
        self.assertEqual(first.split()[:8], ["s1", "lab", "vnc", "alice", "192.0.2.7", "page", "gw-1", "relaying"])
        self.assertTrue(first.endswith("1h 2m    2  1.2 kB  34.5 MB"), first)
        self.assertEqual(second.split()[3:6], ["-", "192.0.2.7", "viewer"])

    def test_none(self) -> None:
        """Without sessions the header stands alone."""
        self.answers.say({"sessions": []})
        self.assertEqual(run("sessions").out.count("\n"), 1)

    def test_json(self) -> None:
        """With --json the answer is printed as it came."""
        self.answers.say({"sessions": [session(opened_at=5)]})
        self.assertEqual(json.loads(run("sessions", "--json").out), {"sessions": [session(opened_at=5)]})

    def test_strange_answer(self) -> None:
        """An answer of another shape is an error, not a traceback."""
        self.answers.say({"sessions": "none"})
        self.assert_fails(run("sessions"), 1, "not understood")
