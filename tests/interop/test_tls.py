"""
TLS as clients see it at a real gateway: names, versions, reload under live sessions, and handshakes cut anywhere.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import struct
from collections.abc import Callable

from twisted.trial.unittest import SynchronousTestCase

from gateway.net.handshakes import AT_ONCE
from tests.support.certs import Authority, write_pile
from tests.support.running import Gateway, until
from tests.support.tls_talk import client_hello
from tests.support.wires import UNBOUNDED, Console, Viewer, Wire, echo, faultless, settled, shared

_console = Console(echo)
_gateway = shared(
    lambda: Gateway(_console.table("echo"), listen='plaintext = "serve"', more=UNBOUNDED).start(),
)
VERSIONS = (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)
CUTS: tuple[Callable[[Wire], None], ...] = (Wire.close, Wire.reset)


def speaking(version: ssl.TLSVersion, *protocols: str) -> ssl.SSLContext:
    """A client that speaks one version only, and offers these protocols."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def shown(port: int, name: str) -> bytes:
    """The certificate that a client asking for ``name`` gets."""
    wire = Wire(port, True, name)
    certificate = wire.socket.getpeercert(binary_form=True)
    wire.close()
    return certificate


def records(data: bytes) -> list[bytes]:
    """The TLS records of what a client sent."""
    found = []
    while data:
        (size,) = struct.unpack("!H", data[3:5])
        found.append(data[: 5 + size])
        data = data[5 + size :]
    return found


