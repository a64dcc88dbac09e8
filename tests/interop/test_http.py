"""
HTTP that two servers could read differently, or that has no end, against a real gateway: plain and inside TLS.

Also the answers that balancers ask for, and what is never answered in the clear.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from twisted.trial.unittest import SynchronousTestCase

from tests.support.running import ROOT, Gateway, free_port, until
from tests.support.wires import UNBOUNDED, Console, Viewer, Wire, echo, faultless, metric, settled, shared
from tests.support.ws import request

MEGABYTE = 1 << 20
PROMPT = 2.0
"""Seconds in which any request, however odd, has its answer."""

_console = Console(echo)
_ports = {"redirect": free_port(), "refuse": free_port()}


def _make() -> Gateway:
    refusing = f'[[listen]]\nendpoint = "tcp:{_ports["refuse"]}:interface=127.0.0.1"\nplaintext = "refuse"\n'
    redirecting = f'[[listen]]\nendpoint = "tcp:{_ports["redirect"]}:interface=127.0.0.1"\n'
    listen = f'plaintext = "serve"\n{refusing}{redirecting}'
    return Gateway(_console.table("echo"), listen=listen, more=UNBOUNDED).start()


_gateway = shared(_make)

CLIENT = ROOT / "gateway/web/client"
HOST = "Host: localhost\r\n"
SMUGGLED = f"GET /smuggled HTTP/1.1\r\n{HOST}\r\n"
CHUNKED = f"0\r\n\r\n{SMUGGLED}"


def post(headers: str, body: str = "", line: str = "POST /api/v1/redeem HTTP/1.1", host: str = HOST) -> bytes:
    """A request with just these headers."""
    return f"{line}\r\n{host}{headers}\r\n{body}".encode("latin-1")


AMBIGUOUS = {
    "two equal lengths": post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc"),
    "two lengths": post(f"Content-Length: 0\r\nContent-Length: {len(SMUGGLED)}\r\n", SMUGGLED),
    "two lengths in one line": post(f"Content-Length: 0, {len(SMUGGLED)}\r\n", SMUGGLED),
    "two equal lengths in one line": post("Content-Length: 3, 3\r\n", "abc"),
    "length and coding": post(f"Content-Length: {len(CHUNKED)}\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    "coding and length": post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", CHUNKED),
    "a chunked body": post("Transfer-Encoding: chunked\r\n", CHUNKED),
    "chunked in capitals": post("Transfer-Encoding: CHUNKED\r\n", CHUNKED),
    "chunked twice": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
    "chunked and identity": post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", CHUNKED),
    "an unknown coding": post("Transfer-Encoding: xchunked\r\n", CHUNKED),
    "chunked behind a tab": post("Transfer-Encoding:\tchunked\r\n", CHUNKED),
    "chunked behind a vertical tab": post("Transfer-Encoding: \x0bchunked\r\n", CHUNKED),
    "chunked in quotes": post('Transfer-Encoding: "chunked"\r\n', CHUNKED),
    "an empty coding": post("Transfer-Encoding:\r\n", CHUNKED),
    "a coding with a space before its colon": post("Transfer-Encoding : chunked\r\n", CHUNKED),
    "a length with a space before its colon": post(f"Content-Length : {len(SMUGGLED)}\r\n", SMUGGLED),
    "a folded coding": post("Transfer-Encoding:\r\n chunked\r\n", CHUNKED),
    "a folded header": post("X-Fold: a\r\n b\r\n"),
    "a header that begins with a fold": post(" X: a\r\n"),
    "a negative length": post("Content-Length: -1\r\n", SMUGGLED),
    "a length with a plus": post("Content-Length: +3\r\n", "abc"),
    "a hexadecimal length": post("Content-Length: 0x10\r\n", SMUGGLED),
    "an empty length": post("Content-Length:\r\n", SMUGGLED),
    "a length in other digits": post("Content-Length: \xb2\r\n", SMUGGLED),
    "a huge length": post("Content-Length: 99999999999999999999\r\n", SMUGGLED),
    "a length over the limit": post("Content-Length: 65537\r\n"),
    "bare line feeds": post("").replace(b"\r\n", b"\n"),
    "one bare line feed": post("").replace(b"localhost\r\n", b"localhost\nContent-Length: 0\r\n"),
    "a bare carriage return": post("X: a\rContent-Length: 3\r\n", "abc"),
    "a NUL in a value": post("X: a\0b\r\n"),
    "a NUL in a name": post("X\0: a\r\n"),
    "a NUL in the target": post("", line="GET /\0 HTTP/1.1"),
    "a header without a colon": post("X\r\n"),
    "a header without a name": post(": a\r\n"),
    "no Host": post("", host=""),
    "two Hosts": post("Host: elsewhere\r\n"),
    "two equal Hosts": post(HOST),
    "a Host with a space": post("", host="Host: local host\r\n"),
    "a Host with a path": post("", host="Host: localhost/x\r\n"),
    "HTTP/0.9": b"GET /\r\n",
    "HTTP/2.0": post("", line="GET / HTTP/2.0"),
    "spaces in the line": post("", line="GET  /  HTTP/1.1"),
    "a target without a slash": post("", line="GET x HTTP/1.1"),
    "an upgrade with a body": request("/?token=x", "Content-Length: 3") + b"abc",
    "a chunked upgrade": request("/?token=x", "Transfer-Encoding: chunked") + CHUNKED.encode(),
}
"""Requests that are refused for their form, and nothing behind them is ever looked at."""

JUNK = {
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a tab in the line": post("", line="GET\t/\tHTTP/1.1"),
    "a method in small letters": post("", line="get / HTTP/1.1"),
    "a method of no server": post("", line="BREW / HTTP/1.1"),
    "a space before the line": post("", line=" GET / HTTP/1.1"),
    "a NUL before the line": post("", line="\0GET / HTTP/1.1"),
}
"""What begins like nothing that is known: closed without a word."""

ENDLESS = {
    "a line of 16 kB": post(f"X: {'a' * 16384}\r\n"),
    "a line of 1 MB": post(f"X: {'a' * MEGABYTE}\r\n"),
    "a line of 1 MB without an end": post(f"X: {'a' * MEGABYTE}")[:-2],
    "a target of 16 kB": post("", line=f"GET /{'a' * 16384} HTTP/1.1"),
    "a target of 1 MB": post("", line=f"GET /{'a' * MEGABYTE} HTTP/1.1"),
    "a thousand headers": post("".join(f"X-{number}: a\r\n" for number in range(1000))),
    "a hundred thousand headers": post("X: a\r\n" * 100_000),
    "a hundred thousand headers in an upgrade": request("/?token=x", *["X: a"] * 100_000),
    "lines that only end": b"\r\n\r\nGET / HTTP/1.1\r\n" + HOST.encode() + b"X: a\r\n" * 20_000,
}


PROBES = (
    (b"OPTIONS / HTTP/1.0\r\n\r\n", b"204"),
    (b"OPTIONS * HTTP/1.1\r\nHost: gw\r\nConnection: close\r\n\r\n", b"204"),
    (b"GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n", b"200"),
)
"""What balancers ask, and the status they get."""


class _Case(SynchronousTestCase):
    timeout = 120

    def setUp(self) -> None:
        self.gateway = _gateway()
        self.viewer = Viewer(self.gateway.port, self.gateway.mint("echo")["ticket"])
        self.viewer.echoed()
        self.addCleanup(self.check_the_gateway)  # when the test's own clients have left

    def check_the_gateway(self) -> None:
        self.viewer.echoed()
        self.viewer.close()
        settled(self.gateway)
        self.assertNotIn("smuggled", faultless(self.gateway))

    def wire(self, secure: bool = False, port: int = 0) -> Wire:
        wire = Wire(port or self.gateway.port, secure)
        wire.socket.settimeout(PROMPT)
        self.addCleanup(wire.close)
        return wire

    def both(self) -> Iterator[tuple[str, Wire]]:
        """A connection in the clear (served), and one inside TLS."""
        for secure in (False, True):
            yield "TLS" if secure else "plain", self.wire(secure)

    def refusal(self, wire: Wire, data: bytes) -> bytes:
        """All that is answered, until the gateway closes."""
        with contextlib.suppress(ConnectionError):
            wire.send(data)
        return wire.rest()


class FormTests(_Case):
    """One clean refusal, at once, and the end of the connection."""

    def test_what_two_servers_could_read_differently_is_refused(self) -> None:
        """Each smuggling shape gets one 4xx (or 5xx for what is not spoken) and the connection ends."""
        for case, data in AMBIGUOUS.items():
            for how, wire in self.both():
                answer = self.refusal(wire, data + SMUGGLED.encode())
                word = f"{case}, {how}: {answer[:200]!r}"
                self.assertTrue(answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 5")), word)
                self.assertEqual(answer.count(b"HTTP/1.1 "), 1, word)
                self.assertIn(b"\r\nConnection: close\r\n", answer, word)

    def test_junk_is_closed(self) -> None:
        """What does not begin with a method gets no answer at all."""
        for case, data in JUNK.items():
            for how, wire in self.both():
                self.assertEqual(self.refusal(wire, data + SMUGGLED.encode()), b"", f"{case}, {how}")

    def test_what_has_no_end_is_refused_early(self) -> None:
        """Long lines, long targets and thousands of headers: 4xx or a cut, and no memory."""
        before = self.gateway.rss()
        for case, data in ENDLESS.items():
            for how, wire in self.both():
                begun = time.monotonic()
                answer = self.refusal(wire, data)
                self.assertLess(time.monotonic() - begun, PROMPT, f"{case}, {how}")
                self.assertTrue(answer.startswith((b"HTTP/1.1 4", b"")), f"{case}, {how}")
                self.assertNotIn(b"HTTP/1.1 2", answer, f"{case}, {how}")
        self.assertLess(self.gateway.rss() - before, 3_000_000)

    def test_long_heads_are_answered_with_their_status(self) -> None:
        """A client that waits for its answer reads 431 or 414, not a reset."""
        for data, status in ((ENDLESS["a line of 16 kB"][:12_000], b"431"), (b"GET /" + b"a" * 9000, b"414")):
            for how, wire in self.both():
                self.assertTrue(self.refusal(wire, data).startswith(b"HTTP/1.1 " + status), how)

    def test_a_body_is_never_a_request(self) -> None:
        """A request in another's body is not answered; the one behind the body is."""
        for how, wire in self.both():
            body = SMUGGLED.encode()
            wire.send(post(f"Content-Length: {len(body)}\r\n") + body + b"GET /healthz HTTP/1.1\r\n" + HOST.encode())
            wire.send(b"Connection: close\r\n\r\n")
            answers = wire.rest().split(b"HTTP/1.1 ")
            self.assertEqual([one[:3] for one in answers[1:]], [b"403", b"200"], how)  # a page without an origin

    def test_pipelined_requests_are_answered_in_order(self) -> None:
        """Twenty requests in one segment get twenty answers, and 404 is one of them."""
        for how, wire in self.both():
            paths = ["/healthz", "/nothing-here", "/console/"] * 7
            wire.send("".join(f"GET {path} HTTP/1.1\r\n{HOST}\r\n" for path in paths[:20]).encode())
            wire.send(post("Connection: close\r\n", line="GET /healthz HTTP/1.1"))
            statuses = [one[:3] for one in wire.rest().split(b"HTTP/1.1 ")[1:]]
            self.assertEqual(statuses, [b"200", b"404", b"200"] * 6 + [b"200", b"404", b"200"], how)

    def test_large_answers_arrive_whole(self) -> None:
        """Pages of some megabytes, asked for at once by a client that reads slowly, come to the last byte."""
        script = max((CLIENT / "assets").iterdir(), key=lambda path: path.stat().st_size)
        ask = post("", line=f"GET /console/assets/{script.name} HTTP/1.1")
        for how, wire in self.both():
            wire.send(ask)
            self.assertIn(b" 200 ", wire.head(), how)
            self.assertEqual(wire.take(script.stat().st_size), script.read_bytes(), how)
            wire.send(ask * 100 + post("Connection: close\r\n", line="GET /healthz HTTP/1.1"))
            self.assertFalse(wire.quiet(PROMPT))
            self.assertEqual(wire.rest().count(script.read_bytes()), 100, how)

    def test_an_upgrade_with_words_behind_it_is_refused(self) -> None:
        """Who asks for a WebSocket and goes on without the answer does not come in, and its ticket stays good."""
        for how, wire in self.both():
            ticket = self.gateway.mint("echo")["ticket"]
            answer = self.refusal(wire, request(f"/?token={ticket}") + SMUGGLED.encode())
            self.assertTrue(answer.startswith(b"HTTP/1.1 400 "), how)
            self.assertEqual(answer.count(b"HTTP/1.1 "), 1, how)
            viewer = Viewer(self.gateway.port, ticket)
            viewer.echoed()
            viewer.close()

    def test_an_upgrade_behind_a_request(self) -> None:
        """A pipelined upgrade is answered after what came before it, and then its session lives."""
        for how, wire in self.both():
            ticket = self.gateway.mint("echo")["ticket"]
            wire.send(post("", line="GET /nothing-here HTTP/1.1") + request(f"/?token={ticket}"))
            self.assertTrue(wire.head().startswith(b"HTTP/1.1 404 "), how)
            until("the upgrade's answer", lambda w=wire: b"HTTP/1.1 101 " in w.heard or not w.hear(), PROMPT)
            self.assertIn(b"HTTP/1.1 101 ", wire.heard, how)


