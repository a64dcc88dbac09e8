"""An upstream between two clients."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.memory_pipe import pipe_pair
from gateway.sessions.kept import Kept
from tests.support.bench import FakeUpstream, Server


class KeptTests(SynchronousTestCase):
    """Put, take, drop."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.kept = Kept()

    def upstream(self) -> tuple[FakeUpstream, Server]:
        """An upstream and the machine behind it."""
        near, far = pipe_pair(self.clock)
        server = Server(far)
        far.start(server)
        return FakeUpstream(near), server

    def turn(self) -> None:
        """Let everything under way happen."""
        self.clock.pump([0] * 10)

    def test_given_up_whole(self) -> None:
        """What the machine sends meanwhile is for whoever goes on with it."""
        upstream, server = self.upstream()
        self.kept.put(upstream)
        server.pipe.send(b"meanwhile")
        self.turn()
        self.assertIs(upstream, self.kept.take())
        self.assertIsNone(self.kept.take())
        reader = Server(upstream.pipe)
        upstream.pipe.start(reader)
        self.turn()
        self.assertEqual(b"meanwhile", bytes(reader.received))

    def test_dropped(self) -> None:
        """One that is dropped, or replaced, is closed."""
        (first, one), (second, two) = self.upstream(), self.upstream()
        self.kept.put(first)
        self.kept.put(second)
        self.kept.drop()
        self.turn()
        self.assertEqual([True, True], [one.lost, two.lost])

    def test_lost(self) -> None:
        """One that the machine cuts, or hangs up, is not given up to anybody, and not left open."""
        for leave in ("abort", "half_close"):
            upstream, server = self.upstream()
            self.kept.put(upstream)
            upstream.pipe.resume()
            getattr(server.pipe, leave)()
            self.turn()
            self.assertIsNone(self.kept.take())
            self.assertIsNotNone(server.lost)
