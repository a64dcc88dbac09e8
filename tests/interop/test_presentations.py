"""
Contract sections 4 and 5 over real sockets: every way in, every row of the table, and how sessions end.
"""

from __future__ import annotations

import secrets
import signal
import time
from threading import Thread
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.clients import ELSEWHERE, Viewer, WebClient
from tests.support.machines import INSIDE, Machine, raw_update, rfb_open
from tests.support.running import Gateway, until
from tests.support.sharing import shared

NO_LIMITS = "[limits]\nfailed_tickets_per_address = 0\nconnections_per_address = 0\n"
REVOKED = (1008, "An operator ended this session.")
REPLACED = (1000, "The console continues on a newer connection.")


class Rig(SimpleNamespace):
    """A gateway and the machines behind it."""

    gateway: Gateway
    line: Machine
    many: Machine
    screen: Machine

    @classmethod
    def start(cls, tickets: str = "", more: str = "") -> Rig:
        line, many, screen = Machine(), Machine(), Machine(rfb_open)
        consoles = (
            f'[console.line]\nkind = "serial"\naddress = "{line.address}"\n'
            f'[console.many]\nkind = "raw"\nconnections = 3\naddress = "{many.address}"\n'
            f'[console.screen]\nkind = "vnc"\naddress = "{screen.address}"\n'
            '[console.demo]\nkind = "demo"\n'
        )
        gateway = Gateway(consoles, more=f"[tickets]\n{tickets}\n{NO_LIMITS}{more}").start()
        return cls(gateway=gateway, line=line, many=many, screen=screen)

    def end(self) -> None:
        self.gateway.clean()
        for machine in (self.line, self.many, self.screen):
            machine.close()


class OnARig(SynchronousTestCase):
    """Tests that share one gateway."""

    timeout = 60
    tickets = ""

    def setUp(self) -> None:
        rig = shared(self, lambda: Rig.start(self.tickets), Rig.end)
        self.gateway, self.line, self.many, self.screen = rig.gateway, rig.line, rig.many, rig.screen

    def ticket(self, console: str = "line", **wish: Any) -> str:
        """A fresh ticket."""
        return self.gateway.mint(console, **wish)["ticket"]

    def held(self, console: str = "line", **wish: Any) -> str:
        """The secret of a holder who has just redeemed a ticket."""
        secret = secrets.token_urlsafe(32)
        answer = self.gateway.redeem(self.ticket(console, **wish), secret)
        assert answer.status == 200, answer.body
        return secret

    def client(self, target: str = "/", **more: Any) -> WebClient:
        """A client that goes with the test."""
        client = WebClient(self.gateway, target, **more)
        self.addCleanup(client.socket.close)
        return client

    def connected(self, target: str = "/", **more: Any) -> WebClient:
        """A client that was let in."""
        client = self.client(target, **more)
        self.assertEqual(101, client.status, client.head)
        return client

    def direct(self, ticket: str, **more: Any) -> WebClient:
        """A stock client that was let in."""
        return self.connected(f"/?token={ticket}", **more)

    def assert_talks(self, client: WebClient, machine: Machine | None = None) -> None:
        """Bytes get through to the machine's newest connection and back."""
        said = secrets.token_hex(8).encode()
        client.send(said)
        machine = machine or self.line
        until("the machine hears it", lambda: any(said in line.received for line in machine.lines))
        line = next(line for line in machine.lines if said in line.received)
        line.send(said[::-1])
        self.assertEqual(said[::-1], client.read(len(said)))

    def refused(self, target: str, **more: Any) -> bytes:
        """A refusal, whole."""
        client = self.client(target, **more)
        self.assertNotEqual(101, client.status)
        return client.refusal

    def why_not(self, ticket: str, secret: str = "another") -> str:
        """What a presenter is told in words."""
        answer = self.gateway.redeem(ticket, secret)
        return answer.json["type"].rpartition(":")[2] if answer.status != 200 else "redeemed"

    def park(self, client: WebClient, console: str) -> str:
        """Lose a client, and wait until the gateway knows; the session's id."""
        (before,) = [one["id"] for one in self.gateway.sessions() if one["console"] == console]
        client.lose()
        until("the session is parked", lambda: self.state(before) == "parked")
        return before

    def state(self, session: str) -> str:
        return next((one["state"] for one in self.gateway.sessions() if one["id"] == session), "gone")

    def clear(self, console: str) -> None:
        """Nobody is on the console when the test begins."""
        self.gateway.call("DELETE", f"/api/v1/tickets?console={console}")
        until("nobody is there", lambda: all(one["console"] != console for one in self.gateway.sessions()))


