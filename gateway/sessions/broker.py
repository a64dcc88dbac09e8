"""
Letting clients in: presentation → ticket → session (contract section 5).

The rows of the contract's table are here and in the ticket store, which
decides whether a use is taken.  What a session then does is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from attrs import frozen
from twisted.logger import Logger

from gateway.model.client import Arrival, Greeted, Presentation, Way, site_of
from gateway.model.errors import Reason, Refused, StoreAway
from gateway.model.events import Event, tell
from gateway.model.seams import Opening, Pipe, TicketStore
from gateway.model.secret import Secret
from gateway.model.session import Ending, SessionRecord, State
from gateway.model.target import ConsoleKind
from gateway.model.ticket import Presenter, Redeemed
from gateway.sessions.limits import Limits, Rate, check_room
from gateway.sessions.machine import Input
from gateway.sessions.registry import Registry
from gateway.sessions.session import Session
from gateway.sessions.surroundings import Surroundings

PROBE_SECONDS = 2.0
"""How long the old half of a returning stock client may take to show a sign of life (contract section 5)."""

MAX_OWED = 1000
"""Sessions remembered that the directory could not take just now."""

MAX_TURNED_AWAY = 1000
"""Sessions that may wait for room at once; beyond that they end as refused."""

_GUESSES = frozenset({Reason.UNKNOWN, Reason.EXPIRED, Reason.SPENT, Reason.REVOKED})
"""Refusals that count as failed tickets of an address."""

_log = Logger()


@frozen
class Admitted:
    """A client that was let in (the ``Admission`` seam)."""

    session: Session
    arrival: Arrival
    way: Way

    @property
    def kind(self) -> ConsoleKind:
        """What its console is."""
        return self.session.record.grant.kind

    @property
    def speaks_rfb(self) -> bool:
        """Whether the gateway greets this client as an RFB server."""
        return self.kind.speaks_rfb

    def attach(self, pipe: Pipe, *, greeted: Greeted = Greeted.NOT_YET, opening: Opening | None = None) -> None:
        """Here is the client."""
        self.session.attach(pipe, self.arrival, self.way, greeted=greeted, opening=opening)

    def abandon(self) -> None:
        """It left before its pipe was there; while the session waits it may try again, if it may at all."""
        if self.session.record.grant.one_shot:
            self.session.end(Input.CLIENT_BYE)


class Broker:
    """The one who lets clients in, on this node."""

    def __init__(
        self, *, node: str, tickets: TicketStore, registry: Registry, limits: Limits, around: Surroundings
    ) -> None:
        self._node = node
        self._tickets = tickets
        self._registry = registry
        self._limits = limits
        self._around = around
        self._failures = Rate(limits.failed_tickets_per_address)
        self._owed: dict[str, SessionRecord] = {}
        self.draining = False

    async def admit(self, presentation: Presentation) -> Admitted:
        """
        Let a client in (the ``Admit`` seam of the fronts).

        :raises Refused: with the reason; what the wire says is the front's.
        """
        arrival = presentation.arrival
        with_grant = presentation.way is Way.GRANT
        try:
            session = await (self._by_grant(presentation) if with_grant else self._by_ticket(presentation))
        except StoreAway as error:
            self._told_refusal(Refused(Reason.STORE_AWAY), arrival, presentation.way)
            raise Refused(Reason.STORE_AWAY, retry_after=5) from error
        except Refused as refusal:
            raise self._told_refusal(refusal, arrival, presentation.way) from refusal
        return Admitted(session, arrival, presentation.way)

    async def redeem(self, ticket: str, holder: str, arrival: Arrival) -> SessionRecord:
        """
        Turn a ticket into a holder's session (the first two rows of the table).

        :raises Refused: with the reason.  :raises StoreAway:
        """
        try:
            redeemed = await self._redeemed(ticket, Presenter(site_of(arrival.address), holder))
            if redeemed.fresh:
                return (await self._open(redeemed, arrival, holder)).record
            record = self._must_live(await self._found(session=redeemed.sessions[0]))
            return (await self._take_up(record)).record
        except Refused as refusal:
            raise self._told_refusal(refusal, arrival, Way.GRANT) from refusal

    async def held(self, grant: str, arrival: Arrival) -> SessionRecord:
        """
        The session of a holder who proves its secret.

        :raises Refused: with the reason.  :raises StoreAway:
        """
        try:
            return self._must_live(await self._found(holder=Secret(grant).digest()))
        except Refused as refusal:
            raise self._told_refusal(refusal, arrival, Way.GRANT) from refusal

    async def _by_grant(self, presentation: Presentation) -> Session:
        holder = presentation.secret.digest()
        record = self._must_live(await self._found(holder=holder))
        return await self._take_up(record)

    async def _by_ticket(self, presentation: Presentation) -> Session:
        """The stock client's rows: join, continue, probe, or take a use."""
        arrival, ticket = presentation.arrival, presentation.secret.reveal()
        presenter = Presenter(site_of(arrival.address))
        redeemed = await self._redeemed(ticket, presenter)
        if redeemed.fresh:
            return await self._open(redeemed, arrival, "")
        living = await self._living(redeemed.sessions)
        session = self._joinable(living) or await self._continuable(living)
        if session is not None:
            return session
        try:
            redeemed = await self._redeemed(ticket, attrs.evolve(presenter, another=True))
        except Refused as refusal:
            if refusal.reason is Reason.SPENT:
                raise Refused(Reason.ALIVE if living else Reason.ENDED) from refusal
            raise
        return await self._open(redeemed, arrival, "")

    async def _living(self, sessions: Sequence[str]) -> list[SessionRecord]:
        records = [await self._found(session=session) for session in sessions]
        return [record for record in records if record is not None and self._lives(record)]

    def _joinable(self, living: Sequence[SessionRecord]) -> Session | None:
        """A session with room for a further socket (SPICE, vmrc)."""
        local = (self._registry.get(record.id) for record in living)
        return next((session for session in local if session is not None and session.has_room), None)

    async def _continuable(self, living: Sequence[SessionRecord]) -> Session | None:
        """A lost session, or one whose old half is silent."""
        for record in living:
            session = self._registry.get(record.id)
            if session is None or not session.connected:
                return await self._take_up(record)
        for record in living:
            session = self._registry.get(record.id)
            if session is not None and not await session.probe(PROBE_SECONDS):
                return await self._take_up(record)
        return None

    async def _redeemed(self, ticket: str, presenter: Presenter) -> Redeemed:
        if self.draining:
            raise Refused(Reason.DRAINING, retry_after=5)
        return await self._tickets.redeem(ticket, presenter)

    async def _found(self, session: str = "", holder: str = "") -> SessionRecord | None:
        """The record as the directory has it, or as it would if it had taken it."""
        record = await self._around.directory.find(session=session, holder=holder)
        if record is None:
            return next(
                (one for one in self._owed.values() if session == one.id or (holder and holder == one.holder)), None
            )
        return record

    async def _take_up(self, record: SessionRecord) -> Session:
        """The session on this node: as it is, or claimed from a node that lost it."""
        session = self._registry.get(record.id)
        if session is None:
            return await self._claim(attrs.evolve(record, node=self._node))
        if session.turned_away:
            self._find_room(session)
        return session

    async def _open(self, redeemed: Redeemed, arrival: Arrival, holder: str) -> Session:
        now = self._around.now()
        return await self._claim(
            SessionRecord(
                id=redeemed.sessions[0],
                ticket_id=redeemed.ticket_id,
                grant=redeemed.grant,
                address=arrival.address,
                opened_at=now,
                holder=holder,
                node=self._node,
                state=State.AUTHORIZING,
                lost_at=now,
            )
        )

    async def _claim(self, record: SessionRecord) -> Session:
        """A use was taken: what cannot be opened just now is remembered, so that its presenter may try again."""
        if self.draining:
            raise Refused(Reason.DRAINING, retry_after=5)
        try:
            claimed = await self._around.directory.claim(record)
        except (StoreAway, Refused) as error:
            if isinstance(error, StoreAway) or error.reason is Reason.OVER_LIMIT:
                self._owed[record.id] = record
                if len(self._owed) > MAX_OWED:
                    del self._owed[next(iter(self._owed))]
            raise
        self._owed.pop(record.id, None)
        session = self._registry.open(claimed)
        self._find_room(session)
        return session

    def _find_room(self, session: Session) -> None:
        """Whoever is turned away has lost nothing and may come back: the session waits, and does not count."""
        live = [one for one in self._registry if one is not session and not one.turned_away]
        session.turned_away = True
        try:
            check_room(self._limits, live, user=session.user, console=session.console, address=session.address)
        except Refused:
            tell(_log, Event.LIMIT_REACHED, limit="sessions", session=session.id, console=session.console)
            if self._registry.turned_away > MAX_TURNED_AWAY:
                session.end(Input.REFUSED)
            raise
        session.turned_away = False

    def _must_live(self, record: SessionRecord | None) -> SessionRecord:
        if record is None:
            raise Refused(Reason.UNKNOWN)
        if not self._lives(record):
            raise Refused(Reason.STOPPED if record.ending is Ending.REVOKED else Reason.ENDED)
        return record

    def _lives(self, record: SessionRecord) -> bool:
        """Not ended, and if its client is lost, not for too long."""
        if record.ending is not None or self._registry.has_ended(record.id):
            return False
        if self._registry.get(record.id) is not None:
            return True
        seen = record.lost_at or record.seen_at or record.opened_at
        return self._around.now() - seen < self._around.patience.resume_window

    def _told_refusal(self, refusal: Refused, arrival: Arrival, way: Way) -> Refused:
        """
        Count and log it; who guesses too often learns no more reasons.

        A good ticket or grant is never refused for the bad ones of the same
        address: behind a balancer that may be everybody's.
        """
        reason = refusal.reason
        self._around.metrics.refused(reason.word)
        tell(_log, Event.TICKET_REFUSED, reason=reason.word, peer=arrival.address, way=way.value)
        if reason in _GUESSES and not self._failures.take(site_of(arrival.address), self._around.clock.seconds()):
            tell(_log, Event.LIMIT_REACHED, limit="failed_tickets", peer=arrival.address)
            return Refused(Reason.OVER_LIMIT, retry_after=1)
        return refusal
