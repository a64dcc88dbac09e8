"""Tests of connections whose clients a balancer names."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival
from gateway.model.events import Event
from gateway.model.proxies import TrustedProxies
from gateway.net.connection import Connection, ConnectionFactory, Gate
from gateway.net.mux import HEAD_DEADLINE, Mux, Routes
from gateway.net.proxied import HEADER_DEADLINE, Balancers, ProxiedFactory, uncounted
from gateway.net.wheel import Wheel
from gateway.wire.sniff import Kind
from tests.support.feed import ways
from tests.support.front import Counts
from tests.support.pipes import SocketTransport, turn

BALANCER = IPv4Address("TCP", "10.0.0.5", 40000)
TRUSTED = TrustedProxies((ip_network("10.0.0.0/24"),))
SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")

V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 54321 443\r\n"
V2 = SIGNATURE + bytes.fromhex("2111000cc0000207c6336401d43101bb")  # the same
MAPPED = b"PROXY TCP6 ::ffff:192.0.2.7 2001:db8::1 54321 443\r\n"
LOCAL = SIGNATURE + bytes.fromhex("2011000cc0000207c6336401d43101bb")  # its addresses say nothing
UNKNOWN = b"PROXY UNKNOWN 192.0.2.7 198.51.100.1 54321 443\r\n"
REQUEST = b"GET / HTTP/1.1\r\n"


class _Next(Protocol):
    """Whom a connection was handed to."""

    def __init__(self, arrival: Arrival) -> None:
        self.arrival, self.heard = arrival, b""

    def dataReceived(self, data: bytes) -> None:
        self.heard += data


class ProxiedTests(SynchronousTestCase):
    """A listener that requires a header."""

    def setUp(self) -> None:
        self.clock, self.counts = Clock(), Counts()
        self.wheel = Wheel(self.clock)
        self.gate = Gate(1000, self.wheel)
        self.made: list[_Next] = []
        self.asked: list[str] = []
        self.greeted: list[Arrival] = []
        self.welcoming = True
        self.observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def front(self, arrival: Arrival) -> _Next:
        self.made.append(_Next(arrival))
        return self.made[-1]

    def greet(self, arrival: Arrival) -> None:
        self.greeted.append(arrival)

    def welcome(self, address: str) -> bool:
        self.asked.append(address)
        return self.welcoming

    def connect(self, peer: object = BALANCER, trusted: TrustedProxies = TRUSTED) -> Connection:
        routes = Routes(self.wheel, self.counts, {Kind.HTTP: self.front}, silent=self.greet, silent_after=2.0)
        balancers = Balancers(trusted, self.welcome, self.wheel, self.counts, "outside")
        factory = ConnectionFactory(
            ProxiedFactory(lambda: Mux(routes, Arrival("", listener="outside")), balancers), self.gate
        )
        transport = SocketTransport(self.clock)
        transport.peerAddr = peer
        transport.protocol = connection = factory.buildProtocol(None)
        connection.makeConnection(transport)
        return connection

    def advance(self, seconds: float) -> None:
        self.clock.pump([0.25] * round(seconds * 4))
        turn(self.clock)

    def assert_refused(self, connection: Connection, outcome: str, words: str) -> None:
        """Closed, counted, told in one line with nothing of the peer's in it, and nobody was asked to go on."""
        turn(self.clock)
        self.assertTrue(connection.transport.closed)
        self.assertEqual((self.counts.outcomes, self.made), ([outcome], []))
        (event,) = list(self.observer)
        self.assertEqual((event["event"], event["listener"]), (Event.JUNK_REFUSED, "outside"))
        self.assertIn(words, event["what"])
        self.assertNotIn("T0P", repr(dict(event)))
        self.assert_nothing_left()

    def assert_nothing_left(self) -> None:
        self.assertEqual((len(self.gate), self.clock.getDelayedCalls()), (0, []))

    def test_the_client_is_whom_the_header_names(self) -> None:
        """However header and request are cut, the connection is the client's, and the request arrives whole."""
        for header in (V1, V2, MAPPED):
            for pieces in ways(header + REQUEST):
                connection = self.connect()
                for piece in pieces:
                    connection.dataReceived(piece)
                self.assertEqual((connection.address, connection.port), ("192.0.2.7", 54321))
                arrival = self.made[-1].arrival
                self.assertEqual((arrival.address, arrival.port, arrival.listener), ("192.0.2.7", 54321, "outside"))
                self.assertEqual(self.made[-1].heard, REQUEST)
                connection.transport.cut()
        self.assertEqual((set(self.counts.outcomes), list(self.observer)), ({"http"}, []))
        self.assert_nothing_left()

    def test_the_balancers_own_connections(self) -> None:
        """What a balancer does in its own name has its own address, and no line in the log."""
        for header in (LOCAL, UNKNOWN):
            connection = self.connect()
            connection.dataReceived(header + REQUEST)
            self.assertEqual((self.made[-1].arrival.address, self.made[-1].arrival.port), ("10.0.0.5", 40000))
            connection.transport.cut()
            self.connect().dataReceived(header)
        self.assertEqual((self.asked, list(self.observer)), ([], []))

    def test_who_is_not_trusted(self) -> None:
        """A peer that may not say anything is closed before it does, whatever it would have said."""
        for peer in (IPv4Address("TCP", "10.0.1.5", 1), IPv6Address("TCP", "::1", 1), UNIXAddress(None)):
            self.setUp()
            connection = self.connect(peer)
            connection.dataReceived(V1 + REQUEST)
            self.assert_refused(connection, "refused", "is not among trusted_proxies")

    def test_who_is_trusted(self) -> None:
        """An IPv4 balancer on an IPv6 port is known, and so is one on a unix socket where that is said."""
        mapped = self.connect(IPv6Address("TCP", "::ffff:10.0.0.5", 1))
        local = self.connect(UNIXAddress(None), TrustedProxies(unix=True))
        for connection in (mapped, local):
            connection.dataReceived(V1 + REQUEST)
            self.assertEqual(connection.address, "192.0.2.7")
        self.assertEqual(len(self.made), 2)

    def test_no_header(self) -> None:
        """A header is required: what is something else is closed with its first byte, and nothing of it is told."""
        for junk in (b"GET /T0P HTTP/1.1\r\n", b"\x16\x03\x01", b"PROXY TCP4 T0P\r\n", V2[:12] + b"\x31"):
            self.setUp()
            connection = self.connect()
            for byte in junk:
                connection.dataReceived(bytes([byte]))
            connection.dataReceived(V1)
            self.assert_refused(connection, "junk", "sends no PROXY header that can be read")

    def test_half_a_header(self) -> None:
        """The deadline is for the whole header; trickling does not move it."""
        connection = self.connect()
        connection.dataReceived(V1[:10])
        self.advance(HEADER_DEADLINE - 1)
        connection.dataReceived(V1[10:20])
        self.assertFalse(connection.transport.closed)
        self.advance(1)
        self.assert_refused(connection, "timeout", "too long")

    def test_probes(self) -> None:
        """A balancer that connects and leaves, or holds still, costs no line in the log."""
        self.connect().transport.cut()
        quiet = self.connect()
        self.advance(HEADER_DEADLINE)
        self.assertTrue(quiet.transport.closed)
        self.assertEqual((self.counts.outcomes, list(self.observer)), (["closed", "silent"], []))
        self.assert_nothing_left()

    def test_clients_are_counted_by_their_own_address(self) -> None:
        """How often one may connect is asked of the client, not of its balancer."""
        self.connect().dataReceived(V1)
        self.assertEqual(self.asked, ["192.0.2.7"])
        self.welcoming = False
        connection = self.connect()
        connection.dataReceived(V1 + REQUEST)
        turn(self.clock)
        self.assertTrue(connection.transport.closed)
        self.assertEqual((self.counts.outcomes, self.made), (["over-limit"], []))

    def test_balancers_are_not_counted(self) -> None:
        """A balancer may connect as often as it likes; everybody else is asked about."""
        self.welcoming = False
        welcome = uncounted(TRUSTED, self.welcome)
        self.assertEqual([welcome(address) for address in ("10.0.0.5", "10.0.1.5")], [True, False])
        self.assertEqual(self.asked, ["10.0.1.5"])

    def test_the_clocks_begin_behind_the_header(self) -> None:
        """Silence and the first request are timed from when the header was whole."""
        connection = self.connect()
        self.advance(HEADER_DEADLINE - 1)
        connection.dataReceived(V1)
        self.advance(1.75)
        self.assertEqual(self.greeted, [])
        self.advance(0.25)
        self.assertEqual([one.address for one in self.greeted], ["192.0.2.7"])
        self.advance(HEAD_DEADLINE - 2.25)
        self.assertFalse(connection.transport.closed)
        self.advance(0.25)
        self.assertTrue(connection.transport.closed)
        self.assert_nothing_left()
