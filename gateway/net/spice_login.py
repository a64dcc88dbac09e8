"""
Links to a SPICE server on behalf of a client whose own link is already answered.

The client was told what the server can do before it was known which server
that is.  If that was wrong the link cannot go on; what the server said is
remembered, and the same client is told that when it tries again.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gateway.model.errors import Unreachable
from gateway.model.events import Event, tell
from gateway.model.seams import Pipe
from gateway.model.target import Security
from gateway.net.converse import HandshakeLost, converse
from gateway.net.spice_keys import encrypt
from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue
from gateway.wire.spice import ACCEPTED, MAX_PASSWORD, Caps, Link, connect, usual_caps

_log = Logger()

LINK_SECONDS: Final = 10.0
"""For a server's part of the link."""

REMEMBERED: Final = 300.0
"""Seconds that a client which was told something wrong may take to try again."""

MAX_REMEMBERED: Final = 1000
"""Corrections that are kept; the oldest go first."""


class SpiceMemory:
    """
    What servers said that was other than clients had been told.

    ``who`` is a client's site: of its ticket nothing is known yet when it is told.
    """

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._said: OrderedDict[tuple[str, int], tuple[float, Caps]] = OrderedDict()

    def caps_for(self, who: str, link: Link) -> Caps:
        """What to tell this client."""
        noted, said = self._said.get((who, link.channel_type), (0.0, None))
        if said is None or self._seconds() - noted > REMEMBERED:
            return usual_caps(link)
        return said

    def correct(self, who: str, link: Link, said: Caps) -> None:
        """Tell it this the next time."""
        key = (who, link.channel_type)
        self._said.pop(key, None)
        self._said[key] = (self._seconds(), said)
        while len(self._said) > MAX_REMEMBERED:
            self._said.popitem(last=False)


@frozen
class SpiceOpening:
    """
    The log-in to a server for one channel of a client (the ``Opening`` seam).

    ``told`` is what the client believes the server can do; ``correct`` is
    called with what it can, when that is not enough to go on.
    """

    link: Link
    told: Caps
    correct: Callable[[Caps], None]
    clock: IReactorTime = field(repr=False)

    async def __call__(self, pipe: Pipe, security: Security) -> bytes:
        """
        Link; the client is told that it was accepted, and what the server said next.

        If it was told something wrong the connection ends instead, and it may come back.

        :raises Unreachable: the server refuses, or breaks off.
        """
        password = security.password.reveal().encode() if security.password is not None else b""
        if len(password) > MAX_PASSWORD or b"\0" in password:
            raise Unreachable(f"a SPICE password has at most {MAX_PASSWORD} bytes", final=True)
        steps = functools.partial(connect, link=self.link, password=password, encrypt=encrypt)
        try:
            said, behind = await converse(pipe, Dialogue(steps), self.clock, LINK_SECONDS)
        except PeerError as error:
            raise Unreachable(f"the SPICE link failed: {error}", final=True) from error
        except HandshakeLost as lost:
            raise Unreachable(f"the SPICE link failed: {lost}") from lost
        if not self.told.holds_for(said):
            self.correct(said)
            tell(_log, Event.SPICE_MISTOLD, said=str(said), told=str(self.told))
            pipe.abort()
            return b""
        return ACCEPTED + behind
