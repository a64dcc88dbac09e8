"""
Tests of ``gateway.net.dial``: a reactor in memory, a server by hand.
"""

from __future__ import annotations

import ipaddress

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ConnectionRefusedError, TimeoutError, UserError
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import Unreachable
from gateway.model.secret import Secret
from gateway.model.target import (
    Address,
    ConsoleKind,
    Security,
    SecurityType,
    Target,
    TcpAddress,
    TlsPolicy,
    UnixAddress,
)
from gateway.net.dial import Dialer
from gateway.wire.rfb.pixels import BGRX, ServerInit
from tests.support.pipes import RecordingReceiver, SocketTransport, turn

FIRST, SECOND = TcpAddress("192.0.2.1", 5901), TcpAddress("2001:db8::2", 5902)
INIT = ServerInit(640, 480, BGRX, b"lab")
REFUSED = ConnectionRefusedError(111, "Connection refused")


class DialTests(SynchronousTestCase):
    """From a target to an upstream, and everything that can happen on the way."""

    def setUp(self) -> None:
        self.reactor = MemoryReactorClock()
        self.transports: list[SocketTransport] = []
        self.stopped: list[str] = []

    def dial(
        self, *addresses: Address, kind=ConsoleKind.RAW, dialer: Dialer | None = None, opening=None, **more
    ) -> Deferred:
        dialer = dialer or Dialer(self.reactor)
        return Deferred.fromCoroutine(dialer(Target(kind, addresses, **more), opening))

    @property
    def asked(self) -> list[tuple[str, int]]:
        return [client[:2] for client in self.reactor.tcpClients]

    def accept(self, client=None) -> SocketTransport:
        """The last connection asked for is made."""
        factory = client or self.reactor.tcpClients[-1][2]
        transport = SocketTransport(self.reactor)
        transport.protocol = factory.buildProtocol(None)
        transport.protocol.makeConnection(transport)
        self.transports.append(transport)
        return transport

    def refuse(self, error: Exception) -> None:
        """The last connection asked for fails."""
        self.reactor.tcpClients[-1][2].clientConnectionFailed(None, Failure(error))

    def stop(self) -> None:
        self.stopped.append(self.asked[-1][0])
        self.refuse(UserError())

    def say(self, data: bytes) -> None:
        self.transports[-1].protocol.dataReceived(data)
        turn(self.reactor)

    def test_raw(self) -> None:
        """A raw console is its bytes from the first one on, without a greeting."""
        done = self.dial(FIRST)
        self.assertEqual([("192.0.2.1", 5901)], self.asked)
        self.accept()
        self.say(b"login: ")
        upstream = self.successResultOf(done)
        receiver = RecordingReceiver()
        upstream.pipe.start(receiver)
        turn(self.reactor)
        self.assertEqual((b"", b"login: "), (upstream.greeting, receiver.data))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_vnc(self) -> None:
        """A VNC console stands behind its log-in; the greeting is its ServerInit."""
        done = self.dial(FIRST, kind=ConsoleKind.VNC)
        self.accept()
        self.assertEqual(b"", self.transports[-1].value())
        for rung in (b"RFB 003.008\n", b"\x01\x01", b"\0\0\0\0", INIT.pack()):
            self.assertNoResult(done)
            self.say(rung)
        self.assertEqual(INIT.pack(), self.successResultOf(done).greeting)

    def test_unix(self) -> None:
        """A socket in the file system is reached by its path."""
        done = self.dial(UnixAddress("/run/vm.sock"))
        self.assertEqual("/run/vm.sock", self.reactor.unixClients[0][0])
        self.accept(self.reactor.unixClients[0][1])
        self.successResultOf(done)

    def test_the_next_address(self) -> None:
        """An address that refuses or does not answer is left for the next one, IPv6 too."""
        done = self.dial(FIRST, FIRST, SECOND)
        self.refuse(REFUSED)
        self.refuse(TimeoutError())
        self.assertEqual([("192.0.2.1", 5901)] * 2 + [("2001:db8::2", 5902)], self.asked)
        self.accept()
        self.successResultOf(done)

    def test_no_address_works(self) -> None:
        """The last address's failure is told, with the address for the operator; it may be tried again."""
        done = self.dial(FIRST, SECOND)
        self.refuse(TimeoutError())
        self.refuse(REFUSED)
        error = self.failureResultOf(done, Unreachable).value
        self.assertFalse(error.final)
        self.assertIn("[2001:db8::2]:5902", str(error))
        self.assertIn("refused", str(error).lower())

    def test_a_name(self) -> None:
        """A name is resolved at each dial, and the connection goes to the address that it came to."""
        done = self.dial(TcpAddress("lab.example.com", 5901))
        self.assertEqual(5901, self.asked[0][1])
        ipaddress.ip_address(self.asked[0][0])
        self.accept()
        self.successResultOf(done)

    def test_allowed_by_the_resolved_address(self) -> None:
        """A name that comes to a forbidden address is refused before anything is connected, for good."""
        questions = []

        def allow(address: Address, ip: str | None) -> bool:
            questions.append((address, ip))
            return False

        named, path = TcpAddress("lab.example.com", 5901), UnixAddress("/run/vm.sock")
        done = self.dial(named, path, FIRST, dialer=Dialer(self.reactor).only(allow))
        self.assertTrue(self.failureResultOf(done, Unreachable).value.final)
        self.assertEqual(([], []), (self.reactor.tcpClients, self.reactor.unixClients))
        self.assertEqual([named, path, FIRST], [address for address, _ in questions])
        ipaddress.ip_address(questions[0][1])
        self.assertEqual([None, "192.0.2.1"], [ip for _, ip in questions[1:]])

    def test_a_refused_login_is_final(self) -> None:
        """A log-in that fails at every address is not tried again, and leaves no connection behind."""
        done = self.dial(FIRST, kind=ConsoleKind.VNC)
        self.accept()
        self.say(b"not RFB at all")
        self.assertTrue(self.failureResultOf(done, Unreachable).value.final)
        turn(self.reactor)
        self.assertTrue(self.transports[0].closed)

    def test_not_final_while_one_may_come_back(self) -> None:
        """One address that refuses the log-in and one that is down: it may be tried again."""
        done = self.dial(FIRST, SECOND, kind=ConsoleKind.VNC)
        self.refuse(REFUSED)
        self.accept()
        self.say(b"not RFB at all")
        self.assertFalse(self.failureResultOf(done, Unreachable).value.final)

    def test_cancelled_while_connecting(self) -> None:
        """A dial that nobody waits for stops connecting; a connection that is made all the same is cut."""
        done = self.dial(FIRST)
        # A real connector says so from inside its disconnect.
        self.patch(self.reactor.connectors[0], "disconnect", self.stop)
        done.cancel()
        self.failureResultOf(done, CancelledError)
        self.assertEqual(["192.0.2.1"], self.stopped)
        transport = self.accept()
        turn(self.reactor)
        self.assertTrue(transport.closed)

    def test_cancelled_in_the_login(self) -> None:
        """A dial that nobody waits for closes the connection in the middle of the log-in."""
        done = self.dial(FIRST, SECOND, kind=ConsoleKind.VNC)
        self.accept()
        self.say(b"RFB 003.008\n")
        done.cancel()
        self.failureResultOf(done, CancelledError)
        turn(self.reactor)
        self.assertTrue(self.transports[0].closed)
        self.assertEqual((1, []), (len(self.asked), self.reactor.getDelayedCalls()))

    def test_cancelled_in_the_tls_handshake(self) -> None:
        """The same while TLS begins."""
        done = self.dial(FIRST, tls=TlsPolicy())
        self.accept_tls()
        done.cancel()
        self.failureResultOf(done, CancelledError)
        turn(self.reactor)
        self.assertEqual((True, []), (self.transports[0].closed, self.reactor.getDelayedCalls()))

    def test_tls_takes_too_long(self) -> None:
        """A server that does not shake hands is given up; it may be tried again."""
        done = self.dial(FIRST, tls=TlsPolicy())
        self.accept_tls()
        self.reactor.advance(10)
        self.assertFalse(self.failureResultOf(done, Unreachable).value.final)
        turn(self.reactor)
        self.assertTrue(self.transports[0].closed)

    def accept_tls(self) -> None:
        started = []
        self.patch(SocketTransport, "startTLS", lambda _, creator: started.append(creator))
        self.accept()
        self.assertEqual(1, len(started))

    def test_opening(self) -> None:
        """Who has begun to speak for a client logs in for it, with the console's password, on each address in turn."""
        asked = []

        async def opening(pipe, security) -> bytes:
            asked.append((pipe, security.password.reveal()))
            if len(asked) == 1:
                raise Unreachable("not here")
            return b"come in"

        security = Security(SecurityType.VNC, Secret("s3cret"))
        done = self.dial(FIRST, SECOND, kind=ConsoleKind.SPICE, security=security, opening=opening)
        self.accept()
        self.accept()
        upstream = self.successResultOf(done)
        pipes = [transport.protocol for transport in self.transports]
        self.assertEqual([(pipe, "s3cret") for pipe in pipes], asked)
        self.assertEqual((pipes[1], b"come in"), (upstream.pipe, upstream.greeting))
        turn(self.reactor)
        self.assertEqual([True, False], [transport.closed for transport in self.transports])

    def test_spice_without_an_opening(self) -> None:
        """Its bytes as they are, as for any client that speaks with the server itself."""
        done = self.dial(FIRST, kind=ConsoleKind.SPICE)
        self.accept()
        self.assertEqual(b"", self.successResultOf(done).greeting)

    def test_demo(self) -> None:
        """A demo console is made on the spot."""
        upstream = self.successResultOf(self.dial(kind=ConsoleKind.DEMO))
        self.assertEqual(b"consolegw demo", ServerInit.parse(upstream.greeting).name)
        self.assertEqual([], self.reactor.tcpClients)

    def test_not_yet(self) -> None:
        """Kinds that are not there yet, and targets without an address, are refused for good."""
        for kind in (ConsoleKind.MKS, ConsoleKind.WEBMKS):
            self.assertTrue(self.failureResultOf(self.dial(FIRST, kind=kind), Unreachable).value.final)
        self.assertTrue(self.failureResultOf(self.dial(), Unreachable).value.final)

    def test_security_that_cannot_be_done(self) -> None:
        """What cannot be carried out closes the connection, too."""
        done = self.dial(FIRST, kind=ConsoleKind.VNC, security=Security(SecurityType.VNC))
        self.accept()
        self.assertTrue(self.failureResultOf(done, Unreachable).value.final)
        turn(self.reactor)
        self.assertTrue(self.transports[0].closed)

    def test_once_more_without_vencrypt(self) -> None:
        """Where VeNCrypt leads nowhere and VNC is offered beside it, a second connection takes that; no third comes."""
        password = Secret("open sesame")
        security = Security(SecurityType.VENCRYPT, password, anonymous=True, clear=True)
        done = self.dial(FIRST, kind=ConsoleKind.VNC, security=security)
        for choice in (b"\x13", b"\x02"):
            self.assertNoResult(done)
            transport = self.accept()
            self.say(b"RFB 003.008\n")
            transport.clear()
            self.say(b"\x02\x13\x02")
            self.assertEqual(choice, transport.value())
            if choice == b"\x13":
                self.say(b"\0\2")
                self.say(b"\0\x01\0\0\1\4")
                self.assertTrue(transport.closed)
        self.say(bytes(16))
        self.say(b"\0\0\0\2")
        error = self.failureResultOf(done, Unreachable).value
        self.assertEqual((True, 2), (error.final, len(self.asked)))
        self.assertIn("192.0.2.1:5901: the server refused", str(error))
