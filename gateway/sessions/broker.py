"""
Letting clients in: presentation → ticket → session (contract section 5).

The rows of the contract's table are here and in the ticket store, which
decides whether a use is taken.  What a session then does is not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs
from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gateway.model.client import Arrival, Presentation, Way, site_of
from gateway.model.errors import Reason, Refused, StoreAway
from gateway.model.events import Event, tell
from gateway.model.seams import Directory, Metrics, Pipe, TicketStore
from gateway.model.secret import Secret
from gateway.model.session import Ending, SessionRecord, State
from gateway.model.ticket import Presenter, Redeemed
from gateway.sessions.limits import Limits, Rate, check_room
from gateway.sessions.registry import Registry
from gateway.sessions.session import Session

PROBE_SECONDS = 2.0
"""How long the old half of a returning stock client may take to show a sign of life (contract section 5)."""

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
    def speaks_rfb(self) -> bool:
        """Whether the gateway greets this client as an RFB server."""
        return self.session.record.grant.kind.speaks_rfb

    def attach(self, pipe: Pipe) -> None:
        """Here is the client."""
        self.session.attach(pipe, self.arrival, self.way)

    def abandon(self) -> None:
        """It left before its pipe was there; it may try again while the session waits for it."""


class Broker:
    """The one who lets clients in, on this node."""

    def __init__(
        self,
        *,
        node: str,
        tickets: TicketStore,
        directory: Directory,
        registry: Registry,
        limits: Limits,
        metrics: Metrics,
        clock: IReactorTime,
        now: Callable[[], float],
        resume_window: float,
    ) -> None:
        self._node = node
        self._tickets = tickets
        self._directory = directory
        self._registry = registry
        self._limits = limits
        self._failures = Rate(limits.failed_tickets_per_address)
        self._metrics = metrics
        self._clock = clock
        self._now = now
        self._resume_window = resume_window
        self.draining = False

    async def admit(self, presentation: Presentation) -> Admitted:
        """
        Let a client in (the ``Admit`` seam of the fronts).

        :raises Refused: with the reason; what the wire says is the front's.
        """
        arrival = presentation.arrival
        with_grant = presentation.way is Way.GRANT
        try:
            self._check_address(arrival.address)
            session = await (self._by_grant(presentation) if with_grant else self._by_ticket(presentation))
        except StoreAway as error:
            self._count_refusal(Reason.STORE_AWAY, arrival, presentation.way)
            raise Refused(Reason.STORE_AWAY, retry_after=5) from error
        except Refused as refusal:
            self._count_refusal(refusal.reason, arrival, presentation.way)
            raise
        return Admitted(session, arrival, presentation.way)

    async def redeem(self, ticket: str, holder: str, arrival: Arrival) -> SessionRecord:
        """
        Turn a ticket into a holder's session (the first two rows of the table).

        :raises Refused: with the reason.  :raises StoreAway:
        """
        try:
            self._check_address(arrival.address)
            redeemed = await self._tickets.redeem(ticket, Presenter(site_of(arrival.address), holder))
            if redeemed.fresh:
                session = await self._open(redeemed, arrival, holder)
                return session.record
            record = self._must_live(await self._directory.find(session=redeemed.sessions[0]))
            return (await self._take_up(record)).record
        except Refused as refusal:
            self._count_refusal(refusal.reason, arrival, Way.GRANT)
            raise

    async def held(self, grant: str, arrival: Arrival) -> SessionRecord:
        """
        The session of a holder who proves its secret.

        :raises Refused: with the reason.  :raises StoreAway:
        """
        try:
            self._check_address(arrival.address)
            return self._must_live(await self._directory.find(holder=Secret(grant).digest()))
        except Refused as refusal:
            self._count_refusal(refusal.reason, arrival, Way.GRANT)
            raise

    async def _by_grant(self, presentation: Presentation) -> Session:
        holder = presentation.secret.digest()
        record = self._must_live(await self._directory.find(holder=holder))
        return await self._take_up(record)

    async def _by_ticket(self, presentation: Presentation) -> Session:
        """The stock client's rows: join, continue, probe, or take a use."""
        arrival, ticket = presentation.arrival, presentation.secret.reveal()
        presenter = Presenter(site_of(arrival.address))
        redeemed = await self._tickets.redeem(ticket, presenter)
        if redeemed.fresh:
            return await self._open(redeemed, arrival, "")
        living = await self._living(redeemed.sessions)
        session = self._joinable(living) or await self._continuable(living)
        if session is not None:
            return session
        try:
            redeemed = await self._tickets.redeem(ticket, attrs.evolve(presenter, another=True))
        except Refused as refusal:
            if refusal.reason is Reason.SPENT:
                raise Refused(Reason.ALIVE if living else Reason.ENDED) from refusal
            raise
        return await self._open(redeemed, arrival, "")

    async def _living(self, sessions: Sequence[str]) -> list[SessionRecord]:
        records = [await self._directory.find(session=session) for session in sessions]
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

    async def _take_up(self, record: SessionRecord) -> Session:
        """The session on this node: as it is, or claimed from a node that lost it."""
        session = self._registry.get(record.id)
        if session is not None:
            return session
        return await self._claim(attrs.evolve(record, node=self._node))

    async def _open(self, redeemed: Redeemed, arrival: Arrival, holder: str) -> Session:
        record = SessionRecord(
            id=redeemed.sessions[0],
            ticket_id=redeemed.ticket_id,
            grant=redeemed.grant,
            address=arrival.address,
            opened_at=self._now(),
            holder=holder,
            node=self._node,
            state=State.AUTHORIZING,
            lost_at=self._now(),
        )
        return await self._claim(record)

    async def _claim(self, record: SessionRecord) -> Session:
        """Claim first, then see whether there is room: who is turned away has lost nothing and may come back."""
        claimed = await self._directory.claim(record)
        grant = record.grant
        check_room(self._limits, self._registry, user=grant.user, console=grant.console, address=record.address)
        return self._registry.open(claimed)

    def _check_address(self, address: str) -> None:
        if self.draining:
            raise Refused(Reason.DRAINING, retry_after=5)
        if self._failures.exhausted(site_of(address), self._clock.seconds()):
            tell(_log, Event.LIMIT_REACHED, limit="failed_tickets", peer=address)
            raise Refused(Reason.OVER_LIMIT, retry_after=1)

    def _must_live(self, record: SessionRecord | None) -> SessionRecord:
        if record is None:
            raise Refused(Reason.UNKNOWN)
        if not self._lives(record):
            raise Refused(Reason.STOPPED if record.ending is Ending.REVOKED else Reason.ENDED)
        return record

    def _lives(self, record: SessionRecord) -> bool:
        """Not ended, and if its client is lost, not for too long."""
        if record.ending is not None:
            return False
        lost_for = self._now() - record.lost_at if record.lost_at else 0.0
        return lost_for < self._resume_window

    def _count_refusal(self, reason: Reason, arrival: Arrival, way: Way) -> None:
        self._metrics.refused(reason.word)
        if reason in _GUESSES:
            self._failures.take(site_of(arrival.address), self._clock.seconds())
        tell(_log, Event.TICKET_REFUSED, reason=reason.word, peer=arrival.address, way=way.value)
