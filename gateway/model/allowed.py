"""
Which addresses a broker may name in a ticket (``limits.allowed_targets``).

Pure: networks, names and paths in, yes or no out.  Nothing is resolved here;
whoever dials asks again with the address that a name came to.
"""

from __future__ import annotations

import ipaddress
import posixpath
import re
from collections.abc import Iterable

from attrs import frozen

from gateway.model.client import as_ip, normalise
from gateway.model.target import Address, UnixAddress

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_GUARDED: tuple[Network, ...] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # "this host": Linux connects 0.0.0.0 to itself
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local, and the metadata services of clouds
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/96",  # unspecified, loopback, and IPv4 in its oldest disguise
        "64:ff9b::/96",  # NAT64: any IPv4 address, the above included
        "fe80::/10",
        "ff00::/8",
    )
)
"""Never allowed by a wider network that happens to contain them, only by one inside them."""

_ANY_PORT = (1, 65535)

_ENTRY = re.compile(
    r"(?:\[(?P<bracketed>[^\]]+)\]|(?P<plain>[^\[\]:]+))(?::(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?)?"
)
_NAME = re.compile(
    r"(?=.{1,253}\Z)(?:[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)*[A-Za-z]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)

ACCEPTED = "10.0.0.0/8, 10.0.0.7:5900-5999, [fd00::/8]:5900, host.example.com:443 or unix:/run/consoles"


@frozen
class Allowance:
    """One listed network, host name or socket path (exactly one is set), with its ports."""

    network: Network | None = None
    name: str = ""
    path: str = ""
    ports: tuple[int, int] = _ANY_PORT

    def has_port(self, port: int) -> bool:
        """Whether this port is meant."""
        return self.ports[0] <= port <= self.ports[1]

    def has_ip(self, ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        """Whether this is a network that covers the address, and may cover it."""
        if self.network is None or ip not in self.network:
            return False
        guards = [guard for guard in _GUARDED if ip in guard]
        return not guards or any(_inside(self.network, guard) for guard in guards)

    def has_path(self, path: str) -> bool:
        """Whether a socket is this one or lies below it."""
        return bool(self.path) and (path == self.path or path.startswith(self.path.rstrip("/") + "/"))


def parse_allowance(text: str) -> Allowance:
    """
    Read one entry of the list.

    :raises ValueError: saying what would be accepted.
    """
    if text.startswith("unix:"):
        return _path_allowance(text)
    if text.count(":") > 1 and not text.startswith("["):
        return Allowance(network=_network(text))
    match = _ENTRY.fullmatch(text)
    if match is None:
        raise _unacceptable(text)
    ports = _ports(match["first"], match["last"], text)
    if match["bracketed"] is None and _NAME.fullmatch(match["plain"].removesuffix(".")):
        return Allowance(name=_plain_name(match["plain"]), ports=ports)
    return Allowance(network=_network(match["bracketed"] or match["plain"]), ports=ports)


@frozen
class AllowedTargets:
    """The whole list; an empty one allows nothing."""

    entries: tuple[Allowance, ...] = ()

    @classmethod
    def parse(cls, texts: Iterable[str]) -> AllowedTargets:
        """Read a list of entries.  :raises ValueError:"""
        return cls(tuple(parse_allowance(text) for text in texts))

    def allows(self, address: Address, resolved: str | None = None) -> bool:
        """
        Whether a broker may have this address dialled.

        :param resolved: the IP address that will really be connected to; to be
            asked for each one once a name is resolved, right before the dial.
        """
        if isinstance(address, UnixAddress):
            return self._allows_path(address.path)
        host = as_ip(normalise(address.host))
        if host is None and not any(
            e.name == _plain_name(address.host) and e.has_port(address.port) for e in self._named
        ):
            return False
        if host is not None and not self._covers(host, address.port):
            return False
        if resolved is None:
            return True
        ip = as_ip(normalise(resolved))
        if ip is None:
            return False
        free = host is None and not any(ip in guard for guard in _GUARDED)
        return free or self._covers(ip, address.port)

    @property
    def _named(self) -> tuple[Allowance, ...]:
        return tuple(entry for entry in self.entries if entry.name)

    def _covers(self, ip: ipaddress.IPv4Address | ipaddress.IPv6Address, port: int) -> bool:
        return any(entry.has_ip(ip) and entry.has_port(port) for entry in self.entries)

    def _allows_path(self, path: str) -> bool:
        return posixpath.normpath(path) == path and any(entry.has_path(path) for entry in self.entries)


def _unacceptable(text: str) -> ValueError:
    return ValueError(f"{text!r} is not a target: {ACCEPTED}")


def _path_allowance(text: str) -> Allowance:
    path = text.removeprefix("unix:")
    plain = posixpath.normpath(path)
    if not path.startswith("/") or "\0" in path or plain not in (path, path.removesuffix("/")):
        raise _unacceptable(text)
    return Allowance(path=plain)


def _ports(first: str | None, last: str | None, text: str) -> tuple[int, int]:
    if first is None:
        return _ANY_PORT
    low, high = int(first), int(last or first)
    if not 0 < low <= high < 65536:
        raise _unacceptable(text)
    return low, high


def _network(text: str) -> Network:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as problem:
        raise _unacceptable(text) from problem
    if isinstance(network, ipaddress.IPv6Network) and network.network_address.ipv4_mapped is not None:
        raise ValueError(f"{text!r} is IPv4 in disguise: write it as IPv4")
    return network


def _inside(network: Network, guard: Network) -> bool:
    if isinstance(network, ipaddress.IPv4Network):
        return isinstance(guard, ipaddress.IPv4Network) and network.subnet_of(guard)
    return isinstance(guard, ipaddress.IPv6Network) and network.subnet_of(guard)


def _plain_name(name: str) -> str:
    return name.removesuffix(".").lower()