class Cut:
    """A real TLS client whose records are sent one by one, up to the ``last`` one, or a half of that."""

    def __init__(self, port: int, version: ssl.TLSVersion, last: int, half: bool) -> None:
        self.wire = Wire(port)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = speaking(version).wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")
        self._left, self._half = last, half
        self.sent = 0

    def run(self) -> Cut:
        """Shake hands and send a request, as far as it goes; :attr:`sent` records went out whole."""
        try:
            while not self._step(self._tls.do_handshake):
                self._incoming.write(self.wire.hear())
            self._tls.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self._flush()
            while not self._step(lambda: self._tls.read(4096)):
                self._incoming.write(self.wire.hear())
            self._step(self._tls.unwrap)
        except StopIteration:
            pass
        return self

    def _step(self, what: Callable[[], object]) -> bool:
        try:
            what()
            done = True
        except ssl.SSLWantReadError:
            done = False
        self._flush()
        return done

    def _flush(self) -> None:
        for record in records(self._outgoing.read()):
            if not self._left:
                if self._half:
                    self.wire.send(record[: len(record) // 2])
                raise StopIteration
            self.wire.send(record)
            self._left -= 1
            self.sent += 1


class HandshakeTests(SynchronousTestCase):
    """Versions, protocols, and clients that do not go through with it."""

    timeout = 60

    def setUp(self) -> None:
        self.gateway = _gateway()
        self.addCleanup(lambda: faultless(self.gateway))

    def test_versions(self) -> None:
        """TLS 1.2 and 1.3 are spoken, and nothing older."""
        for version in VERSIONS:
            viewer = Viewer(self.gateway.port, self.gateway.mint("echo")["ticket"], speaking(version))
            self.assertEqual(viewer.socket.version(), version.name.replace("_", "."))
            viewer.echoed()
            viewer.close()
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.assertRaises(ssl.SSLError) as refused:
                Wire(self.gateway.port, speaking(version))
            self.assertEqual(refused.exception.reason, "TLSV1_ALERT_PROTOCOL_VERSION")

    def test_protocols(self) -> None:
        """http/1.1 is chosen wherever it is offered, and h2 never, not even alone."""
        offers = {("h2", "http/1.1"): "http/1.1", ("http/1.1",): "http/1.1", ("h2",): None, (): None}
        for version in VERSIONS:
            for offered, chosen in offers.items():
                wire = Wire(self.gateway.port, speaking(version, *offered))
                self.assertEqual(wire.socket.selected_alpn_protocol(), chosen)
                wire.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertTrue(wire.head().startswith(b"HTTP/1.1 200 "))
                wire.close()

    def test_garbage_behind_a_hello(self) -> None:
        """What is no TLS behind a ClientHello ends the handshake, at once."""
        hello = client_hello()
        for garbage in (
            b"GET / HTTP/1.1\r\n\r\n",
            os.urandom(4000),
            b"\x16\x03\x01\x40\x00" + os.urandom(20_000),
            hello,
        ):
            wire = Wire(self.gateway.port)
            wire.send(hello + garbage)
            wire.socket.settimeout(3)
            wire.rest()
            wire.close()
        settled(self.gateway)

    def test_garbage_instead_of_a_hello(self) -> None:
        """Records that begin no ClientHello are refused before any TLS is made of them."""
        hello = client_hello()
        for data in (
            b"\x16\x03\x01\x40\x01" + bytes(100),
            b"\x16\x03\x01\x00\x00" * 20,
            b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
            b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
            hello[:5] + bytes(len(hello) - 5),
            b"\x16\x03\x01\x00\x01\x01" * 20,
            b"\x15\x03\x01\x00\x02\x01\x00",
        ):
            wire = Wire(self.gateway.port)
            wire.send(data)
            wire.socket.settimeout(3)
            self.assertEqual(wire.rest(), b"")
            wire.close()
        settled(self.gateway)

    def test_cut_at_every_record(self) -> None:
        """A client that goes at any record, or within one, with FIN or RST, leaves nothing behind."""
        other = Viewer(self.gateway.port, self.gateway.mint("echo")["ticket"])
        for version in VERSIONS:
            whole = Cut(self.gateway.port, version, 100, False).run()
            whole.wire.close()
            self.assertGreaterEqual(whole.sent, 4)
            for last in range(whole.sent + 1):
                for half in (False, True):
                    for leave in CUTS:
                        cut = Cut(self.gateway.port, version, last, half).run()
                        leave(cut.wire)
                        self.assertEqual(cut.sent, last)
            other.echoed()
        settled(self.gateway, 1)
        other.close()
        settled(self.gateway)

    def test_a_handshake_that_is_over_takes_no_place(self) -> None:
        """After more handshakes than may be under way at once, the first client is still there."""
        first = Viewer(self.gateway.port, self.gateway.mint("echo")["ticket"])
        for _ in range(AT_ONCE + 1):
            Wire(self.gateway.port, True).close()
        first.echoed()
        first.close()
        settled(self.gateway)

    def test_half_closed(self) -> None:
        """A FIN without a close_notify ends a session's connection, at once."""
        for version in VERSIONS:
            viewer = Viewer(self.gateway.port, self.gateway.mint("echo")["ticket"], speaking(version))
            viewer.echoed()
            viewer.socket.shutdown(socket.SHUT_WR)  # of the TCP connection below
            viewer.socket.settimeout(5)
            viewer.rest()
            viewer.close()
        settled(self.gateway)


class CertificateTests(SynchronousTestCase):
    """Which one is shown, and new ones for a running gateway."""

    timeout = 60

    def setUp(self) -> None:
        self.gateway = Gateway(_console.table("echo"), more=UNBOUNDED)
        self.keys = self.gateway.directory / "keys"
        self.keys.mkdir(mode=0o700)
        self.write("default.pem", "localhost")
        self.gateway.start()
        self.addCleanup(self.gateway.clean)

    def write(self, file: str, *names: str) -> bytes:
        """Put a new pile in the place of a file, as a careful operator does; its certificate."""
        pile = Authority().self_signed(*names)
        fresh = write_pile(self.keys / f"{file}.new", pile)
        fresh.rename(self.keys / file)
        return ssl.PEM_cert_to_DER_cert(pile[pile.index(b"-----BEGIN CERT") :].decode())

    def hang_up(self) -> None:
        os.kill(self.gateway.pid, signal.SIGHUP)

    def test_names(self) -> None:
        """SNI picks HOST.pem, or the wildcard's, or the default; case and final dots do not matter."""
        default = shown(self.gateway.port, "localhost")
        own = self.write("a.example.com.pem", "a.example.com")
        wild = self.write("_.example.com.pem", "*.example.com")
        self.hang_up()
        until("the new names", lambda: shown(self.gateway.port, "a.example.com") == own)
        for name, certificate in {
            "A.Example.Com": own,
            "b.example.com": wild,
            "c.b.example.com": default,
            "example.com": default,
            "elsewhere.test": default,
            "_": default,
            "127.0.0.1": default,
        }.items():
            self.assertEqual(shown(self.gateway.port, name), certificate, name)

    def test_reload(self) -> None:
        """New handshakes get the new certificate, on SIGHUP and on change; old sessions live on through both."""
        viewer = Viewer(self.gateway.port, self.gateway.mint("echo")["ticket"])
        old = viewer.socket.getpeercert(binary_form=True)
        for notify in (self.hang_up, lambda: None):
            new = self.write("default.pem", "localhost")
            notify()
            until("the new certificate", lambda new=new: shown(self.gateway.port, "localhost") == new, 10)
            self.assertNotEqual(new, old)
            viewer.echoed()
        viewer.close()
        faultless(self.gateway)

    def test_a_broken_file_keeps_the_old_one(self) -> None:
        """Cut files, files without a key, of another's key, or gone: the old ones stay, and the log says so."""
        own = self.write("own.example.com.pem", "own.example.com")
        self.hang_up()
        until("the new name", lambda: shown(self.gateway.port, "own.example.com") == own)
        default = shown(self.gateway.port, "localhost")
        pile = (self.keys / "default.pem").read_bytes()
        certificate = pile.index(b"-----BEGIN CERT")
        for broken in (
            b"",
            b"junk",
            pile[: certificate + 100],
            pile[certificate:],
            pile[:certificate],
            os.urandom(300_000),
        ):
            lines = self.gateway.log.count("certificate_kept")
            for file in ("default.pem", "own.example.com.pem"):
                write_pile(self.keys / file, broken)
            self.hang_up()
            until("both are told", lambda lines=lines: self.gateway.log.count("certificate_kept") >= lines + 2)
            self.assertIn("default.pem", self.gateway.log)
            self.assertEqual(shown(self.gateway.port, "localhost"), default)
            self.assertEqual(shown(self.gateway.port, "own.example.com"), own)
        self.assertNotIn(pile.splitlines()[1].decode(), faultless(self.gateway))

    def test_a_broken_file_stops_a_start(self) -> None:
        """At the start there is nothing to keep: status 1 and one line that names the file."""
        self.gateway.stop()
        (self.keys / "default.pem").write_bytes(b"junk")
        with self.assertRaises(AssertionError):
            self.gateway.start()
        self.assertEqual(self.gateway.program.process.returncode, 1)
        last = self.gateway.log.splitlines()[-1]
        self.assertIn("default.pem", last)
        self.assertNotIn("Traceback", self.gateway.log)

    def test_the_oldest_version_can_be_raised(self) -> None:
        """``minimum = "1.3"`` refuses 1.2."""
        self.gateway.stop()
        text = self.gateway.config.read_text()
        self.gateway.config.write_text(f'{text}\n[tls]\nminimum = "1.3"\n')
        self.gateway.start()
        Wire(self.gateway.port, speaking(ssl.TLSVersion.TLSv1_3)).close()
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            Wire(self.gateway.port, speaking(ssl.TLSVersion.TLSv1_2))
