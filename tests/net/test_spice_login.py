"""Tests of linking to a SPICE server for somebody else."""

from __future__ import annotations

import functools

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import Unreachable
from gateway.model.secret import Secret
from gateway.model.target import Security, SecurityType
from gateway.net.memory_pipe import pipe_pair
from gateway.net.spice_keys import SpiceKey
from gateway.net.spice_login import LINK_SECONDS, MAX_REMEMBERED, REMEMBERED, SpiceMemory, SpiceOpening
from gateway.wire.reader import Dialogue
from gateway.wire.spice import ACCEPTED, Caps, Channel, Common, Link, answer, refusal, usual_caps
from tests.support.pipes import RecordingReceiver, turn

KEY = SpiceKey()
COMMON = Common.AUTH_SELECTION | Common.AUTH_SPICE | Common.MINI_HEADER
DISPLAY = Link(7, Channel.DISPLAY, 0, Caps(int(COMMON)))
PASSWORD = Security(SecurityType.VNC, Secret("s3rver-Secret"))


class _Server(RecordingReceiver):
    """A SPICE server at the far end; ``result`` is what it says at last, ``None`` for nothing."""

    def __init__(self, pipe, result: bytes | None, caps: Caps) -> None:
        super().__init__()
        self._pipe, self._result = pipe, result
        steps = functools.partial(answer, public_key=KEY.public, decrypt=KEY.decrypt, caps_for=lambda link: caps)
        self.dialogue = Dialogue(steps)
        pipe.start(self)

    def pipe_data(self, data: bytes) -> None:
        self.dialogue.receive(data)
        self._pipe.send(self.dialogue.to_send())
        if self.dialogue.done and self._result is not None:
            self._pipe.send(self._result)


class SpiceOpeningTests(SynchronousTestCase):
    """One channel."""

    def open(
        self, result: bytes | None = ACCEPTED, caps: Caps | None = None, security: Security = PASSWORD
    ) -> Deferred:
        self.clock = Clock()
        self.near, far = pipe_pair(self.clock)
        self.server = _Server(far, result, caps or usual_caps(DISPLAY))
        self.far = far
        self.corrections: list[Caps] = []
        opening = SpiceOpening(DISPLAY, usual_caps(DISPLAY), self.corrections.append, self.clock)
        outcome = Deferred.fromCoroutine(opening(self.near, security))
        turn(self.clock, 20)
        return outcome

    def test_accepted(self) -> None:
        """The server gets the client's link and our password; the client is told yes, and what follows."""
        self.assertEqual(ACCEPTED + b"INIT", self.successResultOf(self.open(ACCEPTED + b"INIT")))
        seen = self.server.dialogue.result
        self.assertEqual(
            (7, Channel.DISPLAY, "s3rver-Secret"), (seen.link.connection_id, seen.link.channel_type, seen.ticket)
        )
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_bytes_after_it(self) -> None:
        """What the server says later waits for the next reader."""
        self.successResultOf(self.open())
        self.far.send(b"later")
        turn(self.clock)
        receiver = RecordingReceiver()
        self.near.start(receiver)
        turn(self.clock)
        self.assertEqual(b"later", receiver.data)

    def test_no_password(self) -> None:
        """A server without one gets an empty one."""
        self.successResultOf(self.open(security=Security()))
        self.assertIsNone(self.server.dialogue.result.ticket)

    def test_refused(self) -> None:
        """A server that says no is not asked again, and the password is in no text."""
        failure = self.failureResultOf(self.open(refusal()), Unreachable)
        self.assertTrue(failure.value.final)
        self.assertIn("permission denied", str(failure.value))
        self.assertNotIn("s3rver", repr(failure.value) + str(failure.value.__cause__))

    def test_lost_or_silent(self) -> None:
        """A server that breaks off or says nothing may be tried again."""
        outcome = self.open(None)
        self.clock.advance(LINK_SECONDS)
        self.assertFalse(self.failureResultOf(outcome, Unreachable).value.final)
        outcome = self.open(None)
        self.far.abort()
        turn(self.clock)
        self.assertFalse(self.failureResultOf(outcome, Unreachable).value.final)

    def test_impossible_passwords(self) -> None:
        """A password that the protocol cannot carry never gets there."""
        for password in ("x" * 61, "x\0y"):
            outcome = self.open(security=Security(SecurityType.VNC, Secret(password)))
            self.assertTrue(self.failureResultOf(outcome, Unreachable).value.final)

    def test_told_wrong(self) -> None:
        """Where the server can do less than was told the connection ends, and what it said is handed on."""
        less = Caps(int(COMMON), 0)
        self.assertEqual(b"", self.successResultOf(self.open(caps=less)))
        turn(self.clock)
        self.assertEqual((["lost"], [less]), (self.server.events, self.corrections))

    def test_told_too_little(self) -> None:
        """A server that can do more goes on."""
        more = Caps(int(COMMON), usual_caps(DISPLAY).channel | 1 << 20)
        self.assertEqual(ACCEPTED, self.successResultOf(self.open(caps=more)))


class SpiceMemoryTests(SynchronousTestCase):
    """What servers said."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.memory = SpiceMemory(self.clock.seconds)

    def test_for_one_client_and_channel(self) -> None:
        """Only who was told wrong is told otherwise, of that channel, and for a while."""
        said = Caps(9, 0)
        self.memory.correct("192.0.2.7", DISPLAY, said)
        self.assertEqual(said, self.memory.caps_for("192.0.2.7", Link(0, Channel.DISPLAY, 1, Caps())))
        self.assertEqual(usual_caps(DISPLAY), self.memory.caps_for("192.0.2.8", DISPLAY))
        main = Link(0, Channel.MAIN, 0, Caps())
        self.assertEqual(usual_caps(main), self.memory.caps_for("192.0.2.7", main))
        self.clock.advance(REMEMBERED + 1)
        self.assertEqual(usual_caps(DISPLAY), self.memory.caps_for("192.0.2.7", DISPLAY))

    def test_bounded(self) -> None:
        """The oldest are forgotten; one that is told again is young."""
        for number in (*range(MAX_REMEMBERED), 0, MAX_REMEMBERED):
            self.memory.correct(str(number), DISPLAY, Caps(9, 0))
        told = [self.memory.caps_for(str(number), DISPLAY).channel for number in (0, 1, 2, MAX_REMEMBERED)]
        self.assertEqual([0, usual_caps(DISPLAY).channel, 0, 0], told)
