"""
Every way of logging in to a VNC server, against real ones that demand it, and each failing in each way.

The client is told the same whatever the matter is; the operator's log says what.
"""

from __future__ import annotations

import hashlib
import shutil
import socket
import struct
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from unittest import SkipTest

from tests.interop.test_upstreams import UNREACHABLE, Watching, console
from tests.support.certs import Authority, write_pile
from tests.support.clients import Viewer
from tests.support.machines import Greet, Machine, rfb_of, rfb_screen, vencrypt
from tests.support.running import Gateway, Qemu, Xvnc, answers, free_port, need, until
from tests.support.sharing import shared

USER, PASSWORD, WRONG = "alice", "swordfsh", "tunafish"
PAM = next(Path("/usr/lib").glob("*/libpam_wrapper.so"), Path("missing"))
MATRIX = PAM.parent / "pam_wrapper/pam_matrix.so"
PAM_SERVICE = "consolegw-test"

TYPES = {
    "None": "none",
    "VncAuth": "vnc",
    "Plain": "plain",
    "TLSNone": "tlsnone",
    "TLSVnc": "tlsvnc",
    "TLSPlain": "tlsplain",
    "X509None": "x509none",
    "X509Vnc": "x509vnc",
    "X509Plain": "x509plain",
}
"""What Xvnc calls its types, and what the configuration calls them."""

NAMED = {name: kind for kind, name in TYPES.items()} | {"vnc": "VNC"}

OTHER = {
    "none": "vnc",
    "vnc": "none",
    "plain": "x509plain",
    "tlsnone": "x509none",
    "tlsvnc": "tlsplain",
    "tlsplain": "x509plain",
    "x509none": "x509vnc",
    "x509vnc": "x509plain",
    "x509plain": "tlsplain",
}
"""For each server's type one that it does not offer."""

WITH_PASSWORD = [name for name in OTHER if not name.endswith("none")]
WITH_TLS = [name for name in OTHER if name.startswith(("tls", "x509"))]
WITH_CERTIFICATE = [name for name in OTHER if name.startswith("x509")]


class Matrix(SimpleNamespace):
    """A gateway, what its files are called, and the servers behind it as far as they run."""

    gateway: Gateway
    directory: Path
    ports: dict[str, int]
    servers: list[Xvnc | Qemu]
    machines: list[Machine]

    def end(self) -> None:
        if hasattr(self, "gateway"):
            self.gateway.clean()
        for server in self.servers:
            server.stop()
        for machine in self.machines:
            machine.close()
        shutil.rmtree(self.directory)


def new_matrix(*servers: str) -> Matrix:
    """Files and ports; no gateway yet."""
    directory = Path(tempfile.mkdtemp(prefix="consolegw-test-"))
    authority = Authority()
    pile, der = authority.issue_der("localhost", "lab.example")
    (directory / "ca.pem").write_bytes(authority.pem)
    (directory / "other.pem").write_bytes(Authority("Another CA").pem)
    (directory / "pin").write_text("sha256:" + hashlib.sha256(der).hexdigest())
    for name, text in (("server", pile), ("client", authority.issue("gateway")), ("stranger", stranger())):
        write_pile(directory / f"{name}-key.pem", text[: text.index(b"-----BEGIN CERTIFICATE")])
        write_pile(directory / f"{name}-cert.pem", text[text.index(b"-----BEGIN CERTIFICATE") :])
    for name, password in (("right", PASSWORD), ("wrong", WRONG)):
        write_pile(directory / f"{name}.pw", password.encode())
    ports = {name: display_port() for name in servers}
    return Matrix(directory=directory, ports=ports, servers=[], machines=[])


def stranger() -> bytes:
    """A certificate of a CA that nobody knows."""
    return Authority("Another CA").issue("gateway")


def display_port() -> int:
    """A free port that has a display's number."""
    while (port := free_port()) < 5900:
        pass
    return port


