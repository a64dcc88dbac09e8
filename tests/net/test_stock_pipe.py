"""Tests of ``gateway.net.stock_pipe``."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import ServerFactory
from twisted.internet.task import Clock
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from gateway.model.session import COME_BACK, REPLACED, Closing, Ending
from gateway.net.certificates import CertificateStore
from gateway.net.stock_pipe import CUT_SECONDS, StockPipe
from gateway.net.tcp_pipe import CLOSE_SECONDS
from tests.net.test_liveness import KernelSocket
from tests.net.test_tcp_pipe import SocketFarEnd
from tests.support.certs import Authority, write_pile
from tests.support.pipe_contract import FINISHED, PipeContract
from tests.support.pipes import RecordingReceiver, SocketTransport, turn
from tests.support.tls_talk import TlsTalk, unverified

PILE = Authority().issue("gw.example.com")
CUTS = (COME_BACK, *(Closing.of(one) for one in (Ending.DRAINED, Ending.UNREACHABLE, Ending.UPSTREAM_GONE)))
GOODBYES = (REPLACED, *(Closing.of(one) for one in (Ending.FINISHED, Ending.REVOKED, Ending.MOVED, Ending.EXPIRED)))


class StockPipeContractTests(PipeContract, SynchronousTestCase):
    """The contract, on a socket."""

    def make(self):
        clock = Clock()
        pipe, transport = StockPipe(clock), SocketTransport(clock)
        transport.protocol = pipe
        pipe.makeConnection(transport)
        return pipe, SocketFarEnd(pipe, transport, clock), clock


class TlsStockPipeContractTests(StockPipeContractTests):
    """The contract, on TLS: no half-close."""

    half_closes = False

    def make(self):
        pipe, far, clock = super().make()
        alsoProvides(pipe.transport, ISSLTransport)
        return pipe, far, clock


class ClosingTests(SynchronousTestCase):
    """How a connection ends says whether to come back."""

    def in_tls(self) -> TlsTalk:
        directory = Path(self.mktemp())
        directory.mkdir()
        write_pile(directory / "default.pem", PILE)
        self.clock = Clock()
        self.pipe, self.transport = StockPipe(self.clock), SocketTransport(self.clock)
        store = CertificateStore(directory, "1.2", lambda notice: None)
        tls = TLSMemoryBIOProtocol(TLSMemoryBIOFactory(store, False, ServerFactory(), self.clock), self.pipe)
        connection = ProtocolWrapper(WrappingFactory(None), tls)
        self.transport.protocol = connection
        connection.makeConnection(self.transport)
        self.pipe.start(RecordingReceiver())
        return TlsTalk(connection, self.transport, unverified(), None).pump()

    def test_goodbye_in_tls(self) -> None:
        """What is over for good ends with a close_notify, after all that was sent."""
        for closing in GOODBYES:
            talk = self.in_tls()
            self.pipe.send(b"last words")
            self.pipe.close(closing)
            talk.pump()
            self.assertEqual((b"last words", True), (talk.received, talk.closed), closing)

    def test_cut_in_tls(self) -> None:
        """Who shall come back gets all that was sent, and then a FIN without a close_notify."""
        for closing in CUTS:
            talk = self.in_tls()
            self.pipe.send(b"last words")
            self.pipe.close(closing)
            self.pipe.close(FINISHED)
            self.pipe.send(b"too late")
            turn(self.clock)
            self.assertTrue(self.transport.closed and self.transport.disconnecting)
            talk.pump()
            self.assertEqual((b"last words", False), (talk.received, talk.closed), closing)
            self.assertEqual([], self.clock.getDelayedCalls())

    def test_cut_of_a_peer_that_does_not_read(self) -> None:
        """A peer that takes nothing is cut after a while."""
        self.in_tls()
        self.transport.stuck = True
        self.pipe.close(COME_BACK)
        turn(self.clock)
        self.assertFalse(self.transport.closed)
        self.clock.advance(CLOSE_SECONDS)
        turn(self.clock)
        self.assertTrue(self.transport.closed)

    def test_cut_of_a_bare_stream(self) -> None:
        """Without TLS a FIN would be a good-bye: it is reset, once the last bytes had their time."""
        self.pipe, far, self.clock = StockPipeContractTests().make()
        self.pipe.start(RecordingReceiver())
        self.pipe.send(b"last words")
        self.pipe.close(COME_BACK)
        self.clock.advance(CUT_SECONDS - 0.1)
        self.assertEqual((b"last words", "open"), (far.heard(), far.state()))
        self.clock.advance(0.1)
        turn(self.clock)
        self.assertEqual(("closed", False), (far.state(), self.pipe.transport.disconnecting))

    def test_a_lost_pipe(self) -> None:
        """What is gone need not be cut."""
        self.pipe, far, self.clock = StockPipeContractTests().make()
        far.vanish()
        self.pipe.close(COME_BACK)
        turn(self.clock)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_goodbyes_of_the_peer(self) -> None:
        """A peer's close_notify is a good-bye, its FIN without one is not."""
        for leave, expected in ((lambda talk: talk.client.unwrap(), "goodbye"), (lambda talk: None, "lost")):
            talk, receiver = self.in_tls(), RecordingReceiver()
            self.pipe.start(receiver)
            try:
                leave(talk)
            except ssl.SSLWantReadError:
                talk.pump()
            self.transport.cut(ConnectionDone())
            turn(self.clock)
            self.assertEqual([expected], receiver.events[-1:])


class ProbeTests(SynchronousTestCase):
    """Whether the peer's machine lives."""

    def setUp(self) -> None:
        self.pipe, self.far, self.clock = StockPipeContractTests().make()
        self.socket = KernelSocket(socket.AF_INET)
        self.addCleanup(self.socket.close)
        self.pipe.transport.getHandle = lambda: self.socket
        self.pipe.start(RecordingReceiver())
        turn(self.clock)

    def probed(self, silent_for) -> bool:
        """The verdict, with the kernel's age of the last acknowledgement at each time since the beginning."""
        probe = Deferred.fromCoroutine(self.pipe.probe(2))
        began = self.clock.seconds()
        for _ in range(20):
            self.socket.silent_for = silent_for(self.clock.seconds() - began)
            self.clock.advance(0.1)
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(15, self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE))
        return self.successResultOf(probe)

    def test_asked_and_acknowledged(self) -> None:
        """A machine that acknowledges while it is asked is alive, though its viewer says nothing."""
        self.assertTrue(self.probed(lambda since: 60 + since if since < 1 else since - 1))

    def test_only_before(self) -> None:
        """What was acknowledged before it was asked proves nothing."""
        self.assertFalse(self.probed(lambda since: 0.1 + since))

    def test_bytes(self) -> None:
        """Bytes are as good, and a kernel that knows nothing is no harm."""
        self.socket.silent_for = None
        probe = Deferred.fromCoroutine(self.pipe.probe(2))
        self.far.say(b"here")
        turn(self.clock)
        self.assertTrue(self.successResultOf(probe))
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertFalse(self.probed(lambda since: None))
