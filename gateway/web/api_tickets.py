"""
The calls about tickets: make one, withdraw some.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from gateway.model.errors import UnknownConsole, Unreachable
from gateway.model.moment import rfc3339
from gateway.model.target import ConsoleKind
from gateway.model.ticket import Selector
from gateway.sessions.consoles import Consoles
from gateway.sessions.desk import Desk, Made
from gateway.web.access import Key, Role, require
from gateway.web.api import ANY, NO_CONTENT, Answer, Call, Route, only
from gateway.web.problems import BadField, Problem, Trouble
from gateway.web.urls import urls_for
from gateway.web.viewer_file import spice_file
from gateway.web.wishes import CONSOLE, read_wish

_LIMITED: Final = Problem(
    403,
    "forbidden",
    "This key may not do that",
    "This key is good for some consoles only: it withdraws tickets by ?console=, not by id or user.",
)


class TicketCalls:
    """
    :param public_url: the gateway's, for tickets that name no listener.
    :param listeners: the public URL of each listener, by its name.
    :param viewers: the public URLs where stock viewers are greeted.
    """

    def __init__(
        self,
        desk: Desk,
        consoles: Consoles,
        public_url: str,
        listeners: Mapping[str, str],
        viewers: Collection[str] = (),
    ) -> None:
        self._desk = desk
        self._consoles = consoles
        self._public_url = public_url
        self._listeners = dict(listeners)
        self._viewers = frozenset(viewers)

    def routes(self) -> tuple[Route, ...]:
        """What is called, and by whom."""
        return (
            Route("POST", ("tickets",), self.mint, Role.OPERATOR),
            Route("DELETE", ("tickets",), self.revoke, Role.OPERATOR),
            Route("DELETE", ("tickets", ANY), self.revoke_one, Role.OPERATOR),
        )

    async def mint(self, call: Call) -> Answer:
        """Make a ticket."""
        only(call)
        wish = read_wish(call.fields(), self._listeners)
        if wish.target is not None:
            require(call.key, Role.BROKER, call.arrival)
        if call.key.limited:
            await self._check_console(call.key, wish.console, by_name=wish.target is not None)
        made = await self._desk.mint(wish)
        return Answer(201, self._document(made))

    async def revoke(self, call: Call) -> Answer:
        """Withdraw the tickets of a console or of a user; their sessions end too."""
        asked = only(call, "console", "user")
        if len(asked) != 1 or not all(asked.values()):
            raise BadField("The query must hold ?console= or ?user=, one of them.")
        what = Selector(**asked)
        if what.user and call.key.limited:
            raise Trouble(_LIMITED)
        if what.console:
            what = Selector(console=await self._own_name(what.console))
            if not call.key.covers(what.console):
                raise UnknownConsole
        await self._desk.revoke(what)
        return NO_CONTENT

    async def revoke_one(self, call: Call) -> Answer:
        """Withdraw one ticket; its sessions end too."""
        only(call)
        if call.key.limited:
            raise Trouble(_LIMITED)
        await self._desk.revoke(Selector(id=call.parts[0]))
        return NO_CONTENT

    async def _check_console(self, key: Key, name: str, *, by_name: bool) -> None:
        """A limited key opens what it covers by the console's own name; the rest is not there for it."""
        found = name if by_name else (await self._consoles.find(name)).name
        if not key.covers(found):
            raise UnknownConsole

    async def _own_name(self, name: str) -> str:
        """A console's own name; tickets of one that is gone, or was a broker's target, can be withdrawn too."""
        if not CONSOLE.fullmatch(name):
            raise UnknownConsole
        try:
            return (await self._consoles.find(name)).name
        except (UnknownConsole, Unreachable):
            return name

    def _document(self, made: Made) -> Mapping[str, object]:
        public_url = self._listeners.get(made.listener) or self._public_url
        return {
            "id": made.minted.id,
            "ticket": made.minted.ticket.reveal(),
            "console": made.console,
            "kind": made.kind.value,
            "expires_at": rfc3339(made.minted.expires_at),
            "urls": urls_for(made, public_url, viewers=public_url in self._viewers),
            **({"vv": spice_file(made, public_url)} if made.kind is ConsoleKind.SPICE else {}),
        }
