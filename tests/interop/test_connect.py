"""
CONNECT against a real gateway: curl, socat, the Java viewer's request, and bare sockets.
"""

from __future__ import annotations

import base64
import contextlib
import secrets
import socket
import ssl
import subprocess
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from tests.support.clients import tls_socket
from tests.support.machines import Machine, raw_update, rfb_open
from tests.support.running import DEADLINE, Gateway, Program, free_port, need, until
from tests.support.sharing import shared

YES = b"HTTP/1.1 200 Connection established\r\n\r\n"
NO_LIMITS = "[limits]\nfailed_tickets_per_address = 0\nconnections_per_address = 0\n"
COMES_BACK = "Connection reset by peer|EOF occurred in violation of protocol"


def basic(ticket: str, authority: str = "console:1", version: str = "1.1") -> bytes:
    """A CONNECT with the ticket as the password of somebody."""
    credentials = base64.b64encode(f"alice:{ticket}".encode()).decode()
    head = (
        f"CONNECT {authority} HTTP/{version}\r\nHost: {authority}\r\nProxy-Authorization: Basic {credentials}\r\n\r\n"
    )
    return head.encode()


def java(ticket: str) -> bytes:
    """What OpenStack's Java viewer sent, byte for byte."""
    return f"CONNECT /console?token={ticket} HTTP/1.0\r\n\r\n".encode()


class Client:
    """One connection; it reads so many bytes, or up to its end."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        connection.settimeout(DEADLINE)

    def say(self, data: bytes) -> Client:
        self.socket.sendall(data)
        return self

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            assert more, f"the gateway closed after {data!r}"
            data += more
        return data

    def head(self) -> bytes:
        """An answer's head, to its empty line, byte for byte: nothing behind it is read."""
        data = b""
        while not data.endswith(b"\r\n\r\n"):
            data += self.read(1)
        return data

    def rest(self) -> bytes:
        """What comes up to a good-bye; a cut raises."""
        data = b""
        while more := self.socket.recv(65536):
            data += more
        return data


class _Case(SynchronousTestCase):
    timeout = 90

    def setUp(self) -> None:
        def start() -> SimpleNamespace:
            line, screen = Machine(), Machine(rfb_open)
            consoles = (
                f'[console.line]\nkind = "raw"\nconnections = 2\naddress = "{line.address}"\n'
                f'[console.screen]\nkind = "vnc"\naddress = "{screen.address}"\n[console.demo]\nkind = "demo"\n'
            )
            plain = free_port()
            listen = f"[[listen]]\nendpoint = 'tcp:{plain}:interface=127.0.0.1'\nplaintext = \"serve\"\n"
            gateway = Gateway(consoles, listen=listen, more=NO_LIMITS).start()
            return SimpleNamespace(gateway=gateway, line=line, screen=screen, plain=plain)

        def end(rig: SimpleNamespace) -> None:
            rig.gateway.clean()
            rig.line.close()
            rig.screen.close()

        rig = shared(self, start, end)
        self.gateway, self.line, self.screen, self.plain = rig.gateway, rig.line, rig.screen, rig.plain

    def ticket(self, console: str = "line", **wish: object) -> str:
        return str(self.gateway.mint(console, **wish)["ticket"])

    def connect(self, *, secure: bool = True) -> Client:
        one = tls_socket(self.gateway) if secure else socket.create_connection(("127.0.0.1", self.plain), DEADLINE)
        self.addCleanup(one.close)
        return Client(one)

    def assert_talks(self, client: Client) -> None:
        """Bytes get through to the machine and back."""
        said = secrets.token_hex(8).encode()
        client.say(said)
        until("the machine hears it", lambda: any(said in line.received for line in self.line.lines))
        next(line for line in self.line.lines if said in line.received).send(said[::-1])
        self.assertEqual(said[::-1], client.read(len(said)))


