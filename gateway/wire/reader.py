"""
Bytes for generator parsers: a parser asks, and is resumed when there is enough.

A parser is written as straight-line code (``header = yield from
reader.exact(12)``); the generator is its state.  ``Dialogue`` runs such a
generator, collects what it wants to send, and hands back what it left unread.
No parser lives here, only what all of them stand on.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

import attrs

from gateway.wire.errors import LocalError, PeerError

T = TypeVar("T")

Need = Generator[None, None, T]
"""A piece of a parser that only reads: it yields ``None`` for “more, please”."""


class Reader:
    """
    A bounded buffer that generator parsers read from.

    :param limit: the most bytes that may wait unread; one more is the peer's
        fault (:class:`PeerError`).
    """

    def __init__(self, limit: int) -> None:
        self._buffer = bytearray()
        self._limit = limit
        self._eof = False

    def feed(self, data: bytes) -> None:
        """Add what the peer sent."""
        if len(self._buffer) + len(data) > self._limit:
            raise PeerError(f"more than {self._limit} bytes are waiting unread")
        self._buffer += data

    def feed_eof(self) -> None:
        """Note that the peer will send no more."""
        self._eof = True

    def __len__(self) -> int:
        return len(self._buffer)

    def peek(self, count: int) -> Need[bytes]:
        """Wait for ``count`` bytes and return them without consuming them."""
        while len(self._buffer) < count:
            if self._eof:
                raise PeerError(f"the stream ended {count - len(self._buffer)} bytes early")
            if count > self._limit:
                raise LocalError(f"a read of {count} bytes can never be satisfied")
            yield
        return bytes(self._buffer[:count])

    def exact(self, count: int) -> Need[bytes]:
        """Wait for ``count`` bytes and consume them."""
        data = yield from self.peek(count)
        del self._buffer[:count]
        return data

    def line(self, limit: int) -> Need[bytes]:
        """Consume one line of at most ``limit`` bytes, its LF included; return it without CR LF."""
        searched = 0
        while (end := self._buffer.find(b"\n", searched, limit)) < 0:
            searched = len(self._buffer)
            if searched >= limit:
                raise PeerError(f"a line is longer than {limit} bytes")
            if self._eof:
                raise PeerError("the stream ended inside a line")
            yield
        data = bytes(self._buffer[: end + 1])
        del self._buffer[: end + 1]
        return data.removesuffix(b"\n").removesuffix(b"\r")

    def rest(self) -> bytes:
        """Hand over everything unread and forget it."""
        data = bytes(self._buffer)
        self._buffer.clear()
        return data


@attrs.frozen
class StartTLS:
    """
    A dialogue's wish: both sides speak TLS from the next byte on.

    :param anonymous: without certificates, so that nobody knows who the other is.
    """

    anonymous: bool = False


Step = bytes | StartTLS | None
"""What a dialogue yields: bytes to send, a wish, or ``None`` for “more, please”."""

Steps = Generator[Step, None, T]


class Dialogue(Generic[T]):
    """
    A two-way exchange with an end: a handshake.

    :param steps: makes the generator; it is given the reader, and its return
        value becomes :attr:`result`.
    :param limit: how much may wait unread.

    After every call, also one that failed, send :meth:`to_send`; look at
    :attr:`wants_tls` and :attr:`done`.  Either way :meth:`trailing` belongs to
    whoever comes next: TLS, or what follows the dialogue.
    """

    def __init__(self, steps: Callable[[Reader], Steps[T]], limit: int = 65536) -> None:
        self._reader = Reader(limit)
        self._steps = steps(self._reader)
        self._out: list[bytes] = []
        self._result: list[T] = []
        self.done = False
        self.tls: StartTLS | None = None
        """The TLS that is to begin now, once :meth:`to_send` is sent."""
        self._advance()

    def receive(self, data: bytes) -> None:
        """Take in what the peer sent."""
        if self.done:
            raise LocalError("the dialogue is over")
        try:
            self._reader.feed(data)
        except PeerError:
            self._steps.close()  # what was not taken in would leave a hole
            raise
        self._advance()

    def receive_eof(self) -> None:
        """The peer will send no more."""
        self._reader.feed_eof()
        self._advance()

    @property
    def wants_tls(self) -> bool:
        """Whether the dialogue waits for TLS."""
        return self.tls is not None

    def tls_started(self) -> None:
        """
        TLS is in place: the dialogue goes on inside it.

        What came before must have been taken away: it would be read as if it had come inside.
        """
        if not self.wants_tls:
            raise LocalError("no TLS was asked for")
        if len(self._reader):
            raise LocalError("bytes from before TLS were left in the dialogue")
        self.tls = None
        self._advance()

    def to_send(self) -> bytes:
        """What is to be sent now (and forget it)."""
        data = b"".join(self._out)
        self._out.clear()
        return data

    def trailing(self) -> bytes:
        """What was received and not consumed (and forget it)."""
        return self._reader.rest()

    @property
    def result(self) -> T:
        """What the dialogue came to; only once it is :attr:`done`."""
        if not self._result:
            raise LocalError("the dialogue has no result yet")
        return self._result[0]

    def _advance(self) -> None:
        if not self.done and inspect.getgeneratorstate(self._steps) == inspect.GEN_CLOSED:
            raise LocalError("the dialogue has failed")  # it must not look like one that came to its end
        while not self.wants_tls and not self.done:
            try:
                step = next(self._steps)
            except StopIteration as stop:
                self.done = True
                self._result.append(stop.value)
                return
            if step is None:
                return
            if isinstance(step, StartTLS):
                self.tls = step
            else:
                self._out.append(step)
