"""Tests of telling what a connection speaks, outside and inside TLS."""

from __future__ import annotations

import ssl
from pathlib import Path

import attrs
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival
from gateway.model.events import Event
from gateway.net.certificates import CertificateStore
from gateway.net.connection import ConnectionFactory, Gate
from gateway.net.handshakes import Slots
from gateway.net.mux import CLOSE_DEADLINE, HEAD_DEADLINE, MuxFactory, Routes, TlsEntrance
from gateway.net.wheel import Wheel
from gateway.wire.sniff import Kind
from tests.support.certs import Authority, write_pile
from tests.support.feed import ways
from tests.support.front import Counts
from tests.support.pipes import SocketTransport, turn
from tests.support.tls_talk import TlsTalk, client_hello, unverified

PILE = Authority().issue("gw.example.com")


class _Next(Protocol):
    """Whom a connection was handed to: repeats what it hears."""

    def __init__(self, name: str, arrival: Arrival, made: list) -> None:
        self.name, self.arrival, self.heard, self.lost = name, arrival, b"", False
        made.append(self)

    def dataReceived(self, data: bytes) -> None:
        self.heard += data
        self.transport.write(data)

    def connectionLost(self, reason=None) -> None:
        self.lost = True


class _Case(SynchronousTestCase):
    slots_at_once = 2

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        write_pile(directory / "default.pem", PILE)
        self.clock, self.counts = Clock(), Counts()
        self.wheel = Wheel(self.clock)
        self.gate = Gate(1000, self.wheel)
        self.made: list[_Next] = []
        self.slots = Slots(self.wheel, self.slots_at_once)
        by_kind = {Kind.HTTP: self.to("http")}
        inside = Routes(self.wheel, self.counts, {**by_kind, Kind.SPICE: self.to("spice")})
        store = CertificateStore(directory, "1.2", lambda notice: None)
        self.routes = Routes(self.wheel, self.counts, by_kind, TlsEntrance(store, self.slots, inside))
        self.template = Arrival("", listener="outside", public_url="https://gw.example.com")
        self.observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def to(self, name: str):
        return lambda arrival: _Next(name, arrival, self.made)

    def connect(self):
        transport = SocketTransport(self.clock)
        factory = ConnectionFactory(MuxFactory(self.routes, self.template), self.gate)
        connection = factory.buildProtocol(None)
        transport.protocol = connection
        connection.makeConnection(transport)
        return connection

    def talk(self, name: str | None = "gw.example.com", context: ssl.SSLContext | None = None) -> TlsTalk:
        connection = self.connect()
        self.last = connection
        return TlsTalk(connection, connection.transport, context or unverified(), name)

    def advance(self, seconds: float) -> None:
        self.clock.pump([0.25] * round(seconds * 4))
        turn(self.clock)

    def assertClosed(self, connection) -> None:  # noqa: N802
        turn(self.clock)
        self.assertTrue(connection.transport.closed)

    def assertEmpty(self) -> None:  # noqa: N802
        """Nothing is left of any connection."""
        turn(self.clock)
        self.assertEqual((len(self.gate), self.slots.active, self.slots.waiting), (0, 0, 0))
        self.assertEqual(self.clock.getDelayedCalls(), [])


