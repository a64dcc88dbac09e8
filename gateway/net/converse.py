"""
Runs a handshake (a ``wire`` dialogue) over a pipe, with a deadline.

Used for both sides: the gateway greeting a client, and the gateway logging
in to a server.  What the handshake says is in ``wire``, how TLS is made is
the caller's; no protocol here.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from gateway.model.seams import Pipe
from gateway.wire.errors import LocalError, PeerError
from gateway.wire.reader import Dialogue, StartTLS

T = TypeVar("T")

MakeTLS = Callable[[StartTLS], Coroutine[Any, Any, None]]
"""
Shakes hands as a TLS client on the pipe of the conversation, which it takes back first (``rewind``).

Once it returns the pipe is started again, and what comes then came inside.
"""


class HandshakeLost(Exception):
    """The other side left, or took too long; ``goodbye`` tells an orderly close."""

    def __init__(self, detail: str, *, goodbye: bool = False) -> None:
        super().__init__(detail)
        self.goodbye = goodbye


async def converse(
    pipe: Pipe, dialogue: Dialogue[T], clock: IReactorTime, seconds: float, make_tls: MakeTLS | None = None
) -> tuple[T, bytes]:
    """
    Carry the dialogue through; return its result and the bytes that follow it.

    The pipe is left paused, so that nothing is lost until its next receiver
    starts it (and resumes it).

    :param make_tls: for a dialogue in a client's role that may want TLS; what
        it raises ends the conversation.
    :raises PeerError: the other side broke the protocol; what is left to be
        said about that was sent.
    :raises HandshakeLost: it left, or did not finish within ``seconds``.
    """
    conversation = _Conversation(pipe, dialogue, make_tls)
    late = clock.callLater(seconds, conversation.fail, HandshakeLost(f"no answer within {seconds:g} s"))
    try:
        return await conversation.begin()
    finally:
        if late.active():
            late.cancel()


class _Conversation(Generic[T]):
    """The receiver of a pipe while a dialogue lasts."""

    def __init__(self, pipe: Pipe, dialogue: Dialogue[T], make_tls: MakeTLS | None) -> None:
        self._pipe = pipe
        self._dialogue = dialogue
        self._make_tls = make_tls
        self._tls: Deferred[None] | None = None
        self._outcome: Deferred[tuple[T, bytes]] = Deferred(lambda _: self._stop())
        self._over = False

    def begin(self) -> Deferred[tuple[T, bytes]]:
        self._pipe.send(self._dialogue.to_send())
        self._pipe.start(self)
        return self._outcome

    def fail(self, error: Exception | Failure) -> None:
        if not self._over:
            self._stop()
            self._pipe.pause()
            self._outcome.errback(error)

    def pipe_data(self, data: bytes) -> None:
        if not self._over:
            self._advance(lambda: self._dialogue.receive(data))

    def pipe_ended(self) -> None:
        self.fail(HandshakeLost("the other side stopped sending", goodbye=True))

    def pipe_lost(self, goodbye: bool) -> None:
        self.fail(HandshakeLost("the connection was lost", goodbye=goodbye))

    def pipe_full(self) -> None:
        """Handshakes are short: nothing to hold back."""

    def pipe_drained(self) -> None:
        """Handshakes are short: nothing was held back."""

    def _advance(self, step: Callable[[], None]) -> None:
        """Take one step of the dialogue, and do what it asks for then."""
        broken: PeerError | None = None
        try:
            step()
        except PeerError as error:
            broken = error
        if answer := self._dialogue.to_send():
            self._pipe.send(answer)
        if broken is not None:
            self.fail(broken)
        elif self._dialogue.done:
            self._over = True
            self._pipe.pause()
            self._outcome.callback((self._dialogue.result, self._dialogue.trailing()))
        elif self._dialogue.tls is not None:
            self._begin_tls(self._dialogue.tls)

    def _begin_tls(self, wish: StartTLS) -> None:
        if self._dialogue.trailing():
            # In a client's role it is ours to begin: these would be read as if they had come inside.
            self.fail(PeerError("bytes came in the clear where TLS begins"))
        elif self._make_tls is None:
            self.fail(LocalError("the dialogue wants TLS, which nobody makes"))
        else:
            self._tls = Deferred.fromCoroutine(self._make_tls(wish))
            self._tls.addCallbacks(lambda _: self._inside(), self._without)

    def _inside(self) -> None:
        """TLS stands: go on with the dialogue and listen again."""
        self._tls = None
        if not self._over:
            self._pipe.start(self)
            self._advance(self._dialogue.tls_started)

    def _without(self, failure: Failure) -> None:
        self._tls = None
        self.fail(failure)

    def _stop(self) -> None:
        self._over = True
        if self._tls is not None:
            self._tls.cancel()