def log_in(name: str, password: str = "right", **more: str) -> str:
    """The configuration's line for one way to log in; ``more`` replaces or adds keys."""
    keys = {"type": f'"{name}"'} if name in ("none", "vnc") else {"type": '"vencrypt"', "subtypes": f'["{name}"]'}
    if name.startswith("x509"):
        keys["ca"] = '"ca.pem"'
    elif name not in ("none", "vnc"):
        keys["anonymous" if name.startswith("tls") else "clear"] = "true"
    if name.endswith("plain"):
        keys["username"] = f'"{USER}"'
    if not name.endswith("none"):
        keys["password_file"] = f'"{password}.pw"'
    keys |= more
    return "security = { " + ", ".join(f"{key} = {value}" for key, value in keys.items() if value) + " }"


def start(matrix: Matrix, tables: list[str]) -> Gateway:
    """A gateway with these consoles; files are found from the matrix's directory."""
    text = "".join(tables)
    for file in matrix.directory.iterdir():
        text = text.replace(f'"{file.name}"', f'"{file}"')
    matrix.gateway = Gateway(text).start()
    return matrix.gateway


class MatrixTests(Watching):
    """What each of the classes below asks of a console."""

    matrix: Matrix

    def assert_shows(self, name: str) -> None:
        """Its screen arrives, whole."""
        viewer = self.view(name).greet()
        viewer.encodings(0)
        viewer.ask()
        pixels = sum(len(rectangle[-1]) for rectangle in viewer.rectangles())
        self.assertEqual(viewer.size[0] * viewer.size[1] * 4, pixels)
        viewer.bye()

    def assert_refused(self, name: str, *words: str) -> None:
        """The client learns nothing; one line of the log, and of this log-in, has the words."""
        before = len(self.gateway.log)
        viewer = self.view(name)
        viewer.log_in()
        self.assertEqual(UNREACHABLE, viewer.closed())
        self.assert_told(before, *words)

    def assert_told(self, before: int, *words: str) -> None:
        """The last failure since then is told to the operator in these words, without a secret."""

        def told() -> list[str]:
            return [line for line in self.gateway.log[before:].splitlines() if "upstream_failed" in line]

        until("the log says why it failed", told)
        for word in words:
            self.assertIn(word, told()[-1])
        for secret in (PASSWORD, WRONG):
            self.assertNotIn(secret, self.gateway.log)


def xvncs() -> Matrix:
    """A console for everything that is tried on Xvnc; the servers come one by one."""
    matrix = new_matrix(*OTHER, "both")
    at = {name: f"localhost:{port}" for name, port in matrix.ports.items()}
    pin = (matrix.directory / "pin").read_text()
    tables = []
    for name, other in OTHER.items():
        tables += [
            console(name, "vnc", at[name], log_in(name)),
            console(f"{name}-other", "vnc", at[name], log_in(other)),
        ]
    for name in WITH_PASSWORD:
        tables.append(console(f"{name}-wrong-password", "vnc", at[name], log_in(name, "wrong")))
    for name in WITH_CERTIFICATE:
        for what, keys in (
            ("pin", {"ca": "", "pin": f'"{pin}"'}),
            ("by-name", {"server_name": '"lab.example"'}),
            ("wrong-ca", {"ca": '"other.pem"'}),
            ("wrong-name", {"server_name": '"prod.example"'}),
            ("wrong-pin", {"ca": "", "pin": f'"sha256:{"0" * 64}"'}),
            ("untrusted", {"ca": ""}),
        ):
            tables.append(console(f"{name}-{what}", "vnc", at[name], log_in(name, **keys)))
    every = {"subtypes": "", "anonymous": "true", "clear": "true"}
    for name in ("x509vnc", "x509plain"):
        tables.append(console(f"both-{name}", "vnc", at["both"], log_in(name, **every)))
    start(matrix, tables)
    return matrix


