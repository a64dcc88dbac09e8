"""
Upstreams of every sort behind a running gateway: how machines are reached, and that nothing of the inside gets out.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from twisted.trial.unittest import SynchronousTestCase

from tests.support.certs import Authority, write_pile
from tests.support.clients import Viewer, WebClient
from tests.support.machines import INSIDE, Machine, desktop_name, raw_update, rfb_closed, rfb_open, rfb_refusing
from tests.support.running import Gateway, Xvnc, free_port, until
from tests.support.sharing import shared

UNREACHABLE = (1011, "The machine's console could not be reached.")


def console(name: str, kind: str, address: str, *more: str) -> str:
    """One table of a configuration; an address is quoted unless it is a list."""
    shown = address if address.startswith("['") else f'"{address}"'
    return "\n".join([f"[console.{name}]", f'kind = "{kind}"', f"address = {shown}", *more, ""])


class Behind(SimpleNamespace):
    """A gateway, and what is behind it."""

    gateway: Gateway
    directory: Path
    machines: dict[str, Machine]
    servers: Sequence[Xvnc] = ()

    def end(self) -> None:
        self.gateway.clean()
        for machine in self.machines.values():
            machine.close()
        for server in self.servers:
            server.stop()
        shutil.rmtree(self.directory)


def bytes_of_all_sorts() -> Behind:
    """Raw consoles over everything that can carry them."""
    directory = Path(tempfile.mkdtemp(prefix="consolegw-test-"))
    authority = Authority()
    pile, der = authority.issue_der("localhost", "lab.example")
    (directory / "ca.pem").write_bytes(authority.pem)
    (directory / "other.pem").write_bytes(Authority("Another CA").pem)
    tls = Machine(pile=write_pile(directory / "lab.pem", pile))
    tcp, unix, six = Machine(), Machine(path=directory / "lab.sock"), Machine(host="::1")
    address, ca = f"localhost:{tls.port}", directory / "ca.pem"
    sha256, sha1 = hashlib.sha256(der).hexdigest(), hashlib.sha1(der).hexdigest()
    tables = [
        console("tcp", "raw", tcp.address),
        console("serial", "serial", tcp.address),
        console("name", "raw", f"localhost:{tcp.port}"),
        console("six", "raw", six.address),
        console("unix", "serial", unix.address),
        console("turn", "raw", f"['127.0.0.1:{free_port()}', '{tcp.address}']"),
        console("tls-ca", "raw", address, f'tls = {{ ca = "{ca}" }}'),
        console("tls-name", "raw", tls.address, f'tls = {{ ca = "{ca}", server_name = "lab.example" }}'),
        console("tls-sha256", "raw", tls.address, f'tls = {{ pin = "sha256:{sha256}" }}'),
        console("tls-sha1", "raw", tls.address, f'tls = {{ pin = "sha1:{sha1}" }}'),
        console("tls-wrong-pin", "raw", address, f'tls = {{ pin = "sha256:{"0" * 64}" }}'),
        console("tls-wrong-name", "raw", address, f'tls = {{ ca = "{ca}", server_name = "prod.example" }}'),
        console("tls-wrong-ca", "raw", address, f'tls = {{ ca = "{directory / "other.pem"}" }}'),
        console("tls-untrusted", "raw", address, "tls = true"),
    ]
    machines = {"tcp": tcp, "unix": unix, "six": six, "tls": tls}
    return Behind(gateway=Gateway("".join(tables)).start(), directory=directory, machines=machines)


class Watching(SynchronousTestCase):
    """What every client sees here is looked through."""

    timeout = 60
    gateway: Gateway

    def open(self, name: str) -> WebClient:
        """A client on a console."""
        client = WebClient(self.gateway, f"/?token={self.gateway.mint(name)['ticket']}")
        self.addCleanup(self.look_through, client)
        return client

    def view(self, name: str) -> Viewer:
        """An RFB client on a console."""
        viewer = Viewer(self.gateway, f"/?token={self.gateway.mint(name)['ticket']}")
        self.addCleanup(self.look_through, viewer)
        return viewer

    def look_through(self, client: WebClient) -> None:
        """No byte that the client was sent names the inside."""
        client.socket.close()
        for word in (INSIDE.encode(), b"127.0.0.1", b"localhost:"):
            self.assertNotIn(word, client.seen)

    def told(self, console: str, closing: tuple[int, str], *words: str) -> None:
        """The client hears this much, and the operator's log has the rest."""
        client = self.open(console)
        self.assertEqual(closing, client.closed())
        for word in words:
            until(f"the log says {word!r}", lambda word=word: word in self.gateway.log)


