"""Tests of WebSocket clients as pipes."""

from __future__ import annotations

import random

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Way
from gateway.model.session import CloseCode, Closing
from gateway.net.websocket import MAX_PAYLOAD
from gateway.net.websocket_pipe import CLOSE_DEADLINE, EARLY_MAX
from tests.support.front import SocketClient
from tests.support.pipe_contract import PipeContract
from tests.support.pipes import RecordingReceiver, turn
from tests.support.ws import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    client_frame,
    close_frame,
    closing,
    server_frames,
)


class _FarEnd:
    """The browser, for the pipe contract."""

    def __init__(self, client: SocketClient) -> None:
        self._client = client
        self._waiting: list[bytes] = []
        transport, resume = client.transport, client.transport.resumeProducing

        def read_on() -> None:
            resume()
            while self._waiting and transport.producerState == "producing":
                client.say(self._waiting.pop(0))

        transport.resumeProducing = read_on
        self._answered = False
        write = transport.write

        def hear(data: bytes) -> None:
            write(data)
            # The browser answers a close, once it reads it.
            if not transport.stuck and not self._answered and data[:1] == b"\x88":
                self._answered = True
                client.clock.callLater(0, client.say, close_frame(int.from_bytes(data[2:4], "big")))

        transport.write = hear

    def say(self, data: bytes) -> None:
        frame = client_frame(data)
        if self._client.transport.producerState == "producing":
            self._client.say(frame)
        else:
            self._waiting.append(frame)

    def heard(self) -> bytes:
        frames = server_frames(self._client.transport.value())
        return b"".join(payload for opcode, payload in frames if opcode == BINARY)

    def leave(self) -> None:
        self._client.say(close_frame(1000))

    def vanish(self) -> None:
        self._client.transport.cut()

    def stop_reading(self) -> None:
        self._client.transport.stuck = True

    def read_on(self) -> None:
        self._client.transport.unstick()

    def state(self) -> str:
        return "closed" if self._client.transport.closed else "open"


class PipeTests(PipeContract, SynchronousTestCase):
    """The contract of every pipe."""

    half_closes = False

    def make(self):
        client = SocketClient(now=True)
        client.take()
        return client.gate.admission.pipe, _FarEnd(client), client.clock


class ClosingTests(SynchronousTestCase):
    """Codes, reasons and deadlines."""

    def setUp(self) -> None:
        self.client = SocketClient(now=True, ping=0)
        self.client.take()
        self.pipe = self.client.gate.admission.pipe
        self.receiver = RecordingReceiver()
        self.pipe.start(self.receiver)
        turn(self.client.clock)

    def frames(self) -> list[tuple[int, bytes]]:
        turn(self.client.clock)
        return server_frames(self.client.take())

    def test_code_and_reason(self) -> None:
        """The client reads the code and the sentence of the closing; too long a sentence is cut at a character."""
        for reason, expected in (("Bye.", "Bye."), ("ä" * 100, "ä" * 61), ("", "")):
            self.setUp()
            self.pipe.close(Closing(CloseCode.COME_BACK, reason))
            (frame,) = self.frames()
            self.assertEqual((frame[0], closing(frame[1])), (CLOSE, (1012, expected)))

    def test_half_close_is_a_close(self) -> None:
        """Sending no more means closing, with 1000."""
        self.pipe.half_close()
        (frame,) = self.frames()
        self.assertEqual(closing(frame[1]), (1000, ""))

    def test_a_client_that_does_not_answer_is_cut(self) -> None:
        """The close handshake has a deadline; missing it is no goodbye."""
        self.pipe.close(Closing(CloseCode.FINISHED, "x"))
        self.client.advance(CLOSE_DEADLINE - 0.5)
        self.assertFalse(self.client.transport.closed)
        self.client.advance(0.5)
        self.assertTrue(self.client.transport.closed)
        self.assertEqual(self.receiver.events, ["lost"])
        self.assertEqual(self.client.clock.getDelayedCalls(), [])

    def test_a_paused_pipe_hears_the_answer_to_its_close(self) -> None:
        """Closing reads on, though nothing is delivered any more."""
        self.pipe.pause()
        self.pipe.close(Closing(CloseCode.FINISHED, "x"))
        self.assertEqual(self.client.transport.producerState, "producing")
        self.client.say(client_frame(b"late") + close_frame(1000))
        turn(self.client.clock)
        self.assertEqual((self.receiver.data, self.receiver.events), (b"", ["goodbye"]))

    def test_goodbyes(self) -> None:
        """1000 and no code mean good-bye; leaving the page, other codes and impossible ones do not."""
        for code, event in (
            (1000, "goodbye"),
            (None, "goodbye"),
            (1001, "lost"),
            (3000, "lost"),
            (1006, "lost"),
            (999, "lost"),
        ):
            self.setUp()
            self.client.say(close_frame(code))
            turn(self.client.clock)
            self.assertEqual(self.receiver.events, [event], code)
            self.assertTrue(self.client.transport.closed)

    def test_goodbyes_of_holders(self) -> None:
        """A page says 1000 when its user leaves; no code is its noVNC giving up, after which it comes back."""
        for code, event in ((1000, "goodbye"), (None, "lost")):
            self.client = SocketClient(way=Way.GRANT, now=True)
            self.client.take()
            receiver = RecordingReceiver()
            self.client.gate.admission.pipe.start(receiver)
            self.client.say(close_frame(code))
            turn(self.client.clock)
            self.assertEqual(receiver.events, [event], code)

    def test_a_closed_client_hears_no_more(self) -> None:
        """After the client's close nothing but its answer is sent."""
        self.client.say(close_frame(1000))
        self.pipe.send(b"late")
        self.assertEqual([opcode for opcode, _ in self.frames()], [CLOSE])

    def test_a_transport_that_does_not_close_is_cut(self) -> None:
        """A client that closes and then takes nothing more is cut at the deadline; it did say good-bye."""
        self.client.transport.stuck = True
        self.client.say(close_frame(1000))
        self.client.advance(CLOSE_DEADLINE + 0.25)
        self.assertTrue(self.client.transport.closed)
        self.assertEqual(self.receiver.events, ["goodbye"])

    def test_text_is_not_understood(self) -> None:
        """A text message closes with 1003, and none of it is delivered."""
        self.client.say(client_frame(b"hello", TEXT))
        self.client.say(client_frame(b"more"))
        (frame,) = self.frames()
        self.assertEqual(closing(frame[1])[0], 1003)
        self.client.say(close_frame(1000))
        turn(self.client.clock)
        self.assertEqual((self.receiver.data, self.receiver.events), (b"", ["lost"]))


