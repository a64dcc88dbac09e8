"""
Clients behind a real HAProxy: the gateway knows each by its own address, and believes nobody else.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import socket

from twisted.trial.unittest import SynchronousTestCase

from tests.support.certs import Authority, write_pile
from tests.support.running import Gateway, Program, answers, free_port, need, until
from tests.support.sharing import shared
from tests.support.wires import Console, Viewer, Wire, echo, faultless, metric
from tests.support.ws import request

ALICE, BOB = "127.0.0.2", "127.0.0.3"
"""Two clients; the balancer is 127.0.0.1, as every client is that does not say otherwise."""

PUBLIC = "https://console.example.com"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 54321 443\r\n"
V2 = bytes.fromhex("0d0a0d0a000d0a515549540a2111000cc0000207c6336401d43101bb")

LISTENERS = """
[[listen]]
name = "proxied"
endpoint = "tcp:{proxied}:interface=127.0.0.1"
proxy_protocol = true
trusted_proxies = ["127.0.0.1"]
plaintext = "serve"
[[listen]]
name = "local"
endpoint = "unix:{directory}/gw.sock"
proxy_protocol = true
trusted_proxies = ["unix"]
[[listen]]
name = "plain"
endpoint = "tcp6:{plain}:interface=\\\\:\\\\:"
public_url = "{public}"
plaintext = "serve"
trusted_proxies = ["127.0.0.1"]
"""

HAPROXY = """
global
    stats socket {directory}/stats.sock
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
    timeout tunnel 1h
    http-reuse always
listen v1
    bind 127.0.0.1:{v1}
    server gw 127.0.0.1:{proxied} send-proxy
listen v2
    bind 127.0.0.1:{v2}
    server gw 127.0.0.1:{proxied} send-proxy-v2
listen local
    bind 127.0.0.1:{local}
    server gw unix@{directory}/gw.sock send-proxy-v2-ssl-cn
listen ended
    mode http
    bind 127.0.0.1:{ended} ssl crt {directory}/balancer.pem alpn http/1.1
    option forwardfor
    http-request set-header X-Forwarded-Proto https
    server gw 127.0.0.1:{plain} pool-max-conn 1
backend check-v1
    server gw 127.0.0.1:{proxied} send-proxy check inter 1s
backend check-v2
    server gw 127.0.0.1:{proxied} send-proxy-v2 check inter 1s
backend check-v2-ready
    option httpchk GET /readyz
    server gw 127.0.0.1:{proxied} send-proxy-v2 check check-ssl verify none inter 1s
backend check-ended
    mode http
    option httpchk GET /readyz
    server gw 127.0.0.1:{plain} check inter 1s
