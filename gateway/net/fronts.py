"""
What a listener does with HTTP requests, as a value: the seam between the door and everything behind it.

Nothing is decided here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import field, frozen
from twisted.internet.interfaces import IProtocol

from gateway.model.client import Arrival, Presentation
from gateway.model.seams import Admit, Metrics
from gateway.net.site_channel import SiteChannel
from gateway.net.websocket_pipe import WebSocketFront
from gateway.net.wheel import Wheel
from gateway.wire.http1 import Head


class Pages(Protocol):
    """A site: what answers the requests that are nothing special."""

    def channel_for(self, arrival: Arrival) -> SiteChannel:
        """What speaks HTTP to this client."""


@frozen
class Fronts:
    """
    Where the requests of a listener go.

    ``upgrade`` finds what an upgrade request presents, or raises
    :class:`~gateway.model.errors.HttpRefusal`; ``connect`` makes what a
    CONNECT is handed to, given the bytes behind its head too, or raises the same; ``health`` says 200 or 503 for a
    path; ``plaintext`` is the policy for requests outside TLS: ``redirect``,
    ``serve`` or ``refuse``; ``forwarded`` tells for whom a balancer makes a
    request, where one may say so.
    """

    upgrade: Callable[[Head, Arrival], Presentation]
    admit: Admit
    site: Pages
    health: Callable[[str], int]
    wheel: Wheel
    metrics: Metrics
    plaintext: str = "redirect"
    ping: float = 25.0
    connect: Callable[[Head, Arrival, bytes], IProtocol] | None = None
    forwarded: Callable[[Head, Arrival], Arrival] | None = None
    sockets: WebSocketFront = field(init=False)

    @sockets.default
    def _make_sockets(self) -> WebSocketFront:
        return WebSocketFront(self.wheel, self.metrics, self.ping)
