"""
Reads the PROXY header with which a balancer says for whom it connects (haproxy's proxy-protocol.txt, v1 and v2).

It is never guessed: who makes a reader knows that a header must come, and
from whom it may.  Whether the sender is trusted is decided before, and what
the addresses are used for afterwards; neither is known here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

import attrs

from gateway.wire.errors import LocalError, PeerError
from gateway.wire.reader import Dialogue, Need, Reader, Steps

MAX_V1: Final = 107
"""Longest line of version 1, its line end included, by the specification."""

MAX_V2: Final = 4096
"""
Most bytes after the fixed part of version 2.

Addresses take at most 216 and the usual TLVs some hundreds; the largest, a
client's whole certificate, is one to two kB.
"""

MAX_DELIVERY: Final = 1024 * 1024
"""Most bytes that may come behind a header together with it: transports deliver 64 KiB at a time."""

MAX_AUTHORITY: Final = 255
"""Longest host name (RFC 1035 §2.3.4)."""

MAX_UNIQUE_ID: Final = 128
"""By the specification."""

_V1: Final = b"PROXY "
_V2: Final = b"\r\n\r\n\x00\r\nQUIT\n"
_FIXED: Final = Struct("!12sBBH")  # signature, version and command, family and transport, length
_LOCAL, _PROXY = 0x20, 0x21

_UNKNOWN: Final = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_NUMBER: Final = rb"(0|[1-9][0-9]{0,4})"
_TCP: Final = re.compile(rb"PROXY TCP([46]) ([0-9A-Fa-f:.]+) ([0-9A-Fa-f:.]+) " + _NUMBER + b" " + _NUMBER + rb"\r\n")
_NAME: Final = re.compile(rb"[\x21-\x7e]+")

_TLV: Final = Struct("!BH")
_SSL: Final = Struct("!BI")  # what the client did, whether its certificate was good; then more TLVs
_U32: Final = Struct("!I")
_AUTHORITY, _CRC32C, _UNIQUE_ID, _SSL_TYPE = 0x02, 0x03, 0x05, 0x20
_ONCE: Final = frozenset({_AUTHORITY, _CRC32C, _UNIQUE_ID, _SSL_TYPE})
_CLIENT_SSL: Final = 0x01

Address = tuple[str, int]


@attrs.frozen
class ProxyHeader:
    """
    For whom a balancer connects.

    Without a ``source`` the connection's own addresses hold.  Addresses are
    written one way; an IPv4-mapped IPv6 address reads as IPv4.
    """

    source: Address | None = None
    destination: Address | None = None
    authority: str | None = attrs.field(default=None, repr=False)
    """
    The name that the client asked for where TLS was ended, in lower case.

    Not in the repr: it may carry a ticket.
    """
    ssl: bool | None = None
    """Whether the client spoke TLS to the balancer; ``None`` when it does not say."""
    local: bool = False
    """The balancer speaks for itself: a probe."""


class ProxyHeaderReader:
    """Reads one header, however it is cut, and no byte beyond it."""

    def __init__(self) -> None:
        self._dialogue = Dialogue(_read, MAX_V2 + MAX_DELIVERY)

    def receive(self, data: bytes) -> ProxyHeader | None:
        """
        Take in bytes; return the header once it is whole, and ``None`` before.

        :raises PeerError: with the first byte that makes it something else.
        """
        self._dialogue.receive(data)
        return self._dialogue.result if self._dialogue.done else None

    def trailing(self) -> bytes:
        """What came behind the header (and forget it)."""
        if not self._dialogue.done:
            raise LocalError("the header is not complete")
        return self._dialogue.trailing()


def _read(reader: Reader) -> Steps[ProxyHeader]:
    for count in range(1, len(_V2) + 1):
        opening = yield from reader.peek(count)
        if opening == _V1:
            return _parse_v1((yield from _line(reader)))
        if not _V1.startswith(opening) and not _V2.startswith(opening):
            raise PeerError("this is no PROXY header")
    fixed = yield from reader.exact(_FIXED.size)
    _, command, family, length = _FIXED.unpack(fixed)
    if command not in (_LOCAL, _PROXY):
        raise PeerError(f"a PROXY header with version and command {command:#04x}")
    if length > MAX_V2:
        raise PeerError(f"a PROXY header of {length} bytes")
    if command == _PROXY and family and family not in _FAMILIES:
        raise PeerError(f"a PROXY header with the address family {family:#04x}")
    rest = yield from reader.exact(length)
    if command == _LOCAL:
        return ProxyHeader(local=True)
    return _parse_v2(family, fixed, rest) if family else ProxyHeader()


def _line(reader: Reader) -> Need[bytes]:
    for count in range(len(_V1) + 1, MAX_V1 + 1):
        line = yield from reader.peek(count)
        if line.endswith(b"\n"):
            return (yield from reader.exact(count))
    raise PeerError(f"a PROXY line is longer than {MAX_V1} bytes")


def _parse_v1(line: bytes) -> ProxyHeader:
    if _UNKNOWN.fullmatch(line):
        return ProxyHeader()
    found = _TCP.fullmatch(line)
    if found is None:
        raise PeerError("a PROXY line is ill-formed")
    kind = ipaddress.IPv4Address if found[1] == b"4" else ipaddress.IPv6Address
    source, destination = (_end(kind, found[i].decode("ascii"), int(found[i + 2])) for i in (2, 3))
    return ProxyHeader(source, destination)


class _Family(NamedTuple):
    size: int
    """Of both addresses and ports."""
    kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address] | None
    fields: Struct


_IPV4: Final = _Family(12, ipaddress.IPv4Address, Struct("!4s4sHH"))
_IPV6: Final = _Family(36, ipaddress.IPv6Address, Struct("!16s16sHH"))
_UNIX: Final = _Family(216, None, Struct("!108s108s"))
# Streams and datagrams: a balancer that speaks QUIC may say that its client came in datagrams.
_FAMILIES: Final = {0x11: _IPV4, 0x12: _IPV4, 0x21: _IPV6, 0x22: _IPV6, 0x31: _UNIX, 0x32: _UNIX}


def _parse_v2(number: int, fixed: bytes, rest: bytes) -> ProxyHeader:
    family = _FAMILIES[number]
    if len(rest) < family.size:
        raise PeerError("a PROXY header ends within its addresses")
    source = destination = None
    if family.kind is not None:
        one, other, port, other_port = family.fields.unpack_from(rest)
        source, destination = _end(family.kind, one, port), _end(family.kind, other, other_port)
    extras: dict[int, bytes] = {}
    for kind, start, value in _tlvs(rest, family.size):
        if kind in _ONCE and kind in extras:
            raise PeerError(f"a PROXY header says {kind:#04x} twice")
        extras[kind] = value
        if kind == _CRC32C:
            _check_sum(fixed + rest[:start] + bytes(len(value)) + rest[start + len(value) :], value)
    if len(extras.get(_UNIQUE_ID, b"")) > MAX_UNIQUE_ID:
        raise PeerError("a PROXY header's unique id is too long")
    return ProxyHeader(source, destination, _name(extras.get(_AUTHORITY)), _spoke_tls(extras.get(_SSL_TYPE)))


def _end(
    kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address], address: str | bytes, port: int
) -> tuple[str, int]:
    try:
        parsed = kind(address)
    except ValueError:
        raise PeerError("a PROXY header's address is ill-formed") from None
    if port > 0xFFFF:
        raise PeerError("a PROXY header's port is too large")
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return str(mapped or parsed), port


def _tlvs(data: bytes, at: int) -> Iterator[tuple[int, int, bytes]]:
    """Type, where the value starts, and value; they fill the data exactly."""
    while at < len(data):
        if len(data) - at < _TLV.size:
            raise PeerError("a PROXY header ends within a TLV")
        kind, length = _TLV.unpack_from(data, at)
        start, at = at + _TLV.size, at + _TLV.size + length
        if at > len(data):
            raise PeerError("a PROXY header ends within a TLV")
        yield kind, start, data[start:at]


def _name(value: bytes | None) -> str | None:
    if value is None:
        return None
    if len(value) > MAX_AUTHORITY or not _NAME.fullmatch(value):
        raise PeerError("a PROXY header's authority is no host name")
    return value.decode("ascii").lower().removesuffix(".")


def _spoke_tls(value: bytes | None) -> bool | None:
    if value is None:
        return None
    if len(value) < _SSL.size:
        raise PeerError("a PROXY header's TLS part is too short")
    for _ in _tlvs(value, _SSL.size):
        pass  # only their form is looked at
    return bool(value[0] & _CLIENT_SSL)


def _table() -> Iterator[int]:
    for number in range(256):
        for _ in range(8):
            number = number >> 1 ^ (0x82F63B78 if number & 1 else 0)
        yield number


_CRC_TABLE: Final = tuple(_table())


def crc32c(data: bytes) -> int:
    """Compute Castagnoli's checksum (RFC 3720 appendix B.4)."""
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _CRC_TABLE[(value ^ byte) & 0xFF]
    return value ^ 0xFFFFFFFF


def _check_sum(zeroed: bytes, value: bytes) -> None:
    if len(value) != _U32.size or _U32.unpack(value) != (crc32c(zeroed),):
        raise PeerError("a PROXY header's checksum is wrong")