class PlaceTests(OnARig):
    """Section 4: where a ticket or grant may stand in an upgrade request."""

    tickets = 'accept = ["query", "cookie", "host"]'

    def test_every_place(self) -> None:
        """A ticket opens the console from each place, on any path, and bytes flow both ways."""
        for place in (
            "/?ticket={}",
            "/?token={}",
            "/ticket/{}",
            "/8080;{}",
            "/websockify?a=b&token={}",
            "/no/such/page?ticket={}",
        ):
            client = self.connected(place.format(self.ticket()))
            self.assertEqual("binary", client.protocol)
            self.assert_talks(client)
            client.bye()

    def test_cookie_and_host(self) -> None:
        """Where the configuration says so, a cookie and a host's first label are places too."""
        client = self.connected("/", headers=[f"Cookie: a=b; token={self.ticket()}"])
        self.assert_talks(client)
        client.bye()
        while (ticket := self.ticket())[0] == "-":
            pass
        client = self.connected("/", host=f"{ticket}.console.example.com")
        self.assert_talks(client)

    def test_grant(self) -> None:
        """A redeemed grant opens the console from its sub-protocol, and is not named in the answer."""
        client = self.connected(grant=self.held())
        self.assertEqual("binary", client.protocol)
        self.assertNotIn(b"grant", client.head)
        self.assert_talks(client)

    def test_sub_protocols(self) -> None:
        """``binary`` is agreed on when it is offered; else none is named, and the socket works all the same."""
        for offered, agreed in (((), None), (("base64",), None), (("base64", "binary"), "binary")):
            client = self.connected(f"/?token={self.ticket()}", protocols=offered)
            self.assertEqual(agreed, client.protocol)
            self.assert_talks(client)
            client.bye()
        client = self.connected(grant=self.held(), protocols=())
        self.assertIsNone(client.protocol)

    def test_two_sources(self) -> None:
        """The same ticket twice is one; two that differ are 400, and nothing is redeemed."""
        one, other = self.ticket(), self.ticket()
        for target, headers in (
            (f"/?ticket={one}&token={other}", ()),
            (f"/ticket/{one}?token={other}", ()),
            (f"/8080;{one}", (f"Cookie: token={other}",)),
        ):
            self.assertEqual(400, self.client(target, headers=headers).status)
        self.assertEqual(400, self.client(f"/?token={one}", grant=self.held()).status)
        self.assert_talks(self.connected(f"/ticket/{one}?token={one}"))
        self.assert_talks(self.connected(f"/?ticket={other}"))

    def test_odd_tickets(self) -> None:
        """A made-up ticket with raw ``/ + = :`` is refused like any other, and is in no log line."""
        odd = "cst-VCT-52e4/Ab+cd=ef:gh--tp-C0:FF"
        plain = self.refused("/?token=nobody-knows-it")
        self.assertTrue(plain.startswith(b"HTTP/1.1 403 "))
        for target in (f"/8080;{odd}", f"/9443;{odd}?x=y", f"/?token={odd}", f"/?ticket={odd}"):
            self.assertEqual(plain, self.refused(target))
        self.assertTrue(self.refused(f"/ticket/{odd}").startswith(b"HTTP/1.1 503 "))
        self.assertNotIn("52e4", self.gateway.log)

    def test_page_and_health_beside(self) -> None:
        """On the same port the same path without an upgrade is a page, and health answers without a key."""
        self.assertEqual(200, self.gateway.call("GET", "/healthz", Authorization="").status)
        self.assertIn(b"<html", self.gateway.call("GET", "/console/", Authorization="").body)


