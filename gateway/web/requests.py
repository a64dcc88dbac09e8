"""
Requests of twisted.web as the rest of this floor sees them: quiet, and with an arrival.

The site here speaks HTTP to connections that it is given, from heads that were
checked and bodies that were bounded before; what is at which path stands in
``site.py``.  No request is ever logged: tickets stand in paths and queries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any, Final, cast

from twisted.internet.interfaces import IReactorTime
from twisted.web.http import Request as AnyRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from gateway.model.client import Arrival
from gateway.net.site_channel import SiteChannel
from gateway.web.policy import Policy

_AUTHORITY: Final = re.compile(rb"\A[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


class GatewayRequest(Request):
    """A request whose answer has the headers of the site's policy."""

    channel: SiteChannel

    def process(self) -> None:
        """Answer, whatever the target's form (RFC 9112 §3.2); one about the server as a whole is about its root."""
        self.path = b"/" if self.path == b"*" else _AUTHORITY.sub(b"", self.path, count=1) or b"/"
        super().process()  # type: ignore[no-untyped-call]  # Twisted's

    def render(self, resrc: IResource) -> None:
        """Answer with the site's headers, and without the server's version."""
        self.responseHeaders.removeHeader(b"server")
        for name, value in cast(GatewaySite, self.site).policy.headers(self.channel.arrival):
            self.responseHeaders.setRawHeaders(name, [value])
        super().render(resrc)  # type: ignore[no-untyped-call]  # Twisted's


class GatewaySite(Site):
    """The HTTP server of a listener; heads, bounds and deadlines are the door's."""

    noisy = False
    protocol = SiteChannel  # type: ignore[assignment]  # HTTP/1.1 alone: no h2 is ever agreed on

    def __init__(self, root: IResource, policy: Policy, clock: IReactorTime) -> None:
        super().__init__(root, GatewayRequest, reactor=clock, timeout=None)  # type: ignore[no-untyped-call]  # Twisted's
        self.policy = policy

    def channel_for(self, arrival: Arrival) -> SiteChannel:
        """What speaks HTTP to this client: a protocol to hand its connection to."""
        channel: SiteChannel = super().buildProtocol(None)  # type: ignore[no-untyped-call]  # Twisted's
        channel.arrival = arrival
        return channel

    def log(self, request: Any) -> None:
        """Log nothing: tickets stand in paths and queries."""


def arrival_of(request: AnyRequest) -> Arrival:
    """The client that asks."""
    return cast(SiteChannel, request.channel).arrival


def body_of(request: AnyRequest) -> bytes:
    """The request's body, which the door bounds."""
    return cast(BytesIO, request.content).getvalue()


def header(request: AnyRequest, name: str) -> tuple[str, ...]:
    """The value of each header line of this name, without outer white space."""
    lines = request.requestHeaders.getRawHeaders(name.encode("ascii")) or ()
    return tuple(line.decode("latin-1").strip(" \t") for line in lines)


def answer(
    request: Any,
    status: int,
    body: bytes = b"",
    kind: str = "text/plain; charset=utf-8",
    headers: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Answer a request wholly."""
    request.setResponseCode(status)
    for name, value in headers.items():
        request.setHeader(name, value)
    if body:
        request.setHeader("Content-Type", kind)
    if status not in (204, 304):
        request.setHeader("Content-Length", str(len(body)))
    request.write(body)
    request.finish()
