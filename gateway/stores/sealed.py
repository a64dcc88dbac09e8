"""
Tickets that carry their own grant, encrypted: any node with the keys opens them.

Alone, such a ticket is a bearer token until its end: no uses, no one-shot, no
revocation, and what presenters opened is remembered by each node for itself.
With an inner store the ticket is counted and withdrawn there, and the sealing
only keeps forgeries away from it.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from typing import Any, Protocol

from attrs import evolve, frozen

from gateway.model.errors import NotSupported, Reason, Refused
from gateway.model.seams import TicketStore
from gateway.model.secret import Secret, base64url
from gateway.model.ticket import MAX_TICKET, UNLIMITED, Grant, Mint, Minted, Presenter, Redeemed, Selector
from gateway.stores.codec import Malformed, pack_grant, unpack_grant
from gateway.stores.memory import MemoryStore
from gateway.stores.presenting import new_session_id, new_ticket_id
from gateway.stores.sealing import BadSeal, Sealer

BEARER_TYP = "cgw-ticket"
COUNTED_TYP = "cgw-ticket-s"
"""What a ticket says it is that an inner store counts: a node without that store must not take it for a bearer's."""


class Adopter(TicketStore, Protocol):
    """A ticket store that also keeps tickets made elsewhere."""

    async def adopt(self, ticket: Secret, name: str, mint: Mint) -> None:
        """Keep a ticket; one that is here already stays as it is."""


@frozen
class _Opened:
    """What a sealed ticket says."""

    id: str
    grant: Grant
    expires_at: float


def _derived(digest: str, key: str, first: bool) -> str:
    """
    The session's id: the same on every node for a presenter's first session.

    So a presenter whose node has forgotten it (a restart) is led to an id of
    its own again, with no store in between.
    """
    if not first:
        return new_session_id()
    return "s-" + base64url(hashlib.sha256(f"{digest}\n{key}".encode()).digest())[:16]


class SealedStore:
    """
    Tickets sealed for one ``audience`` (a cluster); see the module for what ``inner`` changes.

    Without ``inner`` this node remembers which presenters it saw, boundedly:
    so ``fresh`` is right on this node, until it restarts.
    """

    def __init__(self, sealer: Sealer, audience: str, now: Callable[[], float], inner: Adopter | None = None) -> None:
        self._sealer = sealer
        self._audience = audience
        self._alone = inner is None
        self._typ = BEARER_TYP if inner is None else COUNTED_TYP
        self._kept: Adopter = MemoryStore(now, name_session=_derived) if inner is None else inner

    async def mint(self, mint: Mint) -> Minted:
        """
        Make a ticket.

        :raises NotSupported: without a store for what needs one; or names too long for a ticket.
        """
        if self._alone:
            _check_bearer(mint)
        name = new_ticket_id()
        claims = {
            "jti": name,
            "exp": mint.expires_at,
            # Never an address or a password: a target stays in the inner store.
            "grant": pack_grant(evolve(mint.grant, target=None)),
        }
        ticket = Secret(self._sealer.seal(claims, typ=self._typ, aud=self._audience, limit=MAX_TICKET))
        if not self._alone:
            await self._kept.adopt(ticket, name, mint)
        return Minted(name, ticket, mint.expires_at)

    async def redeem(self, ticket: str, presenter: Presenter) -> Redeemed:
        """Present a ticket; a forged one never reaches the inner store."""
        opened = self._open(ticket)
        if self._alone:
            await self._kept.adopt(Secret(ticket), opened.id, Mint(opened.grant, UNLIMITED, opened.expires_at))
        # Its end is judged there too, so that who opened a session in time can return later.
        return await self._kept.redeem(ticket, presenter)

    async def revoke(self, what: Selector) -> int:
        """Withdraw tickets; how many.  :raises NotSupported: without a store."""
        if self._alone:
            raise NotSupported("sealed tickets cannot be withdrawn without a store")
        return await self._kept.revoke(what)

    def _open(self, ticket: str) -> _Opened:
        try:
            return _read(self._sealer.open(ticket, typ=self._typ, aud=self._audience, limit=MAX_TICKET))
        except (BadSeal, Malformed):
            raise Refused(Reason.UNKNOWN) from None


def _check_bearer(mint: Mint) -> None:
    """Refuse what only a store can keep.  One use stands for the ordinary ticket, though nobody counts it."""
    if mint.grant.target is not None:
        raise NotSupported("a target cannot be put into a sealed ticket without a store")
    if mint.grant.one_shot or mint.uses not in (UNLIMITED, 1):
        raise NotSupported("uses of a sealed ticket cannot be counted without a store")


def _read(claims: dict[str, Any]) -> _Opened:
    if claims.keys() != {"jti", "exp", "grant"}:
        raise Malformed("not the claims of a ticket")
    name, end = claims["jti"], claims["exp"]
    if type(name) is not str or type(end) not in (int, float) or not math.isfinite(end):
        raise Malformed("not the claims of a ticket")
    return _Opened(name, unpack_grant(claims["grant"]), float(end))