class RefusalTests(OnARig):
    """Section 4: a refusal before the upgrade looks the same whatever the cause."""

    def test_all_alike(self) -> None:
        """Unknown, missing, spent, expired, revoked, ended, wrong origin and half a grant cannot be told apart."""
        expiring = self.gateway.mint("line", ttl=1)
        made = time.monotonic()
        revoked = self.gateway.mint("line")
        self.gateway.call("DELETE", f"/api/v1/tickets/{revoked['id']}")
        spent = self.ticket()
        self.gateway.redeem(spent, "somebody")
        ended = self.ticket()
        self.direct(ended).bye()
        until("the session ends", lambda: self.why_not(ended) == "ticket-spent")
        good, held = self.ticket(), self.held()
        until("the ticket expires", lambda: time.monotonic() > made + 1.1)
        plain, on_ticket = self.refused("/?token=unknown"), self.refused("/ticket/unknown")
        self.assertTrue(plain.startswith(b"HTTP/1.1 403 ") and on_ticket.startswith(b"HTTP/1.1 503 "))
        for ticket in (expiring["ticket"], revoked["ticket"], spent, ended, "x" * 5000, "%FF"):
            self.assertEqual(plain, self.refused(f"/?token={ticket}"), ticket[:50])
            self.assertEqual(plain, self.refused(f"/8080;{ticket}"), ticket[:50])
            self.assertEqual(on_ticket, self.refused(f"/ticket/{ticket}"), ticket[:50])
        stranger = "https://evil.example"
        self.assertEqual(plain, self.refused(f"/?token={good}", origin=stranger))
        self.assertEqual(on_ticket, self.refused(f"/ticket/{good}", origin=stranger))
        self.assertEqual(plain, self.refused("/"))
        self.assertEqual(on_ticket, self.refused("/ticket/"))
        for grant, origin in ((held, stranger), (held, ""), (held[:-1], None), ("A" * 43, None), ("A" * 44, None)):
            self.assertEqual(plain, self.refused("/", grant=grant, origin=origin), (grant[-3:], origin))
        self.assert_talks(self.direct(good))
        self.assert_talks(self.connected(grant=held))

    def test_the_presenter_learns_why(self) -> None:
        """Who presents the ticket to ``POST /redeem`` is told in words, each cause by its own."""
        expiring, made = self.gateway.mint("line", ttl=1), time.monotonic()
        revoked, spent = self.gateway.mint("line"), self.ticket()
        self.gateway.call("DELETE", f"/api/v1/tickets/{revoked['id']}")
        self.gateway.redeem(spent, "somebody")
        until("the ticket expires", lambda: time.monotonic() > made + 1.1)
        self.assertEqual("unknown-ticket", self.why_not("made-up"))
        self.assertEqual("ticket-expired", self.why_not(expiring["ticket"]))
        self.assertEqual("ticket-revoked", self.why_not(revoked["ticket"]))
        self.assertEqual("ticket-spent", self.why_not(spent))


class RedeemTests(OnARig):
    """Section 5, the rows of ``redeem``."""

    def test_same_holder(self) -> None:
        """A retry is the same session; a new socket replaces the old; a lost one continues; an ended one does not."""
        ticket, secret = self.ticket(), secrets.token_urlsafe(32)
        first, again = (self.gateway.redeem(ticket, secret).json for _ in range(2))
        self.assertEqual(first, again)
        self.assertEqual(("line", "serial"), (first["console"], first["kind"]))
        old = self.connected(grant=secret)
        self.assert_talks(old)
        self.assertEqual(first, self.gateway.redeem(ticket, secret).json)
        new = self.connected(grant=secret)
        self.assertEqual(REPLACED, old.closed())
        self.assert_talks(new)
        self.assertEqual(first["session"], self.park_one(new, first["session"]))
        self.assertEqual(first, self.gateway.redeem(ticket, secret).json)
        last = self.connected(grant=secret, source=ELSEWHERE)
        self.assert_talks(last)
        last.bye()
        until("the session ends", lambda: self.state(first["session"]) == "gone")
        self.assertEqual("session-ended", self.why_not(ticket, secret))
        self.assertEqual(403, self.client(grant=secret).status)

    def park_one(self, client: WebClient, session: str) -> str:
        client.lose()
        until("the session is parked", lambda: self.state(session) == "parked")
        return session

    def test_another_holder(self) -> None:
        """Another holder takes another use, whether the first one is connected or lost, and is refused without one."""
        for uses, word in ((1, "ticket-spent"), (3, "redeemed")):
            ticket, secret = self.ticket(uses=uses), secrets.token_urlsafe(32)
            session = self.gateway.redeem(ticket, secret).json["session"]
            client = self.connected(grant=secret)
            self.assert_talks(client)
            self.assertEqual(word, self.why_not(ticket, "second"))
            self.park_one(client, session)
            self.assertEqual(word, self.why_not(ticket, "third"))
            self.assertEqual("ticket-spent", self.why_not(ticket, "fourth"))
            self.assert_talks(self.connected(grant=secret))

    def test_a_stock_client_cannot_take_what_a_holder_has(self) -> None:
        """A redeemed ticket, as found in a history, opens nothing."""
        ticket, secret = self.ticket(), secrets.token_urlsafe(32)
        self.gateway.redeem(ticket, secret)
        self.assertEqual(403, self.client(f"/?token={ticket}").status)
        self.assert_talks(self.connected(grant=secret))

    def test_the_holders_session(self) -> None:
        """``GET /session`` tells a holder of its session, and nobody else."""
        ticket, secret = self.ticket(rights=["view"]), secrets.token_urlsafe(32)
        redeemed = self.gateway.redeem(ticket, secret).json
        self.assertEqual(["view"], redeemed["rights"])
        asked = self.gateway.call("GET", "/api/v1/session", Authorization=f"Grant {secret}")
        self.assertEqual(redeemed, asked.json)
        stranger = self.gateway.call("GET", "/api/v1/session", Authorization=f"Grant {secrets.token_urlsafe(32)}")
        self.assertEqual(403, stranger.status)
        power = self.gateway.call(
            "POST", "/api/v1/session/power", {"action": "off"}, Authorization=f"Grant {secret}", Origin=self.gateway.url
        )
        self.assertEqual(403, power.status)


