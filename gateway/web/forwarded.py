"""
For whom a balancer that speaks HTTP asks: ``X-Forwarded-For`` and ``X-Forwarded-Proto``.

Only a trusted peer's word counts, and only on listeners that this is made
for; anybody else's is not even read.  The page's origin is judged by the
public URL as ever: nothing here says which site this is.
"""

from __future__ import annotations

import re
from collections.abc import Container
from typing import Final

from attrs import evolve

from gateway.model.client import Arrival, is_ip, normalise
from gateway.wire.http1 import Head

MAX_HOPS: Final = 16
"""Proxies on the way that are looked at, from the nearest on; chains have two or three."""

# Some balancers write the port too.
_HOP: Final = re.compile(
    r"\[(?P<v6>[0-9A-Fa-f:.]{2,45})\](?::(?P<port6>[0-9]{1,5}))?"
    r"|(?P<v4>[0-9.]{7,15}):(?P<port4>[0-9]{1,5})"
    r"|(?P<bare>[0-9A-Fa-f:.]{2,45})"
)


class Forwarded:
    """
    Tells who asks.

    :param trusted: tells of a normalised address whether it is a balancer's.
    """

    def __init__(self, trusted: Container[str]) -> None:
        self._trusted = trusted

    def __call__(self, head: Head, arrival: Arrival) -> Arrival:
        """
        The client of one request that came over this connection.

        It is the nearest address that is no trusted proxy's: what stands left
        of it, anybody can have written.
        """
        if arrival.address not in self._trusted:
            return arrival
        address, port = self._client(head) or (arrival.address, arrival.port)
        secure = arrival.secure or head.tokens("x-forwarded-proto") == ("https",)
        return evolve(arrival, address=address, port=port, secure=secure)

    def _client(self, head: Head) -> tuple[str, int] | None:
        hops = (head.get("x-forwarded-for") or "").rsplit(",", MAX_HOPS)
        for hop in reversed(hops[-MAX_HOPS:]):
            found = _parse(hop.strip(" \t"))
            if found is None or found[0] not in self._trusted:
                return found
        return None


def _parse(hop: str) -> tuple[str, int] | None:
    """One address, normalised, and its port where it is given; ``None`` for anything else."""
    match = _HOP.fullmatch(hop)
    if match is None:
        return None
    address = match["v6"] or match["v4"] or match["bare"]
    port = int(match["port6"] or match["port4"] or 0)
    return (normalise(address), port) if port < 65536 and is_ip(address) else None
