"""The calls about tickets, against the real desk."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import AmbiguousConsole, NotSupported, Reason, Refused, StoreAway
from gateway.model.moment import rfc3339
from gateway.model.target import ConsoleInfo, ConsoleKind
from gateway.model.ticket import Right
from tests.support.bench import START
from tests.support.web import WebBench

TARGET = {"kind": "vnc", "address": "10.9.0.1:5900"}


class TicketCase(SynchronousTestCase):
    def setUp(self):
        directory = Path(self.mktemp())
        directory.mkdir()
        self.bench = WebBench(directory)

    def mint(self, key="operator", **body):
        return self.bench.api("POST", "tickets", body, key=key)

    def redeem(self, ticket, holder="h"):
        return self.bench.page("POST", "redeem", {"ticket": ticket, "holder": holder * 43})

    def assert_problem(self, status, word, reply):
        self.assertEqual((reply.status, reply.problem), (status, word), reply.body)

    def raising(self, error):
        async def mint(mint):
            raise error

        self.bench.tickets.mint = mint


class MintTests(TicketCase):
    def test_answer(self):
        """A ticket is answered as the contract says, and it opens the console."""
        reply = self.mint(console="lab", user="alice", rights=["view"])
        self.assertEqual(reply.status, 201)
        document = reply.json
        ticket = document.pop("ticket")
        self.assertRegex(ticket, "^[A-Za-z0-9_-]{43}$")
        self.assertRegex(document.pop("id"), "^t-")
        self.assertEqual(
            document,
            {
                "console": "lab",
                "kind": "vnc",
                "expires_at": rfc3339(START + 60),
                "urls": {
                    "page": f"https://console.example.com/console/#{ticket}",
                    "websocket": f"wss://console.example.com/?ticket={ticket}",
                    "webmks": f"wss://console.example.com/ticket/{ticket}",
                    "connect": f"https://console:{ticket}@console.example.com:443",
                },
            },
        )
        self.assertEqual(self.redeem(ticket).json["rights"], ["view"])

    def test_viewer_file(self):
        """A SPICE ticket's answer has the viewer's file, with the listener's address; other kinds have none."""
        document = self.mint(console="spice", listener="inside").json
        self.assertIn(f"host=in.example.com\ntls-port=443\npassword={document['ticket']}\n", document["vv"])
        self.assertEqual(list(document["urls"]), ["websocket", "connect"])
        self.assertNotIn("vv", self.mint(console="line").json)
        self.assertEqual(self.mint(console="spice", rights=["view"]).status, 501)

    def test_wishes_are_heeded(self):
        """The time, the uses, the user and the listener of the wish are the ticket's."""
        document = self.mint(console="line", ttl=300, uses=2, user="alice", listener="inside").json
        self.assertEqual(document["expires_at"], rfc3339(START + 300))
        self.assertEqual(list(document["urls"]), ["websocket", "connect"])
        self.assertTrue(document["urls"]["websocket"].startswith("wss://in.example.com/"))
        statuses = [self.redeem(document["ticket"], holder).status for holder in "abc"]
        self.assertEqual(statuses, [200, 200, 403])
        self.assertEqual({one["user"] for one in self.bench.api("GET", "sessions").json["sessions"]}, {"alice"})

    def test_any_number_of_uses(self):
        """0 uses is any number."""
        ticket = self.mint(console="lab", uses=0).json["ticket"]
        self.assertEqual({self.redeem(ticket, holder).status for holder in "abcdefg"}, {200})

    def test_refusals(self):
        """An unknown console is 404, a bad field 400, too small a role 403."""
        self.assert_problem(404, "unknown-console", self.mint(console="nolab"))
        self.assert_problem(404, "unknown-console", self.mint(console="vc1/vm-1"))
        bad = self.mint(console="lab", ttl="long")
        self.assert_problem(400, "bad-request", bad)
        self.assertIn('"ttl" must be a number from 0 to 86400', bad.json["detail"])
        self.assert_problem(403, "forbidden", self.mint(console="lab", key="viewer"))
        self.assert_problem(400, "bad-request", self.bench.api("POST", "tickets?console=lab", {"console": "lab"}))

    def test_ambiguous(self):
        """Of a name that fits several machines the ids are told."""

        async def find(name):
            raise AmbiguousConsole(("vm-1", "vm-2"))

        self.bench.driver.find = find
        reply = self.mint(console="lab")
        self.assert_problem(409, "ambiguous-console", reply)
        self.assertEqual(reply.json["ids"], ["vm-1", "vm-2"])

    def test_the_store(self):
        """What the store cannot do, or not now, is said."""
        for error, status, word in (
            (StoreAway("10.0.0.9"), 503, "store-away"),
            (Refused(Reason.OVER_LIMIT), 429, "over-limit"),
            (NotSupported("uses cannot be counted"), 501, "not-supported"),
        ):
            self.raising(error)
            reply = self.mint(console="lab")
            self.assert_problem(status, word, reply)
            self.assertNotIn(b"10.0.0.9", reply.body)


