"""
A real HAProxy before a real gateway: TLS ended at the balancer, or passed through; its health checks; its view of HTTP.
"""

from __future__ import annotations

import contextlib
import csv
import io
import socket
import ssl
import tempfile
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.interop.test_http import AMBIGUOUS, ENDLESS, HOST, PROMPT, SMUGGLED
from tests.interop.test_websocket_fuzz import BREACHES
from tests.support.certs import Authority, write_pile
from tests.support.running import Gateway, Program, answers, free_port, need, until
from tests.support.wires import UNBOUNDED, Console, Viewer, Wire, echo, faultless, metric, settled
from tests.support.ws import PING, PONG, client_frame, close_frame, request

CHECKS = {
    "health": ("http", "option httpchk GET /healthz", ""),
    "ready": ("http", "option httpchk GET /readyz", ""),
    "options": ("http", "option httpchk", ""),
    "health-tls": ("tcp", "option httpchk GET /healthz", "check-ssl verify none"),
    "options-tls": ("tcp", "option httpchk", "check-ssl verify none"),
    "bare-tcp": ("tcp", "", ""),
    "bare-tls": ("tcp", "", "check-ssl verify none"),
    "ssl-hello": ("tcp", "option ssl-hello-chk", ""),
}
"""How HAProxy can be told to look after a server: mode, option of the backend, and of the server."""

PROXY = """
global
    stats socket {directory}/stats.sock
defaults
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout tunnel 1h
    http-reuse always
frontend ended
    mode http
    bind 127.0.0.1:{ended} ssl crt {directory}/balancer.pem alpn http/1.1
    default_backend ended
backend ended
    mode http
    server gw 127.0.0.1:{gateway} pool-max-conn 10
frontend through
    mode tcp
    bind 127.0.0.1:{through}
    default_backend through
backend through
    mode tcp
    server gw 127.0.0.1:{gateway}
"""


def check_section(name: str, port: int) -> str:
    """A backend that only looks after its server."""
    mode, option, more = CHECKS[name]
    return f"backend {name}\n    mode {mode}\n    {option}\n    server gw 127.0.0.1:{port} check inter 100ms {more}\n"


class Balancer:
    """One HAProxy with two frontends: ``ended`` (TLS there) and ``through`` (TLS at the gateway)."""

    def __init__(self, gateway: Gateway, checks: str = "") -> None:
        haproxy = need("haproxy")
        self.directory = Path(tempfile.mkdtemp(prefix="haproxy-", dir=gateway.directory))
        write_pile(self.directory / "balancer.pem", Authority().issue("localhost"))
        self.ended, self.through = free_port(), free_port()
        config = self.directory / "haproxy.cfg"
        config.write_text(
            PROXY.format(directory=self.directory, ended=self.ended, through=self.through, gateway=gateway.port)
            + checks
        )
        self.program = Program(self.directory, "haproxy", [haproxy, "-db", "-f", str(config)])
        self.program.wait_for(lambda: answers(self.ended) and answers(self.through), "takes connections")

    def servers(self) -> dict[str, dict[str, str]]:
        """What it thinks of its servers, by backend."""
        with socket.socket(socket.AF_UNIX) as stats:
            stats.connect(str(self.directory / "stats.sock"))
            stats.sendall(b"show stat\n")
            text = stats.makefile().read()
        return {row["# pxname"]: row for row in csv.DictReader(io.StringIO(text)) if row["svname"] == "gw"}


class _Case(SynchronousTestCase):
    timeout = 120

    def setUp(self) -> None:
        need("haproxy")
        self.console = Console(echo)
        self.addCleanup(self.console.stop)
        self.gateway = Gateway(self.console.table("echo"), listen='plaintext = "serve"', more=UNBOUNDED).start()
        self.addCleanup(self.gateway.clean)
        self.balancer = self.make_balancer()
        self.addCleanup(self.balancer.program.stop)

    def make_balancer(self) -> Balancer:
        return Balancer(self.gateway)

    def ask(self, port: int, data: bytes) -> list[bytes]:
        """The statuses that are answered to this, until the end."""
        wire = Wire(port, True)
        wire.socket.settimeout(PROMPT)
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            wire.send(data)
        try:
            wire.rest()
        except TimeoutError:  # a balancer goes on waiting for a body that was refused by its length
            self.assertTrue(wire.heard, "no answer")
        wire.close()
        return [one[:3] for one in wire.heard.split(b"HTTP/1.1 ")[1:]]


LAST = f"GET /healthz HTTP/1.1\r\n{HOST}Connection: close\r\n\r\n".encode()
NOTHING = f"GET /nothing-here HTTP/1.1\r\n{HOST}\r\n".encode()


