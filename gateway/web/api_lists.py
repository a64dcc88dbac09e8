"""
The calls about consoles and sessions: what there is, and ending it.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model.errors import UnknownConsole
from gateway.model.moment import rfc3339
from gateway.model.session import SessionRecord
from gateway.model.target import ConsoleInfo
from gateway.sessions.consoles import Consoles
from gateway.sessions.desk import Desk
from gateway.web.access import Key, Role
from gateway.web.api import ANY, NO_CONTENT, Answer, Call, Route, only
from gateway.web.problems import Problem, Trouble, not_in_this_version
from gateway.web.wishes import CONSOLE


class ListCalls:
    """What an operator sees, and ends."""

    def __init__(self, desk: Desk, consoles: Consoles) -> None:
        self._desk = desk
        self._consoles = consoles

    def routes(self) -> tuple[Route, ...]:
        """What is called, and by whom."""
        return (
            Route("GET", ("consoles",), self.consoles, Role.VIEWER),
            Route("GET", ("consoles", ANY), self.console, Role.VIEWER),
            Route("POST", ("consoles", ANY, "power"), self.power, Role.OPERATOR),
            Route("GET", ("consoles", ANY, "screenshot"), self.screenshot, Role.VIEWER),
            Route("GET", ("sessions",), self.sessions, Role.VIEWER),
            Route("DELETE", ("sessions", ANY), self.end, Role.OPERATOR),
            Route("POST", ("sessions", ANY, "redial"), self.redial, Role.OPERATOR),
        )

    async def consoles(self, call: Call) -> Answer:
        """Every console that the key covers."""
        only(call)
        found = [info for info in await self._consoles.list() if call.key.covers(info.name)]
        return Answer(document={"consoles": [_console(info) for info in found]})

    async def console(self, call: Call) -> Answer:
        """One console."""
        only(call)
        return Answer(document=_console(await self._find(call)))

    async def power(self, call: Call) -> Answer:
        """Switch a machine: later."""
        await self._find(call)
        raise not_in_this_version("Power")

    async def screenshot(self, call: Call) -> Answer:
        """A picture of a console: later."""
        await self._find(call)
        raise not_in_this_version("A screenshot")

    async def sessions(self, call: Call) -> Answer:
        """Every live session on a console that the key covers, on all nodes."""
        only(call)
        return Answer(document={"sessions": [_session(record) for record in await self._visible(call.key)]})

    async def end(self, call: Call) -> Answer:
        """End a session."""
        only(call)
        await self._check_session(call)
        if not await self._desk.end(call.parts[0]):
            raise _no_session()
        return NO_CONTENT

    async def redial(self, call: Call) -> Answer:
        """Dial a session's console anew: later."""
        await self._check_session(call)
        raise not_in_this_version("Dialling anew")

    async def _find(self, call: Call) -> ConsoleInfo:
        name = call.parts[0]
        info = await self._consoles.find(name) if CONSOLE.fullmatch(name) else None
        if info is None or not call.key.covers(info.name):
            raise UnknownConsole
        return info

    async def _visible(self, key: Key) -> list[SessionRecord]:
        return [record for record in await self._desk.sessions() if key.covers(record.grant.console)]

    async def _check_session(self, call: Call) -> None:
        if all(record.id != call.parts[0] for record in await self._visible(call.key)):
            raise _no_session()


def _no_session() -> Trouble:
    return Trouble(Problem(404, "unknown-session", "No such session", "There is no live session of this id."))


def _console(info: ConsoleInfo) -> Mapping[str, object]:
    return {
        "name": info.name,
        "kind": info.kind.value,
        "driver": info.driver,
        "power": info.power.value if info.power else None,
        "title": info.title,
    }


def _session(record: SessionRecord) -> Mapping[str, object]:
    grant = record.grant
    return {
        "id": record.id,
        "ticket_id": record.ticket_id,
        "console": grant.console,
        "kind": grant.kind.value,
        "user": grant.user,
        "address": record.address,
        "held": bool(record.holder),
        "node": record.node,
        "state": record.state.value,
        "opened_at": rfc3339(record.opened_at),
        "generation": record.generation,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
    }
