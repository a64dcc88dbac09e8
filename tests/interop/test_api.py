"""
Contract section 3 over real sockets: every call of the API, who may make it, and how it says no.
"""

from __future__ import annotations

import datetime
import shutil
import socket
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from tests.support.clients import Viewer, WebClient, tls_socket
from tests.support.machines import Machine, rfb_open, rfb_refusing
from tests.support.running import Answer, Gateway, free_port, until
from tests.support.sharing import shared

HOLDER = "h" * 43


class Api(SimpleNamespace):
    """A gateway with keys of every role, and machines that a broker may and may not name."""

    gateway: Gateway
    directory: Path
    keys: dict[str, str]
    named: Machine
    listed: Machine
    socket: Machine
    refusing: Machine
    inside: int

    @classmethod
    def start(cls) -> Api:
        directory = Path(tempfile.mkdtemp(prefix="consolegw-test-"))
        (directory / "run").mkdir()
        named, listed, refusing = Machine(), Machine(rfb_open), Machine(rfb_refusing(b"no"))
        unix, inside = Machine(path=directory / "run" / "lab.sock"), free_port()
        allowed = [
            f"localhost:{named.port}",  # the name alone: what it leads to, is not allowed
            f"localhost:{listed.port}",
            f"127.0.0.1:{listed.port}",
            f"127.0.0.1:{refusing.port}",
            f"unix:{directory}/run",
            "0.0.0.0/0:80",
            "[::/0]:80",
        ]
        consoles = (
            f'[console.line]\nkind = "serial"\naddress = "{named.address}"\ntitle = "The lab’s line"\n'
            '[console.demo]\nkind = "demo"\n[console.lab-1]\nkind = "demo"\n[console.lab-2]\nkind = "demo"\n'
        )
        listen = (
            f'name = "outside"\n[[listen]]\nname = "inside"\nendpoint = "tcp:{inside}:interface=127.0.0.1"\n'
            f'public_url = "https://inside.example:{inside}/"\n'
        )
        gateway = Gateway(
            consoles,
            listen=listen,
            more=f"[limits]\nfailed_tickets_per_address = 0\nallowed_targets = {allowed!r}\n"
            '[browser]\nallowed_origins = ["https://portal.example"]\n',
        ).start()
        keys = {role: gateway.add_key(role, role) for role in ("viewer", "operator", "broker", "admin")}
        keys["lab"] = gateway.add_key("lab", "operator", "lab-*")
        keys["broking"] = gateway.add_key("broking", "broker", "lab-*")
        machines = {"named": named, "listed": listed, "socket": unix, "refusing": refusing}
        return cls(gateway=gateway, directory=directory, keys=keys, inside=inside, **machines)

    def end(self) -> None:
        self.gateway.clean()
        for machine in (self.named, self.listed, self.socket, self.refusing):
            machine.close()
        shutil.rmtree(self.directory)


