"""How generator parsers get their bytes, and what a dialogue makes of them."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import LocalError, PeerError
from gateway.wire.reader import Dialogue, Need, Reader, StartTLS, Steps
from tests.support.feed import fed_three_ways

LIMIT = 64


def parts(reader: Reader) -> Steps[tuple[bytes, ...]]:
    """A parser that uses every kind of read."""
    peeked = yield from reader.peek(2)
    count = yield from reader.exact(1)
    data = yield from reader.exact(count[0] % 16)
    first = yield from reader.line(8)
    second = yield from reader.line(8)
    return peeked, data, first, second


def run(pieces: Sequence[bytes]) -> tuple[object, bytes]:
    """What ``parts`` made of these pieces, and what it left."""
    dialogue = Dialogue(parts, LIMIT)
    left = b""
    for piece in pieces:
        if dialogue.done:
            left += piece
        else:
            dialogue.receive(piece)
    return dialogue.result, dialogue.trailing() + left


def started(need: Need[bytes]) -> Need[bytes]:
    """The read, run up to where it waits."""
    next(need)
    return need


class ReaderTests(SynchronousTestCase):
    """Reads wait for their bytes, take just these, and have a limit."""

    def test_every_read(self) -> None:
        """Peeks, counted reads and lines get their bytes however these are cut, and the rest is left."""
        found = fed_three_ways(b"\x03abcone\r\ntwo\nrest", run)
        self.assertEqual(found, ((b"\x03a", b"abc", b"one", b"two"), b"rest"))

    def test_length_and_rest(self) -> None:
        """What waits unread can be counted and taken away."""
        reader = Reader(LIMIT)
        reader.feed(b"abc")
        reader.feed(b"de")
        self.assertEqual(len(reader), 5)
        self.assertEqual(reader.rest(), b"abcde")
        self.assertEqual((len(reader), reader.rest()), (0, b""))

    def test_limit(self) -> None:
        """So much as the limit may wait, one byte more is the peer's fault."""
        reader = Reader(4)
        reader.feed(b"abcd")
        self.assertRaises(PeerError, reader.feed, b"e")
        self.assertEqual(reader.rest(), b"abcd")

    def test_line_limit(self) -> None:
        """A line may be so long as its limit, its end included; a longer one is refused without waiting for its end."""
        for data, good in [(b"abc\n", True), (b"ab\r\n", True), (b"abcd", False), (b"abcd\n", False)]:
            reader = Reader(LIMIT)
            need = started(reader.line(4))
            reader.feed(data)
            self.assertRaises(StopIteration if good else PeerError, next, need)

    def test_line_end(self) -> None:
        """One CR before the LF is part of the line's end, others are the line's."""
        reader = Reader(LIMIT)
        reader.feed(b"a\r\r\n\n")
        self.assertEqual(self.assertRaises(StopIteration, next, reader.line(8)).value, b"a\r")
        self.assertEqual(self.assertRaises(StopIteration, next, reader.line(8)).value, b"")

    def test_end_of_stream(self) -> None:
        """A read that the peer's last bytes do not fill is its fault; one that they fill is served."""
        reader = Reader(LIMIT)
        reader.feed(b"ab")
        reader.feed_eof()
        self.assertRaises(PeerError, next, reader.exact(3))
        self.assertRaises(PeerError, next, reader.line(8))
        self.assertEqual(self.assertRaises(StopIteration, next, reader.exact(2)).value, b"ab")

    def test_impossible_read(self) -> None:
        """A read of more than may ever wait is our own mistake."""
        self.assertRaises(LocalError, next, Reader(4).exact(5))


