"""A handshake over a pipe: carried through, lost, or too slow."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.converse import HandshakeLost, converse
from gateway.net.memory_pipe import pipe_pair
from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue, Reader, Steps
from tests.support.bench import Client


def greeting(reader: Reader) -> Steps[str]:
    """Say hello, want two bytes, say thanks; ``!!`` is no answer."""
    yield b"hello"
    answer = yield from reader.exact(2)
    if answer == b"!!":
        raise PeerError("shouting")
    yield b"thanks"
    return answer.decode()


class ConverseTests(SynchronousTestCase):
    """Both ends in one process."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.near, far = pipe_pair(self.clock)
        self.client = Client(far)
        far.start(self.client)
        self.outcome = Deferred.fromCoroutine(converse(self.near, Dialogue(greeting), self.clock, 5.0))

    def turn(self, seconds: float = 0.0) -> None:
        """Let everything under way happen."""
        self.clock.pump([seconds] + [0] * 10)

    def test_carried_through(self) -> None:
        """The result comes with the bytes behind it, and the deadline is forgotten."""
        for piece in (b"o", b"kmore"):
            self.client.pipe.send(piece)
            self.turn()
        self.assertEqual(("ok", b"more"), self.successResultOf(self.outcome))
        self.turn()
        self.assertEqual(b"hellothanks", bytes(self.client.received))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_what_follows_is_kept(self) -> None:
        """Bytes that come before the next receiver starts are its own."""
        self.client.pipe.send(b"ok")
        self.turn()
        self.successResultOf(self.outcome)
        self.client.pipe.send(b"later")
        self.turn()
        reader = Client(self.near)
        self.near.start(reader)
        self.turn()
        self.assertEqual(b"later", bytes(reader.received))

    def test_broken(self) -> None:
        """A peer that breaks the protocol is told apart from one that is lost."""
        self.client.pipe.send(b"!!")
        self.turn()
        self.failureResultOf(self.outcome, PeerError)

    def test_lost(self) -> None:
        """A peer that leaves, or only stops sending, ends it; an orderly leave is told."""
        for leave, goodbye in (("abort", False), ("half_close", True)):
            self.setUp()
            getattr(self.client.pipe, leave)()
            self.turn()
            failure = self.failureResultOf(self.outcome, HandshakeLost)
            self.assertEqual(goodbye, failure.value.goodbye)

    def test_too_slow(self) -> None:
        """After the deadline it is over, and what comes later does not matter."""
        self.turn(5.0)
        self.failureResultOf(self.outcome, HandshakeLost)
        self.client.pipe.send(b"ok")
        self.turn()
