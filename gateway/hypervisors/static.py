"""
The driver of consoles that were given by hand.

It knows what it was made with and asks nobody; drivers that ask a hypervisor
are its siblings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gateway.model.errors import UnknownConsole
from gateway.model.target import ConsoleInfo, Target


class StaticDriver:
    """
    Consoles of the configuration (a Driver).

    :param consoles: by name, what lists show and where the console is.
    """

    def __init__(self, consoles: Mapping[str, tuple[ConsoleInfo, Target]]) -> None:
        self._consoles = dict(consoles)

    async def consoles(self) -> Sequence[ConsoleInfo]:
        """Every console, in the order of the configuration."""
        return [info for info, _ in self._consoles.values()]

    async def find(self, name: str) -> ConsoleInfo:
        """One console.  :raises UnknownConsole:"""
        return self._known(name)[0]

    async def resolve(self, console: str) -> Target:
        """Where it is: always the same.  :raises UnknownConsole:"""
        return self._known(console)[1]

    def _known(self, name: str) -> tuple[ConsoleInfo, Target]:
        try:
            return self._consoles[name]
        except KeyError:
            raise UnknownConsole("no console of this name is configured") from None
