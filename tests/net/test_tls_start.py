"""Tests of beginning with TLS."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol
from twisted.internet.task import Clock
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from gateway.net.certificates import CertificateStore
from gateway.net.connection import ConnectionFactory, Gate
from gateway.net.handshakes import Slots
from gateway.net.tls_start import TlsStart, TlsTerms
from gateway.net.wheel import Wheel
from gateway.wire.client_hello import ClientHello
from tests.support.certs import Authority, write_pile
from tests.support.pipes import SocketTransport, turn
from tests.support.tls_talk import TlsTalk, client_hello, unverified

PILE = Authority().issue("gw.example.com")


@implementer(IHandshakeListener)
class _Inside(Protocol):
    """What is spoken inside: everything back."""

    start: TlsStart

    def handshakeCompleted(self) -> None:
        self.start.over()

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class _Outside(Protocol):
    """What led to TLS: every byte is its own business."""

    def __init__(self, case: TlsStartTests) -> None:
        self._case = case

    def connectionMade(self) -> None:
        self.inside = _Inside()
        self.start = self.inside.start = TlsStart(
            self.transport,
            self._case.terms,
            inside=self._make,
            refused=self._case.told.append,
            evicted=lambda: self._case.told.append("evicted"),
        )

    def _make(self, hello: ClientHello) -> _Inside:
        self._case.told.append(hello.server_name or "")
        return self.inside

    def dataReceived(self, data: bytes) -> None:
        self.start.receive(data)


class TlsStartTests(SynchronousTestCase):
    """One client, or a few."""

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        write_pile(directory / "default.pem", PILE)
        self.clock = Clock()
        self.wheel = Wheel(self.clock)
        self.told: list[str] = []
        self.store = CertificateStore(directory, "1.2", lambda notice: None)
        self.terms = TlsTerms(self.store, Slots(self.wheel, 1), self.wheel)

    def connect(self):
        factory = ConnectionFactory(_Factory(self), Gate(100, self.wheel))
        transport = SocketTransport(self.clock)
        connection = factory.buildProtocol(None)
        transport.protocol = connection
        connection.makeConnection(transport)
        return connection

    def test_into_tls(self) -> None:
        """The handshake is made, the protocol inside hears what comes there, and the turn is over."""
        connection = self.connect()
        talk = TlsTalk(connection, connection.transport, unverified(), "gw.example.com").pump()
        self.assertEqual(b"hello", talk.send(b"hello").received)
        self.assertEqual((["gw.example.com"], 0), (self.told, self.terms.slots.active))

    def test_a_hello_in_pieces(self) -> None:
        """However the hello is cut, TLS is not built before it is whole, and has all of it then."""
        hello = client_hello("gw.example.com")
        connection = self.connect()
        start = connection.wrappedProtocol.start
        for piece in (hello[:3], hello[3:-1], hello[-1:]):
            self.assertEqual((False, False), (start.asked, start.begun))
            connection.dataReceived(piece)
        self.assertEqual((True, True), (start.asked, start.begun))
        self.assertIsInstance(connection.wrappedProtocol, TLSMemoryBIOProtocol)
        self.assertEqual(b"\x16", connection.transport.value()[:1])

    def test_no_hello(self) -> None:
        """What is no hello is told, and nothing is built."""
        connection = self.connect()
        connection.dataReceived(b"RFB 003.008\n")
        self.assertEqual(1, len(self.told))
        self.assertFalse(connection.wrappedProtocol.start.begun)

    def test_waiting(self) -> None:
        """Who waits for a turn is not read from; one that is given up waits no longer."""
        first, second = self.connect(), self.connect()
        first.dataReceived(client_hello())
        second.dataReceived(client_hello())
        second.dataReceived(b"what no client sends")
        start = second.wrappedProtocol.start
        self.assertEqual((True, False, "paused"), (start.asked, start.begun, second.transport.producerState))
        start.over()
        self.assertEqual((1, 0), (self.terms.slots.active, self.terms.slots.waiting))

    def test_evicted(self) -> None:
        """A handshake that does not get on makes room for the next, which is read from again."""
        first, second = self.connect(), self.connect()
        first.dataReceived(client_hello())
        second.dataReceived(client_hello())
        self.clock.pump([0.25] * 5)
        turn(self.clock)
        self.assertEqual(["localhost", "evicted", "localhost"], self.told)
        self.assertEqual("producing", second.transport.producerState)

    def test_capped(self) -> None:
        """With the capped certificates no TLS 1.3 is spoken."""
        self.terms = TlsTerms(self.store.capped, self.terms.slots, self.wheel)
        connection = self.connect()
        talk = TlsTalk(connection, connection.transport, unverified(), None).pump()
        self.assertEqual("TLSv1.2", talk.client.version())


class _Factory:
    def __init__(self, case: TlsStartTests) -> None:
        self._case = case

    def buildProtocol(self, address) -> _Outside:  # noqa: N802
        return _Outside(self._case)

    def doStart(self) -> None: ...  # noqa: N802

    def doStop(self) -> None: ...  # noqa: N802