class TargetTests(TicketCase):
    def test_broker(self):
        """A broker names a target within the allowed ones; its address is in no answer."""
        reply = self.mint(key="broker", target={**TARGET, "name": "seven", "security": {"password": "s3cret"}})
        self.assertEqual((reply.status, reply.json["console"], reply.json["kind"]), (201, "seven", "vnc"))
        self.assertEqual(self.redeem(reply.json["ticket"]).json["console"], "seven")
        listed = self.bench.api("GET", "sessions").body
        for body in (reply.body, listed):
            self.assertNotIn(b"10.9", body)
            self.assertNotIn(b"s3cret", body)

    def test_operator(self):
        """An operator names none."""
        self.assert_problem(403, "forbidden", self.mint(target=TARGET))

    def test_elsewhere(self):
        """A target outside the allowed ones is refused, one such address among several too."""
        for address in ("10.0.0.7:5900", "127.0.0.1:22", ["10.9.0.1:5900", "169.254.169.254:80"], "unix:/run/x"):
            reply = self.mint(key="broker", target={**TARGET, "address": address})
            self.assert_problem(403, "target-forbidden", reply)


class RevokeTests(TicketCase):
    def sessions(self):
        return [one["console"] for one in self.bench.api("GET", "sessions").json["sessions"]]

    def revoke(self, path, key="operator"):
        return self.bench.api("DELETE", path, key=key)

    def setUp(self):
        super().setUp()
        self.minted = [self.mint(console=console, user=user).json for console, user in (("lab", "al"), ("line", "bo"))]
        for minted in self.minted:
            self.redeem(minted["ticket"])

    def test_by_id(self):
        """A ticket is withdrawn by its id, and its session ends."""
        self.assertEqual(self.revoke("tickets/" + self.minted[0]["id"]).status, 204)
        self.assertEqual(self.sessions(), ["line"])
        self.assert_problem(403, "ticket-revoked", self.redeem(self.minted[0]["ticket"]))

    def test_by_console_and_user(self):
        """Tickets are withdrawn by console or by user."""
        self.assertEqual(self.revoke("tickets?console=lab").status, 204)
        self.assertEqual(self.sessions(), ["line"])
        self.assertEqual(self.revoke("tickets?user=bo").status, 204)
        self.assertEqual(self.sessions(), [])

    def test_a_console_that_is_gone(self):
        """Tickets of a console that is no longer there, or is a broker's, are withdrawn by its name too."""
        ticket = self.mint(key="broker", target={**TARGET, "name": "seven"}).json["ticket"]
        self.assertEqual(self.revoke("tickets?console=seven").status, 204)
        self.assert_problem(403, "ticket-revoked", self.redeem(ticket))

    def test_exactly_one(self):
        """Neither, both, an empty one, two of one sort or something else is refused, and nothing is withdrawn."""
        for query in ("", "?", "?console=", "?user=", "?console=lab&user=al", "?user=al&user=bo", "?id=x"):
            self.assert_problem(400, "bad-request", self.revoke("tickets" + query))
        self.assert_problem(403, "forbidden", self.revoke("tickets?user=al", key="viewer"))
        self.assertEqual(self.sessions(), ["lab", "line"])

    def test_nothing_there(self):
        """Withdrawing what is not there is no error: it is withdrawn."""
        self.assertEqual(self.revoke("tickets/t-unknown").status, 204)
        self.assertEqual(self.revoke("tickets?user=nobody").status, 204)

    def test_without_a_store(self):
        """Where tickets cannot be withdrawn it is 501."""

        async def revoke(what):
            raise NotSupported("sealed tickets cannot be withdrawn without a store")

        self.bench.tickets.revoke = revoke
        self.assert_problem(501, "not-supported", self.revoke("tickets?user=al"))


class LimitedKeyTests(TicketCase):
    """A key for consoles that match l*."""

    def setUp(self):
        super().setUp()
        info, target = self.bench.targets["lab"]
        self.bench.targets["zoo"] = evolve(info, name="zoo"), target

    def test_mint(self):
        """It opens what it covers, and the rest is not there for it."""
        self.assertEqual(self.mint(key="limited", console="lab").status, 201)
        self.assert_problem(404, "unknown-console", self.mint(key="limited", console="many"))
        self.assertEqual(self.mint(key="limited", target={**TARGET, "name": "l7"}).status, 201)
        self.assert_problem(404, "unknown-console", self.mint(key="limited", target=TARGET))

    def test_by_another_name(self):
        """What counts is the console's own name, not the one that it is asked for by."""

        async def find(name):
            return ConsoleInfo("many", ConsoleKind.VNC)

        self.bench.driver.find = find
        self.assert_problem(404, "unknown-console", self.mint(key="limited", console="lab"))
        self.assert_problem(404, "unknown-console", self.bench.api("DELETE", "tickets?console=lab", key="limited"))

    def test_revoke(self):
        """It withdraws by console, within what it covers, and in no other way."""
        ticket = self.mint(console="many").json
        for path, status in (("?console=many", 404), ("?user=al", 403), ("/" + ticket["id"], 403)):
            self.assertEqual(self.bench.api("DELETE", "tickets" + path, key="limited").status, status)
        self.assertEqual(self.redeem(ticket["ticket"]).status, 200)
        self.assertEqual(self.bench.api("DELETE", "tickets?console=lab", key="limited").status, 204)


class RightsTests(TicketCase):
    def test_rights(self):
        """Rights are in the order of the closed list, whatever the order in which they were asked for."""
        ticket = self.mint(console="lab", rights=["power", "clipboard", "view"]).json["ticket"]
        self.assertEqual(self.redeem(ticket).json["rights"], ["view", "clipboard", "power"])
        self.assert_problem(400, "bad-request", self.mint(console="lab", rights=[Right.MEDIA.value]))
