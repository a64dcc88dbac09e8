"""
A session: what a redeemed ticket became, for as long as it lives.

It owns its links (client connections), its state (``machine.py``) and its
record, and ends exactly once.  How it was let in is ``broker.py``; which
sessions there are is ``registry.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.logger import Logger

from gateway.model.audit import line_of
from gateway.model.client import Arrival, Way
from gateway.model.events import Event, tell
from gateway.model.seams import Pipe, Upstream
from gateway.model.session import COME_BACK, REPLACED, Closing, Ending, SessionRecord, State
from gateway.net.relay import Side
from gateway.sessions.ledger import Ledger
from gateway.sessions.link import Link
from gateway.sessions.machine import Input, Machine
from gateway.sessions.surroundings import Surroundings

_log = Logger()


class Session:
    """
    One session on this node.

    :param record: as the directory has it, claimed by this node.
    :param closed: called once, when the session has ended here.
    """

    def __init__(self, record: SessionRecord, around: Surroundings, closed: Callable[[Session], None]) -> None:
        self._record = record
        self._around = around
        self._closed = closed
        # One that had an upstream before was lost by another life of a node, and waits for its client.
        self._machine = Machine(State.PARKED if record.generation else State.AUTHORIZING)
        self._links: list[Link] = []
        self._kept: Upstream | None = None
        self._since = self._last_input = around.clock.seconds()
        self._begun = around.clock.seconds()
        self._finished_in = self._finished_out = 0
        self._told_in = self._told_out = 0
        self._way: Way | None = None
        self._returned_by_ticket = False
        self._ledger = Ledger(around.directory, self._stored, lambda: self._receive(Input.MOVED))
        around.metrics.session_opened(record.grant.kind.value)

    @property
    def id(self) -> str:
        """Names the session; authorises nothing."""
        return self._record.id

    @property
    def user(self) -> str:
        """Whose ticket it was."""
        return self._record.grant.user

    @property
    def console(self) -> str:
        """The console's name."""
        return self._record.grant.console

    @property
    def address(self) -> str:
        """Where its client is, or was last."""
        return self._record.address

    @property
    def state(self) -> State:
        """Where it stands."""
        return self._machine.state

    @property
    def record(self) -> SessionRecord:
        """The record as of now, bytes included."""
        return attrs.evolve(
            self._record,
            state=self._machine.state,
            bytes_in=self._finished_in + sum(link.bytes_in for link in self._links),
            bytes_out=self._finished_out + sum(link.bytes_out for link in self._links),
        )

    @property
    def has_room(self) -> bool:
        """Whether a further socket may join beside those that are connected."""
        return 0 < len(self._links) < self._record.grant.connections

    @property
    def connected(self) -> bool:
        """Whether a client is connected."""
        return bool(self._links)

    async def probe(self, seconds: float) -> bool:
        """Whether any client of the session shows a sign of life."""
        for link in list(self._links):
            if await link.probe(seconds):
                return True
        return False

    # What happens from outside

    def attach(self, pipe: Pipe, arrival: Arrival, way: Way) -> None:
        """A client that was let in is connected; it replaces the older one unless it may join."""
        if self.state is State.CLOSED:
            pipe.close(Closing.of(self._machine.ending or Ending.FINISHED))
            return
        returning = self.state is not State.AUTHORIZING
        if len(self._links) >= self._record.grant.connections:
            self._drop(self._links[0], REPLACED)
        self._way = way
        self._returned_by_ticket |= returning and way is not Way.GRANT
        self._record = attrs.evolve(self._record, address=arrival.address, lost_at=0.0)
        self._receive(Input.CLIENT_BACK if returning else Input.GRANTED)
        event = Event.SESSION_CONTINUED if returning else Event.SESSION_OPENED
        tell(_log, event, session=self.id, console=self.console, peer=arrival.address, way=way.value)
        link = Link(self, self._record.grant, pipe, self._around.clock, self._take_kept())
        self._links.append(link)
        self._last_input = self._around.clock.seconds()
        link.begin()
        self._ledger.write()

    def end(self, what: Input) -> None:
        """End it from outside: revoked, drained, moved."""
        self._receive(what)

    def tick(self) -> None:
        """Look at the clock; called about once a second."""
        now = self._around.clock.seconds()
        patience = self._around.patience
        in_state = now - self._since
        if patience.max_session and self._around.now() - self._record.opened_at >= patience.max_session:
            self._receive(Input.EXPIRED)
        elif self.state in (State.AUTHORIZING, State.PARKED) and in_state >= patience.resume_window:
            self._receive(Input.DEADLINE)
        elif patience.idle and self.state is State.RELAYING and now - self._last_input >= patience.idle:
            self._receive(Input.IDLED)
        elif self.state is State.PARKED and in_state >= patience.linger:
            self._drop_kept()
        self._ledger.retry()
        self._tell_bytes()

    # What links tell

    async def reach(self) -> Upstream:
        """Dial the console, with the patience of the state."""
        starting = self._record.generation == 0
        patience = self._around.patience.first_dial if starting else self._around.patience.redial
        return await self._around.dialling.reach(self._record.grant, self.id, patience)

    def link_relaying(self, link: Link, fresh: bool) -> None:
        """A link has both halves; a fresh upstream is a generation of its own."""
        if fresh:
            self._record = attrs.evolve(self._record, generation=self._record.generation + 1)
        self._receive(Input.DIALED)
        self._ledger.write()

    def link_input(self) -> None:
        """The user is there."""
        self._last_input = self._around.clock.seconds()

    def link_unreachable(self, link: Link) -> None:
        """The console cannot be reached (by this link; others of the session go on)."""
        if len(self._links) == 1:
            self._receive(Input.DIAL_FAILED)
        else:
            self._drop(link, Closing.of(Ending.UNREACHABLE))

    def link_client_gone(self, link: Link, goodbye: bool) -> None:
        """A client left."""
        self._drop(link, None)
        if self._links:
            return
        if goodbye or self._record.grant.one_shot:
            self._receive(Input.CLIENT_BYE)
        else:
            self._lose_client()

    def link_upstream_gone(self, link: Link) -> None:
        """The upstream was lost: the client is told to come back, and a new one is dialled then."""
        tell(_log, Event.UPSTREAM_LOST, session=self.id)
        self._drop(link, COME_BACK)
        self._drop_kept()
        if not self._links:
            self._receive(Input.UPSTREAM_LOST)
            self._lose_client()

    def link_broken(self, link: Link, side: Side, detail: str) -> None:
        """A side broke its protocol."""
        what = Input.CLIENT_ERROR if side is Side.A else Input.UPSTREAM_ERROR
        tell(_log, Event.PROTOCOL_BROKEN, session=self.id, side=what.name.lower(), detail=detail)
        self._receive(what)

    def link_fault(self, link: Link) -> None:
        """We made a mistake."""
        self._receive(Input.FAULT)

    # Inside

    def _lose_client(self) -> None:
        self._record = attrs.evolve(self._record, lost_at=self._around.now())
        self._receive(Input.CLIENT_VANISHED)
        if self.state is State.PARKED:
            tell(_log, Event.SESSION_LOST, session=self.id)
            self._ledger.write()

    def _drop(self, link: Link, closing: Closing | None) -> None:
        """Take a link out; its upstream is kept for the next one where bytes can simply go on."""
        self._links.remove(link)
        kept = link.let_go(closing)
        self._finished_in += link.bytes_in
        self._finished_out += link.bytes_out
        if kept is not None:
            self._drop_kept()
            self._kept = kept
            kept.pipe.start(_Keeping(self, kept))
            kept.pipe.pause()

    def _take_kept(self) -> Upstream | None:
        kept, self._kept = self._kept, None
        return kept

    def _drop_kept(self) -> None:
        if (kept := self._take_kept()) is not None:
            kept.pipe.abort()

    def kept_lost(self, kept: Upstream) -> None:
        """The upstream went while no client was there."""
        if self._kept is kept:
            self._kept = None

    def _receive(self, what: Input) -> None:
        before = self.state
        if not self._machine.receive(what):
            return
        if self.state is not before:
            self._since = self._around.clock.seconds()
        if self.state is State.CLOSED and self._machine.ending is not None:
            self._close(self._machine.ending)

    def _close(self, ending: Ending) -> None:
        for link in list(self._links):
            self._drop(link, Closing.of(ending))
        self._drop_kept()
        self._record = attrs.evolve(self.record, ending=ending, ended_at=self._around.now())
        record = self._record
        seconds = self._around.clock.seconds() - self._begun
        self._around.metrics.session_ended(record.grant.kind.value, ending, seconds)
        self._tell_bytes()
        self._around.audit.record(line_of(record, way=self._way, returned_by_ticket=self._returned_by_ticket))
        tell(_log, Event.SESSION_ENDED, session=self.id, ending=ending.word)
        if ending is not Ending.MOVED:
            self._ledger.write()
        self._closed(self)

    def _tell_bytes(self) -> None:
        """Count what was relayed since the last time."""
        record = self.record
        self._around.metrics.relayed(record.bytes_in - self._told_in, record.bytes_out - self._told_out)
        self._told_in, self._told_out = record.bytes_in, record.bytes_out

    def _stored(self) -> SessionRecord:
        """A drained session ends on this node only: in the directory it is lost, and may be continued."""
        record = self.record
        if record.ending is Ending.DRAINED:
            return attrs.evolve(record, state=State.PARKED, ending=None, ended_at=0.0, lost_at=self._around.now())
        return record


class _Keeping:
    """The receiver of an upstream that waits for its client to come back; it is paused."""

    def __init__(self, session: Session, kept: Upstream) -> None:
        self._session = session
        self._kept = kept

    def pipe_data(self, data: bytes) -> None:
        """Nothing is delivered while the pipe is paused."""

    def pipe_ended(self) -> None:
        self._session.kept_lost(self._kept)

    def pipe_lost(self, goodbye: bool) -> None:
        self._session.kept_lost(self._kept)

    def pipe_full(self) -> None:
        """Nothing is sent to it."""

    def pipe_drained(self) -> None:
        """Nothing was held back from it."""
