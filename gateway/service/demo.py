"""
The demo: one URL to open, told to whoever started it.

Only a gateway without a configuration says this; a real one never prints a
ticket.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from twisted.application.service import Service
from twisted.internet.defer import Deferred

from gateway.model.ticket import UNLIMITED
from gateway.sessions.desk import Desk, Wish
from gateway.web.urls import urls_for

CONSOLE = "demo"
DAY = 86400.0


class DemoUrl(Service):
    """Mints a demo ticket, good for a day and any number of uses, and says where it opens."""

    def __init__(self, desk: Desk, public_url: str, api_key: Path, say: Callable[[str], object]) -> None:
        self._desk = desk
        self._public_url = public_url
        self._api_key = api_key
        self._say = say

    def startService(self) -> None:
        """Say it, once the ports are open."""
        super().startService()  # type: ignore[no-untyped-call]
        Deferred.fromCoroutine(self._welcome())

    async def _welcome(self) -> None:
        made = await self._desk.mint(Wish(CONSOLE, user="demo", ttl=DAY, uses=UNLIMITED))
        page = urls_for(made, self._public_url)["page"]
        self._say(
            f"\nThe demo console, good for a day:  {page}\n"
            f"(your browser will warn of the self-signed certificate)\n"
            f"An API key for it lies in {self._api_key}\n"
        )