class ByteTests(Watching):
    """Bytes over TCP, unix sockets and TLS."""

    def setUp(self) -> None:
        behind = shared(self, bytes_of_all_sorts, Behind.end)
        self.gateway, self.machines = behind.gateway, behind.machines

    def assert_carries(self, name: str, machine: str) -> None:
        """A console carries bytes both ways, whatever they are, to the machine that is meant."""
        before = len(self.machines[machine].lines)
        client = self.open(name)
        everything = bytes(range(256)) * 64 + name.encode()
        client.send(everything)
        line = self.machines[machine].line(before)
        line.wait_for(name.encode())
        self.assertEqual(everything, line.received)
        line.send(everything[::-1])
        self.assertEqual(everything[::-1], client.read(len(everything)))
        client.bye()
        line.wait_for_end()

    def test_tcp(self) -> None:
        """A raw and a serial console at an IPv4 address."""
        self.assert_carries("tcp", "tcp")
        self.assert_carries("serial", "tcp")

    def test_unix(self) -> None:
        """A console on a socket path."""
        self.assert_carries("unix", "unix")

    def test_ipv6(self) -> None:
        """A console at ::1."""
        self.assert_carries("six", "six")

    def test_name(self) -> None:
        """A console at a host name, which has an address where nobody listens too (::1)."""
        self.assert_carries("name", "tcp")

    def test_in_turn(self) -> None:
        """Of several addresses the first refuses, and the second is taken."""
        self.assert_carries("turn", "tcp")

    def test_tls(self) -> None:
        """TLS by a CA and the host's name, by a CA and another name, and by a pin of either sort."""
        for name in ("tls-ca", "tls-name", "tls-sha256", "tls-sha1"):
            self.assert_carries(name, "tls")

    def test_wrong_certificates(self) -> None:
        """A wrong pin, name or CA and a CA that nobody knows end it at once; only the operator learns why."""
        self.told("tls-wrong-pin", UNREACHABLE, "does not match the pin")
        self.told("tls-wrong-name", UNREACHABLE, "not prod.example")
        self.told("tls-wrong-ca", UNREACHABLE, "not signed by the configured CA")
        self.told("tls-untrusted", UNREACHABLE, "upstream_failed")
        self.assertEqual([], [line for line in self.machines["tls"].lines if b"tls-" not in line.received])

    def test_a_large_answer_and_an_end(self) -> None:
        """A machine that says a megabyte and hangs up: all of it comes before the close."""
        before = len(self.machines["tcp"].lines)
        client = self.open("tcp")
        line = self.machines["tcp"].line(before)
        line.send(b"x" * (1 << 20))
        line.close()
        self.assertEqual(b"x" * (1 << 20), client.read(1 << 20))
        self.assertEqual((1012, "The connection to the machine was lost; please come back."), client.closed())


def screens() -> Behind:
    """RFB servers of our own, which are worse than any real one."""
    directory = Path(tempfile.mkdtemp(prefix="consolegw-test-"))
    (directory / "lab.pw").write_text("swordfsh\n")
    (directory / "lab.pw").chmod(0o600)
    reason = f"authentication failed on {INSIDE}".encode()
    machines = {"open": Machine(rfb_open), "refusing": Machine(rfb_refusing(reason)), "closed": Machine(rfb_closed)}
    security = f'security = {{ password_file = "{directory / "lab.pw"}" }}'
    tables = [
        console("open", "vnc", machines["open"].address),
        console("refusing", "vnc", machines["refusing"].address, security),
        console("closed", "vnc", machines["closed"].address),
        console("asking", "vnc", machines["refusing"].address),
    ]
    return Behind(gateway=Gateway("".join(tables)).start(), directory=directory, machines=machines)