class HealthTests(_Case):
    """What balancers ask, and that none of it is logged."""

    def test_health_on_every_listener(self) -> None:
        """Plain and TLS, on each listener and on the admin endpoint, GET and HEAD, HTTP/1.0 too."""
        ports = [self.gateway.port, *_ports.values()]
        ways = [(port, secure) for port in ports for secure in (False, True)] + [(self.gateway.admin_port, False)]
        for port, secure in ways:
            for path in ("/healthz", "/readyz"):
                for line in (f"GET {path} HTTP/1.0", f"HEAD {path} HTTP/1.1", f"GET {path} HTTP/1.1"):
                    wire = self.wire(secure, port)
                    wire.send(post("Connection: close\r\n", line=line))
                    self.assertTrue(wire.rest().startswith(b"HTTP/1.1 200 "), f"{line} {port} {secure}")

    def test_probes_leave_no_line_in_the_log(self) -> None:
        """Bare TCP, bare TLS, a FIN, a RST, ``OPTIONS``, health: the log says nothing of them."""
        before = self.gateway.log
        for _ in range(10):
            for port in (self.gateway.port, *_ports.values()):
                self.probe(port)
        settled(self.gateway, 1)
        said = self.gateway.log.removeprefix(before).splitlines()
        self.assertEqual([line for line in said if " session=" not in line], [])

    def probe(self, port: int) -> None:
        for secure in (False, True):
            self.wire(secure, port).close()
            self.wire(secure, port).reset()
            for data, status in PROBES:
                wire = self.wire(secure, port)
                wire.send(data)
                self.assertTrue(wire.head().startswith(b"HTTP/1.1 " + status))
                wire.reset()


