"""
twisted.web's end of a connection that somebody else reads the heads of.

It tells how far its answers are; which requests it gets is the door's matter,
and what is answered the site's.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.web.http import HTTPChannel, Request

from gateway.model.client import Arrival


def _nobody() -> None:
    """Whom a channel tells that accepted its connection itself."""


class SiteChannel(HTTPChannel):
    """
    One HTTP connection, and the client's arrival.

    ``answered`` is called when an answer is complete, ``closing`` when the
    channel ends the connection with it.
    """

    arrival: Arrival
    answered: Callable[[], None] = staticmethod(_nobody)
    closing: Callable[[], None] = staticmethod(_nobody)

    def requestDone(self, request: Request) -> None:  # noqa: N802
        """An answer is complete."""
        super().requestDone(request)  # type: ignore[no-untyped-call]  # Twisted's
        self.answered()

    def loseConnection(self) -> None:
        """The connection ends with what was written."""
        super().loseConnection()  # type: ignore[no-untyped-call]  # Twisted's
        self.closing()