class OutsideTests(_Case):
    """Outside TLS."""

    def test_handed_over_with_everything(self) -> None:
        """However the bytes come, the route gets all of them, once it is known which it is."""
        for pieces in ways(b"GET / HTTP/1.1\r\n"):
            connection = self.connect()
            for piece in pieces:
                connection.dataReceived(piece)
            self.assertEqual((self.made[-1].name, self.made[-1].heard), ("http", b"GET / HTTP/1.1\r\n"))
            self.assertIs(connection.wrappedProtocol, self.made[-1])
            connection.transport.cut()
        self.assertEqual(set(self.counts.outcomes), {"http"})
        self.assertEmpty()

    def test_arrival(self) -> None:
        """Who is handed over knows its client and listener."""
        self.connect().dataReceived(b"GET / ")
        arrival = self.made[0].arrival
        self.assertEqual(
            (arrival.address, arrival.port, arrival.listener, arrival.secure),
            ("192.168.1.1", 54321, "outside", False),
        )

    def test_handed_over_has_no_deadline(self) -> None:
        """Whoever took over has its own clock."""
        connection = self.connect()
        connection.dataReceived(b"GET / ")
        self.advance(HEAD_DEADLINE * 10)
        self.assertFalse(connection.transport.closed)

    def test_junk(self) -> None:
        """What nobody speaks is closed, counted and told, without a byte of it."""
        connection = self.connect()
        connection.dataReceived(b"SSH-2.0-T0P\r\n")
        self.assertClosed(connection)
        self.assertEqual(self.counts.outcomes, ["junk"])
        (event,) = list(self.observer)
        self.assertEqual((event["event"], event["peer"]), (Event.JUNK_REFUSED, "192.168.1.1"))
        self.assertNotIn("T0P", repr(dict(event)))
        self.assertEmpty()

    def test_what_is_known_but_not_spoken_here(self) -> None:
        """A viewer's greeting without a route for it is refused like junk."""
        connection = self.connect()
        connection.dataReceived(b"REDQ")
        self.assertClosed(connection)
        self.assertEqual(self.counts.outcomes, ["junk"])

    def test_who_is_not_welcome(self) -> None:
        """A route that makes nothing of a client refuses it like junk."""
        self.routes = attrs.evolve(self.routes, by_kind={Kind.RFB: lambda arrival: None})
        connection = self.connect()
        connection.dataReceived(b"RFB ")
        self.assertClosed(connection)
        self.assertEqual(self.counts.outcomes, ["junk"])

    def test_a_peer_that_does_not_take_note(self) -> None:
        """A refused client that does not close is cut."""
        connection = self.connect()
        connection.transport.stuck = True
        connection.dataReceived(b"junk")
        connection.dataReceived(b"GET / HTTP/1.1\r\n")
        turn(self.clock)
        self.assertFalse(connection.transport.closed)
        self.advance(CLOSE_DEADLINE)
        self.assertClosed(connection)
        self.assertEqual(self.made, [])
        self.assertEmpty()

    def test_silence(self) -> None:
        """Who says nothing is let go after the deadline, without a line in the log."""
        connection = self.connect()
        self.advance(HEAD_DEADLINE - 0.25)
        self.assertFalse(connection.transport.closed)
        self.advance(0.25)
        self.assertClosed(connection)
        self.assertEqual((self.counts.outcomes, list(self.observer)), (["silent"], []))
        self.assertEmpty()

    def test_stopping_halfway(self) -> None:
        """Who stops halfway is refused at the deadline, which trickling does not move."""
        connection = self.connect()
        connection.dataReceived(b"G")
        self.advance(9)
        connection.dataReceived(b"E")
        self.advance(1)
        self.assertClosed(connection)
        self.assertEqual(self.counts.outcomes, ["timeout"])
        self.assertEqual([event["event"] for event in self.observer], [Event.JUNK_REFUSED])
        self.assertEmpty()

    def test_a_probe(self) -> None:
        """A balancer that connects and leaves costs no line in the log."""
        self.connect().transport.cut()
        self.assertEqual((self.counts.outcomes, list(self.observer)), (["closed"], []))
        self.assertEmpty()

    def test_silent_route(self) -> None:
        """A silent client is spoken to after its time; one that spoke, or is excepted, is not."""
        asked: list[str | None] = []

        def silent(arrival: Arrival):
            asked.append(arrival.server_name)
            return None if len(asked) > 1 else _Next("rfb", arrival, self.made)

        self.routes = attrs.evolve(self.routes, silent=silent, silent_after=2.0)
        spoke = self.connect()
        spoke.dataReceived(b"GE")
        connection = self.connect()
        self.advance(2)
        self.assertEqual(([one.name for one in self.made], asked), (["rfb"], [None]))
        connection.dataReceived(b"RFB 003.008\n")
        self.assertEqual(self.made[0].heard, b"RFB 003.008\n")
        excepted = self.connect()
        self.advance(2)
        excepted.dataReceived(b"GET / ")
        self.assertEqual([one.name for one in self.made], ["rfb", "http"])


