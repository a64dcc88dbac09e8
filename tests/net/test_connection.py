"""Tests of the outermost layer of a connection, and of the gate."""

from __future__ import annotations

import socket

from twisted.internet.address import IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.interfaces import ITCPTransport
from twisted.internet.protocol import Protocol, ServerFactory
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver, StringTransport
from twisted.logger import globalLogPublisher
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gateway.model.events import Event
from gateway.net.connection import GRACE, ConnectionFactory, Gate, got_on, keep
from gateway.net.socket_options import DEAD_AFTER
from gateway.net.wheel import Wheel


class _Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class _Port:
    def __init__(self) -> None:
        self.reading = True

    def stopReading(self) -> None:
        self.reading = False

    def startReading(self) -> None:
        self.reading = True


@implementer(ITCPTransport)
class _Socket(StringTransport):
    """A TCP transport on a real, unconnected socket."""

    def __init__(self, *args) -> None:
        super().__init__(*args)
        self.socket = socket.socket()

    def getHandle(self):  # noqa: N802  (Twisted's)
        return self.socket

    def setTcpNoDelay(self, enabled: bool) -> None:  # noqa: N802  (Twisted's)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def setTcpKeepAlive(self, enabled: bool) -> None:  # noqa: N802  (Twisted's)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)


class _Case(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock = Clock()
        self.gate = Gate(3, Wheel(self.clock))
        self.factory = ConnectionFactory(ServerFactory.forProtocol(_Echo), self.gate)

    def connect(self, transport: StringTransport | None = None):
        connection = self.factory.buildProtocol(None)
        connection.makeConnection(transport or StringTransport())
        return connection


class ConnectionTests(_Case):
    """One connection."""

    def test_passes_both_ways(self) -> None:
        """What comes is handed on, and what is written goes out."""
        transport = StringTransport()
        self.connect(transport).dataReceived(b"abc")
        self.assertEqual(transport.value(), b"abc")

    def test_peer_is_normalised(self) -> None:
        """An IPv4 peer on an IPv6 port reads as IPv4."""
        connection = self.connect(StringTransport(peerAddress=IPv6Address("TCP", "::ffff:10.0.0.5", 4711)))
        self.assertEqual((connection.address, connection.port), ("10.0.0.5", 4711))

    def test_local_socket_has_a_word_for_a_peer(self) -> None:
        """A client on a Unix socket is called so."""
        connection = self.connect(StringTransport(peerAddress=UNIXAddress(None)))
        self.assertEqual((connection.address, connection.port), ("unix", 0))

    def test_socket_options(self) -> None:
        """A TCP socket does not wait to fill segments, and finds out about a dead peer."""
        transport = _Socket()
        self.addCleanup(transport.socket.close)
        self.connect(transport)
        option = transport.socket.getsockopt
        self.assertTrue(option(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        self.assertTrue(option(socket.SOL_SOCKET, socket.SO_KEEPALIVE))
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            self.assertEqual(option(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT), DEAD_AFTER * 1000)

    def test_a_socket_that_is_gone_already_is_no_fault(self) -> None:
        """A peer that reset before it was looked at is an ordinary connection that ends soon."""
        transport = _Socket()
        transport.socket.close()
        self.connect(transport)
        self.assertEqual(len(self.gate), 1)


class GateTests(_Case):
    """Counting and pausing."""

    def lose(self, connection) -> None:
        connection.connectionLost(Failure(ConnectionResetError()))

    def test_pauses_at_the_limit_and_goes_on_below(self) -> None:
        """With the last allowed connection every port stops accepting; when one ends all go on."""
        ports = [_Port(), _Port()]
        for port in ports:
            self.gate.add_port(port)
        connections = [self.connect(), self.connect()]
        self.assertEqual([port.reading for port in ports], [True, True])
        connections.append(self.connect())
        self.assertEqual([port.reading for port in ports], [False, False])
        self.lose(connections[0])
        self.assertEqual([port.reading for port in ports], [True, True])

    def test_a_burst_over_the_limit_is_served_and_ends(self) -> None:
        """What one port accepted beyond the limit lives on; accepting goes on once it is below the limit."""
        port = _Port()
        self.gate.add_port(port)
        connections = [self.connect() for _ in range(10)]
        for connection in connections[:7]:
            self.lose(connection)
            self.assertFalse(port.reading)
        self.lose(connections[7])
        self.assertTrue(port.reading)
        connections[8].dataReceived(b"x")
        self.assertEqual(connections[8].transport.value(), b"x")

    def test_a_port_added_at_the_limit_waits(self) -> None:
        """A listener that comes later obeys at once, one that was taken out is left alone."""
        first, second = _Port(), _Port()
        self.gate.add_port(first)
        connections = [self.connect() for _ in range(3)]
        self.gate.add_port(second)
        self.assertFalse(second.reading)
        self.gate.remove_port(first)
        self.lose(connections[0])
        self.assertEqual((first.reading, second.reading), (False, True))

    def test_lists_the_living(self) -> None:
        """The connections can be walked over while they are being closed."""
        connections = [self.connect(), self.connect()]
        self.assertEqual(list(self.gate), connections)
        for connection in self.gate:
            self.lose(connection)
        self.assertEqual((list(self.gate), len(self.gate)), ([], 0))
        self.assertEqual(self.factory.protocols, {})

    def test_flapping_at_the_limit_is_told_once(self) -> None:
        """However often accepting pauses within ten seconds, the log says it once, and once that it is over."""
        observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.connect(), self.connect()
        for _ in range(5):
            self.lose(self.connect())
        self.clock.advance(11)
        events = [event["event"] for event in observer if "event" in event]
        self.assertEqual(events, [Event.ACCEPTING_PAUSED, Event.ACCEPTING_RESUMED])
        self.assertEqual(self.clock.getDelayedCalls(), [])


class RoomTests(_Case):
    """Who makes room at the limit."""

    def setUp(self) -> None:
        super().setUp()
        self.port = _Port()
        self.gate.add_port(self.port)
        self.connections = [self.connect() for _ in range(3)]

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)
            for connection in self.gate:
                if connection.transport.disconnected:
                    connection.connectionLost(Failure(ConnectionAborted()))

    def test_who_stands_still_makes_room(self) -> None:
        """At the limit the one that did nothing for longest is closed after its grace, and nobody more than needed."""
        self.wait(GRACE - 0.25)
        self.assertEqual((list(self.gate), self.port.reading), (self.connections, False))
        self.wait(0.25)
        self.assertEqual((list(self.gate), self.port.reading), (self.connections[1:], True))
        self.wait(2 * GRACE)
        self.assertEqual(list(self.gate), self.connections[1:])
        self.connect()
        self.wait(0.25)
        self.assertEqual(list(self.gate)[:-1], self.connections[2:])

    def test_who_gets_on_stays_longer(self) -> None:
        """A client that began something is the last in the row, also behind TLS."""
        self.wait(GRACE - 1)
        tls = ProtocolWrapper(WrappingFactory(None), _Echo())
        tls.transport = self.connections[0]
        got_on(tls)
        got_on(self.connections[1])
        self.wait(1)
        self.assertEqual(list(self.gate), self.connections[:2])

    def test_sessions_stay(self) -> None:
        """A connection with a session is never closed; where all have one, the port waits."""
        for connection in self.connections:
            keep(connection)
            got_on(connection)
        self.wait(3 * GRACE)
        self.assertEqual((list(self.gate), self.port.reading), (self.connections, False))
        late = self.connect()
        self.connections.pop(0).connectionLost(Failure(ConnectionDone()))
        self.wait(GRACE)
        self.assertEqual((list(self.gate), self.port.reading), (self.connections, True))
        self.assertTrue(late.transport.disconnected)

    def test_below_the_limit_nobody_has_to_go(self) -> None:
        """With room left, holding still costs nothing, and no timer runs."""
        self.connections[1].connectionLost(Failure(ConnectionDone()))
        self.clock.advance(20)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.wait(3 * GRACE)
        self.assertEqual(len(self.gate), 2)

    def test_a_transport_without_a_connection(self) -> None:
        """On a transport that is nobody's connection there is nothing to say."""
        got_on(StringTransport())
        keep(None)


class WelcomeTests(SynchronousTestCase):
    """Addresses that connect too often."""

    def test_unwelcome_address(self) -> None:
        """One that is not welcome is closed before anything is made for it; it is asked about in one spelling."""
        asked: list[str] = []

        def welcome(address: str) -> bool:
            asked.append(address)
            return len(asked) < 2

        factory = ConnectionFactory(ServerFactory.forProtocol(_Echo), Gate(3, Wheel(Clock())), welcome)
        peer = IPv6Address("TCP", "::ffff:192.0.2.1", 4000)
        self.assertIsNotNone(factory.buildProtocol(peer))
        self.assertIsNone(factory.buildProtocol(peer))
        self.assertEqual(["192.0.2.1"] * 2, asked)

    def test_local_sockets_are_always_welcome(self) -> None:
        """A local socket has no address to be asked about."""
        factory = ConnectionFactory(ServerFactory.forProtocol(_Echo), Gate(3, Wheel(Clock())), lambda address: False)
        self.assertIsNotNone(factory.buildProtocol(UNIXAddress(None)))
