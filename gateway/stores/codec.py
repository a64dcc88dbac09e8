"""
Grants and session records as plain objects, ready for JSON, and back.

One table says for each field how it is written and read; it is total over the
model (a test compares) and strict: a field that is unknown, missing or of
another type is refused.  A password stands in the object in clear: what is
written anywhere is sealed first (:mod:`gateway.stores.sealing`).
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from attrs import frozen

from gateway.model.secret import Secret
from gateway.model.session import Ending, SessionRecord, State
from gateway.model.target import (
    Address,
    ClientCertificate,
    ConsoleKind,
    LogIn,
    Pin,
    Security,
    SecurityType,
    Target,
    TcpAddress,
    TlsPolicy,
    UnixAddress,
)
from gateway.model.ticket import Grant, Right

VERSION = 1
"""Of the format: goes up when a field's meaning changes, or what its absence means."""

MAX_TEXT = 4096
MAX_PEM = 128 * 1024
"""Characters of a CA file: some eighty certificates."""
MAX_ITEMS = 64
"""Members of a list: addresses and pins are a handful."""

REQUIRED = object()
"""As a field's absence: it has no meaning, the field is always written."""

T = TypeVar("T")
E = TypeVar("E", bound=enum.Enum)


class Malformed(ValueError):
    """A stored object is not what this version writes."""


@frozen
class Part(Generic[T]):
    """How one value is written and read."""

    pack: Callable[[T], Any]
    unpack: Callable[[Any], T]


@frozen
class Slot:
    """
    One field.  ``absent`` is what it means to leave it out; without one it is always written.

    That belongs to the format: it stays when the model's own default changes.
    """

    part: Part[Any]
    absent: Any = REQUIRED


@frozen
class Shape(Generic[T]):
    """A value's fields by name; itself a part of greater ones."""

    make: Callable[..., T]
    slots: Mapping[str, Slot]

    def pack(self, value: T) -> dict[str, Any]:
        fields = ((name, slot, getattr(value, name)) for name, slot in self.slots.items())
        return {name: slot.part.pack(field) for name, slot, field in fields if field != slot.absent}

    def unpack(self, raw: Any) -> T:
        if type(raw) is not dict:
            raise Malformed("an object was expected")
        if not raw.keys() <= self.slots.keys():
            raise Malformed("an object has fields that this version does not know")
        return self.make(**{name: self._field(raw, name, slot) for name, slot in self.slots.items()})

    def part(self) -> Part[T]:
        return Part(self.pack, self.unpack)

    @staticmethod
    def _field(raw: Mapping[str, Any], name: str, slot: Slot) -> Any:
        if name in raw:
            return slot.part.unpack(raw[name])
        if slot.absent is REQUIRED:
            raise Malformed(f"{name} is missing")
        return slot.absent


def _same(value: Any) -> Any:
    return value


def _text(limit: int) -> Part[str]:
    def unpack(raw: Any) -> str:
        if type(raw) is not str or len(raw) > limit:
            raise Malformed("a text was expected")
        return raw

    return Part(_same, unpack)


def _whole(raw: Any) -> int:
    if type(raw) is not int:
        raise Malformed("a whole number was expected")
    return raw


def _real(raw: Any) -> float:
    if type(raw) not in (int, float) or not math.isfinite(raw):
        raise Malformed("a number was expected")
    return float(raw)


def _flag(raw: Any) -> bool:
    if type(raw) is not bool:
        raise Malformed("true or false was expected")
    return raw


def _word(members: type[E], word: Callable[[E], str]) -> Part[E]:
    by_word = {word(member): member for member in members}

    def unpack(raw: Any) -> E:
        if type(raw) is not str or raw not in by_word:
            raise Malformed("a word was expected that this version knows")
        return by_word[raw]

    return Part(word, unpack)


def _value(members: type[E]) -> Part[E]:
    return _word(members, lambda member: str(member.value))


def _optional(part: Part[T]) -> Part[T | None]:
    return Part(
        lambda value: None if value is None else part.pack(value),
        lambda raw: None if raw is None else part.unpack(raw),
    )


def _list(part: Part[T]) -> Part[tuple[T, ...]]:
    def unpack(raw: Any) -> tuple[T, ...]:
        if type(raw) is not list or len(raw) > MAX_ITEMS:
            raise Malformed("a list was expected")
        return tuple(part.unpack(item) for item in raw)

    return Part(lambda values: [part.pack(value) for value in values], unpack)