class RequestTests(_Case):
    """Nobody's request is answered with another's answer."""

    def test_smuggling_shapes_behind_a_balancer_that_speaks_http(self) -> None:
        """Whatever it makes of them: each is answered at once, and who comes next gets an answer of its own."""
        for case, data in (AMBIGUOUS | ENDLESS).items():
            statuses = self.ask(self.balancer.ended, data + SMUGGLED.encode() + LAST)
            self.assertLessEqual(len(statuses), 4, case)
            for _ in range(3):
                self.assertEqual(self.ask(self.balancer.ended, NOTHING + LAST), [b"404", b"200"], case)
        self.assertNotIn("smuggled", faultless(self.gateway))

    def test_smuggling_shapes_through_a_balancer_that_speaks_tcp(self) -> None:
        """They are refused as without it."""
        for case, data in AMBIGUOUS.items():
            statuses = self.ask(self.balancer.through, data + SMUGGLED.encode() + LAST)
            self.assertEqual(len(statuses), 1, case)
            self.assertIn(statuses[0][:1], (b"4", b"5"), case)
        for case, data in ENDLESS.items():
            for status in self.ask(self.balancer.through, data + LAST):
                self.assertTrue(status.startswith(b"4"), case)
        faultless(self.gateway)

    def test_an_upgrade_with_words_behind_it(self) -> None:
        """Words sent before the answer to an upgrade are never a request; a balancer sends them into the session."""
        for port in (self.balancer.ended, self.balancer.through):
            ticket = self.gateway.mint("echo")["ticket"]
            statuses = self.ask(port, request(f"/?token={ticket}") + SMUGGLED.encode())
            self.assertEqual(statuses, [b"101" if port == self.balancer.ended else b"400"])
            self.assertEqual(self.ask(self.balancer.ended, NOTHING + LAST), [b"404", b"200"])


class SessionTests(_Case):
    """WebSocket sessions on both ways."""

    def test_sessions(self) -> None:
        """A session works and ends as it would without a balancer: fragments, pings, large messages, a good-bye."""
        for port in (self.balancer.ended, self.balancer.through):
            viewer = Viewer(port, self.gateway.mint("echo")["ticket"])
            viewer.send(client_frame(b"hel", fin=False) + client_frame(b"?", PING) + client_frame(b"lo", 0))
            self.assertEqual(viewer.read(5), b"hello")
            self.assertEqual(viewer.others, [(PONG, b"?")])
            viewer.echoed(bytes(1 << 20))
            viewer.send(close_frame(1000))
            self.assertEqual(viewer.ending(), (1000, ""))
            viewer.close()
        settled(self.gateway)
        faultless(self.gateway)

    def test_breaches_of_the_framing(self) -> None:
        """They end their session, also behind a balancer, and no other."""
        other = Viewer(self.balancer.ended, self.gateway.mint("echo")["ticket"])
        for case, data in BREACHES.items():
            viewer = Viewer(self.balancer.ended, self.gateway.mint("echo")["ticket"])
            viewer.echoed()
            viewer.send(data)
            viewer.socket.settimeout(5)
            ending = viewer.ending()
            self.assertTrue(ending is None or ending[0] in (1002, 1009), f"{case}: {ending}")
            viewer.close()
            other.echoed()
        other.close()
        faultless(self.gateway)


class CheckTests(_Case):
    """HAProxy's health checks: eight sorts, ten a second each."""

    def make_balancer(self) -> Balancer:
        self.gateway_log = self.gateway.log
        checks = [check_section(name, self.gateway.port) for name in CHECKS]
        admin = check_section("health", self.gateway.admin_port).replace("backend health", "backend admin")
        return Balancer(self.gateway, "".join([*checks, admin]))

    def test_checks_pass_and_leave_no_line(self) -> None:
        """Every sort of check finds the gateway up, fifteen times over, and the log says nothing of it."""

        def checked() -> bool:
            # Each check that fails is counted; a hundred milliseconds pass between two of them.
            return all(int(row["lastchg"]) >= 2 for row in self.balancer.servers().values())

        until("two seconds of checks", checked)
        servers = self.balancer.servers()
        self.assertEqual(len(servers), len(CHECKS) + 3)
        for name, row in servers.items():
            self.assertIn(row["status"], ("UP", "no check"), f"{name}: {row}")
            self.assertIn(row["chkfail"], ("", "0"), f"{name}: {row}")
        self.assertEqual(self.gateway.log, self.gateway_log)
        self.assertGreater(metric(self.gateway, "consolegw_connections_total"), 100)
