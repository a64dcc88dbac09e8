"""
Tests of ``gateway.net.tls_client``: real handshakes, in memory.
"""

from __future__ import annotations

import hashlib

from OpenSSL import SSL, crypto
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Factory
from twisted.internet.ssl import CertificateOptions, PrivateCertificate
from twisted.internet.task import Clock
from twisted.internet.testing import AccumulatingProtocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.test.iosim import FakeTransport, connect
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gateway.model.errors import Unreachable
from gateway.model.secret import Secret
from gateway.model.target import ClientCertificate, Pin, TlsPolicy
from gateway.net.tcp_pipe import TcpPipe
from gateway.net.tls_client import anonymous_context, begin_tls, tls_context, tls_failure
from gateway.wire.errors import PeerError
from tests.support.certs import Authority

NAME = "console.example.com"
CA, STRANGER = Authority(), Authority("somebody else")


def options_of(pile: bytes) -> CertificateOptions:
    """What a Twisted server takes."""
    return PrivateCertificate.loadPEM(pile).options()


def pins_of(der: bytes) -> tuple[Pin, Pin]:
    return Pin("sha256", hashlib.sha256(der).hexdigest()), Pin("sha1", hashlib.sha1(der).hexdigest())


@implementer(IHandshakeListener)
class Listening(AccumulatingProtocol):
    """Hears when its handshake is over."""

    shaken = False

    def handshakeCompleted(self) -> None:
        self.shaken = True


