"""
Tests of ``gateway.net.tcp_pipe``.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import alsoProvides

from gateway.net.tcp_pipe import CLOSE_SECONDS, EARLY_MAX, TcpPipe
from gateway.wire.errors import LocalError, PeerError
from tests.support.pipe_contract import FINISHED, PipeContract
from tests.support.pipes import RecordingReceiver, SocketTransport, turn


class SocketFarEnd:
    """The peer of a socket, with the kernel's receive buffer between."""

    def __init__(self, pipe: TcpPipe, transport: SocketTransport, clock: Clock) -> None:
        self._pipe, self._transport, self._kernel = pipe, transport, b""
        resume = transport.resumeProducing

        def deliver() -> None:
            resume()
            clock.callLater(0, self.say, b"")

        transport.resumeProducing = deliver

    def say(self, data: bytes) -> None:
        self._kernel += data
        if self._kernel and self._transport.producerState == "producing" and not self._transport.closed:
            data, self._kernel = self._kernel, b""
            self._pipe.dataReceived(data)

    def heard(self) -> bytes:
        return self._transport.value()

    def end(self) -> None:
        self.say(b"")
        self._pipe.readConnectionLost()

    def leave(self) -> None:
        self._transport.cut(ConnectionDone())

    def vanish(self) -> None:
        self._transport.cut(ConnectionLost())

    def stop_reading(self) -> None:
        self._transport.stuck = True

    def read_on(self) -> None:
        self._transport.unstick()

    def state(self) -> str:
        if self._transport.closed:
            return "closed"
        return "half-closed" if self._transport.fin_sent else "open"


def make_pipe() -> tuple[TcpPipe, SocketTransport, Clock]:
    clock = Clock()
    pipe, transport = TcpPipe(clock), SocketTransport(clock)
    transport.protocol = pipe
    pipe.makeConnection(transport)
    return pipe, transport, clock


class TcpPipeContractTests(PipeContract, SynchronousTestCase):
    """The contract, on a socket."""

    def make(self):
        pipe, transport, clock = make_pipe()
        return pipe, SocketFarEnd(pipe, transport, clock), clock


class TlsPipeContractTests(TcpPipeContractTests):
    """The contract, on a transport that is TLS by now: no half-close."""

    half_closes = False

    def make(self):
        pipe, far, clock = super().make()
        alsoProvides(pipe.transport, ISSLTransport)
        return pipe, far, clock


