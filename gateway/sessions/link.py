"""
One client connection of a session and, once dialled, its upstream.

A link greets the client (RFB kinds), has the console dialled, and relays
until either half goes; then it tells its session and is over.  A client that
comes back gets a new link.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.client import Greeted
from gateway.model.errors import Unreachable
from gateway.model.events import Event, tell
from gateway.model.seams import Opening, Pipe, Upstream
from gateway.model.session import Closing, Ending
from gateway.model.ticket import Grant, Right
from gateway.net.converse import HandshakeLost, converse
from gateway.net.relay import Relay, RelayEnd, Side, Why
from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue
from gateway.wire.rfb.handshake import finish, serve
from gateway.wire.rfb.pixels import ServerInit
from gateway.wire.rfb.tracker import Rights, Tracker

GREETING_SECONDS = 30.0
"""A client's part of the RFB handshake needs no person: it is done in a few round trips."""

EARLY_MAX = 65536
"""Bytes kept from a client before its console is there; then it is not read on."""

_log = Logger()


class Owner(Protocol):
    """What a link tells its session; exactly one of the ``link_…`` endings, once."""

    async def reach(self, opening: Opening | None) -> Upstream:
        """Dial the console.  :raises Unreachable:"""

    def link_relaying(self, link: Link, fresh: bool) -> None:
        """Both halves are there; ``fresh``: the upstream was dialled for this link."""

    def link_input(self) -> None:
        """The client sent input (keys, pointer, text, or bytes of an opaque kind)."""

    def link_unreachable(self, link: Link) -> None: ...

    def link_client_gone(self, link: Link, goodbye: bool) -> None: ...

    def link_upstream_gone(self, link: Link) -> None: ...

    def link_broken(self, link: Link, side: Side, detail: str) -> None:
        """A side broke its protocol."""

    def link_fault(self, link: Link) -> None:
        """We made a mistake; it is logged."""


