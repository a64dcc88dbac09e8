"""Tests of the pipe of stock clients."""

from __future__ import annotations

from twisted.internet.error import ConnectionAborted, ConnectionDone
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.session import COME_BACK, Closing, Ending
from gateway.net.stock_pipe import CUT_SECONDS, StockPipe
from tests.net.test_tcp_pipe import SocketFarEnd
from tests.support.pipe_contract import PipeContract
from tests.support.pipes import RecordingReceiver, SocketTransport, turn


class _Ends(SocketTransport):
    """Keeps how it ended."""

    how: type[Exception] | None = None

    def cut(self, why: Exception | None = None) -> None:
        self.how = self.how or type(why)
        super().cut(why)


def make_pipe() -> tuple[StockPipe, _Ends, Clock]:
    clock = Clock()
    pipe, transport = StockPipe(clock), _Ends(clock)
    transport.protocol = pipe
    pipe.makeConnection(transport)
    return pipe, transport, clock


class StockPipeContractTests(PipeContract, SynchronousTestCase):
    """It is a pipe like any other."""

    def make(self):
        pipe, transport, clock = make_pipe()
        return pipe, SocketFarEnd(pipe, transport, clock), clock


class ClosingTests(SynchronousTestCase):
    """What a client can tell from the end of its connection."""

    def setUp(self) -> None:
        self.pipe, self.transport, self.clock = make_pipe()
        self.receiver = RecordingReceiver()
        self.pipe.start(self.receiver)

    def test_goodbyes(self) -> None:
        """What is over for the client ends in an orderly way, at once."""
        for ending in (Ending.FINISHED, Ending.REVOKED, Ending.EXPIRED, Ending.CLIENT_ERROR):
            self.setUp()
            self.pipe.close(Closing.of(ending))
            turn(self.clock)
            self.assertIs(ConnectionDone, self.transport.how)

    def test_cuts(self) -> None:
        """Who shall come back, or was failed, is cut; the last bytes have a moment to get out."""
        for closing in (COME_BACK, Closing.of(Ending.DRAINED), Closing.of(Ending.UPSTREAM_GONE)):
            self.setUp()
            self.pipe.send(b"last words")
            self.pipe.close(closing)
            self.pipe.close(closing)
            self.pipe.send(b"too late")
            turn(self.clock)
            self.assertFalse(self.transport.closed)
            self.clock.pump([CUT_SECONDS, 0])
            self.assertIs(ConnectionAborted, self.transport.how)
            self.assertEqual((b"last words", []), (self.transport.value(), self.clock.getDelayedCalls()))

    def test_cutting_what_is_gone(self) -> None:
        """A client that left before leaves no timer behind."""
        self.transport.cut()
        self.pipe.close(COME_BACK)
        turn(self.clock)
        self.assertEqual([], self.clock.getDelayedCalls())