class DialogueTests(SynchronousTestCase):
    """A dialogue sends, wishes for TLS, comes to a result, and hands back the rest."""

    def greet(self, reader: Reader) -> Steps[bytes]:
        """Greets, asks for a name, and goes into TLS before it says good-bye."""
        yield b"hello\n"
        yield b"name?\n"
        name = yield from reader.line(8)
        yield StartTLS()
        yield b"bye\n"
        return name

    def test_conversation(self) -> None:
        """What is to be sent comes in order and once, and nothing moves until TLS is there."""
        dialogue = Dialogue(self.greet)
        self.assertEqual(dialogue.to_send(), b"hello\nname?\n")
        self.assertEqual(dialogue.to_send(), b"")
        dialogue.receive(b"eve\n")
        self.assertTrue(dialogue.wants_tls)
        self.assertEqual((dialogue.to_send(), dialogue.done), (b"", False))
        dialogue.tls_started()
        self.assertFalse(dialogue.wants_tls)
        self.assertEqual((dialogue.to_send(), dialogue.done, dialogue.result), (b"bye\n", True, b"eve"))

    def test_bytes_before_tls(self) -> None:
        """What the peer sent ahead of TLS is still there to be taken away before it starts."""
        dialogue = Dialogue(self.greet)
        dialogue.receive(b"eve\n\x16\x03\x01")
        self.assertTrue(dialogue.wants_tls)
        self.assertRaises(LocalError, dialogue.tls_started)  # they would be read as if they had come inside
        self.assertEqual(dialogue.trailing(), b"\x16\x03\x01")
        dialogue.tls_started()
        self.assertTrue(dialogue.done)

    def test_which_tls(self) -> None:
        """A dialogue says which TLS it wants: with a certificate, unless it says otherwise."""

        def twice(reader: Reader) -> Steps[None]:
            yield StartTLS()
            yield StartTLS(anonymous=True)

        dialogue = Dialogue(twice)
        self.assertEqual(dialogue.tls, StartTLS(anonymous=False))
        dialogue.tls_started()
        self.assertEqual(dialogue.tls, StartTLS(anonymous=True))
        dialogue.tls_started()
        self.assertEqual((dialogue.tls, dialogue.wants_tls, dialogue.done), (None, False, True))

    def test_without_a_word(self) -> None:
        """A dialogue that needs nothing is over at once, with whatever result, also none."""

        def nothing(reader: Reader) -> Steps[None]:
            return
            yield

        dialogue = Dialogue(nothing)
        self.assertEqual((dialogue.done, dialogue.result), (True, None))

    def test_end_of_stream(self) -> None:
        """The peer's end inside a dialogue is its fault."""
        dialogue = Dialogue(self.greet)
        self.assertRaises(PeerError, dialogue.receive_eof)

    def test_limit(self) -> None:
        """A dialogue lets no more wait than it was given."""
        dialogue = Dialogue(parts, 4)
        self.assertRaises(PeerError, dialogue.receive, b"abcde")

    def test_failure_is_final(self) -> None:
        """A dialogue that the peer broke never comes to a result, whatever follows."""
        too_long, too_much = Dialogue(self.greet), Dialogue(self.greet, 4)
        for dialogue in (too_long, too_much):
            self.assertRaises(PeerError, dialogue.receive, b"a" * 9)
            self.assertRaises(LocalError, dialogue.receive, b"eve\n")
            self.assertRaises(LocalError, dialogue.receive_eof)
            self.assertFalse(dialogue.done)

    def test_out_of_turn(self) -> None:
        """Feeding a dialogue that is over, starting TLS unasked, and asking for a result too early are our mistakes."""
        dialogue = Dialogue(self.greet)
        self.assertRaises(LocalError, dialogue.tls_started)
        with self.assertRaises(LocalError):
            _ = dialogue.result
        dialogue.receive(b"eve\n")
        dialogue.tls_started()
        self.assertRaises(LocalError, dialogue.receive, b"x")

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.binary(max_size=20), max_size=8))
    def test_anything(self, pieces: list[bytes]) -> None:
        """Whatever comes is a result, a wait or a PeerError, and no more waits than allowed."""
        dialogue = Dialogue(parts, LIMIT)
        for piece in pieces:
            try:
                if not dialogue.done:
                    dialogue.receive(piece)
            except PeerError:
                break
        self.assertLessEqual(len(dialogue.trailing()), LIMIT)