"""

CHECKS = ("check-v1", "check-v2", "check-v2-ready", "check-ended")


class Rig:
    """A console, a gateway and a balancer in front of it."""

    def __init__(self, limits: str) -> None:
        haproxy = need("haproxy")
        self.console = Console(echo)
        self.ports = {name: free_port() for name in ("proxied", "plain", "v1", "v2", "local", "ended")}
        self.gateway = Gateway(self.console.table("echo"), more=f"[limits]\n{limits}")
        directory = self.gateway.directory
        write_pile(directory / "balancer.pem", Authority().issue("localhost"))
        places = {"directory": directory, "public": PUBLIC, **self.ports}
        text = self.gateway.config.read_text()
        self.gateway.config.write_text(text.replace("[limits]", LISTENERS.format(**places) + "[limits]"))
        self.gateway.start()
        (directory / "haproxy.cfg").write_text(HAPROXY.format(**places))
        self.balancer = Program(directory, "haproxy", [haproxy, "-db", "-f", str(directory / "haproxy.cfg")])
        self.balancer.wait_for(lambda: answers(self.ports["ended"]), "takes connections")

    def end(self) -> None:
        self.balancer.stop()
        self.gateway.clean()
        self.console.stop()


class _Case(SynchronousTestCase):
    timeout = 120
    limits = "connections_per_address = 0\n"

    def setUp(self) -> None:
        rig = shared(self, lambda: Rig(self.limits), Rig.end)
        self.gateway, self.ports = rig.gateway, rig.ports

    def servers(self) -> dict[str, dict[str, str]]:
        """What the balancer thinks of its servers, by backend."""
        with socket.socket(socket.AF_UNIX) as stats:
            stats.connect(str(self.gateway.directory / "stats.sock"))
            stats.sendall(b"show stat\n")
            rows = list(csv.DictReader(io.StringIO(stats.makefile().read())))
        return {row["# pxname"]: row for row in rows if row["svname"] == "gw"}

    def viewer(self, way: str, *headers: str, source: str = ALICE) -> Viewer:
        """A client with a session of its own, over a listener of the balancer's or the gateway's."""
        made = self.gateway.mint("echo")
        tls = {"plain": False, "ended": True}.get(way, self.gateway.tls())  # passed through: the gateway's certificate
        viewer = Viewer(self.ports[way], made["ticket"], tls, None, *headers, source=source)
        self.addCleanup(viewer.close)
        (viewer.session,) = (one for one in self.gateway.sessions() if one["ticket_id"] == made["id"])
        return viewer

    def said(self, name: str, data: bytes, source: str = "127.0.0.1", tls: bool = False) -> bytes:
        """All that is answered to this until the end of the connection."""
        with contextlib.suppress(ConnectionError):  # it may be closed at once
            wire = Wire(self.ports[name], tls, source=source)
            self.addCleanup(wire.close)
            wire.send(data)
            return wire.rest()
        return b""


class ClientTests(_Case):
    """Who is who."""

    def test_sessions_belong_to_the_clients(self) -> None:
        """By each way a session and its audit line have the client's address, and the bytes are whole."""
        for way in ("v1", "v2", "local", "ended"):
            viewer = self.viewer(way)
            viewer.echoed(bytes(range(256)) * 2048)
            self.assertEqual(viewer.session["address"], ALICE, way)
            self.gateway.call("DELETE", f"/api/v1/sessions/{viewer.session['id']}")
        until("four lines of the audit", lambda: len(self.gateway.audit()) == 4)
        self.assertEqual([line["peer"] for line in self.gateway.audit()], [ALICE] * 4)
        faultless(self.gateway)

    def test_what_a_client_says_of_itself(self) -> None:
        """A client's own X-Forwarded-For moves it nowhere: not behind the balancer, not beside it."""
        for way in ("ended", "v2", "plain"):
            viewer = self.viewer(way, f"X-Forwarded-For: {BOB}")
            viewer.echoed()
            self.assertEqual(viewer.session["address"], ALICE, way)

    def test_two_clients_on_one_connection(self) -> None:
        """Requests that the balancer sends over one connection are each their own client's, to the log as well."""
        wires = {source: Wire(self.ports["ended"], True, source=source) for source in (ALICE, BOB)}
        body = json.dumps({"ticket": "x" * 43, "holder": "y" * 43}).encode()
        for source in (ALICE, BOB, ALICE, BOB):
            lines = ["POST /api/v1/redeem HTTP/1.1", "Host: console.example.com", f"Origin: {PUBLIC}"]
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}", "", ""]
            wires[source].send("\r\n".join(lines).encode() + body)
            head = wires[source].head()
            self.assertIn(b"HTTP/1.1 403 ", head)
            size = next(line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:"))
            wires[source].take(int(size.split()[1]))
        told = [line for line in self.gateway.log.splitlines() if " ticket_refused " in line]
        self.assertEqual(
            [[f"peer={one}" in line for one in (ALICE, BOB)] for line in told], [[True, False], [False, True]] * 2
        )
        self.assertGreater(int(self.servers()["ended"]["reuse"]), 0)

    def test_tls_at_the_balancer_is_tls(self) -> None:
        """HSTS is asked for behind the balancer that says https, and not of others, whatever they say."""
        page = b"GET / HTTP/1.1\r\nHost: console.example.com\r\nConnection: close\r\nX-Forwarded-Proto: https\r\n\r\n"
        strict = b"strict-transport-security: "
        self.assertIn(strict, self.said("ended", page.replace(b"proto: https", b"proto: http"), tls=True).lower())
        self.assertNotIn(strict, self.said("plain", page, source=ALICE).lower())


class TrustTests(_Case):
    """Who is believed."""

    def test_strangers(self) -> None:
        """A peer that is no balancer is closed without a word, counted, and told with a line a second at most."""
        for header in (V1, V2, b"") * 10:
            self.assertEqual(self.said("proxied", header + HEALTH, source=ALICE), b"")
        self.assertEqual(metric(self.gateway, 'consolegw_connections_total{outcome="refused"}'), 30)

        def told() -> list[str]:
            self.said("proxied", V1 + HEALTH, source=ALICE)
            return [line for line in self.gateway.log.splitlines() if "is not among trusted_proxies" in line]

        lines = until("a line says so", told)  # the line of that second may be another's
        self.assertLess(len(lines), 10)
        for line in lines:
            self.assertIn(f" junk_refused peer={ALICE} listener=proxied ", line)

    def test_headers_in_pieces(self) -> None:
        """A header may come byte by byte."""
        for header in (V1, V2):
            wire = Wire(self.ports["proxied"])
            for byte in header + HEALTH:
                wire.send(bytes([byte]))
            self.assertIn(b"HTTP/1.1 200 OK", wire.head())
            wire.close()

    def test_a_header_where_none_is_expected_and_none_where_one_is(self) -> None:
        """Neither is guessed, not even of a balancer."""
        self.assertEqual(self.said("plain", V1 + HEALTH), b"")
        self.assertEqual(self.said("proxied", HEALTH), b"")
        faultless(self.gateway)

    def test_checks(self) -> None:
        """A balancer's probes find the gateway up, and the log says nothing of them."""
        log = self.gateway.log
        until("four seconds of checks", lambda: all(int(self.servers()[name]["lastchg"]) >= 4 for name in CHECKS))
        for name in CHECKS:
            row = self.servers()[name]
            self.assertEqual((row["status"], row["chkfail"]), ("UP", "0"), f"{name}: {row['last_chk']}")
        self.assertEqual(self.gateway.log, log)


class LimitTests(_Case):
    """One client's excess is not its neighbour's."""

    limits = "connections_per_address = 20\nfailed_tickets_per_address = 1\nsessions_per_address = 2\n"

    def test_connections(self) -> None:
        """A client that connects too often behind the balancer is closed; the next one is not."""
        closing = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        wires = [Wire(self.ports["v2"], source=ALICE) for _ in range(150)]
        for wire in wires:
            self.addCleanup(wire.close)
            with contextlib.suppress(ConnectionError):
                wire.send(closing)
        answered = [bool(wire.rest()) for wire in wires]
        self.assertEqual(set(answered), {True, False})
        self.assertGreaterEqual(sum(answered), 40)  # the burst
        self.assertTrue(self.said("v2", closing, source=BOB))

    def test_sessions_and_failed_tickets(self) -> None:
        """Sessions and wrong tickets are counted by client."""
        kept = [self.viewer("ended"), self.viewer("v2")]
        self.assertRaises(AssertionError, self.viewer, "v1")
        kept.append(self.viewer("v1", source=BOB))
        for _ in range(15):
            wire = Wire(self.ports["ended"], True, source=ALICE)
            wire.send(request("/?token=wrong"))
            self.assertIn(b" 403 ", wire.head())
            wire.close()
        kept[0].close()
        self.assertRaises(AssertionError, self.viewer, "ended")
        kept.append(self.viewer("ended", source=BOB))
        for viewer in kept[1:]:
            viewer.echoed()