class DirectTests(OnARig):
    """Section 5, the rows of stock clients."""

    def test_alive(self) -> None:
        """While the old half answers, a second client takes another use, or is refused."""
        ticket = self.ticket(uses=2)
        first = self.direct(ticket)
        self.assert_talks(first)
        second = self.later(f"/?token={ticket}", first)
        self.assertEqual(101, second.status)
        self.assert_talks(second)
        self.assert_talks(first)
        third = self.later(f"/?token={ticket}", first, second)
        self.assertEqual(403, third.status)
        self.assert_talks(first)

    def later(self, target: str, *living: WebClient) -> WebClient:
        """A client that comes while others live: they answer the pings that they are asked with."""
        found: list[WebClient] = []
        coming = Thread(target=lambda: found.append(self.client(target)))
        coming.start()
        for client in living:
            client.socket.settimeout(0.05)
        while coming.is_alive():
            for client in living:
                try:
                    opcode, payload = client.frame()
                    self.assertEqual(9, opcode, payload)
                except TimeoutError:
                    pass
        for client in living:
            client.socket.settimeout(30)
        return found[0]

    def test_silent(self) -> None:
        """A second client continues the session of one that shows no sign of life for two seconds."""
        self.clear("line")
        ticket = self.ticket()
        silent = self.direct(ticket)
        self.assert_talks(silent)
        (session,) = [one["id"] for one in self.gateway.sessions() if one["console"] == "line"]
        began = time.monotonic()
        second = self.direct(ticket)
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assert_talks(second)
        self.assertEqual(REPLACED, silent.closed())
        self.assertEqual([session], [one["id"] for one in self.gateway.sessions() if one["console"] == "line"])
        second.bye()
        until("the audit has it", lambda: [one for one in self.gateway.audit() if one["session"] == session])
        (line,) = [one for one in self.gateway.audit() if one["session"] == session]
        self.assertEqual((True, "finished"), (line["returned_by_ticket"], line["ending"]))

    def test_several_sockets(self) -> None:
        """A raw console has as many sockets in one session as it is given, each with its own connection."""
        self.clear("many")
        ticket = self.ticket("many")
        three = [self.direct(ticket) for _ in range(3)]
        for client in three:
            self.assert_talks(client, self.many)
        self.assertEqual(1, len([one for one in self.gateway.sessions() if one["console"] == "many"]))
        self.assertEqual(403, self.later(f"/?token={ticket}", *three).status)
        three[0].bye()
        self.assert_talks(three[1], self.many)
        self.assert_talks(self.direct(ticket), self.many)

    def test_lost(self) -> None:
        """Who was lost continues from the same address; from another one it is refused, unless it may roam."""
        self.clear("line")
        ticket = self.ticket()
        client = self.direct(ticket)
        self.assert_talks(client)
        session = self.park(client, "line")
        self.assertEqual(403, self.client(f"/?token={ticket}", source=ELSEWHERE).status)
        client = self.direct(ticket)
        self.assert_talks(client)
        self.assertEqual([session], [one["id"] for one in self.gateway.sessions() if one["console"] == "line"])
        self.clear("line")
        roaming = self.ticket(roaming=True)
        client = self.direct(roaming)
        self.assert_talks(client)
        session = self.park(client, "line")
        self.assert_talks(self.direct(roaming, source=ELSEWHERE))
        self.assertEqual([session], [one["id"] for one in self.gateway.sessions() if one["console"] == "line"])

    def test_bytes_meanwhile(self) -> None:
        """What a serial console said while its client was lost is there when it comes back, and nothing twice."""
        self.clear("line")
        for held in (True, False):
            secret, ticket = (self.held(), "") if held else ("", self.ticket())
            before = len(self.line.lines)
            client = self.connected(grant=secret) if secret else self.direct(ticket)
            line = self.line.line(before)
            line.send(b"seen")
            self.assertEqual(b"seen", client.read(4))
            self.park(client, "line")
            line.send(b"login: " * 1000)
            client = self.connected(grant=secret) if secret else self.direct(ticket)
            self.assertEqual(b"login: " * 1000, client.read(7000))
            client.send(b"root\n")
            line.wait_for(b"root\n")
            self.assertEqual(before + 1, len(self.line.lines))
            self.clear("line")

    def test_one_shot(self) -> None:
        """A one-shot ticket on ``/ticket/`` is 503 the second time: beside the first, after a loss, after the end."""
        refusals = set()
        for leave in (None, WebClient.lose, WebClient.bye):
            ticket = self.ticket(one_shot=True)
            client = self.connected(f"/ticket/{ticket}")
            self.assert_talks(client)
            if leave is not None:
                leave(client)
            refusals.add(self.refused(f"/ticket/{ticket}"))
            self.assertEqual(403, self.client(f"/?token={ticket}").status)
        self.assertEqual({self.refused("/ticket/unknown")}, refusals)

    def test_ended(self) -> None:
        """A ticket whose session has ended opens nothing."""
        ticket = self.ticket()
        client = self.direct(ticket)
        self.assert_talks(client)
        client.bye()
        until("it is refused", lambda: self.client(f"/?token={ticket}").status == 403)

    def test_upstream_lost(self) -> None:
        """A console that hangs up sends its client away to come back, and is dialled anew then."""
        ticket = self.ticket()
        client = self.direct(ticket)
        self.assert_talks(client)
        self.line.newest.close()
        self.assertEqual((1012, "The connection to the machine was lost; please come back."), client.closed())
        self.assert_talks(self.direct(ticket))