class StreamTests(SynchronousTestCase):
    """Messages as a stream of bytes."""

    def setUp(self) -> None:
        self.client = SocketClient(now=True, ping=25)
        self.client.take()
        self.pipe = self.client.gate.admission.pipe
        self.receiver = RecordingReceiver()
        self.pipe.start(self.receiver)
        turn(self.client.clock)

    def test_frames_do_not_matter(self) -> None:
        """However a client cuts its bytes into messages, frames and segments, they arrive in order."""
        stream = (
            client_frame(b"ab")
            + client_frame(b"", BINARY)
            + client_frame(b"cd", BINARY, fin=False)
            + client_frame(b"now", PING)
            + client_frame(b"e", 0, fin=False)
            + client_frame(b"f", 0)
        )
        for at in range(len(stream)):
            self.setUp()
            self.client.say(stream[:at])
            self.client.say(stream[at:])
            self.assertEqual(self.receiver.data, b"abcdef", at)
            self.assertEqual(server_frames(self.client.take()), [(PONG, b"now")])

    def test_a_long_message_is_not_held(self) -> None:
        """The bytes of a message go on as they come, before it is whole."""
        frame = client_frame(b"x" * 100_000)
        self.client.say(frame[:50_000])
        self.assertGreater(len(self.receiver.data), 49_000)

    def test_what_breaks_the_framing(self) -> None:
        """Each ill-formed frame ends the connection without a byte of it delivered."""
        for case, data in {
            "not masked": bytes.fromhex("82 01 78"),
            "reserved bit": bytes.fromhex("c2 81 11223344 78"),
            "reserved opcode": client_frame(b"x", 3),
            "reserved control opcode": client_frame(b"x", 11),
            "continuation of nothing": client_frame(b"x", 0),
            "message inside a message": client_frame(b"", 2, fin=False) + client_frame(b"x"),
            "fragmented ping": client_frame(b"x", PING, fin=False),
            "long ping": client_frame(b"x" * 126, PING),
            "long form of a short length": bytes.fromhex("82 fe 0001 11223344 78"),
            "64-bit length": bytes.fromhex("82 ff 4000000000000000 11223344") + b"x" * 100,
            "negative length": bytes.fromhex("82 ff ffffffffffffffff 11223344") + b"x" * 100,
            "too long a frame": client_frame(b"x" * (MAX_PAYLOAD + 1)),
            "too long a message": client_frame(b"", 2, fin=False) + client_frame(b"x" * (MAX_PAYLOAD + 1), 0),
        }.items():
            self.setUp()
            self.client.say(data)
            turn(self.client.clock)
            self.assertTrue(self.client.transport.closed, case)
            self.assertEqual((self.receiver.data, self.receiver.events), (b"", ["lost"]), case)

    def test_rubbish(self) -> None:
        """Random bytes end in a closed connection or wait for more, and never in an exception."""
        chance = random.Random(4711)
        for _ in range(300):
            self.setUp()
            for _ in range(5):
                first = chance.choice((0x82, 0x02, 0x00, 0x80, 0x88, 0x89, 0x8A, 0x81, chance.randrange(256)))
                self.client.say(bytes([first]) + chance.randbytes(chance.randrange(60)))
            self.client.advance(CLOSE_DEADLINE)

    def test_a_pause_holds_what_is_in_the_same_segment(self) -> None:
        """A receiver that pauses at the first message gets the second one only when it goes on."""
        pipe, heard = self.pipe, []

        class Pauses(RecordingReceiver):
            def pipe_data(self, data: bytes) -> None:
                heard.append(data)
                pipe.pause()

        self.pipe.start(Pauses())
        turn(self.client.clock)
        self.client.say(client_frame(b"one") + client_frame(b"two"))
        turn(self.client.clock)
        self.assertEqual(heard, [b"one"])
        self.assertEqual(self.client.transport.producerState, "paused")
        self.pipe.resume()
        turn(self.client.clock)
        self.assertEqual(heard, [b"one", b"two"])

    def test_reading_ahead_is_bounded(self) -> None:
        """Before somebody reads, only a little is taken in; it is all delivered then."""
        client = SocketClient(now=True)
        client.say(client_frame(b"x" * 10_000))
        self.assertEqual(client.transport.producerState, "producing")
        client.say(client_frame(b"x" * 10_000))
        self.assertEqual(client.transport.producerState, "paused")
        client.gate.admission.pipe.start(self.receiver)
        turn(client.clock)
        self.assertEqual(len(self.receiver.data), 20_000)
        self.assertEqual(client.transport.producerState, "producing")

    def test_pings_are_not_answered_into_a_full_buffer(self) -> None:
        """A client that pings and never reads does not fill the memory."""
        self.client.transport.stuck = True
        self.pipe.send(b"x" * 70_000)
        size = len(self.client.transport.value())
        self.client.say(client_frame(b"p" * 125, PING) * 1000)
        self.assertEqual(len(self.client.transport.value()), size)

    def test_a_dead_client_is_found_out(self) -> None:
        """Nothing after a ping: the connection is lost, which is no goodbye."""
        self.client.advance(25)
        self.assertEqual(server_frames(self.client.take()), [(PING, b"")])
        self.client.advance(9.5)
        self.assertFalse(self.client.transport.closed)
        self.client.advance(0.75)
        self.assertTrue(self.client.transport.closed)
        self.assertEqual(self.receiver.events, ["lost"])
        self.assertEqual(self.client.clock.getDelayedCalls(), [])

    def test_a_living_client_is_left_alone(self) -> None:
        """A pong, or anything else, is an answer; a client that we do not read, or that is slow, is not judged."""
        for _ in range(3):
            self.client.advance(25)
            self.client.say(client_frame(b"", PONG))
        self.client.take()
        self.pipe.pause()
        self.client.advance(120)
        self.assertFalse(self.client.transport.closed)
        self.pipe.resume()
        self.client.transport.stuck = True
        self.pipe.send(b"x" * 70_000)
        self.client.advance(120)
        self.assertFalse(self.client.transport.closed)

    def test_probe_asks(self) -> None:
        """A probe pings, also while the pipe is paused, and any answer counts; data waits."""
        self.pipe.pause()
        probe = self.successResultOf
        asked = Deferred.fromCoroutine(self.pipe.probe(2))
        self.assertEqual(server_frames(self.client.take()), [(PING, b"")])
        self.assertEqual(self.client.transport.producerState, "producing")
        self.client.say(client_frame(b"data") + client_frame(b"", PONG))
        self.assertTrue(probe(asked))
        self.assertEqual((self.client.transport.producerState, self.receiver.data), ("paused", b""))
        silent = Deferred.fromCoroutine(self.pipe.probe(2))
        self.client.advance(2)
        self.assertFalse(probe(silent))

    def test_probes_at_once_are_one(self) -> None:
        """Who asks while a probe is under way gets its answer; the client is asked once, and paused after the last."""
        self.pipe.pause()
        probes = [Deferred.fromCoroutine(self.pipe.probe(2)) for _ in range(3)]
        self.assertEqual(server_frames(self.client.take()), [(PING, b"")])
        probes[0].addErrback(lambda reason: None).cancel()
        self.assertEqual(self.client.transport.producerState, "producing")
        self.client.advance(2)
        self.assertEqual([self.successResultOf(probe) for probe in probes[1:]], [False, False])
        self.assertEqual(self.client.transport.producerState, "paused")

    def test_probes_keep_little(self) -> None:
        """However often a paused client is probed, and however much it sends, little is kept of it."""
        self.pipe.pause()
        alive = []
        for _ in range(5):
            asked = Deferred.fromCoroutine(self.pipe.probe(2))
            if self.client.transport.producerState == "producing":
                self.client.say(client_frame(bytes(EARLY_MAX)))
            self.client.advance(2)
            alive.append(self.successResultOf(asked))
        self.assertEqual(alive, [True, True, False, False, False])
        self.assertEqual(self.pipe._inbox.kept, 2 * EARLY_MAX)
