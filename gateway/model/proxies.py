"""
Who may say where a client really is (``listen.trusted_proxies``).

Pure: an address in, yes or no out.  What trusted peers say, and how it is
read, is elsewhere.
"""

from __future__ import annotations

import ipaddress

from attrs import frozen

from gateway.model.client import as_ip

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

UNIX = "unix"
"""How the list, and an arrival, name a peer on a unix socket: whoever may open its file."""


@frozen
class TrustedProxies:
    """The whole list; an empty one (which is false) trusts nobody."""

    networks: tuple[Network, ...] = ()
    unix: bool = False

    def __bool__(self) -> bool:
        return self.unix or bool(self.networks)

    def __contains__(self, address: object) -> bool:
        """Whether this peer (normalised, as in an arrival) is among them."""
        if address == UNIX:
            return self.unix
        ip = as_ip(str(address))
        return ip is not None and any(ip in network for network in self.networks)
