"""
Tests of ``gateway.net.relay``: four facts, in two directions.
"""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.memory_pipe import FULL_AT, MemoryPipe, pipe_pair
from gateway.net.relay import Relay, RelayEnd, Side, Why
from gateway.wire.errors import PeerError
from tests.support.pipe_contract import FINISHED
from tests.support.pipes import RecordingReceiver, turn


class RelayLadders:
    """
    ``near`` is the side under test, ``far`` the other one; the two subclasses swap them.
    """

    near_side: Side

    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.ends: list[RelayEnd] = []
        self.near, self.near_pipe = pipe_pair(self.clock)
        self.far, self.far_pipe = pipe_pair(self.clock)
        self.at_near, self.at_far = RecordingReceiver(), RecordingReceiver()
        self.near.start(self.at_near)
        self.far.start(self.at_far)

    def relay(self, tap=None, far_tap=None, **_: object) -> Relay:
        if self.near_side is Side.A:
            pipes = (self.near_pipe, self.far_pipe)
            relay = Relay(*pipes, from_a=tap, from_b=far_tap, ended=self.ends.append)
        else:
            pipes = (self.far_pipe, self.near_pipe)
            relay = Relay(*pipes, from_a=far_tap, from_b=tap, ended=self.ends.append)
        relay.start()
        return relay

    @property
    def far_side(self) -> Side:
        return Side.B if self.near_side is Side.A else Side.A

    def test_forwards(self) -> None:
        """Bytes go across, in order, also those sent before the start; both ways are counted apart."""
        self.near.send(b"early ")
        relay = self.relay()
        self.near.send(b"late")
        self.far.send(b"back")
        turn(self.clock)
        self.assertEqual((b"early late", b"back"), (self.at_far.data, self.at_near.data))
        counts = {Side.A: relay.bytes_from_a, Side.B: relay.bytes_from_b}
        self.assertEqual({self.near_side: 10, self.far_side: 4}, counts)

    def test_pause_and_resume(self) -> None:
        """When the far end stops reading the near end is stopped, within bounds; the other way still flows."""
        self.relay()
        self.far.pause()
        sent = 0
        while "full" not in self.at_near.events and sent < 10 * FULL_AT:
            self.near.send(bytes(8192))
            sent += 8192
            turn(self.clock)
        self.assertIn("full", self.at_near.events)
        self.assertLessEqual(sent, 2 * FULL_AT + 3 * 8192)
        self.far.send(b"still flows")
        turn(self.clock)
        self.assertEqual(b"still flows", self.at_near.data)
        self.far.resume()
        turn(self.clock, 40)
        self.assertEqual((sent, "drained"), (len(self.at_far.data), self.at_near.events[-1]))

    def test_half_close(self) -> None:
        """A half-close goes across after the bytes before it; the other way stays open till it ends too."""
        self.relay()
        self.near.send(b"last")
        self.near.half_close()
        turn(self.clock)
        self.assertEqual((b"last", ["ended"], []), (self.at_far.data, self.at_far.events, self.ends))
        self.far.send(b"answer")
        turn(self.clock)
        self.assertEqual((b"answer", []), (self.at_near.data, self.ends))
        self.far.half_close()
        turn(self.clock)
        self.assertEqual(
            (["ended", "goodbye"], [RelayEnd(self.far_side, Why.GOODBYE)]), (self.at_near.events, self.ends)
        )

    def test_goodbye(self) -> None:
        """An orderly close ends the relay once, after its bytes; the other pipe is left open."""
        self.relay()
        self.near.send(b"last")
        self.near.close(FINISHED)
        turn(self.clock)
        self.assertEqual([RelayEnd(self.near_side, Why.GOODBYE)], self.ends)
        self.assertEqual((b"last", []), (self.at_far.data, self.at_far.events))
        self.far.abort()
        turn(self.clock)
        self.assertEqual(1, len(self.ends))

    def test_loss(self) -> None:
        """A broken connection ends the relay once, with that side's name."""
        self.relay()
        self.near.abort()
        self.far.abort()
        turn(self.clock)
        self.assertEqual([Why.LOST], [end.why for end in self.ends])

    def test_loss_while_paused(self) -> None:
        """A side that is held back is still heard when it breaks."""
        self.relay()
        self.far.pause()
        self.near.send(bytes(FULL_AT + 1))
        turn(self.clock)
        self.near.abort()
        turn(self.clock)
        self.assertEqual([RelayEnd(self.near_side, Why.LOST)], self.ends)

    def test_tap_changes_bytes(self) -> None:
        """A tap sees its side's bytes only; what it returns goes on, and nothing if it returns nothing."""
        seen = []

        def tap(data: bytes) -> bytes:
            seen.append(data)
            return data.upper() if data != b"drop" else b""

        self.relay(tap=tap)
        for part in (b"abc", b"drop", b"def"):
            self.near.send(part)
        self.far.send(b"back")
        turn(self.clock)
        self.assertEqual((b"ABCDEF", b"back"), (self.at_far.data, self.at_near.data))
        self.assertEqual([b"abc", b"drop", b"def"], seen)

    def test_tap_finds_a_breach(self) -> None:
        """A breach of protocol ends the relay, names the side, and lets nothing more through either way."""
        breach = PeerError("no such message")

        def tap(data: bytes) -> bytes:
            raise breach

        self.relay(tap=tap)
        self.near.send(b"junk")
        turn(self.clock)
        self.near.send(b"more")
        self.far.send(b"back")
        turn(self.clock)
        self.assertEqual([RelayEnd(self.near_side, Why.BROKE, breach)], self.ends)
        self.assertEqual((b"", b""), (self.at_far.data, self.at_near.data))

    def test_tap_fails(self) -> None:
        """A bug in a tap is logged and ends the relay as our fault."""
        bug = ValueError("a bug")

        def tap(data: bytes) -> bytes:
            raise bug

        self.relay(tap=tap)
        self.near.send(b"x")
        turn(self.clock)
        self.assertEqual([RelayEnd(self.near_side, Why.FAULT, bug)], self.ends)
        self.assertEqual([bug], [failure.value for failure in self.flushLoggedErrors(ValueError)])

    def test_stop(self) -> None:
        """A stopped relay leaves both pipes open and paused, says nothing, and another takes over."""
        relay = self.relay()
        self.near.send(b"one")
        turn(self.clock)
        relay.stop()
        relay.stop()
        self.near.send(b"two")
        turn(self.clock)
        self.assertEqual((b"one", []), (self.at_far.data, self.ends))
        partner, partner_pipe = pipe_pair(self.clock)
        at_partner = RecordingReceiver()
        partner.start(at_partner)
        Relay(self.near_pipe, partner_pipe, ended=self.ends.append).start()
        self.near.send(b"three")
        partner.send(b"hello")
        turn(self.clock)
        self.assertEqual((b"twothree", b"hello"), (at_partner.data, self.at_near.data))
        self.assertEqual((b"one", []), (self.at_far.data, self.ends))

    def test_stopped_by_its_tap(self) -> None:
        """A tap may stop the relay; what it returns then goes nowhere."""
        box: list[Relay] = []

        def tap(data: bytes) -> bytes:
            box[0].stop()
            return data

        box.append(self.relay(tap=tap))
        self.near.send(b"x")
        turn(self.clock)
        self.assertEqual((b"", []), (self.at_far.data, self.ends))

    def test_a_full_partner_from_the_start(self) -> None:
        """A relay that takes over a pipe that is full already holds the other side back."""
        self.far.pause()
        self.far_pipe.send(bytes(FULL_AT + 1))
        self.relay()
        turn(self.clock)
        self.near.send(b"x")
        turn(self.clock)
        self.far.resume()
        turn(self.clock, 20)
        self.assertEqual(FULL_AT + 2, len(self.at_far.data))

    def test_a_pipe_lost_before_the_start(self) -> None:
        """A relay over a pipe that is gone already ends at once."""
        self.near.close(FINISHED)
        turn(self.clock)
        self.relay()
        turn(self.clock)
        self.assertEqual([RelayEnd(self.near_side, Why.GOODBYE)], self.ends)


