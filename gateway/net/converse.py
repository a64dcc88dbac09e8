"""
Runs a handshake (a ``wire`` dialogue) over a pipe, with a deadline.

Used for both sides: the gateway greeting a client, and the gateway logging
in to a server.  What the handshake says is in ``wire``; no protocol here.
"""

from __future__ import annotations

from typing import Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from gateway.model.seams import Pipe
from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue

T = TypeVar("T")


class HandshakeLost(Exception):
    """The other side left, or took too long; ``goodbye`` tells an orderly close."""

    def __init__(self, detail: str, *, goodbye: bool = False) -> None:
        super().__init__(detail)
        self.goodbye = goodbye


async def converse(pipe: Pipe, dialogue: Dialogue[T], clock: IReactorTime, seconds: float) -> tuple[T, bytes]:
    """
    Carry the dialogue through; return its result and the bytes that follow it.

    The pipe is left paused, so that nothing is lost until its next receiver
    starts it (and resumes it).

    :raises PeerError: the other side broke the protocol.
    :raises HandshakeLost: it left, or did not finish within ``seconds``.
    """
    conversation = _Conversation(pipe, dialogue)
    late = clock.callLater(seconds, conversation.fail, HandshakeLost(f"no answer within {seconds:g} s"))
    try:
        return await conversation.begin()
    finally:
        if late.active():
            late.cancel()


class _Conversation(Generic[T]):
    """The receiver of a pipe while a dialogue lasts."""

    def __init__(self, pipe: Pipe, dialogue: Dialogue[T]) -> None:
        self._pipe = pipe
        self._dialogue = dialogue
        self._outcome: Deferred[tuple[T, bytes]] = Deferred()
        self._over = False

    def begin(self) -> Deferred[tuple[T, bytes]]:
        self._pipe.send(self._dialogue.to_send())
        self._pipe.start(self)
        return self._outcome

    def fail(self, error: Exception) -> None:
        if not self._over:
            self._over = True
            self._pipe.pause()
            self._outcome.errback(error)

    def pipe_data(self, data: bytes) -> None:
        if self._over:
            return
        try:
            self._dialogue.receive(data)
        except PeerError as error:
            self.fail(error)
            return
        if answer := self._dialogue.to_send():
            self._pipe.send(answer)
        if self._dialogue.done:
            self._over = True
            self._pipe.pause()
            self._outcome.callback((self._dialogue.result, self._dialogue.trailing()))

    def pipe_ended(self) -> None:
        self.fail(HandshakeLost("the other side stopped sending", goodbye=True))

    def pipe_lost(self, goodbye: bool) -> None:
        self.fail(HandshakeLost("the connection was lost", goodbye=goodbye))

    def pipe_full(self) -> None:
        """Handshakes are short: nothing to hold back."""

    def pipe_drained(self) -> None:
        """Handshakes are short: nothing was held back."""
