"""
Tests of ``gateway.net.rfb``: what a log-in's outcome means to whoever dialled.
"""

from __future__ import annotations

import struct

from attrs import evolve
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import Unreachable
from gateway.model.secret import Secret
from gateway.model.target import LogIn, Pin, Security, SecurityType, TlsPolicy
from gateway.net.rfb import ON_THE_WIRE, TryInstead, log_in
from gateway.net.tcp_pipe import TcpPipe
from gateway.net.tls_client import ClientTLS
from gateway.net.vnc_auth import response
from gateway.wire.rfb.connect import STRENGTH
from gateway.wire.rfb.pixels import BGRX, ServerInit
from tests.support.pipes import RecordingReceiver, SocketTransport, turn

PASSWORD = Secret("open sesame")
WITHOUT = Security()
BY_PASSWORD = Security(SecurityType.VNC, PASSWORD)
BY_NAME = Security(SecurityType.VENCRYPT, PASSWORD, "alice")
PINNED = TlsPolicy(pins=(Pin("sha256", "00" * 32),))
INIT = ServerInit(640, 480, BGRX, b"lab")


class LogInTests(SynchronousTestCase):
    """A server by hand, rung by rung."""

    def begin(self, security: Security = WITHOUT) -> Deferred[ServerInit]:
        self.clock = Clock()
        self.pipe, self.transport = TcpPipe(self.clock), SocketTransport(self.clock)
        self.transport.protocol = self.pipe
        self.pipe.makeConnection(self.transport)
        self.creators: list[ClientTLS] = []
        self.patch(SocketTransport, "startTLS", lambda _, creator: self.creators.append(creator))
        return Deferred.fromCoroutine(log_in(self.pipe, security, "lab.example.com", self.clock, 10))

    def say(self, data: bytes) -> bytes:
        """The server speaks; what does the client answer?"""
        self.transport.clear()
        self.pipe.dataReceived(data)
        turn(self.clock)
        return self.transport.value()

    def test_without_a_password(self) -> None:
        """Version, None, shared, ServerInit; what the server sends at once after it is the next receiver's."""
        done = self.begin()
        self.assertEqual(b"RFB 003.008\n", self.say(b"RFB 003.008\n"))
        self.assertEqual(b"\x01", self.say(b"\x01\x01"))
        self.assertEqual(b"\x01", self.say(b"\0\0\0\0"))
        self.say(INIT.pack() + b"first update")
        self.assertEqual(INIT, self.successResultOf(done))
        receiver = RecordingReceiver()
        self.pipe.start(receiver)
        turn(self.clock)
        self.assertEqual((b"first update", "producing"), (receiver.data, self.transport.producerState))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_with_a_password(self) -> None:
        """The challenge is answered with the console's password."""
        done = self.begin(BY_PASSWORD)
        self.say(b"RFB 003.008\n")
        self.assertEqual(b"\x02", self.say(b"\x02\x01\x02"))
        challenge = bytes(range(16))
        self.assertEqual(response(PASSWORD)(challenge), self.say(challenge))
        self.say(b"\0\0\0\0" + INIT.pack())
        self.assertEqual(640, self.successResultOf(done).width)

    def test_a_wrong_password(self) -> None:
        """A server that refuses the password makes it final, with its own words; the password is not among them."""
        done = self.begin(BY_PASSWORD)
        self.say(b"RFB 003.008\n")
        self.say(b"\x01\x02")
        self.say(bytes(16))
        self.say(b"\0\0\0\x01" + b"\0\0\0\x05" + b"wrong")
        error = self.failureResultOf(done, Unreachable).value
        self.assertEqual((True, "the server refused the log-in: wrong"), (error.final, str(error)))

    def test_a_refusal_cut_short(self) -> None:
        """A server that closes in the middle of its reason has refused all the same."""
        done = self.begin(BY_PASSWORD)
        self.say(b"RFB 003.008\n")
        self.say(b"\x01\x02")
        self.say(bytes(16))
        self.say(b"\0\0\0\x01" + b"\0\0\0\x50" + b"wro")
        self.transport.cut()
        turn(self.clock)
        error = self.failureResultOf(done, Unreachable).value
        self.assertEqual((True, "the server refused the log-in: wro"), (error.final, str(error)))

    def test_another_security_than_configured(self) -> None:
        """A server that wants something else makes it final, naming both."""
        done = self.begin()
        self.say(b"RFB 003.008\n")
        self.say(b"\x01\x02")
        error = self.failureResultOf(done, Unreachable).value
        self.assertTrue(error.final)
        self.assertIn("VNC", str(error))
        self.assertIn("configured: None", str(error))

    def test_not_rfb(self) -> None:
        """Something else on that port makes it final."""
        done = self.begin()
        self.say(b"SSH-2.0-OpenSSH_9.2\r\n")
        self.assertTrue(self.failureResultOf(done, Unreachable).value.final)

    def test_silence(self) -> None:
        """A server that says nothing is given up at the deadline; it may be tried again."""
        done = self.begin()
        self.clock.advance(9.9)
        self.assertNoResult(done)
        self.clock.advance(0.1)
        self.assertFalse(self.failureResultOf(done, Unreachable).value.final)

    def test_a_lost_connection(self) -> None:
        """A server that vanishes in the log-in may be tried again."""
        done = self.begin()
        self.say(b"RFB 003.008\n")
        self.transport.cut()
        turn(self.clock)
        self.assertFalse(self.failureResultOf(done, Unreachable).value.final)

    def test_what_cannot_be_done(self) -> None:
        """A configuration that cannot be carried out says so before anything is sent."""
        wanted = (LogIn.X509_PLAIN,)
        for security, words in (
            (Security(SecurityType.VNC), "security 'vnc' needs a password beside vnc"),
            (Security(SecurityType.VENCRYPT, PASSWORD, subtypes=wanted), "needs a user name beside x509plain"),
        ):
            error = self.failureResultOf(self.begin(security), Unreachable).value
            self.assertTrue(error.final)
            self.assertIn(words, str(error))
            self.assertEqual(b"", self.transport.value())

    def vencrypt(self, *numbers: int, beside: bytes = b"") -> bytes:
        """The server offers these sub-types; what is the last answer?"""
        self.say(b"RFB 003.008\n")
        types = b"\x13" + beside
        if self.say(bytes([len(types)]) + types) != b"\x13":
            return b""
        self.say(b"\0\2")
        return self.say(b"\0" + struct.pack(f"!B{len(numbers)}L", len(numbers), *numbers))

    def test_vencrypt(self) -> None:
        """TLS begins as the sub-type says, and the log-in comes inside it, never before."""
        for security, number, inside in (
            (evolve(BY_NAME, tls=PINNED), 262, struct.pack("!LL", 5, 11) + b"alice" + b"open sesame"),
            (evolve(BY_NAME, anonymous=True), 259, struct.pack("!LL", 5, 11) + b"alice" + b"open sesame"),
            (Security(SecurityType.VENCRYPT, anonymous=True), 257, b""),
        ):
            done = self.begin(security)
            self.assertEqual(struct.pack("!L", number), self.vencrypt(number))
            self.assertEqual((b"", 1), (self.say(b"\x01"), len(self.creators)))
            self.transport.clear()
            self.pipe.handshakeCompleted()
            turn(self.clock)
            self.assertEqual(inside, self.transport.value())
            self.assertEqual(b"\x01", self.say(b"\0\0\0\0"))
            self.say(INIT.pack() + b"first update")
            self.assertEqual(INIT, self.successResultOf(done))
            receiver = RecordingReceiver()
            self.pipe.start(receiver)
            turn(self.clock)
            self.assertEqual(b"first update", receiver.data)

    def test_bytes_while_tls_begins(self) -> None:
        """What comes on the pipe from then on is heard only once TLS stands: it came inside."""
        done = self.begin(Security(SecurityType.VENCRYPT, anonymous=True))
        self.vencrypt(257)
        self.say(b"\x01")
        self.assertEqual(b"", self.say(b"\0\0\0\0"))
        self.assertNoResult(done)
        self.pipe.handshakeCompleted()
        turn(self.clock)
        self.assertEqual(b"\x01", self.transport.value())
        self.say(INIT.pack())
        self.assertEqual(INIT, self.successResultOf(done))

    def test_who_is_trusted(self) -> None:
        """Certificates are judged where the sub-type has them, for the name that was dialled; else there are none."""
        for security, number, certified in (
            (Security(SecurityType.VENCRYPT), 260, True),
            (Security(SecurityType.VENCRYPT, anonymous=True), 257, False),
        ):
            self.begin(security)
            self.vencrypt(number)
            self.say(b"\x01")
            connection = self.creators[0].clientConnectionForTLS(None)
            self.assertEqual(certified, connection.get_context().get_verify_mode() == SSL.VERIFY_PEER)
            self.assertEqual(certified, connection.get_servername() == b"lab.example.com")
            anonymous = [name for name in connection.get_cipher_list() if name.startswith(("ADH-", "AECDH-"))]
            self.assertEqual(certified, not anonymous)

    def test_without_an_address_to_compare(self) -> None:
        """Over a unix socket a certificate needs a name or a pin; it is refused before TLS begins."""
        self.begin()
        security = Security(SecurityType.VENCRYPT)
        done = Deferred.fromCoroutine(log_in(self.pipe, security, "", self.clock, 10))
        self.vencrypt(260)
        self.say(b"\x01")
        self.assertTrue(self.failureResultOf(done, Unreachable).value.final)
        self.assertEqual([], self.creators)

    def test_bytes_before_tls(self) -> None:
        """What a server says in clear where TLS begins is never taken as said inside."""
        done = self.begin(Security(SecurityType.VENCRYPT, anonymous=True))
        self.vencrypt(257)
        self.say(b"\x01" + b"\0\0\0\0" + INIT.pack())
        error = self.failureResultOf(done, Unreachable).value
        self.assertEqual("the log-in failed: bytes came in the clear where TLS begins", str(error))
        self.assertEqual([], self.creators)

    def test_lost_while_tls_begins(self) -> None:
        """A server that is gone by then may be tried again; one that is slow too."""
        for end in (lambda: self.transport.cut(), lambda: self.clock.advance(10)):
            done = self.begin(Security(SecurityType.VENCRYPT, anonymous=True))
            self.vencrypt(257)
            self.say(b"\x01")
            end()
            turn(self.clock)
            error = self.failureResultOf(done, Unreachable).value
            self.assertFalse(error.final)
            self.assertIn("while TLS began", str(error))

    def test_lost_inside(self) -> None:
        """What TLS says of a loss behind its handshake is final; a plain loss is not."""
        complaint = SSL.Error([("SSL routines", "", "tlsv13 alert certificate required")])
        for loss, words in ((complaint, "TLS failed: tlsv13 alert certificate required"), (ConnectionLost(), "lost")):
            done = self.begin(Security(SecurityType.VENCRYPT, anonymous=True))
            self.vencrypt(257)
            self.say(b"\x01")
            self.pipe.handshakeCompleted()
            turn(self.clock)
            self.transport.cut(loss)
            turn(self.clock)
            error = self.failureResultOf(done, Unreachable).value
            self.assertEqual((loss is complaint, True), (error.final, words in str(error)))

    def test_another_way_beside_vencrypt(self) -> None:
        """A server whose VeNCrypt is of no use tells what would be tried instead, once: nothing that is not allowed."""
        for security, instead in (
            (evolve(BY_PASSWORD, type=SecurityType.VENCRYPT, anonymous=True, clear=True), (LogIn.VNC,)),
            (evolve(BY_PASSWORD, type=SecurityType.VENCRYPT, anonymous=True), None),
        ):
            done = self.begin(security)
            self.vencrypt(260, beside=b"\x02")
            error = self.failureResultOf(done, Unreachable).value
            self.assertIn("the server offers VNC, VeNCrypt(X509None); configured: TLSVnc", str(error))
            self.assertEqual(instead, error.security.ways if isinstance(error, TryInstead) else None)

    def test_every_way_is_known(self) -> None:
        """Each way that can be configured is one on the wire, and its own."""
        self.assertEqual(set(ON_THE_WIRE), set(LogIn))
        self.assertEqual(set(ON_THE_WIRE.values()), set(STRENGTH))
        for way, method in ON_THE_WIRE.items():
            self.assertEqual(way.name, method.name)