class XvncTests(MatrixTests):
    """TigerVNC's server, which has all nine."""

    timeout = 120

    def setUp(self) -> None:
        self.matrix = shared(self, xvncs, Matrix.end)
        self.gateway = self.matrix.gateway

    def serve(self, name: str, *types: str) -> None:
        """Have the server of a type, if it is not there yet."""
        directory, port = self.matrix.directory, self.matrix.ports[name]
        if any(server.port == port for server in self.matrix.servers):
            return
        options = ["-SecurityTypes", ",".join(types or (NAMED[name].replace("VNC", "VncAuth"),))]
        options += ["-X509Cert", str(directory / "server-cert.pem"), "-X509Key", str(directory / "server-key.pem")]
        options += ["-PlainUsers", USER, "-pam_service", PAM_SERVICE]
        password = "" if name.endswith("none") else PASSWORD
        environment = self.pam() if name.endswith("plain") or types else {}
        xvnc = Xvnc(
            directory, password=password, geometry="320x200", options=options, port=port, environment=environment
        )
        self.matrix.servers.append(xvnc)

    def pam(self) -> dict[str, str]:
        """A PAM of the test's own, with one user; the system's is not touched."""
        if not MATRIX.exists():
            raise SkipTest("libpam-wrapper is not installed")
        services = self.matrix.directory / "pam.d"
        if not services.exists():
            services.mkdir()
            users = self.matrix.directory / "users"
            write_pile(users, f"{USER}:{PASSWORD}:{PAM_SERVICE}\n".encode())
            lines = [f"{what} required {MATRIX} passdb={users}\n" for what in ("auth", "account")]
            (services / PAM_SERVICE).write_text("".join(lines))
        return {"LD_PRELOAD": str(PAM), "PAM_WRAPPER": "1", "PAM_WRAPPER_SERVICE_DIR": str(services)}

    def check(self, name: str) -> None:
        """One type: it opens; it does not with a wrong password, nor with a type that is not offered."""
        self.serve(name)
        self.assert_shows(name)
        if name in WITH_PASSWORD:
            self.assert_refused(f"{name}-wrong-password", "the server refused the log-in")
        offered, wanted = NAMED[name], NAMED[OTHER[name]]
        shown = offered if name in ("none", "vnc") else "VeNCrypt"
        if shown == "VeNCrypt" and wanted != "VNC":
            shown += f"({offered})"
        self.assert_refused(f"{name}-other", f"the server offers {shown}; configured: {wanted}")

    def check_certificates(self, name: str) -> None:
        """The same with a certificate: by its CA, another name of it, a pin; and none of them when wrong."""
        self.check(name)
        self.assert_shows(f"{name}-pin")
        self.assert_shows(f"{name}-by-name")
        self.assert_refused(f"{name}-wrong-ca", "not signed by the configured CA")
        self.assert_refused(f"{name}-wrong-name", "the certificate is for localhost, lab.example, not prod.example")
        self.assert_refused(f"{name}-wrong-pin", "does not match the pin; it is sha256:")
        self.assert_refused(f"{name}-untrusted", "not signed by a CA that is trusted here")

    def test_none(self) -> None:
        """No log-in at all."""
        self.check("none")

    def test_vnc(self) -> None:
        """VNC's own password."""
        self.check("vnc")

    def test_plain(self) -> None:
        """User name and password in clear."""
        self.check("plain")

    def test_tls_none(self) -> None:
        """Anonymous TLS alone."""
        self.check("tlsnone")

    def test_tls_vnc(self) -> None:
        """Anonymous TLS and VNC's password."""
        self.check("tlsvnc")

    def test_tls_plain(self) -> None:
        """Anonymous TLS, user name and password."""
        self.check("tlsplain")

    def test_x509_none(self) -> None:
        """TLS with a certificate, alone."""
        self.check_certificates("x509none")

    def test_x509_vnc(self) -> None:
        """TLS with a certificate, and VNC's password."""
        self.check_certificates("x509vnc")

    def test_x509_plain(self) -> None:
        """TLS with a certificate, user name and password."""
        self.check_certificates("x509plain")

    def test_the_strongest_is_taken(self) -> None:
        """A server that has them all gets the strongest that is configured, whatever its order."""
        self.serve("both", *TYPES)
        log = self.matrix.servers[-1].program
        for name in ("x509vnc", "x509plain"):
            self.assert_shows(f"both-{name}")
            until("the server says", lambda name=name: f"security type {NAMED[name]}" in log.output)


