"""
Reads a TLS ClientHello: the name, the protocols and the versions that a client asks for.

It may come in any number of pieces and over several records (RFC 8446 §4.1.2,
§5.1; RFC 6066 §3; RFC 7301 §3.1).  Nothing is consumed: TLS itself gets the
same bytes again, from :meth:`HelloReader.raw`.  No handshake is made here and
nothing is answered.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Generator
from typing import Final

import attrs

from gateway.wire.errors import LocalError, PeerError
from gateway.wire.reader import Need

MAX_HELLO: Final = 16 * 1024
"""Largest ClientHello taken: one with post-quantum keys is about 1.7 kB, and a long session ticket adds a few."""

MAX_RECORDS: Final = 16
"""Most records a hello may be spread over: clients use one, those that hide the name from middleboxes a few."""

MAX_RECORD: Final = 2**14
"""Largest plaintext record (RFC 8446 §5.1)."""

MAX_PROTOCOLS: Final = 64
"""Most ALPN names: clients offer two or three, and each costs an object here."""

_RECORD: Final = struct.Struct("!BBBH")  # content type, version major and minor, length
_MESSAGE: Final = struct.Struct("!BBH")  # message type, and a length of three bytes
_U16: Final = struct.Struct("!H")

_HANDSHAKE: Final = 22
_CLIENT_HELLO: Final = 1
_SERVER_NAME, _ALPN, _SUPPORTED_VERSIONS = 0, 16, 43
_HOST_NAME: Final = 0

_LABEL: Final = r"[a-z0-9_-]{1,63}"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*|[0-9a-f:.]*:[0-9a-f:.]*")


@attrs.frozen
class ClientHello:
    """What a client asks for, before anything is agreed."""

    server_name: str | None = attrs.field(repr=False)
    """
    Lower case, without a final dot; an IP address is let pass.

    ``None`` when absent or no host name.  Not in the repr: it may carry a ticket.
    """
    alpn: tuple[str, ...]
    versions: tuple[int, ...]
    """As in the protocol, in the client's order: 0x0304 is TLS 1.3."""


class HelloReader:
    """Reads one ClientHello; what waits never exceeds the bounds above by more than one delivery."""

    def __init__(self) -> None:
        self._received = bytearray()
        self._at = 0
        self._steps: Generator[None, None, ClientHello] = self._read()

    def receive(self, data: bytes) -> ClientHello | None:
        """Take in bytes; return the hello once it is whole, and ``None`` before."""
        self._received += data
        try:
            next(self._steps)
        except StopIteration as stop:
            if stop.value is None:
                raise LocalError("the hello was already read, or refused") from None
            hello: ClientHello = stop.value
            return hello
        return None

    def raw(self) -> bytes:
        """Everything received so far, also what came behind the hello."""
        return bytes(self._received)

    def _read(self) -> Generator[None, None, ClientHello]:
        message = bytearray()
        limit = _MESSAGE.size + MAX_HELLO
        for _ in range(MAX_RECORDS):
            length = yield from self._record_header()
            if len(message) + length <= limit:
                message += yield from self._exact(length)
                if len(message) < _MESSAGE.size:
                    continue
                limit = _message_size(message)
                if len(message) == limit:
                    return _parse(bytes(message[_MESSAGE.size :]))
                if len(message) < limit:
                    continue
            raise PeerError("a record holds more than the ClientHello")  # RFC 8446 §5.1
        raise PeerError(f"the ClientHello is spread over more than {MAX_RECORDS} records")

    def _record_header(self) -> Need[int]:
        kind, major, _minor, length = _RECORD.unpack((yield from self._exact(_RECORD.size)))
        if kind != _HANDSHAKE:
            raise PeerError(f"a TLS record of content type {kind} instead of a handshake")
        if major != 3:
            raise PeerError(f"a TLS record of version {major}.x")
        if not 0 < length <= MAX_RECORD:
            raise PeerError(f"a TLS record of {length} bytes")
        return int(length)

    def _exact(self, count: int) -> Need[bytes]:
        while len(self._received) < self._at + count:
            yield
        start, self._at = self._at, self._at + count
        return bytes(self._received[start : self._at])


