"""
The page's own calls: redeem a ticket, and ask about the session it became.

No key: the ticket, or the secret of the holder, is what counts, and the page
must be one that may (contract section 5).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.model.errors import Reason
from gateway.model.moment import rfc3339
from gateway.model.session import SessionRecord
from gateway.model.ticket import Right
from gateway.sessions.broker import Broker
from gateway.web.api import Answer, Call, Route, only
from gateway.web.origin import OriginRules
from gateway.web.presentation import tell_fault
from gateway.web.problems import Problem, Trouble, not_in_this_version

_TICKET: Final = re.compile(r"[\x21-\x7e]{1,4096}")
_HOLDER: Final = re.compile(r"[A-Za-z0-9_-]{43}")
_GRANT: Final = re.compile(r"grant +([A-Za-z0-9_-]{43}) *", re.IGNORECASE)


class HolderCalls:
    """
    :param max_session: ``tickets.max_session``: seconds after which a session ends, 0 = none.
    """

    def __init__(self, broker: Broker, origins: OriginRules, max_session: float = 0.0) -> None:
        self._broker = broker
        self._origins = origins
        self._max_session = max_session

    def routes(self) -> tuple[Route, ...]:
        """What is called."""
        return (
            Route("POST", ("redeem",), self.redeem),
            Route("GET", ("session",), self.session),
            Route("POST", ("session", "power"), self.power),
        )

    async def redeem(self, call: Call) -> Answer:
        """Turn a ticket into a holder's session; the same holder gets the same session again."""
        self._check_origin(call, required=True)
        only(call)
        fields = call.fields()
        ticket = fields.text("ticket", "a ticket", _TICKET)
        holder = fields.text("holder", "43 characters of base64url: the SHA-256 of the page's secret", _HOLDER)
        fields.done()
        return Answer(document=self._document(await self._broker.redeem(ticket, holder, call.arrival)))

    async def session(self, call: Call) -> Answer:
        """
        The holder's own session.

        Browsers send no Origin when a page asks its own server, so it may be
        absent here; that no other page asks is sure nevertheless, since
        ``Authorization`` takes a preflight, which nothing here grants.
        """
        self._check_origin(call, required=False)
        only(call)
        return Answer(document=self._document(await self._held(call)))

    async def power(self, call: Call) -> Answer:
        """Switch the machine of the holder's session: later."""
        self._check_origin(call, required=True)
        record = await self._held(call)
        if Right.POWER not in record.grant.rights:
            raise Trouble(Problem(403, "forbidden", "Not with this ticket", "The ticket has not the right power."))
        raise not_in_this_version("Power")

    async def _held(self, call: Call) -> SessionRecord:
        match = _GRANT.fullmatch(call.authorization[0]) if len(call.authorization) == 1 else None
        if match is None:
            detail = "This call needs Authorization: Grant S, the secret of the page that redeemed the ticket."
            raise Trouble(Problem(401, "unauthorized", "A grant is needed", detail, (("WWW-Authenticate", "Grant"),)))
        return await self._broker.held(match[1], call.arrival)

    def _check_origin(self, call: Call, *, required: bool) -> None:
        """Here the page is told which rule it breaks: an operator who looks at it learns what to set."""
        fault = self._origins.judge(call.origin, required=required)
        if fault is not None:
            tell_fault(fault, call.arrival)
            more = {"rule": fault.rule, "setting": fault.setting}
            raise Trouble(Problem(403, Reason.ORIGIN.word, Reason.ORIGIN.sentence, fault.sentence, more=more))

    def _document(self, record: SessionRecord) -> Mapping[str, object]:
        grant = record.grant
        return {
            "session": record.id,
            "console": grant.console,
            "kind": grant.kind.value,
            "rights": [right.value for right in Right if right in grant.rights],
            "expires_at": rfc3339(record.opened_at + self._max_session) if self._max_session else None,
        }