def qemus() -> Matrix:
    """A console for everything that is tried on QEMU."""
    matrix = new_matrix("x509none", "x509vnc", "tlsnone", "tlsvnc")
    at = {name: f"localhost:{port}" for name, port in matrix.ports.items()}
    shown = {"client_cert": '"client-cert.pem"', "client_key": '"client-key.pem"'}
    strange = {"client_cert": '"stranger-cert.pem"', "client_key": '"stranger-key.pem"'}
    tables = []
    for name in ("x509none", "x509vnc"):
        tables += [
            console(name, "vnc", at[name], log_in(name, **shown)),
            console(f"{name}-without", "vnc", at[name], log_in(name)),
            console(f"{name}-stranger", "vnc", at[name], log_in(name, **strange)),
            console(f"{name}-wrong-ca", "vnc", at[name], log_in(name, **shown, **{"ca": '"other.pem"'})),
        ]
    for name in ("tlsnone", "tlsvnc"):
        tables.append(console(name, "vnc", at[name], log_in(name)))
    for name in ("x509vnc", "tlsvnc"):
        more = shown if name == "x509vnc" else {}
        tables.append(console(f"{name}-wrong-password", "vnc", at[name], log_in(name, "wrong", **more)))
    start(matrix, tables)
    return matrix


class QemuTests(MatrixTests):
    """QEMU's server, which can want a certificate of the client's."""

    timeout = 120

    def setUp(self) -> None:
        self.matrix = shared(self, qemus, Matrix.end)
        self.gateway = self.matrix.gateway

    def serve(self, name: str) -> None:
        """Have the server of a type, if it is not there yet."""
        directory, port = self.matrix.directory, self.matrix.ports[name]
        if any(server.port == port for server in self.matrix.servers):
            return
        files = directory / "qemu"
        if not files.exists():
            files.mkdir()
            for source, file in (("ca", "ca-cert"), ("server-cert", "server-cert"), ("server-key", "server-key")):
                shutil.copy(directory / f"{source}.pem", files / f"{file}.pem")
        kind = f"x509,verify-peer=on,dir={files}" if name.startswith("x509") else "anon"
        options = ["-S", "-object", f"tls-creds-{kind},id=tls0,endpoint=server"]
        display = ",tls-creds=tls0"
        if name.endswith("vnc"):
            options += ["-object", f"secret,id=pw,file={directory / 'right.pw'}"]
            display += ",password-secret=pw"
        self.matrix.servers.append(Qemu(directory, *options, display=display, port=port))

    def check_client_certificate(self, name: str) -> None:
        """Our certificate opens it; none, one of another CA, and a CA that is not the server's do not."""
        self.serve(name)
        self.assert_shows(name)
        self.assert_refused(f"{name}-without", "asked for a client certificate, and none is configured (client_cert)")
        self.assert_refused(f"{name}-wrong-ca", "not signed by the configured CA")
        # It hangs up without a word, as if it were restarted: that is tried again for a while.
        before = len(self.gateway.log)
        viewer = self.view(f"{name}-stranger")
        viewer.log_in()
        self.assert_told(before, "asked for a client certificate, and was shown the configured one")

    def test_x509_none(self) -> None:
        """TLS with certificates on both sides."""
        self.check_client_certificate("x509none")

    def test_x509_vnc(self) -> None:
        """The same, and a password."""
        self.check_client_certificate("x509vnc")
        self.assert_refused("x509vnc-wrong-password", "the server refused the log-in")

    def test_tls_none(self) -> None:
        """Anonymous TLS alone."""
        self.serve("tlsnone")
        self.assert_shows("tlsnone")

    def test_tls_vnc(self) -> None:
        """Anonymous TLS and a password."""
        self.serve("tlsvnc")
        self.assert_shows("tlsvnc")
        self.assert_refused("tlsvnc-wrong-password", "the server refused the log-in")