class TlsTests(_Case):
    """TLS, and the table again inside."""

    def test_inside(self) -> None:
        """Inside TLS HTTP is handed over the same way, as secure and with the name that was asked for."""
        talk = self.talk().pump().send(b"GET / HTTP/1.1\r\n")
        self.assertEqual(talk.received, b"GET / HTTP/1.1\r\n")
        arrival = self.made[0].arrival
        self.assertEqual(
            (arrival.secure, arrival.server_name, arrival.address, arrival.public_url),
            (True, "gw.example.com", "192.168.1.1", "https://gw.example.com"),
        )
        self.assertEqual(self.counts.outcomes, ["tls", "http"])
        self.assertIsInstance(self.last.wrappedProtocol, TLSMemoryBIOProtocol)
        self.assertEqual(self.slots.active, 0)

    def test_a_hello_in_pieces(self) -> None:
        """However the ClientHello is cut, no TLS object exists before it is whole, and then the server answers."""
        hello = client_hello("gw.example.com")
        for at in (1, 5, 6, len(hello) // 2, len(hello) - 1):
            connection = self.connect()
            connection.dataReceived(hello[:at])
            self.assertNotIsInstance(connection.wrappedProtocol, TLSMemoryBIOProtocol)
            connection.dataReceived(hello[at:])
            self.assertIsInstance(connection.wrappedProtocol, TLSMemoryBIOProtocol)
            self.assertEqual(connection.transport.value()[:1], b"\x16")
            connection.transport.cut()
        self.assertEmpty()

    def test_alpn(self) -> None:
        """What a client offered to speak is known of its arrival, whether it was chosen or not."""
        context = unverified()
        context.set_alpn_protocols(["h2", "http/1.1"])
        self.talk(context=context).pump().send(b"GET / HTTP/1.1\r\n")
        self.talk().pump().send(b"GET / HTTP/1.1\r\n")
        self.assertEqual([one.arrival.alpn for one in self.made], [("h2", "http/1.1"), ()])

    def test_other_routes_inside(self) -> None:
        """What is spoken inside may be more than outside; junk and TLS in TLS are refused there too."""
        talk = self.talk().pump().send(b"REDQ")
        self.assertEqual(([one.name for one in self.made], talk.received), (["spice"], b"REDQ"))
        for junk in (b"junk", client_hello()):
            talk = self.talk().pump().send(junk)
            self.assertTrue(talk.closed)
            self.advance(CLOSE_DEADLINE)
            self.assertClosed(self.last)
        self.assertEqual(self.counts.outcomes.count("junk"), 2)

    def test_half_a_hello(self) -> None:
        """Half a ClientHello is refused at the deadline, and costs no turn."""
        connection = self.connect()
        connection.dataReceived(client_hello()[:100])
        self.assertEqual((self.slots.active, self.slots.waiting), (0, 0))
        self.advance(HEAD_DEADLINE)
        self.assertClosed(connection)
        self.assertEqual(self.counts.outcomes, ["timeout"])
        self.assertEmpty()

    def test_a_hello_and_then_nothing(self) -> None:
        """A handshake that does not go on is cut at the deadline of its connection, without a line in the log."""
        connection = self.connect()
        self.advance(3)
        connection.dataReceived(client_hello())
        self.assertEqual(self.slots.active, 1)
        self.advance(HEAD_DEADLINE - 3)
        self.assertClosed(connection)
        self.assertEqual((self.counts.outcomes, list(self.observer)), (["tls-failed"], []))
        self.assertEmpty()

    def test_a_handshake_and_then_nothing(self) -> None:
        """Inside, silence has a deadline of its own, and a browser's spare connection leaves no line."""
        self.talk().pump()
        self.advance(HEAD_DEADLINE - 0.25)
        self.assertFalse(self.last.transport.closed)
        self.advance(0.25)
        self.assertClosed(self.last)
        self.assertEqual((self.counts.outcomes, list(self.observer)), (["tls", "silent"], []))
        self.assertEmpty()

    def test_probes_leave_no_line(self) -> None:
        """A TLS probe that leaves before, in or after the handshake is not told."""
        connection = self.connect()
        connection.dataReceived(client_hello()[:50])
        connection.transport.cut()
        connection = self.connect()
        connection.dataReceived(client_hello())
        connection.transport.cut()
        self.talk().pump()
        self.last.transport.cut()
        self.assertEqual(self.counts.outcomes, ["closed", "tls-failed", "tls", "closed"])
        self.assertEqual(list(self.observer), [])
        self.assertEmpty()

    def test_a_broken_hello(self) -> None:
        """A hello that is none is refused before TLS, with one line."""
        connection = self.connect()
        connection.dataReceived(b"\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00")
        self.assertClosed(connection)
        self.assertEqual(self.counts.outcomes, ["tls-failed"])
        self.assertEqual([event["event"] for event in self.observer], [Event.JUNK_REFUSED])
        self.assertEmpty()

    def test_no_common_version(self) -> None:
        """A client too old is told so by TLS, and no traceback is logged."""
        context = unverified()
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")  # else the client itself gives up
        talk = self.talk(context=context)
        self.assertRaises(ssl.SSLError, talk.pump)
        self.assertClosed(self.last)
        self.assertEqual((self.counts.outcomes, list(self.observer)), (["tls-failed"], []))
        self.assertEmpty()

    def test_rubbish_inside_a_session(self) -> None:
        """Broken records end the connection; whoever had it hears the loss, and no traceback is logged."""
        self.talk().pump().send(b"GET / HTTP/1.1\r\n")
        self.last.dataReceived(b"\x17\x03\x03\x00\x20" + b"x" * 32)
        self.assertClosed(self.last)
        self.assertTrue(self.made[0].lost)
        self.assertEqual(list(self.observer), [])
        self.assertEmpty()

    def test_aborted_at_every_point(self) -> None:
        """A client that vanishes after any number of its records leaves nothing behind."""
        for steps in range(4):
            talk = self.talk()
            for _ in range(steps):
                talk.step()
            self.last.transport.cut()
            self.assertEmpty()
        self.assertEqual(list(self.observer), [])


class SlotsTests(_Case):
    """More handshakes than there is room for."""

    def test_a_waiting_client_gets_on(self) -> None:
        """With both places held by clients that do nothing a third waits, unread, and gets on after the grace."""
        idle = [self.connect(), self.connect()]
        for connection in idle:
            connection.dataReceived(client_hello())
        talk = self.talk().pump()
        self.assertEqual((talk.done, self.slots.waiting), (False, 1))
        self.assertEqual(self.last.transport.producerState, "paused")
        self.assertNotIsInstance(self.last.wrappedProtocol, TLSMemoryBIOProtocol)
        self.advance(1.25)
        self.assertEqual(self.last.transport.producerState, "producing")
        talk.pump().send(b"GET / HTTP/1.1\r\n")
        self.assertEqual(talk.received, b"GET / HTTP/1.1\r\n")
        self.assertEqual([connection.transport.closed for connection in idle], [True, False])
        self.assertEqual(self.counts.outcomes, ["tls-failed", "tls", "http"])

    def test_who_waits_too_long(self) -> None:
        """A client that waits for its turn until its deadline is cut."""
        self.routes = attrs.evolve(self.routes, tls=attrs.evolve(self.routes.tls, slots=Slots(self.wheel, 1, 60)))
        first, second = self.connect(), self.connect()
        first.dataReceived(client_hello())
        self.advance(1)
        second.dataReceived(client_hello())
        self.advance(HEAD_DEADLINE - 1)
        self.assertClosed(first)
        self.assertClosed(second)
        self.assertEqual(list(self.observer), [])

    def test_a_full_queue(self) -> None:
        """Who finds no place to wait either is cut at once."""
        slots = Slots(self.wheel, 1, 60, waiting_limit=1)
        self.routes = attrs.evolve(self.routes, tls=attrs.evolve(self.routes.tls, slots=slots))
        connections = [self.connect() for _ in range(3)]
        for connection in connections:
            connection.dataReceived(client_hello())
        turn(self.clock)
        self.assertEqual([one.transport.closed for one in connections], [False, False, True])
        self.assertEqual(self.counts.outcomes, ["over-limit"])
