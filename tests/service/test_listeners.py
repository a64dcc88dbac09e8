"""Ports: opened or refused, never half."""

from __future__ import annotations

from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from gateway.net.connection import Gate
from gateway.net.wheel import Wheel
from gateway.service.listeners import CannotListen, Listener

LOOPBACK = "tcp:{port}:interface=127.0.0.1"


class ListenerTests(TestCase):
    """On the loopback."""

    def listener(self, port: int = 0, gate: Gate | None = None) -> Listener:
        """A listener that the test's end closes."""
        listener = Listener(reactor, LOOPBACK.format(port=port), Factory.forProtocol(Protocol), gate, "outside")
        self.addCleanup(lambda: maybeDeferred(listener.stopService))
        return listener

    def test_taken_port_is_an_error(self) -> None:
        """A port that somebody has raises, and names listener and endpoint."""
        first = self.listener()
        first.startService()
        port = first.address.port
        error = self.assertRaises(CannotListen, self.listener(port).privilegedStartService)
        self.assertIn(f"outside: tcp:{port}", str(error))

    def test_nonsense_is_an_error(self) -> None:
        """An endpoint that Twisted does not understand raises too."""
        listener = Listener(reactor, "nonsense:1", Factory.forProtocol(Protocol), None, "outside")
        self.assertRaises(CannotListen, listener.privilegedStartService)

    def test_opened_once(self) -> None:
        """A start after the privileged one opens nothing more."""
        listener = self.listener()
        listener.privilegedStartService()
        before = listener.address
        listener.startService()
        self.assertEqual(before, listener.address)

    async def test_the_gate_rules_over_it(self) -> None:
        """The port is the gate's while it is open, and forgotten when it is closed."""
        gate = Gate(10, Wheel(Clock()))
        listener = self.listener(gate=gate)
        listener.startService()
        self.assertEqual(1, len(gate._ports))
        await listener.stopService()
        self.assertEqual(0, len(gate._ports))
        self.assertIsNone(listener.address)
