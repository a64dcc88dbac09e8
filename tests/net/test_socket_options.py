"""Options of real TCP sockets, under whatever is wrapped around them."""

from __future__ import annotations

import socket

from twisted.internet.testing import StringTransport
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.socket_options import DEAD_AFTER, PATIENT_FOR, be_patient, prepare


class _OnSocket(StringTransport):
    def __init__(self, family: int = socket.AF_INET) -> None:
        super().__init__()
        self.socket = socket.socket(family)

    def getHandle(self) -> socket.socket:  # noqa: N802
        return self.socket

    def option(self, name: str) -> int:
        return self.socket.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))


class OptionTests(SynchronousTestCase):
    """What the kernel is told."""

    def setUp(self) -> None:
        self.transport = _OnSocket()
        self.addCleanup(self.transport.socket.close)

    def test_vanished_peers(self) -> None:
        """A peer that acknowledges nothing ends the connection, an idle one is asked whether it is there."""
        prepare(self.transport)
        self.assertTrue(self.transport.option("TCP_NODELAY"))
        self.assertEqual(DEAD_AFTER * 1000, self.transport.option("TCP_USER_TIMEOUT"))
        self.assertEqual(15, self.transport.option("TCP_KEEPIDLE"))

    def test_slow_readers(self) -> None:
        """One that takes nothing more is given time, and as little as before when it reads again."""
        prepare(self.transport)
        be_patient(self.transport, True)
        self.assertEqual(PATIENT_FOR * 1000, self.transport.option("TCP_USER_TIMEOUT"))
        be_patient(self.transport, False)
        self.assertEqual(DEAD_AFTER * 1000, self.transport.option("TCP_USER_TIMEOUT"))

    def test_below_wrappers(self) -> None:
        """The socket is found below TLS and whatever else wraps it."""
        inner = ProtocolWrapper(WrappingFactory(None), None)
        inner.transport = self.transport
        outer = ProtocolWrapper(WrappingFactory(None), None)
        outer.transport = inner
        be_patient(outer, True)
        self.assertEqual(PATIENT_FOR * 1000, self.transport.option("TCP_USER_TIMEOUT"))

    def test_nothing_to_set(self) -> None:
        """Local sockets, closed ones and tests without a socket are left alone."""
        local = _OnSocket(socket.AF_UNIX)
        self.addCleanup(local.socket.close)
        self.transport.socket.close()
        for transport in (local, self.transport, StringTransport()):
            prepare(transport)
            be_patient(transport, True)
