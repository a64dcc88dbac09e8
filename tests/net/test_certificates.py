"""Tests of certificates by name, and of their reload."""

from __future__ import annotations

import os
import ssl
import subprocess
from pathlib import Path

from cryptography import x509
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.certificates import BadCertificates, CertificateStore, Notice
from tests.support.certs import Authority, write_pile
from tests.support.tls_talk import TlsTalk, unverified

AUTHORITY = Authority()
DEFAULT = AUTHORITY.issue("default.example.com")
LAB = AUTHORITY.issue("lab.example.com")


class _Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class StoreTests(SynchronousTestCase):
    """A directory of piles."""

    minimum = "1.2"

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.notices: list[Notice] = []
        self.put("default.pem", DEFAULT)
        self.put("lab.example.com.pem", LAB)

    def put(self, name: str, pile: bytes, mode: int = 0o600) -> None:
        # A new file each time: the clock of a file system may be coarser than a test is fast.
        temporary = self.directory / "new"
        write_pile(temporary, pile, mode)
        os.replace(temporary, self.directory / name)

    def open(self) -> CertificateStore:
        return CertificateStore(self.directory, self.minimum, self.notices.append)

    def talk(self, store: CertificateStore, name: str | None, context: ssl.SSLContext | None = None) -> TlsTalk:
        factory = TLSMemoryBIOFactory(store, False, ServerFactory.forProtocol(_Echo), Clock())
        server, transport = TLSMemoryBIOProtocol(factory, _Echo()), StringTransport()
        server.makeConnection(transport)
        return TlsTalk(server, transport, context or unverified(), name).pump()

    def shown(self, talk: TlsTalk) -> str:
        certificate = x509.load_der_x509_certificate(talk.client.getpeercert(True))
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        return names.get_values_for_type(x509.DNSName)[0]

    def test_certificate_by_name(self) -> None:
        """A server name chooses its file, whatever its case; any other, or none, gets the default."""
        store = self.open()
        for name, expected in (
            ("lab.example.com", "lab.example.com"),
            ("LAB.example.com", "lab.example.com"),
            ("other.example.com", "default.example.com"),
            (None, "default.example.com"),
        ):
            self.assertEqual(self.shown(self.talk(store, name)), expected, name)

    def test_wildcard(self) -> None:
        """A file for a whole domain serves each of its names but not the names below these."""
        self.put("_.example.net.pem", AUTHORITY.issue("*.example.net"))
        store = self.open()
        self.assertEqual(self.shown(self.talk(store, "a.example.net")), "*.example.net")
        self.assertEqual(self.shown(self.talk(store, "a.b.example.net")), "default.example.com")
        self.assertEqual(self.shown(self.talk(store, "example.net")), "default.example.com")

    def test_a_verifying_client_is_content(self) -> None:
        """A client that trusts the authority accepts the certificate for its name, and data flows."""
        talk = self.talk(self.open(), "lab.example.com", AUTHORITY.client_context())
        self.assertEqual(talk.send(b"hello").received, b"hello")

    def test_chain_is_sent(self) -> None:
        """What follows the first certificate in the file goes to the client."""
        self.put("default.pem", DEFAULT + AUTHORITY.pem)
        talk = self.talk(self.open(), None)
        sent = getattr(talk.client, "get_unverified_chain", None) or talk.client._sslobj.get_unverified_chain
        self.assertEqual(len(sent()), 2)

    def test_alpn(self) -> None:
        """http/1.1 is chosen when offered, on every name; who offers only others, or nothing, gets nothing."""
        store = self.open()
        for offered, expected in (
            (["h2", "http/1.1"], "http/1.1"),
            (["http/1.1"], "http/1.1"),
            (["h2"], None),
            (None, None),
        ):
            for name in (None, "lab.example.com"):
                context = unverified()
                if offered:
                    context.set_alpn_protocols(offered)
                talk = self.talk(store, name, context)
                self.assertTrue(talk.done)
                self.assertEqual(talk.client.selected_alpn_protocol(), expected)

    def _versions(self) -> list[str | None]:
        store, agreed = self.open(), []
        for version in (ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = unverified()
            context.minimum_version = context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")  # else the client itself gives up on the oldest
            try:
                agreed.append(self.talk(store, None, context).client.version())
            except ssl.SSLError:
                agreed.append(None)
        return agreed

    def test_oldest_version(self) -> None:
        """TLS 1.2 and 1.3 are spoken, older ones are not."""
        self.assertEqual(self._versions(), [None, "TLSv1.2", "TLSv1.3"])

    def test_capped(self) -> None:
        """The capped certificates are the same by name and after a reload, with TLS 1.2 at most."""
        store = self.open()
        for name, expected in (("lab.example.com", "lab.example.com"), (None, "default.example.com")):
            talk = self.talk(store.capped, name)
            self.assertEqual((self.shown(talk), talk.client.version()), (expected, "TLSv1.2"))
        self.put("default.pem", AUTHORITY.issue("new.example.com"))
        store.reload()
        talk = self.talk(store.capped, None)
        self.assertEqual((self.shown(talk), talk.client.version()), ("new.example.com", "TLSv1.2"))
        self.put("default.pem", b"broken")
        self.assertRaises(BadCertificates, store.reload)
        self.assertEqual(self.talk(store.capped, None).client.version(), "TLSv1.2")

    def test_nothing_is_left_below_the_cap(self) -> None:
        """With a minimum of 1.3 there is no cap."""
        self.minimum = "1.3"
        self.assertEqual(self.talk(self.open().capped, None).client.version(), "TLSv1.3")

    def test_oldest_version_can_be_raised(self) -> None:
        """With a minimum of 1.3 that alone is spoken."""
        self.minimum = "1.3"
        self.assertEqual(self._versions(), [None, None, "TLSv1.3"])

    def test_tls_1_2_is_modern(self) -> None:
        """Without forward secrecy or authenticated encryption there is no connection."""
        store = self.open()
        for ciphers in ("AES128-SHA:AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-SHA"):
            context = unverified()
            context.maximum_version = ssl.TLSVersion.TLSv1_2
            context.set_ciphers(ciphers)
            with self.assertRaises(ssl.SSLError):
                self.talk(store, None, context)

    def test_reload(self) -> None:
        """After a change new handshakes get the new certificate, and a live connection goes on."""
        store = self.open()
        old = self.talk(store, None)
        self.assertFalse(store.changed())
        self.put("default.pem", AUTHORITY.issue("new.example.com"))
        self.assertTrue(store.changed())
        store.reload()
        self.assertFalse(store.changed())
        self.assertEqual(self.shown(self.talk(store, None)), "new.example.com")
        self.assertEqual(old.send(b"still here").received, b"still here")

    def test_names_come_and_go(self) -> None:
        """A new file's name is served after a reload; a removed one's gets the default."""
        store = self.open()
        (self.directory / "lab.example.com.pem").unlink()
        self.put("new.example.com.pem", AUTHORITY.issue("new.example.com"))
        self.assertTrue(store.changed())
        store.reload()
        self.assertEqual(self.shown(self.talk(store, "new.example.com")), "new.example.com")
        self.assertEqual(self.shown(self.talk(store, "lab.example.com")), "default.example.com")

    def test_a_broken_file_keeps_the_old_certificate(self) -> None:
        """What a broken file held before stays, good files count, and the operator learns which is broken."""
        store = self.open()
        self.put("lab.example.com.pem", b"garbage")
        self.put("default.pem", AUTHORITY.issue("new.example.com"))
        error = self.assertRaises(BadCertificates, store.reload)
        self.assertIn("lab.example.com.pem: ", str(error))
        self.assertEqual(
            [(Path(notice.file).name, notice.broken) for notice in self.notices], [("lab.example.com.pem", True)]
        )
        self.assertEqual(self.shown(self.talk(store, "lab.example.com")), "lab.example.com")
        self.assertEqual(self.shown(self.talk(store, None)), "new.example.com")
        self.assertFalse(store.changed())

    def test_a_missing_default_keeps_the_old_one(self) -> None:
        """Without default.pem the one loaded before is served, and that is told."""
        store = self.open()
        (self.directory / "default.pem").unlink()
        error = self.assertRaises(BadCertificates, store.reload)
        self.assertIn("default.pem: is missing", str(error))
        self.assertEqual(self.shown(self.talk(store, None)), "default.example.com")

    def test_reasons(self) -> None:
        """Each way of being broken is said in one line that names the file and shows nothing of its content."""
        encrypted = subprocess.run(
            ["openssl", "ec", "-aes128", "-passout", "pass:x"], input=DEFAULT, capture_output=True
        )
        cases = {
            "another's key": LAB[: LAB.index(b"-----BEGIN CERT")] + DEFAULT[DEFAULT.index(b"-----BEGIN CERT") :],
            "no key": DEFAULT[DEFAULT.index(b"-----BEGIN CERT") :],
            "no certificate": DEFAULT[: DEFAULT.index(b"-----BEGIN CERT")],
            "empty": b"",
            "huge": b"x" * 300_000,
        }
        if encrypted.returncode == 0:
            cases["encrypted"] = encrypted.stdout + DEFAULT[DEFAULT.index(b"-----BEGIN CERT") :]
        store = self.open()
        for case, pile in cases.items():
            self.put("default.pem", pile)
            error = self.assertRaises(BadCertificates, store.reload)
            self.assertEqual(len(str(error).splitlines()), 1, case)
            self.assertIn("default.pem: ", str(error))
            self.assertNotIn("-----", str(error))
        self.assertEqual(self.shown(self.talk(store, None)), "default.example.com")

    def test_order_in_the_file_does_not_matter(self) -> None:
        """The key may stand behind the certificates."""
        at = DEFAULT.index(b"-----BEGIN CERT")
        self.put("default.pem", DEFAULT[at:] + DEFAULT[:at])
        self.assertEqual(self.shown(self.talk(self.open(), None)), "default.example.com")

    def test_the_start_is_strict(self) -> None:
        """A broken file, or no default, at the start is an error."""
        self.put("lab.example.com.pem", b"garbage")
        self.assertRaises(BadCertificates, self.open)
        (self.directory / "lab.example.com.pem").unlink()
        (self.directory / "default.pem").unlink()
        self.assertRaises(BadCertificates, self.open)

    def test_a_key_for_everybody_is_told(self) -> None:
        """A file that others may read is used, with a warning."""
        self.put("default.pem", DEFAULT, 0o644)
        self.open()
        self.assertEqual([notice.broken for notice in self.notices], [False])
        self.assertIn("0644", self.notices[0].text)