class PlaintextTests(_Case):
    """What is answered outside TLS: contract section 4's policy."""

    def ask(self, port: int, line: str, *headers: str) -> bytes:
        wire = self.wire(port=port)
        wire.send(post("".join(f"{one}\r\n" for one in headers), line=line))
        return wire.rest()

    def test_redirect(self) -> None:
        """GET and HEAD of a bare path go to the public URL with 308; everything else is 403."""
        port = _ports["redirect"]
        for line in ("GET /console/ HTTP/1.1", "HEAD / HTTP/1.0"):
            answer = self.ask(port, line)
            self.assertTrue(answer.startswith(b"HTTP/1.1 308 "), answer)
            self.assertIn(f"\r\nLocation: {self.gateway.url}/".encode(), answer)
        upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: x")
        refused = [self.ask(port, f"{method} / HTTP/1.1") for method in ("POST", "PUT", "DELETE", "PATCH", "TRACE")]
        refused += [self.ask(port, "GET / HTTP/1.1", *upgrade), self.ask(port, "CONNECT console:1 HTTP/1.1")]
        for answer in refused:
            self.assertTrue(answer.startswith(b"HTTP/1.1 403 "), answer)

    def test_refuse(self) -> None:
        """Nothing but health is answered with anything but 403."""
        for line in ("GET / HTTP/1.1", "GET /console/ HTTP/1.1", "POST /api/v1/redeem HTTP/1.1"):
            answer = self.ask(_ports["refuse"], line)
            self.assertTrue(answer.startswith(b"HTTP/1.1 403 "), answer)

    def test_a_ticket_in_the_clear_is_neither_redeemed_nor_sent_back(self) -> None:
        """Wherever it stands the answer is 403 and does not hold it, and inside TLS it is still good."""
        for port in _ports.values():
            ticket = self.gateway.mint("echo")["ticket"]
            targets = [
                f"/?token={ticket}",
                f"/?ticket={ticket}",
                f"/ticket/{ticket}",
                f"/902;{ticket}",
                f"/x?a=b&token={ticket}",
            ]
            for target in targets:
                for data in (request(target), post("", line=f"GET {target} HTTP/1.1")):
                    wire = self.wire(port=port)
                    wire.send(data)
                    answer = wire.rest()
                    self.assertTrue(answer.startswith(b"HTTP/1.1 403 "), answer)
                    self.assertNotIn(ticket.encode(), answer)
            viewer = Viewer(self.gateway.port, ticket)
            viewer.echoed()
            viewer.close()

    def test_refusals_are_counted(self) -> None:
        """An operator sees them among the connections' outcomes."""
        before = metric(self.gateway, 'consolegw_connections_total{outcome="refused"}')
        self.ask(_ports["refuse"], "GET / HTTP/1.1")
        self.assertEqual(metric(self.gateway, 'consolegw_connections_total{outcome="refused"}'), before + 1)
