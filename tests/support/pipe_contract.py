"""
What every ``Pipe`` does, whatever it stands on.

A test class mixes :class:`PipeContract` in and makes a pipe together with a
:class:`FarEnd`: the other side of the wire, in the test's hands.
"""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.model.seams import Pipe
from gateway.model.session import Closing, Ending
from tests.support.pipes import RecordingReceiver, turn

FINISHED = Closing.of(Ending.FINISHED)


class FarEnd(Protocol):
    """The peer of the pipe under test."""

    def say(self, data: bytes) -> None:
        """Send bytes, if the pipe reads now; else they wait in the kernel."""

    def heard(self) -> bytes:
        """Everything that the pipe sent."""

    def end(self) -> None:
        """Half-close."""

    def leave(self) -> None:
        """Close in an orderly way."""

    def vanish(self) -> None:
        """The connection breaks."""

    def stop_reading(self) -> None: ...

    def read_on(self) -> None: ...

    def state(self) -> str:
        """What the pipe did to us: open, half-closed or closed."""


class PipeContract:
    """Mix in with trial's ``SynchronousTestCase``; provide :meth:`make`."""

    half_closes = True

    def make(self) -> tuple[Pipe, FarEnd, Clock]:
        raise NotImplementedError

    def setUp(self) -> None:
        super().setUp()  # type: ignore[misc]
        self.pipe, self.far, self.clock = self.make()
        self.receiver = RecordingReceiver()

    def started(self) -> Any:
        self.pipe.start(self.receiver)
        turn(self.clock)
        return self

    def after(self, *_: object) -> RecordingReceiver:
        turn(self.clock)
        return self.receiver

    def test_early_bytes_wait_for_the_receiver(self) -> None:
        """What comes before start is delivered on start, in order, before what comes later."""
        self.far.say(b"early ")
        self.assertEqual(b"", self.after().data)
        self.pipe.start(self.receiver)
        self.assertEqual(b"", self.receiver.data)
        self.far.say(b"late")
        self.assertEqual(b"early late", self.after().data)

    def test_a_second_start_changes_the_receiver(self) -> None:
        """A new receiver gets everything from then on, also if the old one had paused."""
        self.started()
        self.far.say(b"one")
        turn(self.clock)
        self.pipe.pause()
        second = RecordingReceiver()
        self.pipe.start(second)
        self.far.say(b"two")
        turn(self.clock)
        self.assertEqual((b"one", b"two"), (self.receiver.data, second.data))

    def test_a_pause_keeps_bytes_back(self) -> None:
        """Nothing is delivered while paused, everything after; pausing twice is once."""
        self.started()
        self.pipe.pause()
        self.pipe.pause()
        self.far.say(b"abc")
        self.assertEqual(b"", self.after().data)
        self.pipe.resume()
        self.far.say(b"def")
        self.assertEqual(b"abcdef", self.after().data)

    def test_a_pause_inside_a_delivery_holds(self) -> None:
        """A receiver that pauses while bytes are handed to it gets no more of them."""
        self.far.say(b"one")
        self.far.say(b"two")
        turn(self.clock)
        receiver, pipe = self.receiver, self.pipe

        class Pauses(RecordingReceiver):
            def pipe_data(self, data: bytes) -> None:
                super().pipe_data(data)
                pipe.pause()

        receiver = Pauses()
        pipe.start(receiver)
        turn(self.clock)
        first = receiver.data
        self.assertIn(first, (b"one", b"onetwo"))
        self.far.say(b"three")
        turn(self.clock)
        self.assertEqual(first, receiver.data)

    def test_send(self) -> None:
        """Bytes arrive in the order in which they were sent."""
        self.started()
        for part in (b"a", b"", b"bc", b"d" * 70000):
            self.pipe.send(part)
        turn(self.clock)
        self.assertEqual(b"abc" + b"d" * 70000, self.far.heard())

    def test_half_close(self) -> None:
        """After a half-close the far end hears the end, and is still heard; later sends are nothing."""
        self.started()
        self.pipe.send(b"last")
        self.pipe.half_close()
        self.pipe.half_close()
        self.pipe.send(b"too late")
        turn(self.clock)
        self.assertEqual(b"last", self.far.heard())
        if not self.half_closes:
            self.assertEqual("closed", self.far.state())
            return
        self.assertEqual("half-closed", self.far.state())
        self.far.say(b"still here")
        self.assertEqual(b"still here", self.after().data)

    def test_the_far_end_half_closes(self) -> None:
        """Its end is told once, after its bytes; it still gets ours."""
        if not self.half_closes:
            return
        self.started()
        self.pipe.pause()
        self.far.say(b"last")
        self.pipe.resume()
        self.far.end()
        self.assertEqual((b"last", ["ended"]), (self.after().data, self.receiver.events))
        self.pipe.pause()
        self.pipe.resume()
        self.pipe.send(b"ours")
        turn(self.clock)
        self.assertEqual((b"ours", ["ended"]), (self.far.heard(), self.receiver.events))

    def test_both_half_close(self) -> None:
        """When both have half-closed, in either order, the connection is over, with a goodbye."""
        if not self.half_closes:
            return
        for first in ("ours", "theirs"):
            self.setUp()
            self.started()
            if first == "ours":
                self.pipe.half_close()
            self.far.say(b"last")
            self.far.end()
            turn(self.clock)
            if first == "theirs":
                self.assertEqual(["ended"], self.receiver.events)
                self.pipe.send(b"answer")
                self.pipe.half_close()
            self.assertEqual((b"last", ["ended", "goodbye"]), (self.after().data, self.receiver.events))
            self.assertEqual("closed", self.far.state())

    def test_the_far_end_leaves(self) -> None:
        """A goodbye is told once, after the bytes before it; what is done to the pipe later is nothing."""
        self.started()
        self.far.say(b"bye")
        self.far.leave()
        turn(self.clock)
        self.assertEqual(b"bye", self.receiver.data)
        self.assertEqual("goodbye", self.receiver.events[-1])
        for act in (lambda: self.pipe.send(b"x"), self.pipe.pause, self.pipe.resume, self.pipe.half_close):
            act()
        self.pipe.close(FINISHED)
        self.pipe.abort()
        self.assertEqual(1, self.after().events.count("goodbye"))
        self.assertNotIn("lost", self.receiver.events)

    def test_the_far_end_vanishes(self) -> None:
        """A broken connection is told once, also when paused."""
        self.started()
        self.pipe.pause()
        self.far.vanish()
        self.assertEqual(["lost"], self.after().events)
        self.pipe.abort()
        self.assertEqual(["lost"], self.after().events)

    def test_close(self) -> None:
        """Closing flushes, tells the loss once, and delivers nothing more."""
        self.started()
        self.pipe.send(b"last words")
        self.pipe.close(FINISHED)
        self.pipe.close(FINISHED)
        self.pipe.send(b"too late")
        self.far.say(b"unheard")
        turn(self.clock)
        self.assertEqual((b"last words", "closed"), (self.far.heard(), self.far.state()))
        self.assertEqual((b"", ["goodbye"]), (self.receiver.data, self.receiver.events))

    def test_close_before_start(self) -> None:
        """A pipe that nobody read closes as well."""
        self.pipe.close(FINISHED)
        turn(self.clock)
        self.assertEqual("closed", self.far.state())

    def test_close_is_bounded(self) -> None:
        """A far end that does not read delays the close only so long."""
        self.started()
        self.far.stop_reading()
        self.pipe.send(b"x" * 100_000)
        self.pipe.close(FINISHED)
        turn(self.clock)
        self.clock.pump([1] * 15)
        self.assertEqual("closed", self.far.state())
        self.assertEqual(1, len([event for event in self.after().events if event in ("lost", "goodbye")]))

    def test_abort(self) -> None:
        """Cutting tells a loss once."""
        self.started()
        self.pipe.abort()
        self.pipe.abort()
        self.assertEqual((["lost"], "closed"), (self.after().events, self.far.state()))

    def test_back_pressure(self) -> None:
        """A far end that stops reading makes the pipe full, never from inside send; reading on drains it."""
        self.started()
        self.far.stop_reading()
        self.pipe.send(b"x" * 40_000)
        self.assertEqual([], self.after().events)
        self.pipe.send(b"x" * 40_000)
        self.assertEqual([], self.receiver.events)
        self.assertEqual(["full"], self.after().events)
        second = RecordingReceiver()
        self.pipe.start(second)
        turn(self.clock)
        self.assertEqual(["full"], second.events)
        self.far.read_on()
        turn(self.clock, 20)
        self.assertEqual((["full", "drained"], 80_000), (second.events, len(self.far.heard())))

    def test_a_late_receiver_learns_of_the_loss(self) -> None:
        """Whoever starts a pipe that is gone is told so."""
        self.far.leave()
        turn(self.clock)
        self.pipe.start(self.receiver)
        self.assertEqual([], self.receiver.events)
        self.assertEqual("goodbye", self.after().events[-1])

    def test_probe_finds_life(self) -> None:
        """Bytes are a sign of life."""
        self.started()
        probe = Deferred.fromCoroutine(self.pipe.probe(2))
        self.far.say(b"here")
        turn(self.clock)
        self.assertTrue(self.successResultOf(probe))  # type: ignore[attr-defined]
        self.assertEqual(0, len(self.clock.getDelayedCalls()))

    def test_probe_of_a_lost_pipe(self) -> None:
        """A pipe that is gone is not alive."""
        self.started()
        self.far.vanish()
        turn(self.clock)
        self.assertFalse(self.successResultOf(Deferred.fromCoroutine(self.pipe.probe(2))))  # type: ignore[attr-defined]
