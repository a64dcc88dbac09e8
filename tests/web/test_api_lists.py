"""The calls about consoles and sessions."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Way
from gateway.model.errors import StoreAway
from gateway.model.moment import rfc3339
from gateway.model.session import Ending
from gateway.model.target import Power
from tests.support.bench import START
from tests.support.web import WebBench

LAB = {"name": "lab", "kind": "vnc", "driver": "config", "power": None, "title": ""}


class ListCase(SynchronousTestCase):
    def setUp(self):
        directory = Path(self.mktemp())
        directory.mkdir()
        self.bench = WebBench(directory)

    def get(self, path, key="viewer"):
        return self.bench.api("GET", path, key=key)

    def assert_problem(self, status, word, reply):
        self.assertEqual((reply.status, reply.problem), (status, word), reply.body)


class ConsolesTests(ListCase):
    def test_all(self):
        """A viewer sees every console; a limited key those that it covers."""
        names = [console["name"] for console in self.get("consoles").json["consoles"]]
        self.assertEqual(names, ["lab", "line", "many", "spice"])
        self.assertEqual([one["name"] for one in self.get("consoles", "limited").json["consoles"]], ["lab", "line"])

    def test_one(self):
        """One console is found by its name, with its power where that is known."""
        self.assertEqual(self.get("consoles/lab").json, LAB)
        info, target = self.bench.targets["lab"]

        async def find(name):
            return evolve(info, power=Power.OFF, title="The lab")

        self.bench.driver.find = find
        self.assertEqual(self.get("consoles/lab").json, {**LAB, "power": "off", "title": "The lab"})

    def test_unknown(self):
        """A console that is not there, not for this key, or cannot be named so, is 404."""
        for path, key in (
            ("consoles/nolab", "viewer"),
            ("consoles/vc1%2Fvm-1", "viewer"),
            ("consoles/a%20b", "viewer"),
            ("consoles/many", "limited"),
        ):
            self.assert_problem(404, "unknown-console", self.get(path, key))

    def test_later(self):
        """Power and screenshots are said to be of a later version, of a console that is there."""
        for method, path, key in (
            ("POST", "consoles/lab/power", "operator"),
            ("GET", "consoles/lab/screenshot", "viewer"),
        ):
            body = {"action": "on"} if method == "POST" else None
            self.assert_problem(501, "not-in-this-version", self.bench.api(method, path, body, key=key))
            gone = path.replace("lab", "nolab")
            self.assert_problem(404, "unknown-console", self.bench.api(method, gone, body, key=key))
        self.assert_problem(403, "forbidden", self.bench.api("POST", "consoles/lab/power", {}, key="viewer"))


class SessionsTests(ListCase):
    def open(self, console="lab", user="alice"):
        """A live session of a stock client; its id."""
        before = {session.id for session in self.bench.registry}
        self.client = self.bench.connect(self.bench.ticket(console, user=user))
        (new,) = {session.id for session in self.bench.registry} - before
        return new

    def test_fields(self):
        """A session is listed with who, where, how long and how much; with no address of the inside."""
        session = self.open()
        self.client.pipe.send(bytes.fromhex("03 00 0000 0000 0040 0030"))  # FramebufferUpdateRequest
        self.bench.servers[0].pipe.send(bytes.fromhex("02"))  # Bell
        self.bench.turn(1)
        reply = self.get("sessions")
        (listed,) = reply.json["sessions"]
        self.assertEqual((listed.pop("bytes_in"), listed.pop("bytes_out")), (10, 1))
        self.assertRegex(listed.pop("ticket_id"), "^t-")
        self.assertEqual(
            listed,
            {
                "id": session,
                "console": "lab",
                "kind": "vnc",
                "user": "alice",
                "address": "192.0.2.1",
                "held": False,
                "node": "gw-1",
                "state": "relaying",
                "opened_at": rfc3339(START),
                "generation": 1,
            },
        )
        self.assertNotIn(b"10.0.0.7", reply.body)

    def test_held(self):
        """A page's session is marked as held."""
        self.bench.redeem(self.bench.ticket(), "s" * 43)
        self.bench.connect("s" * 43, Way.GRANT)
        self.assertEqual([one["held"] for one in self.get("sessions").json["sessions"]], [True])

    def test_limited(self):
        """A limited key sees and ends the sessions of its consoles only."""
        line, many = self.open("line"), self.open("many")
        self.assertEqual([one["id"] for one in self.get("sessions", "limited").json["sessions"]], [line])
        self.assert_problem(404, "unknown-session", self.bench.api("DELETE", f"sessions/{many}", key="limited"))
        self.assertEqual(self.bench.api("DELETE", f"sessions/{line}", key="limited").status, 204)
        self.assertEqual(self.bench.metrics.endings, [Ending.REVOKED])

    def test_end(self):
        """An operator ends a session; a second time it is not there."""
        session = self.open()
        self.assert_problem(403, "forbidden", self.bench.api("DELETE", f"sessions/{session}", key="viewer"))
        self.assertEqual(self.bench.api("DELETE", f"sessions/{session}", key="operator").status, 204)
        self.bench.turn(1)
        self.assertIsNotNone(self.client.lost)
        self.assertEqual(self.bench.metrics.endings, [Ending.REVOKED])
        self.assert_problem(404, "unknown-session", self.bench.api("DELETE", f"sessions/{session}"))
        self.assertEqual(self.get("sessions").json, {"sessions": []})

    def test_redial(self):
        """Dialling anew is of a later version, of a session that is there."""
        path = f"sessions/{self.open()}/redial"
        self.assert_problem(501, "not-in-this-version", self.bench.api("POST", path, key="operator"))
        self.assert_problem(404, "unknown-session", self.bench.api("POST", "sessions/s-x/redial", key="operator"))

    def test_store_away(self):
        """While the store is away the list is 503, with a time to come back."""

        async def sessions():
            raise StoreAway("10.0.0.9")

        self.bench.directory.sessions = sessions
        reply = self.get("sessions")
        self.assert_problem(503, "store-away", reply)
        self.assertEqual(reply.headers["Retry-After"], "5")
