"""A stream on its way through."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import LocalError, PeerError
from gateway.wire.reader import Need
from gateway.wire.rfb.passage import Passage
from tests.support.feed import fed_three_ways


def walk(passage: Passage) -> Need[None]:
    """Walk a toy protocol: a letter that says what becomes of the digit's many bytes behind it."""
    while True:
        passage.begin()
        head = yield from passage.look(2)
        verb, count = head[:1], head[1] - ord("0")
        if verb == b"k":
            yield from passage.keep(2 + count)
        elif verb == b"d":
            yield from passage.drop(2 + count)
        elif verb == b"p":
            passage.put(b"<new>")
            yield from passage.drop(2 + count)
        elif verb == b"t":
            yield from passage.take(2)
            passage.put((yield from passage.take(count)))
        elif verb == b"o":
            passage.step(1)
            while not passage.ahead(2):
                yield
            passage.step(1)
            passage.put(bytes([passage.octet(), passage.octet()]))
        else:
            raise PeerError("no such verb")


def passed(pieces: Sequence[bytes]) -> bytes:
    """Pump the pieces through the toy protocol."""
    passage = Passage(walk)
    return b"".join(passage.pump(piece) for piece in pieces)


class PassageTests(SynchronousTestCase):
    """``Passage`` lets go on what is kept, and nothing else."""

    def test_each_verb(self) -> None:
        """Kept bytes go on, dropped ones vanish, put ones appear in their place, wherever the chunks are cut."""
        data = b"k3abcd3XYZk0p2--t2uvd0k9123456789"
        self.assertEqual(fed_three_ways(data, passed), b"k3abck0<new>t2uvuvk9123456789")

    def test_octets(self) -> None:
        """A byte that is at hand is seen without being consumed."""
        self.assertEqual(fed_three_ways(b"o0k0k0", passed), b"o0kkk0k0")

    def test_nothing_changes(self) -> None:
        """A chunk of which all goes on is handed out itself, not a copy."""
        passage = Passage(walk)
        for chunk in (b"k9123", b"456", b"789k0k0", b"k1x"):
            self.assertIs(passage.pump(chunk), chunk)

    def test_only_a_look_is_held(self) -> None:
        """What is not decided waits; what is decided goes on with its chunk."""
        passage = Passage(walk)
        self.assertEqual(passage.pump(b"k1ak"), b"k1a")
        self.assertEqual(passage.pump(b"5b"), b"k5b")
        self.assertEqual(passage.pump(b""), b"")
        self.assertEqual(passage.pump(b"cccc"), b"cccc")

    def test_under_way(self) -> None:
        """A message is under way once some of it went on, and not while it is held or dropped."""
        passage = Passage(walk)
        seen = []
        for chunk in (b"k", b"2", b"a", b"a", b"d2", b"bb", b"p2", b"b", b"b"):
            passage.pump(chunk)
            seen.append(passage.under_way)
        self.assertEqual(seen, [False, True, True, False, False, False, True, True, False])

    def test_failed_stream(self) -> None:
        """A stream that failed is not fed again."""
        passage = Passage(walk)
        with self.assertRaises(PeerError):
            passage.pump(b"x0")
        with self.assertRaises(LocalError):
            passage.pump(b"k0")

    @given(st.lists(st.tuples(st.sampled_from("kdp"), st.binary(max_size=9))), st.integers(1, 7))
    @settings(max_examples=100)
    def test_any_chunks(self, messages: list[tuple[str, bytes]], size: int) -> None:
        """What comes out depends on the bytes and not on the chunks."""
        data = b"".join(f"{verb}{len(body)}".encode() + body for verb, body in messages)
        wanted = b"".join(
            {"k": f"k{len(body)}".encode() + body, "d": b"", "p": b"<new>"}[verb] for verb, body in messages
        )
        self.assertEqual(passed([data[at : at + size] for at in range(0, len(data), size)]), wanted)