class EndingTests(OnARig):
    """How sessions end from outside."""

    def test_revocation(self) -> None:
        """By id, by console and by user, tickets open nothing any more and their live sessions close with 1008."""
        for how in ("{id}", "?console=line", "?user=alice"):
            made = self.gateway.mint("line", user="alice", uses=2)
            direct, page = self.direct(made["ticket"]), self.connected(grant=self.held(user="alice"))
            if how == "{id}":
                page.bye()
            else:
                self.assert_talks(page)
            self.assert_talks(direct)
            target = how.format(id="/" + made["id"]) if how == "{id}" else how
            self.assertEqual(204, self.gateway.call("DELETE", f"/api/v1/tickets{target}").status)
            self.assertEqual(REVOKED, direct.closed())
            if how != "{id}":
                self.assertEqual(REVOKED, page.closed())
            self.assertEqual("ticket-revoked", self.why_not(made["ticket"]))
            self.assertEqual(403, self.client(f"/?token={made['ticket']}").status)

    def test_others_stay(self) -> None:
        """A revocation ends nobody else's session."""
        alice, bob = self.ticket(user="alice"), self.ticket("many", user="bob")
        one, other = self.direct(alice), self.direct(bob)
        self.gateway.call("DELETE", "/api/v1/tickets?user=alice")
        self.assertEqual(REVOKED, one.closed())
        self.assert_talks(other, self.many)

    def test_kill(self) -> None:
        """A session that is ended by its id closes with 1008, and its holder is told so."""
        secret = self.held()
        client = self.connected(grant=secret)
        session = self.gateway.call("GET", "/api/v1/session", Authorization=f"Grant {secret}").json["session"]
        self.assertEqual(204, self.gateway.call("DELETE", f"/api/v1/sessions/{session}").status)
        self.assertEqual(REVOKED, client.closed())
        again = self.gateway.call("GET", "/api/v1/session", Authorization=f"Grant {secret}")
        self.assertEqual((403, "urn:consolegw:problem:session-stopped"), (again.status, again.json["type"]))

    def test_rights(self) -> None:
        """A client that may only look sends no key to the machine; one that may control does."""
        heard = {}
        for rights in (["view"], ["view", "control"]):
            before = len(self.screen.lines)
            viewer = Viewer(self.gateway, f"/?token={self.ticket('screen', rights=rights)}").greet()
            self.addCleanup(viewer.socket.close)
            self.assertEqual((b"screen", (16, 16)), (viewer.name, viewer.size))
            line = self.screen.line(before)
            viewer.encodings(0)
            viewer.key(0x61)
            viewer.ask()
            line.wait_for(b"\x03\x00\x00\x00\x00\x00\x00\x10\x00\x10")
            line.send(raw_update())
            self.assertEqual(b"\x10\x20\x30\x00" * 256, viewer.rectangles()[0][-1])
            heard[len(rights)] = b"\x04\x01\x00\x00\x00\x00\x00\x61" in line.received
        self.assertEqual({1: False, 2: True}, heard)

    def test_forbidden_message(self) -> None:
        """An unknown message of a client ends its session, and never reaches the machine."""
        before = len(self.screen.lines)
        viewer = Viewer(self.gateway, f"/?token={self.ticket('screen')}").greet()
        viewer.send(b"\xc8" + INSIDE.encode())
        self.assertEqual((1008, "The client sent something that is not allowed."), viewer.closed())
        line = self.screen.line(before)
        line.wait_for_end()
        self.assertNotIn(b"\xc8", line.received)