class TcpPipeTests(SynchronousTestCase):
    """What only a socket does."""

    def setUp(self) -> None:
        self.pipe, self.transport, self.clock = make_pipe()
        self.receiver = RecordingReceiver()

    def test_early_bytes_are_bounded(self) -> None:
        """A peer that talks before anybody listens is read up to a bound, and further once somebody does."""
        self.pipe.dataReceived(bytes(EARLY_MAX))
        self.assertEqual("producing", self.transport.producerState)
        self.pipe.dataReceived(b"x")
        self.assertEqual("paused", self.transport.producerState)
        self.pipe.start(self.receiver)
        turn(self.clock)
        self.assertEqual((EARLY_MAX + 1, "producing"), (len(self.receiver.data), self.transport.producerState))

    def test_bytes_just_after_start(self) -> None:
        """Bytes that come between start and the delivery of the early ones do not stop the reading for good."""
        self.pipe.dataReceived(bytes(EARLY_MAX))
        self.pipe.start(self.receiver)
        self.pipe.dataReceived(b"x")
        turn(self.clock)
        self.assertEqual((EARLY_MAX + 1, "producing"), (len(self.receiver.data), self.transport.producerState))

    def test_what_tls_still_held_is_kept(self) -> None:
        """Bytes that a transport delivers in spite of a pause wait, and a goodbye waits behind them."""
        self.pipe.start(self.receiver)
        self.pipe.pause()
        self.pipe.dataReceived(b"last record")
        self.transport.cut(ConnectionDone())
        turn(self.clock)
        self.assertEqual((b"", []), (self.receiver.data, self.receiver.events))
        self.pipe.resume()
        turn(self.clock)
        self.assertEqual((b"last record", ["goodbye"]), (self.receiver.data, self.receiver.events))

    def test_a_fin_is_not_read_again(self) -> None:
        """After the peer's FIN the socket is never read again: that would tell the same FIN for ever."""
        self.pipe.start(self.receiver)
        self.transport.pauseProducing()
        self.pipe.readConnectionLost()
        self.pipe.pause()
        self.pipe.resume()
        self.pipe.start(self.receiver)
        self.pipe.close(FINISHED)
        self.assertEqual("paused", self.transport.producerState)

    def test_a_stuck_close_is_cut(self) -> None:
        """A flush that does not end is cut at the deadline, not before."""
        self.pipe.start(self.receiver)
        self.transport.stuck = True
        self.pipe.send(b"x" * 70_000)
        self.pipe.close(FINISHED)
        self.clock.pump([0, CLOSE_SECONDS - 0.1])
        self.assertFalse(self.transport.closed)
        self.clock.pump([0.1, 0, 0])
        self.assertTrue(self.transport.closed)
        self.assertEqual("lost", self.receiver.events[-1])
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_an_orderly_close_leaves_no_timer(self) -> None:
        """Once closed, no deadline is left behind."""
        self.pipe.start(self.receiver)
        self.pipe.close(FINISHED)
        turn(self.clock)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_closing_lets_go_of_the_producer_and_reads(self) -> None:
        """TLS would not close with a producer, nor see the peer's close_notify while paused."""
        self.pipe.start(self.receiver)
        self.pipe.pause()
        self.pipe.close(FINISHED)
        self.assertEqual((None, "producing"), (self.transport.producer, self.transport.producerState))

    def test_rewind(self) -> None:
        """A rewound pipe keeps what comes, the bytes put back first, for the next receiver."""
        first = RecordingReceiver()
        self.pipe.start(first)
        self.pipe.dataReceived(b"greeting")
        self.pipe.rewind(b"rest ")
        self.pipe.dataReceived(b"more")
        turn(self.clock)
        self.pipe.start(self.receiver)
        turn(self.clock)
        self.assertEqual((b"greeting", b"rest more"), (first.data, self.receiver.data))

    def test_silence_is_no_sign_of_life(self) -> None:
        """A probe without an answer says no at its time and not before."""
        self.pipe.start(self.receiver)
        probe = Deferred.fromCoroutine(self.pipe.probe(2))
        self.clock.advance(1.9)
        self.assertNoResult(probe)
        self.clock.advance(0.1)
        self.assertFalse(self.successResultOf(probe))

    def test_taken_bytes_are_a_sign_of_life(self) -> None:
        """A send buffer that drains shows that somebody acknowledges."""
        self.pipe.start(self.receiver)
        self.transport.stuck = True
        self.pipe.send(b"x" * 70_000)
        turn(self.clock)
        probe = Deferred.fromCoroutine(self.pipe.probe(2))
        self.transport.unstick()
        self.assertTrue(self.successResultOf(probe))

    def test_a_loss_answers_a_probe(self) -> None:
        """A pipe that is lost while it is probed says no at once."""
        self.pipe.start(self.receiver)
        probe = Deferred.fromCoroutine(self.pipe.probe(2))
        self.transport.cut()
        self.assertFalse(self.successResultOf(probe))

    def test_tls_after_bytes_in_the_clear(self) -> None:
        """Bytes sent before TLS are no part of what TLS protects: the pipe refuses to mix them."""
        self.pipe.dataReceived(b"injected")
        self.failureResultOf(Deferred.fromCoroutine(self.pipe.start_tls(object())), PeerError)

    def test_tls_inside_tls(self) -> None:
        """A connection that has TLS gets no second one: nobody would understand it."""
        alsoProvides(self.transport, ISSLTransport)
        self.failureResultOf(Deferred.fromCoroutine(self.pipe.start_tls(object())), LocalError)

    def test_what_it_was_lost_by(self) -> None:
        """What ended the connection is kept, for whoever has to say why."""
        self.assertIsNone(self.pipe.lost_by)
        self.transport.cut(error := ConnectionLost())
        self.assertIs(self.pipe.lost_by, error)