class TlsClientTests(SynchronousTestCase):
    """Each policy, with certificates that fit and that do not."""

    def shake(self, policy: TlsPolicy, host: str, served: bytes) -> str:
        """Shake hands with a server; return what the client says of it (nothing: it is accepted)."""
        options = options_of(served)
        self.asked: list[bytes | None] = []
        options.getContext().set_tlsext_servername_callback(lambda c: self.asked.append(c.get_servername()))
        return self.meet(tls_context(policy, host), options)

    def meet(self, creator, options) -> str:
        sides, clock = [], Clock()
        for context, is_client in ((options, False), (creator, True)):
            factory = TLSMemoryBIOFactory(context, is_client, Factory.forProtocol(Listening), clock)
            factory.wrappedFactory.protocolConnectionMade = None
            sides.append(factory.buildProtocol(None))
        server, client = sides
        inner_client, inner_server = client.wrappedProtocol, server.wrappedProtocol
        pump = connect(server, FakeTransport(server, True), client, FakeTransport(client, False), clock=clock)
        pump.flush()
        client.write(b"the password")
        pump.flush()
        lost = inner_client.closedReason
        self.assertEqual(not lost, inner_client.shaken)
        received = inner_server.data
        self.assertEqual(b"" if lost else b"the password", received)
        return str(tls_failure(lost.value)) if lost else ""

    def test_signed_by_the_configured_ca(self) -> None:
        """A certificate of the configured CA for the right name is accepted; the name goes out as SNI."""
        served = CA.issue(NAME)
        self.assertEqual("", self.shake(TlsPolicy(ca=CA.pem), NAME, served))
        self.assertEqual([NAME.encode()], self.asked)

    def test_by_ip_address(self) -> None:
        """An address is compared with the certificate's addresses, and never sent as SNI."""
        for ip in ("192.0.2.7", "2001:db8::7"):
            self.assertEqual("", self.shake(TlsPolicy(ca=CA.pem), ip, CA.issue(ips=(ip,))))
            self.assertIn(self.asked, ([], [None]))
        complaint = self.shake(TlsPolicy(ca=CA.pem), "192.0.2.8", CA.issue(ips=("192.0.2.7",)))
        self.assertEqual("the certificate is for 192.0.2.7, not 192.0.2.8", complaint)

    def test_server_name(self) -> None:
        """The configured name counts instead of the address that is dialled."""
        policy = TlsPolicy(ca=CA.pem, server_name=NAME)
        self.assertEqual("", self.shake(policy, "192.0.2.7", CA.issue(NAME)))
        self.assertEqual([NAME.encode()], self.asked)

    def test_for_another_name(self) -> None:
        """A good certificate for another name is refused, naming both."""
        complaint = self.shake(TlsPolicy(ca=CA.pem), NAME, CA.issue("other.example.com"))
        self.assertEqual(f"the certificate is for other.example.com, not {NAME}", complaint)

    def test_signed_by_another_ca(self) -> None:
        """A certificate of an unknown CA is refused, in words."""
        served = STRANGER.issue(NAME)
        complaint = self.shake(TlsPolicy(ca=CA.pem), NAME, served)
        self.assertEqual("the certificate is not accepted: not signed by the configured CA", complaint)

    def test_self_signed_as_its_own_ca(self) -> None:
        """A self-signed certificate is accepted when it is what is configured, and refused when not."""
        served = STRANGER.self_signed(NAME)
        self.assertEqual("", self.shake(TlsPolicy(ca=served), NAME, served))
        complaint = self.shake(TlsPolicy(ca=CA.pem), NAME, served)
        self.assertEqual("the certificate is not accepted: self-signed, and not the configured CA", complaint)

    def test_expired(self) -> None:
        """A certificate whose time is over is refused."""
        complaint = self.shake(TlsPolicy(ca=CA.pem), NAME, CA.issue_der(NAME, days=-1)[0])
        self.assertEqual("the certificate is not accepted: it has expired", complaint)

    def test_systems_store(self) -> None:
        """Without a CA and a pin the system decides: a test's certificate is none of its own."""
        complaint = self.shake(TlsPolicy(), NAME, CA.issue(NAME))
        self.assertEqual("the certificate is not accepted: not signed by a CA that is trusted here", complaint)

    def test_pinned(self) -> None:
        """A pinned certificate is accepted whatever it is for, by SHA-256 or SHA-1, one of several."""
        served, der = STRANGER.issue_der("other.example.com", days=-1)
        sha256, sha1 = pins_of(der)
        for pins in ((sha256,), (sha1,), (Pin("sha256", "00" * 32), sha1)):
            self.assertEqual("", self.shake(TlsPolicy(pins=pins), NAME, served))

    def test_pinned_with_its_chain(self) -> None:
        """A server that sends its CA along is judged by its own certificate alone."""
        served, der = CA.issue_der(NAME)
        options = options_of(served)
        options.getContext().add_extra_chain_cert(crypto.load_certificate(crypto.FILETYPE_PEM, CA.pem))
        self.assertEqual("", self.meet(tls_context(TlsPolicy(pins=pins_of(der)[:1]), NAME), options))

    def test_pin_does_not_match(self) -> None:
        """Another certificate is refused, also one that the configured CA signed for this name."""
        served = CA.issue(NAME)
        policy = TlsPolicy(ca=CA.pem, pins=(Pin("sha256", "00" * 32),))
        complaint = self.shake(policy, NAME, served)
        self.assertTrue(complaint.startswith("the certificate does not match the pin"), complaint)

    def test_old_tls(self) -> None:
        """A server that speaks at most TLS 1.1 is refused."""
        options = options_of(CA.issue(NAME))
        options.getContext().set_cipher_list(b"ALL:@SECLEVEL=0")
        options.getContext().set_min_proto_version(SSL.TLS1_VERSION)
        options.getContext().set_max_proto_version(SSL.TLS1_1_VERSION)
        complaint = self.meet(tls_context(TlsPolicy(ca=CA.pem), NAME), options)
        self.assertTrue(complaint.startswith("TLS failed: "), complaint)

    def of_a_client(self, authority: Authority = CA) -> TlsPolicy:
        """A policy with a certificate of this authority's to show."""
        key, middle, chain = authority.issue("gateway").partition(b"-----BEGIN CERTIFICATE-----")
        return TlsPolicy(ca=CA.pem, client=ClientCertificate(middle + chain, Secret(key.decode())))

    def asking(self, version: int) -> CertificateOptions:
        """A server that wants a certificate of the same authority, with at most this TLS."""
        options = options_of(CA.issue(NAME))
        context, authority = options.getContext(), crypto.load_certificate(crypto.FILETYPE_PEM, CA.pem)
        context.set_max_proto_version(version)
        context.get_cert_store().add_cert(authority)
        context.add_client_ca(authority)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, lambda *_: _[-1])
        return options

    def test_client_certificate(self) -> None:
        """A server that wants to know who we are is shown the configured certificate."""
        for version in (SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION):
            tls = tls_context(self.of_a_client(), NAME)
            self.assertEqual("", self.meet(tls, self.asking(version)))

    def test_client_certificate_refused(self) -> None:
        """None, and one of somebody else, are refused; what the server says of it is told."""
        for policy, words in ((TlsPolicy(ca=CA.pem), "handshake failure"), (self.of_a_client(STRANGER), "unknown ca")):
            complaint = self.meet(tls_context(policy, NAME), self.asking(SSL.TLS1_2_VERSION))
            self.assertIn("TLS failed: ", complaint)
            self.assertIn(words, complaint)

    def test_no_certificate_wanted(self) -> None:
        """A server that asks for none is shown none, and does not mind."""
        self.assertEqual("", self.shake(self.of_a_client(), NAME, CA.issue(NAME)))

    def test_anonymous(self) -> None:
        """Anonymous TLS meets an anonymous server, encrypted."""
        options = CertificateOptions()
        context = options.getContext()
        context.set_cipher_list(b"aNULL@SECLEVEL=0")
        context.set_max_proto_version(SSL.TLS1_2_VERSION)
        self.assertEqual("", self.meet(tls := anonymous_context(), options))
        self.assertNotIn("NULL", " ".join(tls.clientConnectionForTLS(None).get_cipher_list()))

    def test_anonymous_meets_a_certificate(self) -> None:
        """Neither sort of TLS takes the other for itself."""
        complaint = self.meet(anonymous_context(), options_of(CA.issue(NAME)))
        self.assertTrue(complaint.startswith("TLS failed: "), complaint)
        options = CertificateOptions()
        options.getContext().set_cipher_list(b"aNULL@SECLEVEL=0")
        options.getContext().set_max_proto_version(SSL.TLS1_2_VERSION)
        complaint = self.meet(tls_context(TlsPolicy(ca=CA.pem), NAME), options)
        self.assertTrue(complaint.startswith("TLS failed: "), complaint)

    def test_hung_up_on(self) -> None:
        """A server that asked for a certificate and hangs up inside TLS is a clue; one that did not is none."""
        for policy, options, final, words in (
            (TlsPolicy(ca=CA.pem), self.wondering(), True, "none is configured (client_cert)"),
            (self.of_a_client(STRANGER), self.wondering(), False, "was shown the configured one"),
            (TlsPolicy(ca=CA.pem), options_of(CA.issue(NAME)), None, ""),
        ):
            tls = tls_context(policy, NAME)
            self.assertIsNone(tls.loss(ConnectionDone()))
            self.assertEqual("", self.meet(tls, options))
            found = tls.loss(ConnectionDone())
            self.assertEqual(final, found and found.final)
            self.assertIn(words, str(found))
            said = tls.loss(SSL.Error([("SSL routines", "", "tlsv13 alert certificate required")]))
            self.assertEqual(("TLS failed: tlsv13 alert certificate required", True), (str(said), said.final))

    def wondering(self) -> CertificateOptions:
        """A server that asks for a certificate and judges it later, by itself."""
        options = self.asking(SSL.TLS1_3_VERSION)
        options.getContext().set_verify(SSL.VERIFY_PEER, lambda *_: True)
        return options


