"""
Canaries: secrets that a whole run uses in every place, and that must be found nowhere afterwards.
"""

from __future__ import annotations

import base64
import secrets
import shutil
import signal
import socket
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from twisted.trial.unittest import SynchronousTestCase

from tests.support.clients import Viewer, WebClient, tls_socket
from tests.support.machines import Machine, rfb_open, rfb_refusing
from tests.support.running import Gateway, until


class CanaryTests(SynchronousTestCase):
    """One run with everything in it; then a search."""

    timeout = 60

    def setUp(self) -> None:
        self.canaries: dict[str, str] = {}
        self.outside = Path(tempfile.mkdtemp(prefix="consolegw-secrets-"))
        self.addCleanup(shutil.rmtree, self.outside)
        password = self.outside / "lab.pw"
        password.write_text(self.canary("the password in a file", "pw-" + secrets.token_hex(2)) + "\n")
        self.machines = [Machine(rfb_open), Machine(rfb_refusing(b"wrong password")), Machine()]
        opened, refusing, line = (machine.address for machine in self.machines)
        consoles = (
            f'[console.screen]\nkind = "vnc"\naddress = "{opened}"\n'
            f'[console.line]\nkind = "serial"\naddress = "{line}"\n'
            f'[console.closed]\nkind = "vnc"\naddress = "{refusing}"\nsecurity.password_file = "{password}"\n'
        )
        more = f'[tickets]\naccept = ["query", "cookie", "host"]\n[limits]\nallowed_targets = ["{refusing}"]\n'
        self.gateway = Gateway(consoles, more=more + "failed_tickets_per_address = 0\n")
        self.addCleanup(self.end)

    def end(self) -> None:
        self.gateway.clean()
        for machine in self.machines:
            machine.close()

    def canary(self, what: str, text: str = "") -> str:
        """A secret that must not be found later."""
        text = text or secrets.token_urlsafe(32)
        self.canaries[text] = what
        return text

    def ticket(self, console: str, what: str) -> str:
        """A canary that is a good ticket."""
        return self.canary(what, self.gateway.mint(console)["ticket"])

    def test_text(self) -> None:
        """With the log in text, no canary is anywhere."""
        self.run_and_search()

    def test_json(self) -> None:
        """With the log in JSON neither."""
        self.run_and_search("--log-json")

    def run_and_search(self, *arguments: str) -> None:
        self.gateway.start(*arguments)
        self.canary("the API key", self.gateway.key)
        self.be_refused()
        self.work()
        self.fail_to_log_in()
        self.break_the_api()
        self.gateway.program.process.send_signal(signal.SIGHUP)
        until("it is told", lambda: "files_reloaded" in self.gateway.log)
        self.search()
        self.assertNotEqual([], self.gateway.audit())
        self.gateway.stop()
        self.search()

    def be_refused(self) -> None:
        """Wrong tickets in every place, in forms of all sorts."""
        odd = self.canary("an odd ticket", "cst-" + secrets.token_hex(12) + "/+=:")
        for wrong in (
            self.canary("a wrong ticket"),
            odd,
            self.canary("a sealed one", "eyJ" + secrets.token_urlsafe(99)),
        ):
            for target in ("/?ticket={}", "/?token={}", "/ticket/{}", "/8080;{}", "/a/b?c=d&token={}"):
                self.assertIn(WebClient(self.gateway, target.format(wrong)).status, (403, 503))
            self.assertEqual(403, WebClient(self.gateway, headers=[f"Cookie: token={wrong}"]).status)
            self.assertEqual(400, WebClient(self.gateway, f"/?token={wrong}", headers=["Cookie: token=x"]).status)
            self.assertEqual(403, self.gateway.redeem(wrong, "s").status)
            self.assertEqual(401, self.gateway.call("GET", "/api/v1/sessions", Authorization=f"Bearer {wrong}").status)
            self.gateway.call("GET", f"/console/?token={quote(wrong)}")
            self.gateway.call("GET", f"/ticket/{quote(wrong)}")
        name = self.canary("a ticket as a host name", secrets.token_hex(24))
        self.assertEqual(403, WebClient(self.gateway, host=f"{name}.console.example").status)
        tls_socket(self.gateway, server_name=f"{name}.console.example").close()
        grant = self.canary("a wrong grant")
        self.assertEqual(403, WebClient(self.gateway, grant=grant).status)
        self.assertEqual(403, WebClient(self.gateway, grant=grant[:-1]).status)
        self.gateway.call("GET", "/api/v1/session", Authorization=f"Grant {grant}")
        stranger = self.canary("an origin's odd part", secrets.token_hex(8))
        self.assertEqual(403, WebClient(self.gateway, f"/?token={grant}", origin=f"https://h/?token={stranger}").status)
        self.speak_badly(grant)

    def speak_badly(self, wrong: str) -> None:
        """Requests that are no HTTP, in the clear and inside TLS, with a ticket in them."""
        for text in (f"GET /?token={wrong} HTTP/1.1\r\nHost: h\r\n\r\n", f"GET /ticket/{wrong} HTTP/9\r\n\r\n", wrong):
            for connect in (self.plain, lambda: tls_socket(self.gateway)):
                with connect() as connection:
                    connection.sendall(text.encode())
                    connection.shutdown(socket.SHUT_WR) if connect == self.plain else connection.recv(4096)

    def plain(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.gateway.port), 10)

    def work(self) -> None:
        """A holder's session with a loss and a revocation, and stock clients by each way."""
        secret, ticket = self.canary("the holder's secret"), self.ticket("line", "the page's ticket")
        self.assertEqual(200, self.gateway.redeem(ticket, secret).status)
        for _ in range(2):
            page = WebClient(self.gateway, grant=secret)
            page.send(b"hello")
            self.machines[2].line(0).wait_for(b"hello")
            page.lose()
            until("it is parked", lambda: "parked" in [one["state"] for one in self.gateway.sessions()])
        page = WebClient(self.gateway, grant=secret)
        self.assertEqual(200, self.gateway.call("GET", "/api/v1/session", Authorization=f"Grant {secret}").status)
        for target in ("/?ticket={}", "/?token={}", "/ticket/{}", "/8080;{}"):
            stock = self.ticket("screen", "a stock client's ticket")
            viewer = Viewer(self.gateway, target.format(stock)).greet()
            viewer.bye()
            WebClient(self.gateway, target.format(stock))
        self.gateway.call("DELETE", "/api/v1/tickets?console=line")
        self.assertEqual(1008, page.closed()[0])
        self.gateway.redeem(ticket, secret)

    def fail_to_log_in(self) -> None:
        """VNC log-ins that fail, with the password of a file and with one that a broker gave."""
        given = self.canary("the password of a target", "pw" + secrets.token_hex(3))
        target = {"kind": "vnc", "address": self.machines[1].address, "security": {"password": given}}
        made = self.gateway.call("POST", "/api/v1/tickets", {"target": target}).json
        for ticket in (self.ticket("closed", "a ticket"), self.canary("the target's ticket", made["ticket"])):
            viewer = Viewer(self.gateway, f"/?token={ticket}")
            viewer.log_in()
            self.assertEqual(1011, viewer.closed()[0])

    def break_the_api(self) -> None:
        """Bodies that are not understood, with secrets in them; and a store that does not answer."""
        given = self.canary("a password in a wrong body", "pw" + secrets.token_hex(8))
        ticket = self.ticket("line", "a ticket in a wrong body")
        for target in ({"kind": "vnc", "password": given}, {"kind": "vnc", "security": {"password": [given]}}, given):
            body = {"target": target, given: ticket}
            self.assertEqual(400, self.gateway.call("POST", "/api/v1/tickets", body).status)
        self.assertEqual(400, self.gateway.redeem(ticket + "\n", "s").status)
        self.assertEqual(404, self.gateway.call("DELETE", f"/api/v1/sessions/{ticket}").status)
        self.assertEqual(204, self.gateway.call("DELETE", f"/api/v1/tickets/{ticket}").status)
        with closing(
            sqlite3.connect(self.gateway.directory / "state" / "consolegw.sqlite", isolation_level=None)
        ) as db:
            db.execute("BEGIN IMMEDIATE")
            self.assertEqual(503, self.gateway.redeem(ticket, "s").status)
            self.assertEqual(503, WebClient(self.gateway, f"/ticket/{ticket}").status)

    def search(self) -> None:
        """Look for every canary in everything."""
        for where, data in self.everything():
            for text, what in self.canaries.items():
                for form in (text, quote(text, safe=""), base64.b64encode(text.encode()).decode()[:-4], text[:-1]):
                    if len(form) >= 6:
                        self.assertNotIn(form.encode(), data, f"{what} is in {where}")

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """What a run leaves behind, and what the world sees of it."""
        yield "the output", self.gateway.program.log.read_bytes()
        files = [path for path in self.gateway.directory.rglob("*") if path.is_file()]
        self.assertIn("consolegw.sqlite", [path.name for path in files])
        for path in files:
            if path.name != "first-api-key":  # made to be read by the operator
                yield str(path), path.read_bytes()
        if self.gateway.program.process.poll() is None:
            self.assertIn("consolegw.sqlite-wal", [path.name for path in files])
            for name in ("cmdline", "environ"):
                yield name, Path(f"/proc/{self.gateway.pid}/{name}").read_bytes()
            for page in ("/metrics", "/healthz"):
                yield page, self.gateway.ask_admin(page).body
            for call in ("sessions", "consoles"):
                yield call, self.gateway.call("GET", f"/api/v1/{call}").body
