"""
Requests of twisted.web as the rest of this floor sees them: bounded, quiet, and with an arrival.

The site here speaks HTTP to connections that it is given or accepts; what is
at which path stands in ``site.py``.  No request is ever logged: tickets stand
in paths and queries.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import BytesIO
from types import MappingProxyType
from typing import Any, Final, cast

from attrs import evolve
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.web.http import Request as AnyRequest
from twisted.web.resource import IResource
from twisted.web.server import Request, Site

from gateway.model.client import Arrival, normalise
from gateway.net.site_channel import SiteChannel
from gateway.web.policy import Policy

MAX_BODY: Final = 64 * 1024  # the bodies of our API are below one KiB, but for a CA's certificate
IDLE: Final = 60.0  # seconds between two requests, and for one head

_AUTHORITY: Final = re.compile(rb"\A[A-Za-z][A-Za-z0-9+.-]*://[^/]*")


class GatewayRequest(Request):
    """A request whose body is bounded and whose answer has the headers of the site's policy."""

    channel: SiteChannel
    content: BytesIO
    too_large = False

    def gotLength(self, length: int | None) -> None:
        """Keep the body in memory, whatever it claims to be."""
        self.content = BytesIO()

    def handleContentChunk(self, data: bytes) -> None:
        """Take a piece of the body, or forget it all."""
        if self.content.tell() + len(data) > MAX_BODY:
            self.too_large = True
            self.content = BytesIO()
        elif not self.too_large:
            self.content.write(data)

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
    """
    The HTTP server of a listener.

    :param template: what all of its arrivals share.
    """

    noisy = False
    protocol = SiteChannel  # type: ignore[assignment]  # HTTP/1.1 alone: no h2 is ever agreed on

    def __init__(self, root: IResource, policy: Policy, clock: IReactorTime, template: Arrival | None = None) -> None:
        super().__init__(root, GatewayRequest, reactor=clock, timeout=IDLE)  # type: ignore[no-untyped-call]  # Twisted's
        self.policy = policy
        self._template = template or Arrival("")

    def channel_for(self, arrival: Arrival) -> SiteChannel:
        """What speaks HTTP to this client: a protocol to hand its connection to."""
        channel: SiteChannel = super().buildProtocol(None)  # type: ignore[no-untyped-call]  # Twisted's
        channel.arrival = arrival
        return channel

    def buildProtocol(self, addr: IAddress | None) -> SiteChannel:  # type: ignore[override]  # see protocol
        """A connection was accepted by this site itself."""
        host, port = getattr(addr, "host", None), getattr(addr, "port", 0)
        address = normalise(host) if host else "unix"
        return self.channel_for(evolve(self._template, address=address, port=port))

    def log(self, request: Any) -> None:
        """Log nothing: tickets stand in paths and queries."""


def arrival_of(request: AnyRequest) -> Arrival:
    """The client that asks."""
    return cast(SiteChannel, request.channel).arrival


def body_of(request: AnyRequest) -> bytes | None:
    """The request's body; ``None`` when it was too large."""
    return None if cast(GatewayRequest, request).too_large else cast(BytesIO, request.content).getvalue()


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
