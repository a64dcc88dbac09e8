"""
A session: what a redeemed ticket became, for as long as it lives.

It owns its links (client connections), its state (``machine.py``) and its
record, and ends exactly once.  How it was let in is ``broker.py``; which
sessions there are is ``registry.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import attrs
from twisted.logger import Logger

from gateway.model.audit import line_of
from gateway.model.client import Arrival, Greeted, Way
from gateway.model.events import Event, tell
from gateway.model.seams import Opening, Pipe, Upstream
from gateway.model.session import COME_BACK, REPLACED, Closing, Ending, SessionRecord, State
from gateway.net.relay import Side
from gateway.sessions.kept import Kept
from gateway.sessions.ledger import Ledger
from gateway.sessions.link import Link
from gateway.sessions.machine import Input, Machine
from gateway.sessions.surroundings import Surroundings

SEEN_EVERY = 10.0
"""Seconds between two notes in the directory that a client is connected: how exactly a dead node's losses are dated."""

DIAL_SLACK = 60.0
"""Seconds that the last attempt of a dial may take beyond the patience: every address of it has its own deadlines."""

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
        self._kept = Kept()
        self._last_seen = around.clock.seconds()
        self.turned_away = False
        """Whether there was no room for it so far; it does not count, and may try again."""
        self._last_input = around.clock.seconds()
        lost_for = max(0.0, around.now() - record.lost_at) if record.lost_at else 0.0
        self._since = around.clock.seconds() - lost_for
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
    def kind(self) -> str:
        """The console's kind, in a word."""
        return self._record.grant.kind.value

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
        bytes_in, bytes_out = self._bytes()
        return attrs.evolve(self._record, state=self._machine.state, bytes_in=bytes_in, bytes_out=bytes_out)

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

    def attach(
        self,
        pipe: Pipe,
        arrival: Arrival,
        way: Way,
        *,
        greeted: Greeted = Greeted.NOT_YET,
        opening: Opening | None = None,
    ) -> None:
        """A client that was let in is connected; it replaces the older one unless it may join."""
        if self.state is State.CLOSED:
            pipe.close(Closing.of(self._machine.ending or Ending.FINISHED))
            return
        returning = self.state is not State.AUTHORIZING and not self.has_room
        if len(self._links) >= self._record.grant.connections:
            self._drop(self._links[0], REPLACED)
        self._way = way
        self._returned_by_ticket |= returning and way is not Way.GRANT
        self._record = attrs.evolve(self._record, address=arrival.address, lost_at=0.0, seen_at=self._around.now())
        if not self._links:
            self._receive(Input.CLIENT_BACK if returning else Input.GRANTED)
        event = Event.SESSION_CONTINUED if returning else Event.SESSION_OPENED
        tell(_log, event, session=self.id, console=self.console, peer=arrival.address, way=way.value)
        clock, kept = self._around.clock, self._kept.take()
        link = Link(self, self._record.grant, pipe, clock, kept, greeted=greeted, opening=opening)
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
        elif in_state >= self._longest():
            self._receive(Input.DEADLINE)
        elif patience.idle and self.state is State.RELAYING and now - self._last_input >= patience.idle:
            self._receive(Input.IDLED)
        elif self.state is State.PARKED and in_state >= patience.linger:
            self._kept.drop()
        self._tell_bytes()
        if self._links and now - self._last_seen >= SEEN_EVERY:
            self._last_seen = now
            self._record = attrs.evolve(self._record, seen_at=self._around.now())
            self._ledger.write()

    def _longest(self) -> float:
        """Seconds that the session may stay in its state."""
        patience = self._around.patience
        return {
            State.AUTHORIZING: patience.resume_window,
            State.STARTING: patience.first_dial + DIAL_SLACK,
            State.RESUMING: patience.redial + DIAL_SLACK,
            State.PARKED: patience.resume_window,
        }.get(self.state, math.inf)

    @property
    def settled(self) -> bool:
        """Whether the directory knows how it stands."""
        return self._ledger.settled

    def settle(self) -> None:
        """Tell the directory again what it did not take."""
        self._ledger.retry()

    # What links tell

    async def reach(self, opening: Opening | None) -> Upstream:
        """Dial the console, with the patience of the state."""
        starting = self._record.generation == 0
        patience = self._around.patience.first_dial if starting else self._around.patience.redial
        return await self._around.dialling.reach(self._record.grant, self.id, patience, opening)

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
        self._drop(link, None, flush=goodbye)
        if self._links:
            return
        if goodbye or self._record.grant.one_shot:
            self._receive(Input.CLIENT_BYE)
        else:
            self._lose_client()

    def link_upstream_gone(self, link: Link) -> None:
        """The upstream was lost: the client is told to come back, and a new one is dialled then."""
        tell(_log, Event.UPSTREAM_LOST, session=self.id)
        last = len(self._links) == 1
        if last:
            self._receive(Input.UPSTREAM_LOST)
        if last and self._record.grant.one_shot:
            self._receive(Input.DIAL_FAILED)  # nobody may come back to it
            return
        self._drop(link, COME_BACK)
        self._kept.drop()
        if last:
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

    def _drop(self, link: Link, closing: Closing | None, *, flush: bool = False) -> None:
        """Take a link out; the last one's upstream is kept for the next where bytes can simply go on."""
        self._links.remove(link)
        goes_on = self._record.grant.kind.goes_on and not (self._links or flush)
        upstream = link.let_go(closing)
        self._finished_in += link.bytes_in
        self._finished_out += link.bytes_out
        if upstream is None:
            return
        if goes_on:
            self._kept.put(upstream)
        elif flush:
            upstream.pipe.close(Closing.of(Ending.FINISHED))
        else:
            upstream.pipe.abort()

    def _receive(self, what: Input) -> None:
        before = self.state
        if not self._machine.receive(what):
            return
        if self.state is not before:
            self._since = self._around.clock.seconds()
        if self.state is State.CLOSED and self._machine.ending is not None:
            self._close(self._machine.ending)

    def _close(self, ending: Ending) -> None:
        try:
            for link in list(self._links):
                self._drop(link, Closing.of(ending), flush=True)
            self._kept.drop()
            self._record = attrs.evolve(self.record, ending=ending, ended_at=self._around.now())
            record = self._record
            seconds = self._around.clock.seconds() - self._begun
            self._around.metrics.session_ended(record.grant.kind.value, ending, seconds)
            self._tell_bytes()
            self._around.audit.record(line_of(record, way=self._way, returned_by_ticket=self._returned_by_ticket))
            tell(_log, Event.SESSION_ENDED, session=self.id, ending=ending.word)
            if ending is not Ending.MOVED:
                self._ledger.write()
        finally:
            self._closed(self)

    def _bytes(self) -> tuple[int, int]:
        """Bytes relayed so far, from and to the clients."""
        return (
            self._finished_in + sum(link.bytes_in for link in self._links),
            self._finished_out + sum(link.bytes_out for link in self._links),
        )

    def _tell_bytes(self) -> None:
        """Count what was relayed since the last time."""
        bytes_in, bytes_out = self._bytes()
        self._around.metrics.relayed(bytes_in - self._told_in, bytes_out - self._told_out)
        self._told_in, self._told_out = bytes_in, bytes_out

    def _stored(self) -> SessionRecord:
        """A drained session ends on this node only: in the directory it is lost, and may be continued."""
        record = self.record
        if record.ending is Ending.DRAINED:
            return attrs.evolve(record, state=State.PARKED, ending=None, ended_at=0.0, lost_at=self._around.now())
        return record