class Calling(SynchronousTestCase):
    """Tests that share a gateway, and call it."""

    timeout = 60

    def setUp(self) -> None:
        self.api = shared(self, Api.start, Api.end)
        self.gateway = self.api.gateway

    def call(self, who: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """A call with the key of this role (or ``nobody``'s)."""
        authorization = "" if who == "nobody" else self.api.keys[who]
        return self.gateway.call(method, "/api/v1/" + path, body, Authorization=authorization, **headers)

    def mint(self, who: str, **wish: Any) -> Any:
        answer = self.call(who, "POST", "tickets", wish)
        self.assertEqual(201, answer.status, answer.body)
        return answer.json

    def assert_problem(self, answer: Answer, status: int, word: str) -> Any:
        """An RFC 9457 document of this kind; the document."""
        self.assertEqual(
            (status, "application/problem+json"), (answer.status, answer.headers["Content-Type"]), answer.body
        )
        self.assertEqual(
            (f"urn:consolegw:problem:{word}", status), (answer.json["type"], answer.json["status"]), answer.body
        )
        self.assertTrue(answer.json["title"])
        self.assertEqual("no-store", answer.headers["Cache-Control"])
        return answer.json

    def client(self, ticket: str) -> WebClient:
        client = WebClient(self.gateway, f"/?token={ticket}")
        self.addCleanup(client.socket.close)
        return client


class TicketTests(Calling):
    """``/tickets``."""

    def test_a_ticket(self) -> None:
        """Its answer has an id, the ticket, the console, its end, and the URLs that fit the kind."""
        before = time.time()
        made = self.mint("operator", console="demo", user="alice", ttl=300)
        self.assertEqual({"id", "ticket", "console", "kind", "expires_at", "urls"}, set(made))
        self.assertEqual(("demo", "demo", 43), (made["console"], made["kind"], len(made["ticket"])))
        self.assertNotIn(made["id"], made["ticket"])
        end = datetime.datetime.fromisoformat(made["expires_at"]).timestamp()
        self.assertTrue(before + 299 < end < time.time() + 301, made["expires_at"])
        url, ticket = self.gateway.url, made["ticket"]
        self.assertEqual(f"{url}/console/#{ticket}", made["urls"]["page"])
        self.assertEqual(f"wss{url[5:]}/?ticket={ticket}", made["urls"]["websocket"])
        serial = self.mint("operator", console="line")
        self.assertNotIn("page", serial["urls"])
        client = WebClient(self.gateway, serial["urls"]["websocket"].removeprefix(f"wss{url[5:]}"))
        self.assertEqual(101, client.status)
        client.socket.close()

    def test_listener(self) -> None:
        """A ticket for a listener has that one's URLs; an unknown listener is refused."""
        made = self.mint("operator", console="demo", listener="inside")
        self.assertEqual(f"https://inside.example:{self.api.inside}/console/#{made['ticket']}", made["urls"]["page"])
        self.assert_problem(
            self.call("operator", "POST", "tickets", {"console": "demo", "listener": "no"}), 400, "bad-request"
        )

    def test_wrong_wishes(self) -> None:
        """What a ticket cannot be made of is 400, by the field's name, and no value comes back."""
        for body, field in (
            ({}, "console"),
            ({"console": "demo", "uses": -1}, "uses"),
            ({"console": "demo", "uses": 2, "one_shot": True}, "uses"),
            ({"console": "demo", "ttl": "sixty-nine"}, "ttl"),
            ({"console": "demo", "rights": ["view", "fly"]}, "rights"),
            ({"console": "demo", "colour": "red"}, "colour"),
            ({"console": "et c"}, "console"),
            ({"target": {"kind": "vnc"}}, "address"),
            ({"target": {"kind": "mks", "address": "10.0.0.1:902"}}, "kind"),
            ({"console": "demo", "target": {"kind": "vnc", "address": "10.0.0.1:1"}}, "target"),
        ):
            problem = self.assert_problem(self.call("broker", "POST", "tickets", body), 400, "bad-request")
            self.assertIn(field, problem["detail"])
            for value in ("sixty-nine", "fly", "red", "et c"):
                self.assertNotIn(value, problem["detail"].replace("expired", ""))

    def test_bodies(self) -> None:
        """What is no JSON object, too large, or of another type, is told apart."""
        self.assert_problem(self.call("operator", "POST", "tickets", ["demo"]), 400, "bad-request")
        large = self.call("operator", "POST", "tickets", {"console": "x" * 70_000})
        self.assertEqual(413, large.status)  # said by the reader of heads already
        with tls_socket(self.gateway) as bare:
            head = "POST /api/v1/tickets HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nConnection: close\r\n"
            bare.sendall(f"{head}Authorization: {self.api.keys['operator']}\r\nContent-Length: 2\r\n\r\n{{}}".encode())
            self.assertIn(b" 415 ", bare.recv(65536))

    def test_revocation(self) -> None:
        """A ticket is withdrawn by id, by console or by user, and redeeming it says so."""
        for query in ("/{id}", "?console=demo", "?user=carol%20c"):
            made = self.mint("operator", console="demo", user="carol c")
            answer = self.call("operator", "DELETE", "tickets" + query.format(id=made["id"]))
            self.assertEqual((204, b""), (answer.status, answer.body))
            self.assert_problem(self.gateway.redeem(made["ticket"], "s"), 403, "ticket-revoked")
        for query in ("", "?console=", "?user=", "?user=a&console=b", "?colour=red"):
            self.assert_problem(self.call("operator", "DELETE", "tickets" + query), 400, "bad-request")


class RoleTests(Calling):
    """Who may call what."""

    def test_no_key(self) -> None:
        """Every call of an operator needs a key; a wrong one is as good as none."""
        calls = [("POST", "tickets"), ("DELETE", "tickets?user=a"), ("DELETE", "tickets/t"), ("GET", "consoles")]
        calls += [("GET", "consoles/demo"), ("POST", "consoles/demo/power"), ("GET", "consoles/demo/screenshot")]
        calls += [("GET", "sessions"), ("DELETE", "sessions/s"), ("POST", "sessions/s/redial")]
        for method, path in calls:
            answer = self.call("nobody", method, path)
            self.assert_problem(answer, 401, "unauthorized")
            self.assertEqual("Bearer", answer.headers["WWW-Authenticate"])
            wrong = self.gateway.call(method, "/api/v1/" + path, Authorization="Bearer " + "w" * 43)
            self.assertEqual(answer.body, wrong.body)

    def test_roles(self) -> None:
        """A viewer only looks, an operator does not name targets, a broker and an admin do."""
        self.assertEqual(200, self.call("viewer", "GET", "consoles").status)
        self.assertEqual(200, self.call("viewer", "GET", "sessions").status)
        for method, path in (("POST", "tickets"), ("DELETE", "tickets/t"), ("DELETE", "sessions/s")):
            self.assert_problem(self.call("viewer", method, path, {"console": "demo"}), 403, "forbidden")
        body = {"target": {"kind": "raw", "address": f"127.0.0.1:{self.api.listed.port}"}}
        self.assert_problem(self.call("operator", "POST", "tickets", body), 403, "forbidden")
        for who in ("broker", "admin"):
            self.assertEqual(201, self.call(who, "POST", "tickets", body).status)

    def test_globs(self) -> None:
        """A key for some consoles sees and opens these, ends their sessions, and the others are not there for it."""
        listed = self.call("lab", "GET", "consoles").json["consoles"]
        self.assertEqual(["lab-1", "lab-2"], [one["name"] for one in listed])
        self.assert_problem(self.call("lab", "GET", "consoles/demo"), 404, "unknown-console")
        self.assert_problem(self.call("lab", "POST", "tickets", {"console": "demo"}), 404, "unknown-console")
        self.assert_problem(self.call("lab", "DELETE", "tickets?console=demo"), 404, "unknown-console")
        self.assert_problem(self.call("lab", "DELETE", "tickets?user=alice"), 403, "forbidden")
        mine, other = (self.client(self.mint("admin", console=name)["ticket"]) for name in ("lab-1", "demo"))
        self.assertEqual((101, 101), (mine.status, other.status))
        seen = self.call("lab", "GET", "sessions").json["sessions"]
        self.assertEqual({"lab-1"}, {one["console"] for one in seen})
        hidden = next(one for one in self.gateway.sessions() if one["console"] == "demo")
        self.assert_problem(self.call("lab", "DELETE", f"sessions/{hidden['id']}"), 404, "unknown-session")
        self.assertEqual(204, self.call("lab", "DELETE", f"sessions/{seen[0]['id']}").status)
        self.assertEqual(1008, mine.closed()[0])
        target = {"kind": "vnc", "address": f"127.0.0.1:{self.api.listed.port}"}
        self.assert_problem(self.call("broking", "POST", "tickets", {"target": target}), 404, "unknown-console")
        self.mint("broking", target={**target, "name": "lab-7"})


class TargetTests(Calling):
    """Targets that a broker names."""

    def target(self, address: str, **more: Any) -> Answer:
        body = {"target": {"kind": "raw", "address": address, **more}}
        return self.call("broker", "POST", "tickets", body)

    def test_allowed(self) -> None:
        """A listed address, a listed name that leads to one, and a socket below a listed path are opened."""
        for address, machine in (
            (f"127.0.0.1:{self.api.listed.port}", self.api.listed),
            (f"localhost:{self.api.listed.port}", self.api.listed),
        ):
            made = self.target(address, kind="vnc", name="rented").json
            viewer = Viewer(self.gateway, f"/?token={made['ticket']}").greet()
            self.addCleanup(viewer.socket.close)
            self.assertEqual(b"rented", viewer.name)
            self.assertTrue(machine.lines)
        client = self.client(self.target(self.api.socket.address).json["ticket"])
        self.api.socket.line(0).send(b"login: ")
        self.assertEqual(b"login: ", client.read(7))

    def test_forbidden(self) -> None:
        """Loopback, link-local and every disguise of theirs are refused where only a wider network is listed."""
        for address in (
            f"127.0.0.1:{self.api.named.port}", "127.0.0.1:80", "127.8.8.8:80", "0.0.0.0:80", "169.254.169.254:80",
            "[::1]:80", "[::ffff:127.0.0.1]:80", "[fe80::1]:80", "[::]:80", "10.0.0.1:81", "db.example:80",
            f"unix:{self.api.directory}/other.sock", "unix:/etc/passwd", f"unix:{self.api.directory}/run/../x.sock",
        ):  # fmt: skip
            answer = self.target(address)
            self.assertIn(answer.status, (403, 400) if "/../" in address else (403,), address)
            self.assertNotIn(address.encode(), answer.body)

    def test_name_that_leads_elsewhere(self) -> None:
        """A listed name whose address is loopback is not connected to: names are judged by what they lead to."""
        made = self.target(f"localhost:{self.api.named.port}")
        self.assertEqual(201, made.status)
        before = len(self.api.named.lines)
        client = self.client(made.json["ticket"])
        self.assertEqual((1011, "The machine's console could not be reached."), client.closed())
        self.assertEqual(before, len(self.api.named.lines))
        until("the operator is told", lambda: "not among the allowed targets" in self.gateway.log)

    def test_several(self) -> None:
        """Of several addresses one that is not allowed spoils all."""
        answer = self.target([f"127.0.0.1:{self.api.listed.port}", "127.0.0.1:80"])
        self.assert_problem(answer, 403, "target-forbidden")

    def test_password(self) -> None:
        """A target's password is used, and comes back in no answer and no list."""
        address = f"127.0.0.1:{self.api.refusing.port}"
        answer = self.target(address, kind="vnc", security={"password": "tun4-fsh"})
        self.assertEqual(201, answer.status)
        self.assertNotIn(b"tun4", answer.body)
        client = Viewer(self.gateway, f"/?token={answer.json['ticket']}")
        client.log_in()
        self.assertEqual(1011, client.closed()[0])
        self.assertNotIn("tun4-fsh", self.gateway.log)


class ListTests(Calling):
    """``/consoles`` and ``/sessions``."""

    def test_consoles(self) -> None:
        """Each console by name, with what is known of it; no address is among it."""
        answer = self.call("viewer", "GET", "consoles")
        names = [one["name"] for one in answer.json["consoles"]]
        self.assertEqual(["demo", "lab-1", "lab-2", "line"], names)
        line = self.call("viewer", "GET", "consoles/line").json
        self.assertEqual(
            ("line", "serial", "The lab’s line", None), tuple(line[k] for k in ("name", "kind", "title", "power"))
        )
        self.assertEqual(line, answer.json["consoles"][-1])
        self.assertNotIn(str(self.api.named.port).encode(), answer.body)

    def test_unknown(self) -> None:
        """What is not there is 404: consoles of any spelling, sessions, paths; a wrong method names the right ones."""
        for name in ("nobody", "vc1/vm-7", "vc1%2Fvm-7", "..", "%2e%2e%2f", "x" * 200):
            self.assertEqual(404, self.call("viewer", "GET", f"consoles/{name}").status, name)
        self.assert_problem(self.call("operator", "POST", "tickets", {"console": "nobody"}), 404, "unknown-console")
        self.assert_problem(self.call("operator", "POST", "tickets", {"console": "vc1/vm-7"}), 404, "unknown-console")
        self.assert_problem(self.call("operator", "DELETE", "sessions/s-nobody"), 404, "unknown-session")
        self.assert_problem(self.call("operator", "GET", "nothing"), 404, "not-found")
        answer = self.call("operator", "PUT", "tickets", {})
        self.assert_problem(answer, 405, "method-not-allowed")
        self.assertEqual({"POST", "DELETE"}, set(answer.headers["Allow"].split(", ")))

    def test_later(self) -> None:
        """What comes in a later version is 501 and says so; an unknown console is still 404."""
        body = {"action": "reset"}
        client = self.client(self.mint("operator", console="demo")["ticket"])
        session = next(one["id"] for one in self.gateway.sessions() if one["console"] == "demo")
        for answer in (
            self.call("operator", "POST", "consoles/demo/power", body),
            self.call("viewer", "GET", "consoles/demo/screenshot"),
            self.call("operator", "POST", f"sessions/{session}/redial", {}),
        ):
            self.assertIn("not in this version", self.assert_problem(answer, 501, "not-in-this-version")["detail"])
        self.assert_problem(self.call("operator", "POST", "consoles/nobody/power", body), 404, "unknown-console")
        client.bye()

    def test_sessions(self) -> None:
        """A live session is listed with who, what, since when and how much; ended, it is gone."""
        made = self.mint("operator", console="line", user="dora")
        client = self.client(made["ticket"])
        client.send(b"four")
        self.api.named.newest.wait_for(b"four")
        (one,) = [one for one in self.call("viewer", "GET", "sessions").json["sessions"] if one["user"] == "dora"]
        expected = {"ticket_id": made["id"], "console": "line", "kind": "serial", "address": "127.0.0.1"}
        expected |= {"state": "relaying", "held": False, "bytes_in": 4, "bytes_out": 0, "generation": 1}
        self.assertEqual(expected, {name: one[name] for name in expected})
        datetime.datetime.fromisoformat(one["opened_at"])
        self.assertEqual(204, self.call("operator", "DELETE", f"sessions/{one['id']}").status)
        self.assertEqual((1008, "An operator ended this session."), client.closed())
        self.assert_problem(self.call("operator", "DELETE", f"sessions/{one['id']}"), 404, "unknown-session")


class OriginTests(Calling):
    """Who may redeem: the pages of the public URLs and of allowed sites."""

    def redeem(self, **headers: str) -> Answer:
        body = {"ticket": self.mint("operator", console="demo")["ticket"], "holder": HOLDER}
        return self.call("nobody", "POST", "redeem", body, **headers)

    def test_allowed(self) -> None:
        """The public URLs of all listeners, and the sites among ``browser.allowed_origins``."""
        for origin in (self.gateway.url, f"https://inside.example:{self.api.inside}", "https://portal.example"):
            answer = self.redeem(Origin=origin)
            self.assertEqual(200, answer.status, answer.body)
            self.assertEqual({"session", "console", "kind", "rights", "expires_at"}, set(answer.json))
            self.assertEqual(["view", "control", "clipboard"], answer.json["rights"])

    def test_refused(self) -> None:
        """The problem names the rule that failed and the setting that mends it, and the log tells the operator."""
        port = self.gateway.port
        for origin, rule, setting in (
            (None, "absent", ""),
            ("null", "null", "browser.allowed_origins"),
            ("https://evil.example", "host", "browser.allowed_origins"),
            (f"http://localhost:{port}", "scheme", "gateway.public_url"),
            ("https://localhost:1", "port", "gateway.public_url"),
            ("https://localhost:x", "malformed", "browser.allowed_origins"),
            (f"https://localhost:{port}.evil.example", "malformed", "browser.allowed_origins"),
        ):
            answer = self.redeem(**({} if origin is None else {"Origin": origin}))
            problem = self.assert_problem(answer, 403, "origin")
            self.assertEqual((rule, setting), (problem["rule"], problem["setting"]))
            self.assertIn(setting, problem["detail"])
            self.assertIn(f"origin_refused peer=127.0.0.1 rule={rule}", self.gateway.log)

    def test_nothing_is_taken(self) -> None:
        """A ticket that a wrong page presented is still good, and no answer allows other pages to read it."""
        ticket = self.mint("operator", console="demo")["ticket"]
        body = {"ticket": ticket, "holder": HOLDER}
        answer = self.call("nobody", "POST", "redeem", body, Origin="https://evil.example")
        self.assertIsNone(answer.headers["Access-Control-Allow-Origin"])
        self.assertEqual(200, self.gateway.redeem(ticket, "s").status)

    def test_wrong_bodies(self) -> None:
        """A holder is 43 characters of base64url; a ticket is text."""
        for body in ({"ticket": "t"}, {"ticket": "t", "holder": "short"}, {"ticket": 7, "holder": HOLDER}, {}):
            answer = self.call("nobody", "POST", "redeem", body, Origin=self.gateway.url)
            self.assert_problem(answer, 400, "bad-request")


class Limited(SynchronousTestCase):
    """Limits, and an API that is on the admin endpoint only."""

    timeout = 60
    failures = 0.0

    def setUp(self) -> None:
        limits = f"[limits]\nsessions_per_user = 1\nfailed_tickets_per_address = {self.failures}\n"
        console, more = '[console.demo]\nkind = "demo"\n', '[api]\non = ["admin"]\n' + limits
        self.gateway = shared(self, lambda: Gateway(console, more=more).start(), Gateway.clean)
        self.bearer = {"Authorization": f"Bearer {self.gateway.key}"}

    def mint(self, **wish: Any) -> Any:
        """A ticket, from the only place where there are any."""
        return self.gateway.ask_admin("/api/v1/tickets", {"console": "demo", **wish}, **self.bearer).json["ticket"]


class LimitTests(Limited):
    """Numbers of sessions, and where the API is."""

    def test_hidden(self) -> None:
        """On the public port no call of an operator's is there, with or without a key; the page's own are."""
        for path in ("tickets", "consoles", "sessions", "consoles/demo"):
            answer = self.gateway.call("GET", f"/api/v1/{path}")
            self.assertEqual((404, "urn:consolegw:problem:not-found"), (answer.status, answer.json["type"]))
        self.assertEqual(200, self.gateway.redeem(self.mint(), "s").status)
        self.assertEqual(401, self.gateway.call("GET", "/api/v1/session", Authorization="").status)
        self.assertEqual(401, self.gateway.ask_admin("/api/v1/consoles").status)
        self.assertEqual(200, self.gateway.ask_admin("/api/v1/consoles", **self.bearer).status)
        self.assertEqual(404, self.gateway.ask_admin("/api/v1/redeem").status)

    def test_too_many_sessions(self) -> None:
        """Over a limit the answer is 429 with Retry-After; the ticket lives, and is taken once there is room."""
        first, second = (self.mint(user="eve") for _ in range(2))
        secret = "s" * 43
        session = self.gateway.redeem(first, secret).json["session"]
        answer = self.gateway.redeem(second, "other")
        self.assertEqual((429, "urn:consolegw:problem:over-limit"), (answer.status, answer.json["type"]))
        self.assertGreater(int(answer.headers["Retry-After"]), 0)
        self.assertEqual(403, WebClient(self.gateway, f"/?token={self.mint(user='eve')}").status)
        client = WebClient(self.gateway, grant=secret)
        self.assertEqual(101, client.status)
        client.bye()
        until("there is room", lambda: f"session_ended session={session}" in self.gateway.log)
        self.assertEqual(200, self.gateway.redeem(second, "other").status)


class GuessTests(Limited):
    """Who tries too often."""

    failures = 0.5

    def test_guessing(self) -> None:
        """Who guesses tickets, or keys, soon learns nothing but 429; a good ticket opens all the same, soon enough."""
        good = self.mint()
        answers = [self.gateway.redeem(f"guess-{n}", "s") for n in range(12)]
        self.assertEqual({403, 429}, {answer.status for answer in answers})
        self.assertGreater(int(answers[-1].headers["Retry-After"]), 0)
        until("the good one is taken", lambda: self.gateway.redeem(good, "s").status == 200)
        headers = {"Authorization": "Bearer wrong"}
        answers = [self.gateway.ask_admin("/api/v1/consoles", **headers) for _ in range(12)]
        self.assertEqual({401, 429}, {answer.status for answer in answers})
        self.assertGreater(int(answers[-1].headers["Retry-After"]), 0)


class HealthTests(Calling):
    """Health on every port, metrics on the operator's."""

    def test_health(self) -> None:
        """``/healthz`` and ``/readyz`` answer everywhere without a key, in the clear too, and are not logged."""
        until("the start is logged", lambda: "gateway_started" in self.gateway.log)
        size = len(self.gateway.log)
        for path in ("/healthz", "/readyz"):
            self.assertEqual(200, self.gateway.call("GET", path, Authorization="").status)
            self.assertEqual(200, self.gateway.ask_admin(path).status)
            for port in (self.gateway.port, self.api.inside):
                with socket.create_connection(("127.0.0.1", port), 10) as plain:
                    plain.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                    self.assertIn(b" 200 ", plain.recv(1000))
        self.assertEqual(size, len(self.gateway.log))

    def test_metrics(self) -> None:
        """Metrics are on the admin endpoint alone, and count what happens."""
        self.assertEqual(404, self.gateway.call("GET", "/metrics").status)
        client = self.client(self.mint("operator", console="demo")["ticket"])
        page = self.gateway.ask_admin("/metrics")
        self.assertIn("text/plain", page.headers["Content-Type"])
        text = page.body.decode()
        self.assertIn('consolegw_sessions{kind="demo",state="', text)
        self.assertIn("consolegw_ready 1.0", text)
        client.bye()
        until(
            "the session is counted as ended",
            lambda: b'consolegw_sessions_ended_total{ending="' in self.gateway.ask_admin("/metrics").body,
        )

    def test_in_the_clear(self) -> None:
        """Outside TLS a page is sent to the public URL, and nothing that carries a ticket or a key is taken."""
        ticket = self.mint("operator", console="demo")["ticket"]
        for request, status in (
            ("GET /console/ HTTP/1.1\r\nHost: h\r\n\r\n", b" 308 "),
            (f"GET /?token={ticket} HTTP/1.1\r\nHost: h\r\n\r\n", b" 403 "),
            ("GET /api/v1/consoles HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer x\r\n\r\n", b" 308 "),
            ("POST /api/v1/redeem HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", b" 403 "),
        ):
            with socket.create_connection(("127.0.0.1", self.gateway.port), 10) as plain:
                plain.sendall(request.encode())
                answer = plain.recv(4000)
            self.assertIn(status, answer.split(b"\r\n")[0])
            self.assertNotIn(ticket.encode(), answer)
        self.assertEqual(200, self.gateway.redeem(ticket, "s").status)