def _message_size(message: bytes | bytearray) -> int:
    kind, high, low = _MESSAGE.unpack_from(message)
    if kind != _CLIENT_HELLO:
        raise PeerError(f"a handshake message of type {kind} instead of a ClientHello")
    size: int = high << 16 | low
    if size > MAX_HELLO:
        raise PeerError(f"a ClientHello of {size} bytes")
    return _MESSAGE.size + size


class _Cursor:
    """Walks over the fields of a message that is whole."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def take(self, count: int) -> bytes:
        """The next ``count`` bytes."""
        start, self._at = self._at, self._at + count
        if self._at > len(self._data):
            raise PeerError("a field of the ClientHello reaches over its end")
        return self._data[start : self._at]

    def u8(self) -> int:
        """A one-byte number."""
        return self.take(1)[0]

    def u16(self) -> int:
        """A two-byte number."""
        value: int = _U16.unpack(self.take(2))[0]
        return value

    def short(self) -> bytes:
        """A vector with a one-byte length."""
        return self.take(self.u8())

    def long(self) -> bytes:
        """A vector with a two-byte length."""
        return self.take(self.u16())

    def only(self, read: Callable[[_Cursor], bytes]) -> _Cursor:
        """One vector that is not empty and that nothing follows, opened."""
        inner = read(self)
        if self or not inner:
            raise PeerError("an extension of the ClientHello has the wrong length")
        return _Cursor(inner)


def _parse(body: bytes) -> ClientHello:
    fields = _Cursor(body)
    version = fields.u16()
    if version >> 8 != 3:
        raise PeerError(f"a ClientHello of version {version:#06x}")
    fields.take(32)  # random
    if len(fields.short()) > 32:
        raise PeerError("a session id of more than 32 bytes")
    suites = fields.long()
    if not suites or len(suites) % 2 or not fields.short():
        raise PeerError("a ClientHello without cipher suites or compression methods")
    extensions = _extensions(fields)
    return ClientHello(
        server_name=_server_name(extensions.get(_SERVER_NAME)),
        alpn=_protocols(extensions.get(_ALPN)),
        versions=_versions(extensions.get(_SUPPORTED_VERSIONS), version),
    )


def _extensions(fields: _Cursor) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    if not fields:
        return found  # TLS 1.2 and older may end here
    inside = _Cursor(fields.long())
    if fields:
        raise PeerError("something follows the extensions of the ClientHello")
    while inside:
        kind = inside.u16()
        if kind in found:
            raise PeerError(f"extension {kind} occurs twice")  # RFC 8446 §4.2
        found[kind] = inside.long()
    return found


def _server_name(data: bytes | None) -> str | None:
    if data is None:
        return None
    names: list[bytes] = []
    entries = _Cursor(data).only(_Cursor.long)
    while entries:
        kind, name = entries.u8(), entries.long()
        if not name:
            raise PeerError("an empty server name")
        if kind == _HOST_NAME:
            names.append(name)
    if len(names) > 1:
        raise PeerError("more than one server name")  # RFC 6066 §3
    if not names or len(names[0]) > 255 or not names[0].isascii():
        return None
    text = names[0].decode("ascii").lower().removesuffix(".")
    return text if _NAME.fullmatch(text) else None


def _protocols(data: bytes | None) -> tuple[str, ...]:
    if data is None:
        return ()
    names: list[str] = []
    entries = _Cursor(data).only(_Cursor.long)
    while entries:
        name = entries.short()
        if not name or len(names) == MAX_PROTOCOLS:
            raise PeerError("an empty ALPN name, or too many of them")
        names.append(name.decode("latin-1"))
    return tuple(names)


def _versions(data: bytes | None, legacy: int) -> tuple[int, ...]:
    if data is None:
        return (legacy,)
    entries = _Cursor(data).only(_Cursor.short)
    versions: list[int] = []
    while entries:
        versions.append(entries.u16())
    return tuple(versions)