TEXT, WHOLE, REAL, FLAG = _text(MAX_TEXT), Part[int](_same, _whole), Part[float](_same, _real), Part[bool](_same, _flag)
SECRET = Part[Secret](Secret.reveal, lambda raw: Secret(TEXT.unpack(raw)))
KEY = Part[Secret](Secret.reveal, lambda raw: Secret(_text(MAX_PEM).unpack(raw)))
PEM = Part[bytes](lambda pem: pem.decode("latin-1"), lambda raw: _text(MAX_PEM).unpack(raw).encode("latin-1"))

_RIGHTS = _list(_value(Right))
RIGHTS = Part[frozenset[Right]](
    lambda rights: sorted(right.value for right in rights), lambda raw: frozenset(_RIGHTS.unpack(raw))
)

_TCP = Shape(TcpAddress, {"host": Slot(TEXT), "port": Slot(WHOLE)})
_UNIX = Shape(UnixAddress, {"path": Slot(TEXT)})


def _pack_address(address: Address) -> dict[str, Any]:
    return _TCP.pack(address) if isinstance(address, TcpAddress) else _UNIX.pack(address)


def _unpack_address(raw: Any) -> Address:
    return _UNIX.unpack(raw) if type(raw) is dict and "path" in raw else _TCP.unpack(raw)


ADDRESS = Part[Address](_pack_address, _unpack_address)

PIN = Shape(Pin, {"algorithm": Slot(TEXT), "digest": Slot(TEXT)})
CLIENT = Shape(ClientCertificate, {"chain": Slot(PEM), "key": Slot(KEY)})
TLS = Shape(
    TlsPolicy,
    {
        "ca": Slot(_optional(PEM), None),
        "pins": Slot(_list(PIN.part()), ()),
        "server_name": Slot(_optional(TEXT), None),
        "client": Slot(_optional(CLIENT.part()), None),
    },
)
SECURITY = Shape(
    Security,
    {
        "type": Slot(_value(SecurityType)),
        "password": Slot(_optional(SECRET), None),
        "username": Slot(TEXT, ""),
        "tls": Slot(TLS.part(), TlsPolicy()),
        "subtypes": Slot(_list(_value(LogIn)), ()),
        "anonymous": Slot(FLAG, False),
        "clear": Slot(FLAG, False),
    },
)
TARGET = Shape(
    Target,
    {
        "kind": Slot(_value(ConsoleKind)),
        "addresses": Slot(_list(ADDRESS)),
        "security": Slot(SECURITY.part()),
        "tls": Slot(_optional(TLS.part()), None),
        "identity": Slot(TEXT, ""),
    },
)
GRANT = Shape(
    Grant,
    {
        "console": Slot(TEXT),
        "kind": Slot(_value(ConsoleKind)),
        "user": Slot(TEXT, ""),
        "rights": Slot(RIGHTS),
        "target": Slot(_optional(TARGET.part()), None),
        "one_shot": Slot(FLAG, False),
        "roaming": Slot(FLAG, False),
        "connections": Slot(WHOLE, 1),
        "listener": Slot(TEXT, ""),
    },
)
RECORD = Shape(
    SessionRecord,
    {
        "id": Slot(TEXT),
        "ticket_id": Slot(TEXT),
        "grant": Slot(GRANT.part()),
        "address": Slot(TEXT),
        "opened_at": Slot(REAL),
        "holder": Slot(TEXT, ""),
        "node": Slot(TEXT, ""),
        "epoch": Slot(WHOLE),
        "state": Slot(_value(State)),
        "generation": Slot(WHOLE, 0),
        "lost_at": Slot(REAL, 0.0),
        "seen_at": Slot(REAL, 0.0),
        "ended_at": Slot(REAL, 0.0),
        "ending": Slot(_optional(_word(Ending, lambda ending: ending.word)), None),
        "bytes_in": Slot(WHOLE, 0),
        "bytes_out": Slot(WHOLE, 0),
    },
)


def _versioned(shape: Shape[T], value: T) -> dict[str, Any]:
    return {"v": VERSION, **shape.pack(value)}


def _unversioned(shape: Shape[T], raw: object) -> T:
    if type(raw) is not dict or raw.get("v") != VERSION:
        raise Malformed("an object of another version, or none")
    return shape.unpack({name: value for name, value in raw.items() if name != "v"})


def pack_grant(grant: Grant) -> dict[str, Any]:
    """A grant as an object for JSON."""
    return _versioned(GRANT, grant)


def unpack_grant(raw: object) -> Grant:
    """The grant in an object.  :raises Malformed: it is none of this version."""
    return _unversioned(GRANT, raw)


def pack_record(record: SessionRecord) -> dict[str, Any]:
    """A session record as an object for JSON."""
    return _versioned(RECORD, record)


def unpack_record(raw: object) -> SessionRecord:
    """The session record in an object.  :raises Malformed: it is none of this version."""
    return _unversioned(RECORD, raw)
