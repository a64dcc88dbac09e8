"""
Tests of ``gateway.net.rfb``: what a log-in's outcome means to whoever dialled.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import Unreachable
from gateway.model.secret import Secret
from gateway.model.target import Security, SecurityType
from gateway.net.rfb import log_in
from gateway.net.tcp_pipe import TcpPipe
from gateway.net.vnc_auth import response
from gateway.wire.rfb.pixels import BGRX, ServerInit
from tests.support.pipes import RecordingReceiver, SocketTransport, turn

PASSWORD = Secret("open sesame")
WITHOUT = Security()
BY_PASSWORD = Security(SecurityType.VNC, PASSWORD)
INIT = ServerInit(640, 480, BGRX, b"lab")


class LogInTests(SynchronousTestCase):
    """A server by hand, rung by rung."""

    def begin(self, security: Security = WITHOUT) -> Deferred[ServerInit]:
        self.clock = Clock()
        self.pipe, self.transport = TcpPipe(self.clock), SocketTransport(self.clock)
        self.transport.protocol = self.pipe
        self.pipe.makeConnection(self.transport)
        return Deferred.fromCoroutine(log_in(self.pipe, security, self.clock, 10))

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
        for security in (Security(SecurityType.VENCRYPT), Security(SecurityType.VNC)):
            self.assertTrue(self.failureResultOf(self.begin(security), Unreachable).value.final)