class FormTests(_Case):
    """What a client says, and is told."""

    def test_every_form(self) -> None:
        """The Java viewer's request, a proxy's client in either version, a machine's title for an authority."""
        for request in (
            java(self.ticket()),
            basic(self.ticket()),
            basic(self.ticket(), version="1.0"),
            basic(self.ticket(), "lab-console/vm 1:5900"),
        ):
            client = self.connect().say(request)
            self.assertEqual(YES, client.read(len(YES)))
            self.assert_talks(client)

    def test_bytes_behind_the_head(self) -> None:
        """They reach the console, and only when the ticket was good."""
        said = secrets.token_hex(8).encode()
        refused = self.connect().say(basic("x" * 43) + b"GET /" + said)
        self.assertIn(b" 407 ", refused.head())
        self.connect().say(basic(self.ticket()) + said).read(len(YES))
        until("the machine hears it", lambda: any(said in line.received for line in self.line.lines))
        self.assertEqual(1, sum(line.received.count(said) for line in self.line.lines))

    def test_java_viewer(self) -> None:
        """It meets an RFB server without a log-in, under the console's name, and gets its picture."""
        client = self.connect().say(java(self.ticket("screen")))
        self.assertTrue(client.head().startswith(b"HTTP/1.1 200 "))
        self.assertEqual(b"RFB 003.008\n", client.read(12))
        client.say(b"RFB 003.003\n")  # what viewers of its time spoke
        self.assertEqual(b"\0\0\0\1", client.read(4))
        client.say(b"\1")
        init = client.read(24)
        self.assertEqual(b"screen", client.read(init[-1]))
        client.say(bytes.fromhex("02000001 00000000 03000000 0000 0010 0010"))
        until("the request arrives", lambda: any(b"\x03" in line.received for line in self.screen.lines))
        self.screen.newest.send(raw_update())
        self.assertEqual(raw_update(), client.read(len(raw_update())))

    def test_asked_for_the_ticket(self) -> None:
        """Nothing, and a wrong ticket, look the same; the connection stays for a better one."""
        client = self.connect().say(b"CONNECT console:1 HTTP/1.1\r\nHost: console:1\r\n\r\n")
        first = client.head()
        self.assertIn(b'\r\nProxy-Authenticate: Basic realm="consolegw"\r\n', first)
        client.say(basic("x" * 43))
        self.assertEqual(first, client.head())
        client.say(basic(self.ticket()))
        client.read(len(YES))
        self.assert_talks(client)

    def test_malformed(self) -> None:
        """Two tickets, a body or a later request are 400 and the end."""
        later = b"GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n"
        body = basic(self.ticket()).replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\nx")
        two = basic(self.ticket(), "/console?token=other")
        for request in (two, body, later + basic(self.ticket())):
            client = self.connect().say(request)
            if request.startswith(later):
                self.assertIn(b" 200 ", client.head())
            self.assertIn(b" 400 ", client.head())
            self.assertEqual(b"", client.rest())

    def test_outside_tls(self) -> None:
        """Where plain HTTP is not served a ticket is not even looked at."""
        ticket = self.ticket()
        plain = socket.create_connection(("127.0.0.1", self.gateway.port), DEADLINE)
        self.addCleanup(plain.close)
        self.assertIn(b" 403 ", Client(plain).say(basic(ticket)).rest())
        self.connect(secure=False).say(basic(ticket)).read(len(YES))

    def test_no_ticket_in_the_log(self) -> None:
        """Neither those that were let in nor the others leave their tickets anywhere."""
        good, bad = self.ticket(), secrets.token_urlsafe(32)
        for ticket in (good, bad):
            self.connect().say(java(ticket)).head()
        until("the refusal is logged", lambda: "way=connect" in self.gateway.log)
        for ticket in (good, bad):
            self.assertNotIn(ticket, self.gateway.log)
            self.assertNotIn(ticket, str(self.gateway.audit()))


