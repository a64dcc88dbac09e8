"""
Readers of what names a place in the network: endpoints, URLs, origins, networks.

Only their form is judged here; nothing is resolved, bound or connected to.
"""

from __future__ import annotations

import ipaddress
import re
import socket

from gateway.config.place import Place, show
from gateway.config.tables import Read
from gateway.config.values import list_of
from gateway.model.allowed import Allowance, parse_allowance
from gateway.model.proxies import UNIX, Network, TrustedProxies
from gateway.model.target import Address, Pin, parse_address, parse_pin

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?|\[[0-9a-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
)
_SERVER_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_ENDPOINT = "tcp:PORT, tcp6:PORT:interface=… or unix:/PATH"
_LATER_ADDRESSES = ("ws:", "wss:", "http:", "https:")


def every_interface(port: int) -> str:
    """The endpoint for a port on all addresses: IPv6 and IPv4 at once, where the system has IPv6."""
    try:
        socket.socket(socket.AF_INET6).close()
    except OSError:
        return f"tcp:{port}"
    return rf"tcp6:{port}:interface=\:\:"


def listening_endpoint(place: Place, value: object) -> str:
    """Read an endpoint; without one it is port 8443 on all addresses."""
    return every_interface(8443) if value is None else endpoint(place, value)


def endpoint(place: Place, value: object) -> str:
    """Read the string of a Twisted server endpoint."""
    if not isinstance(value, str) or not value.isprintable():
        raise place.wrong(show(value), _ENDPOINT)
    kind, _, rest = value.partition(":")
    first = re.split(r"(?<!\\):", rest)[0]
    if kind == "systemd":
        raise place.later(show(value), _ENDPOINT)
    if kind in ("tcp", "tcp4", "tcp6") and first.isascii() and first.isdigit() and int(first) < 65536:
        return value
    if kind == "unix" and first.startswith("/"):
        return value
    raise place.wrong(show(value), _ENDPOINT)


def endpoint_or_off(place: Place, value: object) -> str:
    """Read an endpoint, or “off”, which is the empty string."""
    return "" if value == "off" else endpoint(place, value)


def is_local(endpoint: str) -> bool:
    """Whether only this host reaches a listening endpoint."""
    kind, *parts = re.split(r"(?<!\\):", endpoint)
    if kind == "unix":
        return True
    interface = next((part.partition("=")[2] for part in parts if part.startswith("interface=")), "")
    try:
        return ipaddress.ip_address(interface.replace("\\", "")).is_loopback
    except ValueError:
        return interface == "localhost"


def origin(place: Place, value: object) -> str:
    """Read an origin, written as browsers send it."""
    plain = _origin(value)
    if plain is None:
        raise place.wrong(show(value), "https://host or https://host:port, without a path")
    return plain


def public_url(place: Place, value: object) -> str:
    """Read a public URL: an origin, and perhaps a slash."""
    plain = _origin(value.removesuffix("/") if isinstance(value, str) else value)
    if plain is None:
        raise place.wrong(show(value), "https://host or https://host:port, without a path or user")
    return plain


def network(place: Place, value: object) -> Network:
    """Read one network of a trust list."""
    try:
        found = ipaddress.ip_network(value if isinstance(value, str) else "")
    except ValueError as problem:
        raise place.wrong(show(value), "a network such as 10.0.0.5/32 or fd00::/64 (no host bits)") from problem
    if isinstance(found, ipaddress.IPv6Network) and found.network_address.ipv4_mapped is not None:
        raise place.wrong(show(value), "an IPv4 network written as IPv4")
    return found


def trusted_proxies(place: Place, value: object) -> TrustedProxies:
    """Read a trust list: networks, and a word for whoever may open a unix socket."""

    def one(place: Place, value: object) -> Network | None:
        return None if value == UNIX else network(place, value)

    found = list_of(one, f'networks, or "{UNIX}"')(place, value)
    return TrustedProxies(tuple(item for item in found if item is not None), unix=None in found)


def address(place: Place, value: object) -> Address:
    """Read one address of a console."""
    if isinstance(value, str) and value.lower().startswith(_LATER_ADDRESSES):
        raise place.later(f"{value.partition(':')[0]}://…", "host:port, [v6]:port or unix:/path")
    try:
        return parse_address(value if isinstance(value, str) else "")
    except ValueError as problem:
        raise place.wrong(show(value), "host:port, [v6]:port or unix:/path") from problem


def addresses(place: Place, value: object) -> tuple[Address, ...]:
    """Read one address, or several that are tried in turn."""
    if not isinstance(value, list):
        return (address(place, value),)
    if not 0 < len(value) <= ADDRESSES_MAX:
        raise place.wrong(f"{len(value)} addresses", f"1 to {ADDRESSES_MAX} of them")
    return tuple(address(place.index(n), item) for n, item in enumerate(value))


ADDRESSES_MAX = 16
"""Addresses of one console: each costs a dial's deadline before the next is tried."""


def pins(place: Place, value: object) -> tuple[Pin, ...]:
    """Read one pin, or several of which any may fit."""
    if not isinstance(value, list):
        return (_pin(place, value),)
    if not 0 < len(value) <= ADDRESSES_MAX:
        raise place.wrong(f"{len(value)} pins", f"1 to {ADDRESSES_MAX} of them")
    return tuple(_pin(place.index(n), item) for n, item in enumerate(value))


def allowance(place: Place, value: object) -> Allowance:
    """Read one target that brokers may name."""
    try:
        return parse_allowance(value if isinstance(value, str) else "")
    except ValueError as problem:
        accepted = str(problem).partition(": ")[2]
        raise place.wrong(show(value), accepted) from problem


def by_server_name(one: Read[str]) -> Read[dict[str, str]]:
    """Read a table of host names, as clients ask for them in TLS."""

    def read(place: Place, value: object) -> dict[str, str]:
        if not isinstance(value, dict) or len(value) > NAMES_MAX:
            raise place.wrong(show(value), f'at most {NAMES_MAX} host names, as in {{ "vnc.example.com" = "rfb" }}')
        found = {}
        for name, item in value.items():
            plain = name.lower().removesuffix(".")
            if not _SERVER_NAME.fullmatch(plain):
                raise place.at(name).wrong("this name", "a host name such as vnc.example.com")
            found[plain] = one(place.at(name), item)
        return found

    return read


NAMES_MAX = 1000
"""Host names of one listener with something of their own."""


def _pin(place: Place, value: object) -> Pin:
    try:
        return parse_pin(value if isinstance(value, str) else "")
    except ValueError as problem:
        raise place.wrong(show(value), str(problem)) from problem


def _origin(value: object) -> str | None:
    match = _URL.fullmatch(value.lower()) if isinstance(value, str) else None
    if match is None or not _is_host(match["host"]):
        return None
    port = int(match["port"] or _DEFAULT_PORTS[match["scheme"]])
    if not 0 < port < 65536:
        return None
    suffix = "" if port == _DEFAULT_PORTS[match["scheme"]] else f":{port}"
    return f"{match['scheme']}://{match['host']}{suffix}"


def _is_host(host: str) -> bool:
    if not host.startswith("["):
        return ".." not in host
    try:
        ipaddress.IPv6Address(host[1:-1])
    except ValueError:
        return False
    return True