class Link:
    """
    :param pipe: the client, not started yet.
    :param kept: an upstream of an earlier link of the same session, to go on with.
    :param greeted: how far RFB's handshake has come, where the client speaks that.
    :param opening: logs in for a client that has begun to speak with its console already.
    """

    def __init__(
        self,
        owner: Owner,
        grant: Grant,
        pipe: Pipe,
        clock: IReactorTime,
        kept: Upstream | None,
        *,
        greeted: Greeted = Greeted.NOT_YET,
        opening: Opening | None = None,
    ) -> None:
        self._owner = owner
        self._grant = grant
        self._pipe = pipe
        self._clock = clock
        self._upstream = kept
        self._greeted = greeted
        self._opening = opening
        self._relay: Relay | None = None
        self._held_bytes = 0
        self._work: Deferred[None] | None = None
        self._parting: Closing | None = None
        self._over = False

    @property
    def bytes_in(self) -> int:
        """From the client."""
        return self._held_bytes + (self._relay.bytes_from_a if self._relay else 0)

    @property
    def bytes_out(self) -> int:
        """To the client."""
        return self._relay.bytes_from_b if self._relay else 0

    def begin(self) -> None:
        """Greet, dial, relay."""
        self._work = Deferred.fromCoroutine(self._told())

    async def probe(self, seconds: float) -> bool:
        """Whether the client shows a sign of life."""
        return await self._pipe.probe(seconds)

    def let_go(self, closing: Closing | None) -> Upstream | None:
        """
        End this link: close the client (``None``: cut what is left of it) and give up the upstream.

        The upstream is the caller's, who starts or closes it at once.
        """
        self._over = True
        if self._work is not None:
            self._work.cancel()
        if self._relay is not None:
            self._relay.stop()
        closing = closing or self._parting
        if closing is not None:
            self._pipe.close(closing)
        else:
            self._pipe.abort()
        upstream, self._upstream = self._upstream, None
        return upstream

    async def _told(self) -> None:
        """Run, and tell the owner how it failed, unless it let this link go."""
        try:
            await self._run()
        except CancelledError:
            pass
        except HandshakeLost as lost:
            if not self._over:
                self._owner.link_client_gone(self, lost.goodbye)
        except PeerError as error:
            if not self._over:
                self._owner.link_broken(self, Side.A, str(error))
        except Unreachable:
            if not self._over:
                self._owner.link_unreachable(self)
        except Exception:
            tell(_log, Event.FAULT, log_failure=Failure())
            if not self._over:
                self._owner.link_fault(self)

    async def _run(self) -> None:
        tracker = None
        held = b""
        if self._grant.kind.speaks_rfb:
            steps = serve if self._greeted is Greeted.NOT_YET else finish
            _, held = await converse(self._pipe, Dialogue(steps), self._clock, GREETING_SECONDS)
        waiting = _Waiting(self, self._pipe, held)
        fresh = self._upstream is None
        if self._upstream is None:
            self._upstream = await self._owner.reach(self._opening)
        if self._grant.kind.speaks_rfb:
            tracker = self._introduce(self._upstream)
        elif fresh and self._upstream.greeting:
            self._pipe.send(self._upstream.greeting)
        held = waiting.stop()
        self._owner.link_relaying(self, fresh)
        if not self._over:
            self._start_relay(tracker, held)

    def _introduce(self, upstream: Upstream) -> Tracker:
        """Tell the client of the screen, under the console's name; nothing names the inside."""
        init = ServerInit.parse(upstream.greeting)
        name = self._grant.console
        self._pipe.send(init.pack(name))
        rights = self._grant.rights
        return Tracker(
            init,
            name,
            Rights(
                control=Right.CONTROL in rights,
                clipboard=Right.CLIPBOARD in rights,
                power=Right.POWER in rights,
            ),
        )

    def _start_relay(self, tracker: Tracker | None, held: bytes) -> None:
        assert self._upstream is not None
        from_client = self._tracked(tracker) if tracker else self._counted
        if held:
            self._held_bytes = len(held)
            self._upstream.pipe.send(from_client(held))
        self._relay = Relay(
            self._pipe,
            self._upstream.pipe,
            from_a=from_client,
            from_b=tracker.from_server if tracker else None,
            b_half_closes=False,  # a console that hangs up is gone, and may come back
            ended=self._relay_ended,
        )
        self._relay.start()

    def _counted(self, data: bytes) -> bytes:
        """Every byte to an opaque kind is input."""
        if Right.CONTROL not in self._grant.rights:
            return b""
        self._owner.link_input()
        return data

    def _tracked(self, tracker: Tracker) -> Callable[[bytes], bytes]:
        def from_client(data: bytes) -> bytes:
            before = tracker.held.events
            out = tracker.from_client(data)
            if tracker.held.events != before:
                self._owner.link_input()
            return out

        return from_client

    def _relay_ended(self, end: RelayEnd) -> None:
        if end.why is Why.FAULT:
            self._owner.link_fault(self)
        elif end.why is Why.BROKE:
            self._owner.link_broken(self, end.side, str(end.error))
        elif self._relay is not None and self._relay.a_ended:
            # It had said all it had to say: whichever side goes now, that was its good-bye.
            self._parting = Closing.of(Ending.FINISHED)
            self._owner.link_client_gone(self, True)
        elif end.side is Side.A:
            self._owner.link_client_gone(self, end.why is Why.GOODBYE)
        else:
            self._owner.link_upstream_gone(self)

    def client_ended(self) -> None:
        """The client sends no more while its console is dialled: where only bytes count, it may still be answered."""
        if self._grant.kind.speaks_rfb:
            self.client_lost(True)

    def client_lost(self, goodbye: bool) -> None:
        """The client left while its console was being dialled."""
        if not self._over:
            self._owner.link_client_gone(self, goodbye)


class _Waiting:
    """The client's receiver while its console is dialled: keeps a little, and hears it leave."""

    def __init__(self, link: Link, pipe: Pipe, held: bytes) -> None:
        self._link = link
        self._pipe = pipe
        self._held = [held] if held else []
        self._size = len(held)
        pipe.start(self)

    def stop(self) -> bytes:
        """What came in the meantime; the pipe is paused for its next receiver."""
        self._pipe.pause()
        return b"".join(self._held)

    def pipe_data(self, data: bytes) -> None:
        self._held.append(data)
        self._size += len(data)
        if self._size >= EARLY_MAX:
            self._pipe.pause()

    def pipe_ended(self) -> None:
        self._link.client_ended()

    def pipe_lost(self, goodbye: bool) -> None:
        self._link.client_lost(goodbye)

    def pipe_full(self) -> None:
        """Nothing is sent to it while it waits."""

    def pipe_drained(self) -> None:
        """Nothing was held back from it."""
