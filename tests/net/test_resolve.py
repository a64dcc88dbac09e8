"""
Tests of ``gateway.net.resolve``.
"""

from __future__ import annotations

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import Unreachable
from gateway.net.resolve import ADDRESSES_MAX, resolve


class ResolverByHand(Clock):
    """A clock with a resolver whose answers the test gives."""

    def __init__(self) -> None:
        super().__init__()
        self.nameResolver = self

    def resolveHostName(self, receiver, name, portNumber=0, addressTypes=None, transportSemantics="TCP"):  # noqa: N802, N803
        self.receiver, self.name = receiver, name
        receiver.resolutionBegan(None)


class ResolveTests(SynchronousTestCase):
    """Answers in order, bounded in number and time."""

    def setUp(self) -> None:
        self.reactor = ResolverByHand()
        self.asked = Deferred.fromCoroutine(resolve(self.reactor, "lab.example.com", 5901, 5))

    def test_addresses_in_order(self) -> None:
        """Both families come as the resolver sorted them."""
        self.reactor.receiver.addressResolved(IPv6Address("TCP", "2001:db8::1", 5901))
        self.reactor.receiver.addressResolved(IPv4Address("TCP", "192.0.2.1", 5901))
        self.assertNoResult(self.asked)
        self.reactor.receiver.resolutionComplete()
        self.assertEqual(["2001:db8::1", "192.0.2.1"], self.successResultOf(self.asked))
        self.assertEqual([], self.reactor.getDelayedCalls())

    def test_unknown(self) -> None:
        """A name without addresses is unreachable, for now."""
        self.reactor.receiver.resolutionComplete()
        self.assertFalse(self.failureResultOf(self.asked, Unreachable).value.final)

    def test_too_many(self) -> None:
        """Of very many addresses only some are kept."""
        for number in range(50):
            self.reactor.receiver.addressResolved(IPv4Address("TCP", f"192.0.2.{number}", 5901))
        self.reactor.receiver.resolutionComplete()
        self.assertEqual(ADDRESSES_MAX, len(self.successResultOf(self.asked)))

    def test_too_late(self) -> None:
        """A resolver that does not answer is given up; its answer later does no harm."""
        self.reactor.advance(5)
        self.failureResultOf(self.asked, Unreachable)
        self.reactor.receiver.addressResolved(IPv4Address("TCP", "192.0.2.1", 5901))
        self.reactor.receiver.resolutionComplete()
