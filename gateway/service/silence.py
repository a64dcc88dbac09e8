"""
What is spoken to clients that say nothing, or begin as a viewer does: by listener, and inside TLS by name.

Who asks for a protocol in TLS (ALPN) is a browser that has not made up its
mind yet, and is left in peace (contract section 4).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from attrs import evolve, frozen
from twisted.internet.interfaces import IProtocol

from gateway.config.schema import Listen
from gateway.model.client import Arrival
from gateway.net.mux import Route, Routes
from gateway.net.viewer import ViewerFront
from gateway.wire.sniff import Kind

INSIDE_AFTER: Final = 0.3
"""Seconds after which a client without ALPN is silent inside TLS."""

RFB: Final = "rfb"


@frozen
class Silence:
    """One listener's viewers: with ``outside`` TLS begins on the way, ``inside`` it is there."""

    outside: ViewerFront
    inside: ViewerFront

    def outside_tls(self, listen: Listen, routes: Routes) -> Routes:
        """Greet outside TLS, where the listener says so."""
        if listen.silent != RFB:
            return routes
        by_kind: Mapping[Kind, Route] = {**routes.by_kind, Kind.RFB: self.outside}
        return evolve(routes, by_kind=by_kind, silent=self.outside, silent_after=listen.silent_after)

    def inside_tls(self, listen: Listen, routes: Routes) -> Routes:
        """Greet inside TLS, unless the name that was asked for has something else."""
        chosen: Mapping[str, str] = listen.silent_by_name

        def viewer(arrival: Arrival) -> IProtocol | None:
            return self.inside(arrival) if chosen.get(arrival.server_name or "", RFB) == RFB else None

        def silent(arrival: Arrival) -> IProtocol | None:
            return None if arrival.alpn else viewer(arrival)

        return evolve(routes, by_kind={**routes.by_kind, Kind.RFB: viewer}, silent=silent, silent_after=INSIDE_AFTER)