NUMBERS = {"x509none": 260, "x509vnc": 261, "x509plain": 262, "tlsnone": 257, "tlsvnc": 258, "tlsplain": 259}

FATAL_ALERT = b"\x15\x03\x03\x00\x02\x02\x28"
"""A TLS alert: handshake_failure."""


def hang_up(connection: socket.socket) -> None:
    """Take the ClientHello and close."""
    connection.recv(65536)
    connection.close()


def cut(connection: socket.socket) -> None:
    """Take the ClientHello and reset the connection."""
    connection.recv(65536)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def say(data: bytes) -> Greet:
    """Answer the ClientHello with this."""

    def then(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(data)
        connection.recv(65536)

    return then


def only_vnc(connection: socket.socket) -> None:
    """Go on as a server of whose types VNC was chosen."""
    connection.sendall(bytes(range(16)))
    assert connection.recv(16)
    connection.sendall(bytes(4))
    connection.recv(1)
    connection.sendall(rfb_screen(b"vnc"))


OLD = ("003003", "003005", "003006", "003007", "003008", "003130", "003889", "004000", "004001", "005000")
"""Versions that servers were seen to announce (protocols.md §5.1), and one that none was."""


def fakes() -> Matrix:
    """Servers of our own, which do what no good one does."""
    matrix = new_matrix()
    tables = []

    def add(name: str, greet: Greet, *lines: str) -> None:
        machine = Machine(greet)
        matrix.machines.append(machine)
        tables.append(console(name, "vnc", f"localhost:{machine.port}", *lines))

    for name in WITH_TLS:
        for what, then in (
            ("hangs-up", hang_up),
            ("cuts", cut),
            ("alerts", say(FATAL_ALERT)),
            ("babbles", say(b"220 inside.example ESMTP\r\n")),
        ):
            add(f"{name}-{what}", vencrypt(NUMBERS[name], then), log_in(name))
        add(f"{name}-early", vencrypt(NUMBERS[name], say(b""), word=b"\1\x16\x03\x03"), log_in(name))
        add(f"{name}-no", vencrypt(NUMBERS[name], say(b""), word=b"\0"), log_in(name))
    every = {"subtypes": ""}
    add("beside", vencrypt(262, only_vnc, beside=b"\x02"), log_in("x509vnc", **every, clear="true"))
    add("beside-not-allowed", vencrypt(262, only_vnc, beside=b"\x02"), log_in("x509vnc", **every))
    for version in OLD:
        greeting = f"RFB {version[:3]}.{version[3:]}\n".encode()
        add(f"none-{version}", rfb_of(greeting), log_in("none"))
        add(f"vnc-{version}", rfb_of(greeting, PASSWORD.encode()), log_in("vnc"))
        add(f"wrong-{version}", rfb_of(greeting, PASSWORD.encode()), log_in("vnc", "wrong"))
    for name, first in (("repeater", b"RFB 000.000\n"), ("ancient", b"RFB 002.002\n"), ("no-rfb", b"SSH-2.0-Open\n")):
        add(name, rfb_of(first), log_in("none"))
    start(matrix, tables)
    return matrix


class FakeTests(MatrixTests):
    """Servers that break off, and such as are old or strange."""

    timeout = 120

    def setUp(self) -> None:
        self.matrix = shared(self, fakes, Matrix.end)
        self.gateway = self.matrix.gateway

    def test_tls_broken_off(self) -> None:
        """TLS that a server does not speak ends it at once, under every type that has TLS."""
        for name in WITH_TLS:
            self.assert_refused(f"{name}-alerts", "TLS failed: ", "handshake failure")
            self.assert_refused(f"{name}-babbles", "TLS failed: ")
            self.assert_refused(f"{name}-early", "bytes came in the clear where TLS begins")
            self.assert_refused(f"{name}-no", "the server refused to begin with TLS")

    def test_lost_in_tls(self) -> None:
        """A server that goes in the middle of TLS may come back: it is tried for a while, and then given up."""
        names = [f"{name}-{what}" for name in WITH_TLS for what in ("hangs-up", "cuts")]
        before = len(self.gateway.log)
        viewers = [self.view(name) for name in names]
        for viewer in viewers:
            viewer.log_in()
        with ThreadPoolExecutor(len(viewers)) as threads:
            self.assertEqual({UNREACHABLE}, set(threads.map(Viewer.closed, viewers)))
        lines = [line for line in self.gateway.log[before:].splitlines() if "upstream_failed" in line]
        self.assertGreater(len(lines), 2 * len(names))
        for line in lines:
            self.assertIn("the connection was lost while TLS began", line)

    def test_once_more_without_vencrypt(self) -> None:
        """What VeNCrypt has not, and was offered beside it, is taken by a second connection if it is configured."""
        self.view("beside").greet()
        self.assert_refused("beside-not-allowed", "the server offers VNC, VeNCrypt(X509Plain); configured: X509Vnc")

    def test_every_version(self) -> None:
        """RFB 3.3 to 5.0, with a password, without one and with a wrong one."""
        for version in OLD:
            for name in ("none", "vnc"):
                self.view(f"{name}-{version}").greet().bye()
            self.assert_refused(f"wrong-{version}", "the server refused the log-in")

    def test_no_server(self) -> None:
        """What is no server of VNC is called by its name."""
        self.assert_refused("repeater", "this is a VNC repeater, not a server")
        self.assert_refused("ancient", "RFB 2.2 is not supported")
        self.assert_refused("no-rfb", "this is not RFB")


def x11vncs() -> Matrix:
    """The same screen by three versions, with and without a password."""
    need("x11vnc")
    kinds = [f"{name}-{version}" for name in ("none", "vnc") for version in ("33", "37", "38")]
    matrix = new_matrix("screen", *kinds)
    screen = Xvnc(matrix.directory, geometry="320x200", port=matrix.ports.pop("screen"))
    matrix.servers.append(screen)
    try:
        start(matrix, list(served(matrix, screen)))
    except BaseException:
        matrix.end()
        raise
    return matrix


def served(matrix: Matrix, screen: Xvnc) -> Iterator[str]:
    """Serve the screen by each version, and tell the consoles for it."""
    for name, port in matrix.ports.items():
        kind, _, version = name.partition("-")
        argv = ["x11vnc", "-display", screen.display_name, "-rfbport", str(port), "-rfbversion", ".".join(version)]
        argv += ["-localhost", "-no6", "-forever", "-shared", "-quiet", "-noshm", "-noxdamage"]
        argv += ["-nopw"] if kind == "none" else ["-passwdfile", str(matrix.directory / "right.pw")]
        screen.run(*argv).wait_for(lambda port=port: answers(port), "takes connections")
        yield console(name, "vnc", f"127.0.0.1:{port}", log_in(kind))
        yield console(f"{name}-wrong", "vnc", f"127.0.0.1:{port}", log_in("vnc", "wrong"))


class X11vncTests(MatrixTests):
    """A server that speaks the old versions."""

    timeout = 120

    def setUp(self) -> None:
        self.matrix = shared(self, x11vncs, Matrix.end)
        self.gateway = self.matrix.gateway

    def test_old_versions(self) -> None:
        """RFB 3.3, 3.7 and 3.8: no log-in, a password, a wrong one, and one where none is wanted."""
        for version in ("33", "37", "38"):
            self.assert_shows(f"none-{version}")
            self.assert_shows(f"vnc-{version}")
            self.assert_refused(f"vnc-{version}-wrong", "the server refused the log-in")
            self.assert_refused(f"none-{version}-wrong", "the server offers None", "configured: VNC")
