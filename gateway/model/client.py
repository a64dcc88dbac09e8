"""
A client as it arrives: on which listener, from where, and what it presents.

Values only, made by the fronts and read by the broker.
"""

from __future__ import annotations

import enum
import ipaddress

from attrs import field, frozen

from gateway.model.secret import Secret


@frozen
class Arrival:
    """
    One connection of a client.

    ``address`` is normalised (an IPv4-mapped IPv6 address reads as IPv4), or
    ``unix`` for a local socket; ``secure`` says that TLS ended here, or at a
    trusted balancer; ``listener`` names the ``[[listen]]`` table and ``public_url`` is the one
    that goes with it; ``alpn`` is what the client offered to speak inside TLS.
    """

    address: str
    port: int = 0
    listener: str = ""
    public_url: str = ""
    secure: bool = False
    server_name: str | None = None
    alpn: tuple[str, ...] = ()


def as_ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The IP address that a text is, if it is one."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def is_ip(text: str) -> bool:
    """Whether a host is an IP address, and not a name."""
    return as_ip(text) is not None


def normalise(address: str) -> str:
    """Write an address one way: ``::ffff:10.0.0.5`` becomes ``10.0.0.5``; what is no address stays."""
    parsed = as_ip(address.partition("%")[0])
    if parsed is None:
        return address
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed)


def site_of(address: str) -> str:
    """What a stock client's session belongs to: the IPv4 address, or the /64 of an IPv6 one."""
    parsed = as_ip(normalise(address))
    if parsed is None:
        return address
    if parsed.version == 4:
        return str(parsed)
    return str(ipaddress.ip_network((parsed, 64), strict=False))


class Way(enum.Enum):
    """How a client came in (contract section 4)."""

    GRANT = "grant"
    QUERY = "query"
    TICKET_PATH = "ticket-path"
    VCD_PATH = "vcd-path"
    COOKIE = "cookie"
    HOST = "host"
    VIEWER = "viewer"
    CONNECT = "connect"
    SPICE = "spice"


class Greeted(enum.Enum):
    """How far RFB's handshake has come with a client when the session gets it."""

    NOT_YET = "not-yet"
    LET_IN = "let-in"
    """Version and log-in are behind it: it says ClientInit next."""


@frozen
class Presentation:
    """What a client shows to be let in: a ticket, or (``Way.GRANT``) the secret of a holder."""

    way: Way
    secret: Secret
    arrival: Arrival = field()

    @property
    def wants_one_shot_answer(self) -> bool:
        """On ``/ticket/`` a refusal is 503, as ESXi answers (contract section 4)."""
        return self.way is Way.TICKET_PATH
