"""Tests of asking the kernel about a peer."""

from __future__ import annotations

import socket
import struct

from twisted.trial.unittest import SynchronousTestCase

from gateway.net import liveness
from gateway.net.socket_options import KEEPALIVE, set_options


class KernelSocket(socket.socket):
    """A TCP socket whose peer acknowledged something so many seconds ago, as the kernel tells it."""

    silent_for: float | None = 0.0

    def getsockopt(self, level: int, option: int, *size: int):
        if (level, option) != (socket.IPPROTO_TCP, socket.TCP_INFO):
            return super().getsockopt(level, option, *size)
        if self.silent_for is None:
            raise OSError("not connected")
        return struct.pack("=8B24I", *range(8), *range(12), round(self.silent_for * 1000), *range(11))[: size[0]]


class LivenessTests(SynchronousTestCase):
    """A socket's options, and what it tells."""

    def setUp(self) -> None:
        self.socket = KernelSocket(socket.AF_INET)
        self.addCleanup(self.socket.close)

    def option(self, option: int) -> int:
        return self.socket.getsockopt(socket.IPPROTO_TCP, option)

    def test_asking(self) -> None:
        """While it is asked that is every second, and as before afterwards, whatever happens."""
        set_options(self.socket, KEEPALIVE)
        with self.assertRaises(ValueError), liveness.asking(self.socket):
            self.assertEqual((1, 1), (self.option(socket.TCP_KEEPIDLE), self.option(socket.TCP_KEEPINTVL)))
            raise ValueError
        self.assertEqual((15, 5), (self.option(socket.TCP_KEEPIDLE), self.option(socket.TCP_KEEPINTVL)))

    def test_unacknowledged(self) -> None:
        """Milliseconds out of the middle of the kernel's record; endless where there is none."""
        self.socket.silent_for = 1.5
        self.assertEqual(1.5, liveness.unacknowledged_for(self.socket))
        self.socket.silent_for = None
        self.assertEqual(float("inf"), liveness.unacknowledged_for(self.socket))

    def test_a_closed_socket(self) -> None:
        """A socket that is gone by now makes no fault of it."""
        self.socket.close()
        with liveness.asking(self.socket):
            pass
