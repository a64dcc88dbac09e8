"""Tests of swapping protocols."""

from __future__ import annotations

from twisted.internet.protocol import Protocol
from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.handover import replace


class _Note(Protocol):
    def __init__(self, name: str, heard: list) -> None:
        self.name = name
        self.heard = heard

    def connectionMade(self) -> None:
        self.heard.append((self.name, "made"))

    def dataReceived(self, data: bytes) -> None:
        self.heard.append((self.name, data))

    def connectionLost(self, reason=None) -> None:
        self.heard.append((self.name, "lost"))


class ReplaceTests(SynchronousTestCase):
    """One protocol leaves, another has the connection."""

    def setUp(self) -> None:
        self.heard: list = []
        self.first = _Note("first", self.heard)
        self.wrapper = ProtocolWrapper(WrappingFactory(None), self.first)
        self.wrapper.makeConnection(StringTransport())
        self.heard.clear()

    def test_successor_gets_what_is_pending_and_all_that_follows(self) -> None:
        """Pending bytes come right after the connection, later ones and the end go to the successor alone."""
        replace(self.wrapper, _Note("second", self.heard), b"pending")
        self.wrapper.dataReceived(b"later")
        self.wrapper.connectionLost(None)
        self.assertEqual(
            self.heard,
            [("second", "made"), ("second", b"pending"), ("second", b"later"), ("second", "lost")],
        )

    def test_nothing_pending_delivers_nothing(self) -> None:
        """Without pending bytes the successor hears of the connection only."""
        replace(self.wrapper, _Note("second", self.heard))
        self.assertEqual(self.heard, [("second", "made")])

    def test_a_successor_may_hand_over_at_once(self) -> None:
        """A successor that leaves while it is connected does not get the pending bytes any more."""
        heard = self.heard

        class Leaves(Protocol):
            def connectionMade(self) -> None:
                replace(self.transport, _Note("third", heard), b"own")

        replace(self.wrapper, Leaves(), b"pending")
        self.assertEqual(heard, [("third", "made"), ("third", b"own")])