class LimitTests(OnARig):
    """Limits of what a session may take, with short times."""

    tickets = "idle = 1.5\nmax_session = 4"

    def test_idle_and_absolute(self) -> None:
        """A session without input ends as idle, a busy one at its limit: both with 1008, and not before."""
        began = time.monotonic()
        idle, busy = self.direct(self.ticket()), self.direct(self.ticket("many"))
        self.assertEqual((1008, "The session was idle for too long."), self.closed_while(busy, idle))
        self.assertGreater(time.monotonic() - began, 1.4)
        self.assertEqual((1008, "The session reached its time limit."), self.closed_while(busy, busy))
        self.assertGreater(time.monotonic() - began, 3.9)
        self.assertLess(time.monotonic() - began, 9)

    def closed_while(self, typing: WebClient, awaited: WebClient) -> tuple[int, str]:
        """How one is closed while somebody types."""
        awaited.socket.settimeout(0.3)
        while True:
            try:
                return awaited.closed()
            except TimeoutError:
                typing.send(b".")


class WindowTests(OnARig):
    """The time in which a client may come, or come back."""

    tickets = "resume_window = 5\nlinger = 0.5"

    def test_resume_window(self) -> None:
        """Who comes back too late is refused; the machine's connection is let go before, after ``linger``."""
        before = len(self.line.lines)
        ticket, secret = self.ticket(), self.held()
        direct, page = self.direct(ticket), self.connected(grant=secret)
        self.assert_talks(direct)
        self.assert_talks(page)
        direct.lose()
        page.lose()
        for index in (before, before + 1):
            self.line.line(index).wait_for_end()
        until("the window is over", lambda: self.gateway.sessions() == [])
        self.assertEqual(403, self.client(f"/?token={ticket}").status)
        self.assertEqual(403, self.client(grant=secret).status)
        answer = self.gateway.call("GET", "/api/v1/session", Authorization=f"Grant {secret}")
        self.assertEqual("urn:consolegw:problem:session-ended", answer.json["type"])
        self.assertEqual(["client-lost"] * 2, [line["ending"] for line in self.gateway.audit()][-2:])

    def test_never_connected(self) -> None:
        """A redeemed ticket that nobody follows up ends by itself."""
        secret = self.held()
        until("it is over", lambda: self.gateway.sessions() == [])
        self.assertEqual(403, self.client(grant=secret).status)


