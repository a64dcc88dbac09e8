"""
Every console there is, over all drivers, and what a grant leads to.

Names are ``NAME`` (configured by hand) or ``DRIVER/VM``; nothing here dials.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model.errors import UnknownConsole
from gateway.model.seams import Driver
from gateway.model.target import ConsoleInfo, Target
from gateway.model.ticket import Grant


class Consoles:
    """
    :param by_hand: the driver of the consoles in the configuration.
    :param drivers: the others, by the name of their table.
    """

    def __init__(self, by_hand: Driver, drivers: Mapping[str, Driver]) -> None:
        self._by_hand = by_hand
        self._drivers = dict(drivers)

    async def list(self) -> list[ConsoleInfo]:
        """All of them, by name."""
        found = list(await self._by_hand.consoles())
        for driver in self._drivers.values():
            found.extend(await driver.consoles())
        return sorted(found, key=lambda console: console.name)

    async def find(self, name: str) -> ConsoleInfo:
        """One console.  :raises UnknownConsole, AmbiguousConsole:"""
        driver, inner = self._driver_of(name)
        return await driver.find(inner)

    async def resolve(self, grant: Grant) -> Target:
        """Where the console of a grant is just now.  :raises UnknownConsole, Unreachable:"""
        if grant.target is not None:
            return grant.target
        driver, inner = self._driver_of(grant.console)
        return await driver.resolve(inner)

    def _driver_of(self, name: str) -> tuple[Driver, str]:
        prefix, slash, inner = name.partition("/")
        if not slash:
            return self._by_hand, name
        if prefix not in self._drivers:
            raise UnknownConsole(f"there is no driver {prefix!r}")
        return self._drivers[prefix], inner
