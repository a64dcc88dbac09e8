"""
What the API and the admin page may ask: mint, revoke, list, end.

Who may ask is decided by the web floor; how clients are let in is
``broker.py``.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from attrs import frozen
from twisted.logger import Logger

from gateway.model.allowed import AllowedTargets
from gateway.model.errors import NotSupported
from gateway.model.events import Event, tell
from gateway.model.seams import Directory, TicketStore
from gateway.model.session import Ending, SessionRecord, State, Word
from gateway.model.target import ConsoleInfo, ConsoleKind, Target
from gateway.model.ticket import DEFAULT_RIGHTS, Grant, Mint, Minted, Right, Selector
from gateway.sessions.consoles import Consoles
from gateway.sessions.machine import Input
from gateway.sessions.registry import Registry

_log = Logger()


@frozen
class Wish:
    """
    What somebody wants a ticket for: a console by name, or (a broker) a target.

    ``ttl`` is seconds, 0 = the configured one.
    """

    console: str
    target: Target | None = None
    user: str = ""
    rights: frozenset[Right] = DEFAULT_RIGHTS
    ttl: float = 0.0
    uses: int = 1
    one_shot: bool = False
    roaming: bool = False
    listener: str = ""


@frozen
class Made:
    """A minted ticket, and what it is for."""

    minted: Minted
    console: str
    kind: ConsoleKind
    listener: str


class TargetForbidden(NotSupported):
    """A broker named an address outside ``limits.allowed_targets``."""


class Desk:
    """The operator's side of tickets and sessions."""

    def __init__(
        self,
        *,
        tickets: TicketStore,
        directory: Directory,
        registry: Registry,
        consoles: Consoles,
        allowed: AllowedTargets,
        ttl: float,
        now: Callable[[], float],
    ) -> None:
        self._tickets = tickets
        self._directory = directory
        self._registry = registry
        self._consoles = consoles
        self._allowed = allowed
        self._ttl = ttl
        self._now = now

    async def mint(self, wish: Wish) -> Made:
        """
        Make a ticket.

        :raises UnknownConsole, AmbiguousConsole: there is none, or several.
        :raises TargetForbidden: the target is not among the allowed ones.
        :raises Refused, StoreAway, NotSupported: by the store.
        """
        info = await self._info(wish)
        if info.kind is ConsoleKind.SPICE and (wish.one_shot or not wish.rights >= DEFAULT_RIGHTS):
            # It is not looked into, and every channel of it presents the ticket.
            raise NotSupported("Tickets for SPICE have the rights view, control and clipboard, and are not one_shot.")
        grant = Grant(
            console=info.name,
            kind=info.kind,
            user=wish.user,
            rights=wish.rights,
            target=wish.target,
            one_shot=wish.one_shot,
            roaming=wish.roaming,
            connections=info.connections,
            listener=wish.listener,
        )
        uses = 1 if wish.one_shot else wish.uses
        minted = await self._tickets.mint(Mint(grant, uses, self._now() + (wish.ttl or self._ttl)))
        tell(_log, Event.TICKET_MINTED, ticket_id=minted.id, console=info.name, user=wish.user)
        return Made(minted, info.name, info.kind, wish.listener)

    async def _info(self, wish: Wish) -> ConsoleInfo:
        if wish.target is None:
            return await self._consoles.find(wish.console)
        for address in wish.target.addresses:
            if not self._allowed.allows(address):
                raise TargetForbidden("this target is not among limits.allowed_targets")
        kind = wish.target.kind
        return ConsoleInfo(name=wish.console, kind=kind, driver="broker", connections=kind.sockets)

    async def revoke(self, what: Selector) -> int:
        """Withdraw tickets and end the sessions that came of them, on every node; how many tickets."""
        count = await self._tickets.revoke(what)
        ended = self._registry.revoke(what)
        for record in await self._directory.sessions():
            grant = record.grant
            if what.covers(ticket_id=record.ticket_id, console=grant.console, user=grant.user):
                ended += await self._end_elsewhere(record)
        tell(_log, Event.TICKET_REVOKED, tickets=count, sessions=ended)
        return count

    async def sessions(self) -> list[SessionRecord]:
        """Every session of the cluster; those of this node as of now."""
        records = []
        for record in await self._directory.sessions():
            session = self._registry.get(record.id)
            records.append(session.record if session else record)
        return records

    async def end(self, session_id: str) -> bool:
        """End a session, wherever it is; whether there was one."""
        session = self._registry.get(session_id)
        if session is not None:
            session.end(Input.REVOKED)
            return True
        record = await self._directory.find(session=session_id)
        return record is not None and await self._end_elsewhere(record)

    async def _end_elsewhere(self, record: SessionRecord) -> bool:
        """End what no session of this node stands for: in the directory, and at the node that has it."""
        if record.ending is not None or self._registry.has_ended(record.id):
            return False
        ended = attrs.evolve(record, state=State.CLOSED, ending=Ending.REVOKED, ended_at=self._now())
        await self._directory.update(ended)
        await self._directory.signal(record.id, Word.END)
        return True