class SessionTests(_Case):
    """Contract section 5, and how a connection ends."""

    def opened(self, ticket: str, *, secure: bool = True) -> Client:
        client = self.connect(secure=secure).say(basic(ticket))
        client.read(len(YES))
        self.assert_talks(client)
        return client

    def test_further_sockets(self) -> None:
        """One ticket has as many sockets as its console allows, in one session."""
        made = self.gateway.mint("line")
        clients = [self.opened(made["ticket"]) for _ in range(2)]
        ours = [one for one in self.gateway.sessions() if one["ticket_id"] == made["id"]]
        self.assertEqual(1, len(ours))
        for client in clients:
            self.assert_talks(client)

    def test_coming_back(self) -> None:
        """A client that was lost continues with the same ticket."""
        ticket = self.ticket()
        client = self.opened(ticket)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes.fromhex("0100000000000000"))
        client.socket.close()
        until("it is missed", lambda: any(one["state"] == "parked" for one in self.gateway.sessions()))
        self.opened(ticket)

    def test_revoked(self) -> None:
        """An operator's word ends it with a good-bye."""
        made = self.gateway.mint("line")
        client = self.opened(made["ticket"])
        self.gateway.call("DELETE", f"/api/v1/tickets/{made['id']}")
        client.socket.suppress_ragged_eofs = False
        self.assertEqual(b"", client.rest())

    def test_hung_up(self) -> None:
        """A machine that hangs up: its last words arrive, and the end of the connection is no good-bye."""
        client = self.opened(self.ticket())
        last = b"last words" * 1000
        self.line.newest.send(last)
        self.line.newest.close()
        client.socket.suppress_ragged_eofs = False
        self.assertEqual(last, client.read(len(last)))
        with self.assertRaisesRegex((ConnectionError, ssl.SSLError), COMES_BACK):
            client.rest()

    def test_goodbye(self) -> None:
        """A close_notify ends the session at once."""
        made = self.gateway.mint("line")
        client = self.opened(made["ticket"])
        with contextlib.suppress(ssl.SSLError):
            client.socket.unwrap()
        until("it is over", lambda: any(one["ticket_id"] == made["id"] for one in self.gateway.audit()))
        (line,) = [one for one in self.gateway.audit() if one["ticket_id"] == made["id"]]
        self.assertEqual(("finished", "connect"), (line["ending"], line["way"]))

    def test_half_close(self) -> None:
        """Behind a balancer that ends TLS a FIN crosses the gateway, the answer comes back, and both are done."""
        made = self.gateway.mint("line")
        said = secrets.token_hex(8).encode()
        client = self.connect(secure=False).say(basic(made["ticket"]))
        client.read(len(YES))
        client.say(said).socket.shutdown(socket.SHUT_WR)
        until("the machine hears it", lambda: any(said in line.received for line in self.line.lines))
        line = next(line for line in self.line.lines if said in line.received)
        line.wait_for_end()
        line.send(b"answer")
        line.close()
        self.assertEqual(b"answer", client.rest())
        until("it is over", lambda: any(one["ticket_id"] == made["id"] for one in self.gateway.audit()))
        (audit,) = [one for one in self.gateway.audit() if one["ticket_id"] == made["id"]]
        self.assertEqual("finished", audit["ending"])


class ProgramTests(_Case):
    """Programs that others wrote."""

    def curl(self, *options: str, proxy: str = "", seconds: int = 2) -> subprocess.CompletedProcess[str]:
        argv = [need("curl"), "-sS", "-v", "-m", str(seconds), "--proxy-cacert", str(self.gateway.certificate)]
        argv += ["-x", proxy or self.gateway.url, *options, "telnet://console:1"]
        return subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE, stdin=subprocess.DEVNULL)

    def test_curl(self) -> None:
        """It gets the screen's greeting, with the ticket as the password or with the URL of the ticket's answer."""
        found = self.curl("--proxy-user", f"CONSOLE:{self.ticket('screen')}")
        self.assertEqual(("RFB 003.008\n", 28), (found.stdout, found.returncode), found.stderr)
        found = self.curl(proxy=self.gateway.mint("screen")["urls"]["connect"])
        self.assertEqual("RFB 003.008\n", found.stdout, found.stderr)

    def test_curl_asks_first(self) -> None:
        """With --proxy-anyauth it asks without, and again on the same connection."""
        found = self.curl("--proxy-anyauth", "--proxy-user", f"CONSOLE:{self.ticket('screen')}")
        self.assertEqual("RFB 003.008\n", found.stdout, found.stderr)
        self.assertEqual(1, found.stderr.count("HTTP/1.1 407"))
        self.assertEqual(1, found.stderr.count("Connected to "))

    def test_curl_refused(self) -> None:
        """A wrong ticket: status 56, and 407 in its words."""
        found = self.curl("--proxy-user", f"CONSOLE:{'x' * 43}")
        self.assertEqual(56, found.returncode, found.stderr)
        self.assertIn("407", found.stderr)

    def test_socat(self) -> None:
        """Any viewer, through two of it: one for TLS, one for CONNECT."""
        directory = self.gateway.directory
        tls, local = free_port(), free_port()
        listen = "TCP-LISTEN:{},bind=127.0.0.1,reuseaddr,fork"
        to_gateway = f"OPENSSL:localhost:{self.gateway.port},cafile={self.gateway.certificate}"
        to_console = f"PROXY:127.0.0.1:console:1,proxyport={tls},proxyauth=CONSOLE:{self.ticket('line')}"
        for port, to in ((tls, to_gateway), (local, to_console)):
            program = Program(directory, f"socat-{port}", [need("socat"), listen.format(port), to])
            self.addCleanup(program.stop)
        until("socat listens", lambda: f":{local:04X} " in _listening() and f":{tls:04X} " in _listening())
        self.assert_talks(Client(socket.create_connection(("127.0.0.1", local), DEADLINE)))


def _listening() -> str:
    """Who listens, without connecting to them: a connection would take the ticket's use."""
    with open("/proc/net/tcp") as table:
        return table.read()