class FromATests(RelayLadders, SynchronousTestCase):
    """Every fact as it goes from A to B."""

    near_side = Side.A


class FromBTests(RelayLadders, SynchronousTestCase):
    """Every fact as it goes from B to A."""

    near_side = Side.B


class ShutPipe(MemoryPipe):
    """A pipe that cannot half-close."""

    def half_close(self) -> None:
        self.close(FINISHED)


class UnevenTests(SynchronousTestCase):
    """Pipes of different abilities."""

    def test_a_sink_that_cannot_half_close(self) -> None:
        """A half-close towards a WebSocket closes it, which ends the relay."""
        clock, ends = Clock(), []
        client, client_pipe = pipe_pair(clock)
        upstream, upstream_pipe = pipe_pair(clock)
        client_pipe.__class__ = ShutPipe
        Relay(client_pipe, upstream_pipe, ended=ends.append).start()
        upstream.half_close()
        turn(clock)
        self.assertEqual([RelayEnd(Side.A, Why.GOODBYE)], ends)
        del client

    def test_a_source_whose_end_is_the_end(self) -> None:
        """Where B does not half-close, the end of its bytes ends the relay, after them; A is left open."""
        clock, ends, heard = Clock(), [], RecordingReceiver()
        client, client_pipe = pipe_pair(clock)
        upstream, upstream_pipe = pipe_pair(clock)
        client.start(heard)
        Relay(client_pipe, upstream_pipe, b_half_closes=False, ended=ends.append).start()
        upstream.send(b"last")
        upstream.half_close()
        turn(clock)
        self.assertEqual([RelayEnd(Side.B, Why.GOODBYE)], ends)
        self.assertEqual((b"last", []), (heard.data, heard.events))