class ScreenTests(Watching):
    """RFB servers that tell of themselves."""

    def setUp(self) -> None:
        behind = shared(self, screens, Behind.end)
        self.gateway, self.machines = behind.gateway, behind.machines

    def test_names(self) -> None:
        """ServerInit and each DesktopName say the console's name; the picture is the machine's."""
        before = len(self.machines["open"].lines)
        viewer = self.view("open").greet()
        self.assertEqual(b"open", viewer.name)
        line = self.machines["open"].line(before)
        viewer.encodings(0, -307)
        viewer.ask()
        line.wait_for(b"\x03\x00\x00\x00\x00\x00\x00\x10\x00\x10")
        line.send(desktop_name(f"{INSIDE}:5901".encode()) + raw_update() + desktop_name(b""))
        self.assertEqual([(0, 0, 0, 0, -307, b"open")], viewer.rectangles())
        self.assertEqual(1024, len(viewer.rectangles()[0][-1]))
        self.assertEqual([(0, 0, 0, 0, -307, b"open")], viewer.rectangles())

    def test_reasons_stay_inside(self) -> None:
        """A server's own words of refusal reach the log, and no client."""
        for name in ("refusing", "closed", "asking"):
            viewer = self.view(name)
            viewer.log_in()
            self.assertEqual(UNREACHABLE, viewer.closed())
        self.assertIn(INSIDE, self.gateway.log)
        self.assertNotIn("swordfsh", self.gateway.log)

    def test_nonsense(self) -> None:
        """A server that breaks the protocol ends the session with 1011, in words that say nothing of it."""
        before = len(self.machines["open"].lines)
        viewer = self.view("open").greet()
        self.machines["open"].line(before).send(b"\xee" + INSIDE.encode())
        expected = (1011, "The machine's console sent something that is not understood.")
        self.assertEqual(expected, viewer.closed())
        self.assertEqual(["upstream-error"], [line["ending"] for line in self.gateway.audit()][-1:])


def real_servers() -> Behind:
    """Two of TigerVNC's: without a log-in, and with a password."""
    directory = Path(tempfile.mkdtemp(prefix="consolegw-test-"))
    for name, password in (("right", "swordfsh"), ("wrong", "tunafish")):
        (directory / f"{name}.pw").write_text(password + "\n")
        (directory / f"{name}.pw").chmod(0o600)
    free = Xvnc(directory)
    closed = Xvnc(directory, password="swordfsh")
    tables = [
        console("free", "vnc", f"127.0.0.1:{free.port}"),
        console("right", "vnc", f"localhost:{closed.port}", f'security.password_file = "{directory / "right.pw"}"'),
        console("wrong", "vnc", f"127.0.0.1:{closed.port}", f'security.password_file = "{directory / "wrong.pw"}"'),
    ]
    gateway = Gateway("".join(tables)).start()
    return Behind(gateway=gateway, directory=directory, machines={}, servers=(free, closed))


class XvncTests(Watching):
    """TigerVNC's server."""

    def setUp(self) -> None:
        behind = shared(self, real_servers, Behind.end)
        self.gateway, self.servers = behind.gateway, behind.servers

    def test_pictures(self) -> None:
        """Without a log-in and with the right password, which the client never gives, the screen arrives."""
        for name in ("free", "right"):
            viewer = self.view(name).greet()
            self.assertEqual((name.encode(), (640, 480)), (viewer.name, viewer.size))
            viewer.encodings(0)
            viewer.ask()
            pixels = sum(len(rectangle[-1]) for rectangle in viewer.rectangles())
            self.assertEqual(640 * 480 * 4, pixels)
            viewer.bye()

    def test_wrong_password(self) -> None:
        """With a wrong one the client sees 1011 and no detail; the operator's log tells, but not the password."""
        viewer = self.view("wrong")
        viewer.log_in()
        self.assertEqual(UNREACHABLE, viewer.closed())
        until("the log tells", lambda: "upstream_failed" in self.gateway.log)
        line = next(line for line in self.gateway.log.splitlines() if "upstream_failed" in line)
        self.assertIn("refused the log-in", line)
        self.assertNotIn("tunafish", self.gateway.log)

    def test_live_name(self) -> None:
        """A server that is renamed while somebody looks on is still called by the console's name."""
        viewer = self.view("free").greet()
        viewer.encodings(0, -307)
        viewer.ask()
        viewer.rectangles()
        viewer.ask(incremental=True)
        self.servers[0].do("vncconfig", "-set", f"desktop={INSIDE}:7")
        named = []
        while not named:
            named = [rectangle[-1] for rectangle in viewer.rectangles() if rectangle[4] == -307]
            viewer.ask(incremental=True)
        self.assertEqual([b"free"], named)
