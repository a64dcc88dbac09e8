"""A handshake over a pipe: carried through, lost, or too slow."""

from __future__ import annotations

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.converse import HandshakeLost, converse
from gateway.net.memory_pipe import pipe_pair
from gateway.wire.errors import LocalError, PeerError
from gateway.wire.reader import Dialogue, Reader, StartTLS, Steps
from tests.support.bench import Client


def greeting(reader: Reader) -> Steps[str]:
    """Say hello, want two bytes, say thanks; ``!!`` is no answer."""
    yield b"hello"
    answer = yield from reader.exact(2)
    if answer == b"!!":
        yield b"hush"
        raise PeerError("shouting")
    yield b"thanks"
    return answer.decode()


def covered(reader: Reader) -> Steps[str]:
    """Begin with TLS when told to, and tell a secret inside."""
    yield from reader.exact(1)
    yield b"begin"
    yield StartTLS(anonymous=True)
    yield b"secret"
    return (yield from reader.exact(2)).decode()


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
        """A peer that breaks the protocol is told apart from one that is lost, and is told what there is to say."""
        self.client.pipe.send(b"!!")
        self.turn()
        self.failureResultOf(self.outcome, PeerError)
        self.assertEqual(b"hellohush", bytes(self.client.received))

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


class Unwilling(Exception):
    """TLS that does not come about."""


class TlsTests(SynchronousTestCase):
    """A dialogue that wants TLS, which somebody else makes."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.near, far = pipe_pair(self.clock)
        self.client = Client(far)
        far.start(self.client)
        self.shaking: list[Deferred[None]] = []
        self.wishes: list[StartTLS] = []
        conversation = converse(self.near, Dialogue(covered), self.clock, 5.0, self.make_tls)
        self.outcome = Deferred.fromCoroutine(conversation)

    async def make_tls(self, wish: StartTLS) -> None:
        """Take the pipe, and shake hands until the test says that it is done."""
        self.wishes.append(wish)
        self.near.rewind()
        self.shaking.append(Deferred())
        await self.shaking[0]

    def turn(self, *data: bytes) -> None:
        """Let everything under way happen, with these bytes of the server's."""
        for piece in data:
            self.client.pipe.send(piece)
        self.clock.pump([0] * 10)

    def test_goes_on_inside(self) -> None:
        """TLS begins behind what is sent before it; the dialogue goes on once it stands, and not earlier."""
        self.turn(b"!")
        self.assertEqual(([StartTLS(anonymous=True)], b"begin"), (self.wishes, bytes(self.client.received)))
        self.turn(b"o")  # of whatever TLS makes of it: for whom the pipe has then
        self.assertEqual(b"begin", bytes(self.client.received))
        self.shaking[0].callback(None)
        self.turn()
        self.assertEqual(b"beginsecret", bytes(self.client.received))
        self.turn(b"kmore")
        self.assertEqual(("ok", b"more"), self.successResultOf(self.outcome))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_bytes_from_before(self) -> None:
        """Bytes that come with the word that lets TLS begin are the server's fault: no TLS is made."""
        self.turn(b"!injected")
        self.failureResultOf(self.outcome, PeerError)
        self.assertEqual([], self.wishes)

    def test_failing(self) -> None:
        """What the handshake fails with is what the conversation fails with; nothing is said any more."""
        self.turn(b"!")
        self.shaking[0].errback(Unwilling())
        self.failureResultOf(self.outcome, Unwilling)
        self.turn()
        self.assertEqual(b"begin", bytes(self.client.received))

    def test_too_slow(self) -> None:
        """The deadline counts for the handshake too, and stops it."""
        self.turn(b"!")
        self.clock.advance(5)
        self.failureResultOf(self.outcome, HandshakeLost)
        self.assertTrue(self.shaking[0].called)

    def test_cancelled(self) -> None:
        """Whoever waits no longer stops the handshake."""
        self.turn(b"!")
        self.outcome.cancel()
        self.failureResultOf(self.outcome, CancelledError)
        self.assertTrue(self.shaking[0].called)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_nobody_makes_it(self) -> None:
        """Without anybody to make TLS it is our own mistake to have asked."""
        near, far = pipe_pair(self.clock)
        far.start(client := Client(far))
        outcome = Deferred.fromCoroutine(converse(near, Dialogue(covered), self.clock, 5.0))
        client.pipe.send(b"!")
        self.turn()
        self.failureResultOf(outcome, LocalError)