class PolicyTests(SynchronousTestCase):
    """What is wrong before anybody is dialled."""

    def test_nobody_to_compare_with(self) -> None:
        """A unix socket has no name: it needs one, or a pin."""
        refused = self.assertRaises(Unreachable, tls_context, TlsPolicy(ca=CA.pem), "")
        self.assertTrue(refused.final)
        tls_context(TlsPolicy(pins=(Pin("sha1", "00" * 20),)), "")

    def test_a_ca_that_is_none(self) -> None:
        """Something else in the CA file is said before dialling."""
        self.assertRaises(Unreachable, tls_context, TlsPolicy(ca=b"junk"), NAME)

    def test_a_client_certificate_that_is_none(self) -> None:
        """Files that are no pair are said before dialling, without a word of the key."""
        key, middle, chain = CA.issue("gateway").partition(b"-----BEGIN CERTIFICATE-----")
        other = STRANGER.issue("gateway").partition(b"-----BEGIN CERTIFICATE-----")[0]
        for chain_pem, key_pem in ((middle + chain, other), (middle + chain, b"canary"), (b"canary", key)):
            policy = TlsPolicy(client=ClientCertificate(chain_pem, Secret(key_pem.decode())))
            refused = self.assertRaises(Unreachable, tls_context, policy, NAME)
            self.assertEqual((True, None), (refused.final, refused.__cause__))
            self.assertNotIn("canary", str(refused))

    def test_an_international_name(self) -> None:
        """A name that cannot stand in a ClientHello is refused before dialling."""
        self.assertRaises(Unreachable, tls_context, TlsPolicy(server_name="könsole.example"), "192.0.2.1")

    def test_words_for_a_loss(self) -> None:
        """A connection that breaks during the handshake may be tried again; a refusal may not."""
        self.assertFalse(tls_failure(ConnectionLost()).final)
        self.assertFalse(tls_failure(SSL.SysCallError(-1, "Unexpected EOF")).final)
        self.assertFalse(tls_failure(SSL.Error([("SSL routines", "", "unexpected eof while reading")])).final)
        self.assertTrue(tls_failure(SSL.Error([("SSL routines", "", "wrong version number")])).final)


class BeginTests(SynchronousTestCase):
    """``begin_tls``: what a pipe's handshake comes to."""

    def begin(self, failure: Exception) -> Unreachable:
        async def start_tls(creator: object) -> None:
            raise failure

        pipe = TcpPipe(Clock())
        self.patch(pipe, "start_tls", start_tls)
        done = Deferred.fromCoroutine(begin_tls(pipe, anonymous_context()))
        return self.failureResultOf(done, Unreachable, CancelledError).value

    def test_failures(self) -> None:
        """A complaint stays what it is, a server's fault is final, a loss is not; who does not wait is told nothing."""
        complaint = Unreachable("the certificate has expired", final=True)
        self.assertIs(self.begin(complaint), complaint)
        self.assertTrue(self.begin(PeerError("bytes came in the clear")).final)
        self.assertFalse(self.begin(ConnectionLost()).final)
        self.assertIsInstance(self.begin(CancelledError()), CancelledError)
