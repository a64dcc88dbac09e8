"""
What a WebSocket upgrade presents, on whatever path (contract section 4).

A request head goes in; the ticket or grant in it comes out, or a refusal that
tells a stranger nothing.  Whether it is good is the broker's to say.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Final
from urllib.parse import parse_qsl

from twisted.logger import Logger

from gateway.model.client import Arrival, Presentation, Way
from gateway.model.errors import HttpRefusal
from gateway.model.events import Event, tell
from gateway.model.secret import Secret
from gateway.web.origin import OriginFault, OriginRules
from gateway.wire.http1 import Head

MAX_FIELDS: Final = 32  # fields of a query or cookies of a head: pages send a handful, and each costs time

_GRANT: Final = "grant."
_PROOF: Final = re.compile(r"grant\.([A-Za-z0-9_-]{43})")
_TICKET_PATH: Final = "/ticket/"
_VCD_PATH: Final = re.compile(r"/[0-9]{1,5};(.*)")
_COOKIE: Final = "token"
_QUERY: Final = frozenset({"ticket", "token"})
_AUTHORITY: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?]*")
# Shorter labels are just host names: of our tickets only those of 256 bits fit into a label at all.
_HOST_TICKET: Final = re.compile(r"([A-Za-z0-9_-]{43,63})\..+")

_log = Logger()


class Presenting:
    """
    Reads presentations.

    :param accept: the places of ``tickets.accept`` where a ticket may stand.
    """

    def __init__(self, origins: OriginRules, accept: Collection[Way] = (Way.QUERY,)) -> None:
        self._origins = origins
        self._accept = frozenset(accept)

    def from_upgrade(self, head: Head, arrival: Arrival) -> Presentation:
        """
        What this request presents.

        :raises HttpRefusal: nothing, two things, or from a page that may not.
        """
        path, query = _split(head.target)
        refusal = 503 if path.startswith(_TICKET_PATH) else 403
        found = list(self._sources(head, path, query, refusal))
        if not found:
            raise HttpRefusal(refusal, "nothing was presented")
        way, secret = found[0]
        if any(other != secret for _, other in found):
            raise HttpRefusal(400, "two different things were presented")
        fault = self._origins.judge(head.all("origin"), required=way is Way.GRANT)
        if fault is not None:
            tell_fault(fault, arrival)
            raise HttpRefusal(refusal, "the page's origin is not allowed")
        return Presentation(way, Secret(secret), arrival)

    def _sources(self, head: Head, path: str, query: str, refusal: int) -> Iterator[tuple[Way, str]]:
        """Everything in a head that could be a ticket or a grant."""
        for offer in _offers(head):
            proof = _PROOF.fullmatch(offer)
            if proof is None:
                raise HttpRefusal(refusal, "a grant has the wrong form")
            yield Way.GRANT, proof[1]
        if path.startswith(_TICKET_PATH) and len(path) > len(_TICKET_PATH):
            yield Way.TICKET_PATH, path.removeprefix(_TICKET_PATH)
        if (vcd := _VCD_PATH.fullmatch(path)) and vcd[1]:
            yield Way.VCD_PATH, vcd[1]
        if Way.QUERY in self._accept:
            yield from ((Way.QUERY, ticket) for ticket in _in_query(query))
        if Way.COOKIE in self._accept:
            yield from ((Way.COOKIE, ticket) for ticket in _in_cookies(head))
        if Way.HOST in self._accept and (label := _HOST_TICKET.fullmatch(head.get("host") or "")):
            yield Way.HOST, label[1]


def tell_fault(fault: OriginFault, arrival: Arrival) -> None:
    """Tell the operator which rule a page broke, and which setting mends it."""
    tell(
        _log,
        Event.ORIGIN_REFUSED,
        peer=arrival.address,
        rule=fault.rule,
        origin=fault.origin,
        expected=", ".join(fault.expected),
        setting=fault.setting,
    )


def _split(target: str) -> tuple[str, str]:
    """Path and query of a target, raw; one in absolute form (RFC 9112 §3.2.2) loses its authority."""
    if not target.startswith("/"):
        target = _AUTHORITY.sub("", target, count=1)
    path, _, query = target.partition("?")
    return path, query


def _offers(head: Head) -> list[str]:
    """The sub-protocols that hold a grant (``Head.tokens`` would lower its case)."""
    offered = (one.strip(" \t") for one in (head.get("sec-websocket-protocol") or "").split(","))
    return [one for one in offered if one.startswith(_GRANT)]


def _in_query(query: str) -> list[str]:
    try:
        fields = parse_qsl(query, errors="replace", max_num_fields=MAX_FIELDS)
    except ValueError as error:
        raise HttpRefusal(400, "the query has too many fields") from error
    return [value for name, value in fields if name in _QUERY]


def _in_cookies(head: Head) -> list[str]:
    """Each part is read alone, so that one which is broken hides no other."""
    parts = ";".join(head.all("cookie")).split(";", MAX_FIELDS)[:MAX_FIELDS]
    pairs = (part.partition("=") for part in parts)
    values = [value.strip(' \t"') for name, _, value in pairs if name.strip(" \t") == _COOKIE]
    return [value for value in values if value]