class StoreTests(SynchronousTestCase):
    """What holds with every store, and what outlives a restart."""

    timeout = 60

    def start(self, store: str) -> Rig:
        rig = Rig.start(f'store = "{store}"')
        self.addCleanup(rig.end)
        return rig

    def smoke(self, rig: Rig) -> tuple[str, str, WebClient, WebClient]:
        """A holder's and a stock client's session, both working; what is over is refused."""
        gateway, secret = rig.gateway, secrets.token_urlsafe(32)
        made = gateway.mint("line")
        self.assertEqual(200, gateway.redeem(made["ticket"], secret).status)
        ticket = gateway.mint("many")["ticket"]
        page, direct = WebClient(gateway, grant=secret), WebClient(gateway, f"/?token={ticket}")
        for client, machine in ((page, rig.line), (direct, rig.many)):
            machine.line(0).send(b"hello")
            self.assertEqual(b"hello", client.read(5))
            self.addCleanup(client.socket.close)
        self.assertEqual(403, WebClient(gateway, "/?token=unknown").status)
        return secret, ticket, page, direct

    def test_memory(self) -> None:
        """Everything in memory: nothing but the audit is written."""
        rig = self.start("memory")
        self.smoke(rig)
        self.assertEqual([], list((rig.gateway.directory / "state").iterdir()))

    def test_sealed(self) -> None:
        """Sealed alone: the ticket carries its grant, is said to be a bearer token, and cannot be withdrawn."""
        rig = self.start("sealed")
        _, ticket, _, direct = self.smoke(rig)
        self.assertTrue(ticket.startswith("eyJ") and len(ticket) < 500, len(ticket))
        self.assertIn("bearer tokens", rig.gateway.log)
        made = rig.gateway.mint("line")
        self.assertEqual(501, rig.gateway.call("DELETE", f"/api/v1/tickets/{made['id']}").status)
        body = {"console": "line", "one_shot": True}
        self.assertEqual(501, rig.gateway.call("POST", "/api/v1/tickets", body).status)
        direct.lose()
        rig.gateway.stop()
        rig.gateway.start()
        again = WebClient(rig.gateway, f"/?token={ticket}")
        self.assertEqual(101, again.status)

    def test_sealed_with_sqlite(self) -> None:
        """Sealed and counted: once is once, and a revocation holds."""
        rig = self.start("sealed+sqlite")
        _, ticket, _, direct = self.smoke(rig)
        self.assertTrue(ticket.startswith("eyJ"))
        self.assertEqual(204, rig.gateway.call("DELETE", "/api/v1/tickets?console=many").status)
        self.assertEqual(REVOKED, direct.closed())
        self.assertEqual(403, WebClient(rig.gateway, f"/?token={ticket}").status)

    def test_restart(self) -> None:
        """A restart tells clients to come back; they continue the same sessions, a ticket in hand stays good."""
        rig = self.start("sqlite")
        gateway = rig.gateway
        secret, ticket, page, direct = self.smoke(rig)
        before = {one["id"] for one in gateway.sessions()}
        unused = gateway.mint("line")["ticket"]
        gateway.program.process.send_signal(signal.SIGTERM)
        for client in (page, direct):
            self.assertEqual((1012, "This gateway is being restarted; please come back."), client.closed())
        self.assertEqual(0, gateway.program.process.wait(10))
        gateway.start()
        self.come_back(rig, secret, ticket, before)
        gateway.program.process.kill()
        gateway.stop()
        gateway.start()
        self.come_back(rig, secret, ticket, before)
        self.assertEqual(101, WebClient(gateway, f"/?token={unused}").status)
        self.assertEqual([], [line for line in gateway.audit() if line["ending"] != "drained"])

    def come_back(self, rig: Rig, secret: str, ticket: str, before: set[str]) -> None:
        """Both clients continue, and talk."""
        page, direct = WebClient(rig.gateway, grant=secret), WebClient(rig.gateway, f"/?token={ticket}")
        for client, machine in ((page, rig.line), (direct, rig.many)):
            self.assertEqual(101, client.status)
            client.send(b"again")
            machine.newest.wait_for(b"again")
        self.assertEqual(before, {one["id"] for one in rig.gateway.sessions()})
