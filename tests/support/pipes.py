"""
Pipes for tests: a receiver that writes down what it is told, and a transport that behaves like a socket.
"""

from __future__ import annotations

from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure


class RecordingReceiver:
    """Keeps the bytes it got, and the words of all other events in their order."""

    def __init__(self) -> None:
        self.data = b""
        self.events: list[str] = []

    def pipe_data(self, data: bytes) -> None:
        assert "lost" not in self.events and "goodbye" not in self.events, "bytes after the end"
        self.data += data

    def pipe_ended(self) -> None:
        self.events.append("ended")

    def pipe_lost(self, goodbye: bool) -> None:
        self.events.append("goodbye" if goodbye else "lost")

    def pipe_full(self) -> None:
        self.events.append("full")

    def pipe_drained(self) -> None:
        self.events.append("drained")


def turn(clock: Clock, turns: int = 8) -> None:
    """Let everything happen that is due now."""
    for _ in range(turns):
        clock.advance(0)


class SocketTransport(StringTransport):
    """
    A TCP transport in memory, with the far end in the test's hands.

    ``stuck``: the peer does not read, so a flush never ends.
    """

    MARK = 65536

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self._clock = clock
        self.fin_sent = self.closed = self.stuck = self.is_full = False

    def write(self, data: bytes) -> None:
        if not (self.closed or self.disconnecting):
            super().write(data)
            if self.stuck and len(self.value()) > self.MARK and self.producer and not self.is_full:
                self.is_full = True
                self.producer.pauseProducing()

    def unstick(self) -> None:
        self.stuck = False
        if self.is_full and self.producer:
            self.is_full = False
            self.producer.resumeProducing()
        if self.disconnecting:
            self.cut(ConnectionDone())

    def startTLS(self, creator: object) -> None:  # noqa: N802 - Twisted's name
        raise NotImplementedError("a test that needs it patches it")

    def loseWriteConnection(self) -> None:  # noqa: N802 - Twisted's name
        self.fin_sent = True

    def loseConnection(self) -> None:
        self.disconnecting = True
        if not self.stuck:
            self._clock.callLater(0, self.cut, ConnectionDone())

    def abortConnection(self) -> None:
        self._clock.callLater(0, self.cut, ConnectionAborted())

    def resumeProducing(self) -> None:
        # A real transport may be told this after its end.
        self.producerState = "producing"

    def pauseProducing(self) -> None:
        self.producerState = "paused"

    def cut(self, why: Exception | None = None) -> None:
        """The connection ends, for whatever reason, once."""
        if not self.closed:
            self.closed = True
            self.protocol.connectionLost(Failure(why or ConnectionLost()))
