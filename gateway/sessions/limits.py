"""
How much one user, console or address may have, and how often it may fail.

Counting and rates only; what is counted is passed in.  A limit of 0 is none.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from typing import Protocol

from attrs import frozen

from gateway.model.client import site_of
from gateway.model.errors import Reason, Refused

MAX_ADDRESSES = 10_000
"""Addresses remembered by one rate: 10,000 entries are about 2 MB; the longest silent one is forgotten first."""


@frozen
class Limits:
    """The ``[limits]`` of the configuration for sessions; 0 = none; failed tickets are a rate per second."""

    sessions_per_user: int = 0
    sessions_per_console: int = 0
    sessions_per_address: int = 0
    failed_tickets_per_address: float = 0.0


class Counted(Protocol):
    """What is counted: a session, by its owner, console and address."""

    @property
    def user(self) -> str: ...

    @property
    def console(self) -> str: ...

    @property
    def address(self) -> str: ...


def check_room(limits: Limits, live: Iterable[Counted], *, user: str, console: str, address: str) -> None:
    """
    Check that one more session fits.

    :raises Refused: ``OVER_LIMIT``.
    """
    users = consoles = addresses = 0
    site = site_of(address)
    for one in live:
        users += bool(user) and one.user == user
        consoles += one.console == console
        addresses += site_of(one.address) == site
    for count, limit in (
        (users, limits.sessions_per_user),
        (consoles, limits.sessions_per_console),
        (addresses, limits.sessions_per_address),
    ):
        if limit and count >= limit:
            raise Refused(Reason.OVER_LIMIT, retry_after=10)


class Rate:
    """
    A token bucket for each address: ``per_second`` in the long run, ``burst`` at once.

    A wrong ticket is presented two or three times by honest viewers
    (viewers.md section 2.5), so the burst is never below ten.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._burst = max(10.0, 2 * per_second)
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def exhausted(self, address: str, now: float) -> bool:
        """Whether ``address`` has no token left; takes none."""
        return self._per_second > 0 and self._level(address, now) < 1

    def take(self, address: str, now: float) -> bool:
        """Take a token; ``False`` when there is none."""
        if self._per_second <= 0:
            return True
        level = self._level(address, now)
        taken = level >= 1
        self._buckets[address] = (level - taken, now)
        self._buckets.move_to_end(address)
        if len(self._buckets) > MAX_ADDRESSES:
            self._buckets.popitem(last=False)
        return taken

    def _level(self, address: str, now: float) -> float:
        level, since = self._buckets.get(address, (self._burst, now))
        return min(self._burst, level + (now - since) * self._per_second)
