"""Clients are told to come back, and get a moment to hear it."""

from __future__ import annotations

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.connection import ConnectionFactory, Gate
from gateway.net.wheel import Wheel
from gateway.service.shutdown import GRACE, Shutdown
from tests.support.bench import Bench


class Cuttable(StringTransport):
    """A transport that can be cut."""

    aborted = False

    def abortConnection(self) -> None:  # noqa: N802
        self.aborted = True


class ShutdownTests(SynchronousTestCase):
    """The end."""

    def setUp(self) -> None:
        self.bench = Bench()
        self.gate = Gate(10, Wheel(self.bench.clock))
        self.shutdown = Shutdown(self.bench.clock, self.bench.broker, self.bench.registry, self.gate)

    def connection(self) -> tuple[object, Cuttable]:
        """A connection through the gate."""
        connection = ConnectionFactory(Factory.forProtocol(Protocol), self.gate).buildProtocol(None)
        transport = Cuttable()
        connection.makeConnection(transport)
        return connection, transport

    def test_nobody_connected(self) -> None:
        """It is over at once, and takes nobody any more."""
        self.successResultOf(self.shutdown.stopService())
        self.assertTrue(self.bench.broker.draining)

    def test_sessions_end_as_drained(self) -> None:
        """Every session ends with that word."""
        self.bench.connect(self.bench.ticket())
        self.shutdown.stopService()
        self.assertEqual(["drained"], self.bench.endings())

    def test_waits_for_clients_to_leave(self) -> None:
        """It is over when the last connection has gone."""
        connection, transport = self.connection()
        stopping = self.shutdown.stopService()
        self.assertNoResult(stopping)
        from twisted.internet.error import ConnectionDone
        from twisted.python.failure import Failure

        connection.connectionLost(Failure(ConnectionDone()))
        self.bench.turn(0.1)
        self.successResultOf(stopping)
        self.assertFalse(transport.aborted)

    def test_cuts_what_stays(self) -> None:
        """After the grace the rest is cut."""
        _, transport = self.connection()
        stopping = self.shutdown.stopService()
        self.bench.turn(GRACE + 0.1)
        self.successResultOf(stopping)
        self.assertTrue(transport.aborted)
