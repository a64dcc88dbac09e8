"""
Joins two pipes: bytes, pauses, half-closes and ends, both ways alike.

What the bytes mean is the business of the taps; what an end means, of the
session.  The relay closes nothing.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from attrs import frozen
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.events import Event, tell
from gateway.model.seams import Pipe
from gateway.wire.errors import PeerError

_log = Logger()

Tap = Callable[[bytes], bytes]
"""Sees one side's bytes on their way; returns what goes on (perhaps nothing); raises ``PeerError`` to end it."""


class Side(enum.Enum):
    """Which of the two pipes."""

    A = "a"
    B = "b"


class Why(enum.Enum):
    """How a relay came to its end."""

    GOODBYE = "goodbye"
    """That side closed in an orderly way (or, as the second one, stopped sending)."""
    LOST = "lost"
    BROKE = "broke"
    """That side's tap found a breach of its protocol."""
    FAULT = "fault"
    """That side's tap failed: our bug."""


@frozen
class RelayEnd:
    """Who ended a relay and how."""

    side: Side
    why: Why
    error: Exception | None = None


class Relay:
    """
    Forwards between two pipes until one of them is gone.

    :param from_a: the tap on what ``a`` sends; ``None`` lets it pass.
    :param b_half_closes: whether ``a`` may go on sending to a ``b`` that sends
        no more; else the end of its bytes is the relay's.
    :param ended: called exactly once, unless :meth:`stop` came first; both
        pipes are paused then, and neither is closed.
    """

    def __init__(
        self,
        a: Pipe,
        b: Pipe,
        *,
        from_a: Tap | None = None,
        from_b: Tap | None = None,
        b_half_closes: bool = True,
        ended: Callable[[RelayEnd], None],
    ) -> None:
        self._tell_ended = ended
        self.stopped = False
        """Whether it forwards no more."""
        self._b_half_closes = b_half_closes
        self._a = _Half(self, Side.A, a, b, from_a)
        self._b = _Half(self, Side.B, b, a, from_b)

    @property
    def bytes_from_a(self) -> int:
        """Bytes received from ``a``, before its tap."""
        return self._a.count

    @property
    def a_ended(self) -> bool:
        """Whether ``a`` sends no more."""
        return self._a.has_ended

    @property
    def bytes_from_b(self) -> int:
        """Bytes received from ``b``, before its tap."""
        return self._b.count

    def start(self) -> None:
        """Become the receiver of both pipes."""
        self._a.attach()
        self._b.attach()

    def stop(self) -> None:
        """
        Forward nothing more; both pipes stay open, paused.

        Give each a new receiver in the same turn, or close it: what else
        befalls it is told to nobody.
        """
        if not self.stopped:
            self.stopped = True
            self._a.detach()
            self._b.detach()

    def half_ended(self, side: Side, sink: Pipe) -> None:
        """One side sends no more, which the other hears; once neither sends, this is over."""
        alone = side is Side.B and not self._b_half_closes
        if not alone:
            sink.half_close()
        if alone or (self._a.has_ended and self._b.has_ended):
            self.end(RelayEnd(side, Why.GOODBYE))

    def end(self, end: RelayEnd) -> None:
        """Stop, and say so once."""
        if not self.stopped:
            self.stop()
            self._tell_ended(end)

    def fault(self, side: Side, error: Exception) -> None:
        """Log a bug of a tap and end."""
        tell(_log, Event.FAULT, log_failure=Failure(error))
        self.end(RelayEnd(side, Why.FAULT, error))


class _Half:
    """The receiver of one pipe: what it sends goes to the other."""

    __slots__ = ("_relay", "_send", "_side", "_sink", "_source", "_tap", "count", "has_ended")

    def __init__(self, relay: Relay, side: Side, source: Pipe, sink: Pipe, tap: Tap | None) -> None:
        self._relay = relay
        self._side = side
        self._source = source
        self._sink = sink
        self._tap = tap
        self._send: Callable[[bytes], None] = sink.send
        self.count = 0
        self.has_ended = False

    def attach(self) -> None:
        self._source.start(self)

    def detach(self) -> None:
        self._tap, self._send = None, _nowhere
        self._source.pause()

    def pipe_data(self, data: bytes) -> None:
        self.count += len(data)
        if self._tap is not None:
            try:
                data = self._tap(data)
            except PeerError as error:
                self._relay.end(RelayEnd(self._side, Why.BROKE, error))
                return
            except Exception as error:
                self._relay.fault(self._side, error)
                return
        if data:
            self._send(data)

    def pipe_ended(self) -> None:
        if not self._relay.stopped:
            self.has_ended = True
            self._relay.half_ended(self._side, self._sink)

    def pipe_lost(self, goodbye: bool) -> None:
        self._relay.end(RelayEnd(self._side, Why.GOODBYE if goodbye else Why.LOST))

    def pipe_full(self) -> None:
        # It takes no more of what the other side sends.
        if not self._relay.stopped:
            self._sink.pause()

    def pipe_drained(self) -> None:
        if not self._relay.stopped:
            self._sink.resume()


def _nowhere(data: bytes) -> None:
    """Where a stopped relay sends to."""
