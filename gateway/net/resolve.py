"""
Host names to IP addresses, through the reactor's own resolver, bounded.

Nothing is remembered: a machine that moved has a new address.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, TimeoutError
from twisted.internet.interfaces import IAddress, IHostResolution, IResolutionReceiver
from zope.interface import implementer

from gateway.model.errors import Unreachable

ADDRESSES_MAX = 8
"""Addresses of one name that are tried: each may cost a dial's deadline."""


async def resolve(reactor: Any, name: str, port: int, seconds: float) -> list[str]:
    """
    Ask for a name's addresses, in the resolver's order.

    :raises Unreachable: there is none, or no answer in time.
    """
    answers = _Answers()
    reactor.nameResolver.resolveHostName(
        answers, name, portNumber=port, addressTypes=[IPv4Address, IPv6Address], transportSemantics="TCP"
    )
    try:
        found = await answers.complete.addTimeout(seconds, reactor)
    except TimeoutError:
        raise Unreachable(f"no answer to the name within {seconds:g} s") from None
    if not found:
        raise Unreachable("the name is not known")
    return found


@implementer(IResolutionReceiver)
class _Answers:
    """Collects a resolver's answers; a late one goes nowhere."""

    def __init__(self) -> None:
        self.complete: Deferred[list[str]] = Deferred()
        self._found: list[str] = []

    def resolutionBegan(self, resolutionInProgress: IHostResolution) -> None:  # noqa: N802, N803 - Twisted's names
        """A thread's look-up cannot be cancelled: it is left alone."""

    def addressResolved(self, address: IAddress) -> None:  # noqa: N802 - Twisted's name
        """One answer."""
        if isinstance(address, IPv4Address | IPv6Address) and len(self._found) < ADDRESSES_MAX:
            self._found.append(address.host)

    def resolutionComplete(self) -> None:  # noqa: N802 - Twisted's name
        """That was all."""
        if not self.complete.called:
            self.complete.callback(self._found)
