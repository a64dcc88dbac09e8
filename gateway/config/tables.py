"""
TOML tables as attrs classes: a field says how it is read and what it means.

``setting`` declares one key, ``read_table`` turns a table into its class, and
``settings_of`` lists every key there is, for the documentation.  Which keys
there are stands in ``schema.py`` and ``consoles.py``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

import attrs
from attrs import frozen

from gateway.config.place import Place

T = TypeVar("T")

Read = Callable[[Place, Any], T]
"""Turns what TOML has at a place into a value, or raises ConfigError."""

NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""Consoles, drivers, nodes, listeners (contract section 2)."""

TABLES_MAX = 100_000
"""Consoles in one file: more belong into a driver."""

_REQUIRED = object()
_METADATA = "gateway.config"


@frozen
class Setting:
    """One key of the configuration as the documentation lists it; ``default`` is written as in TOML."""

    dotted: str
    default: str
    description: str
    later: bool = False


@frozen
class _Key:
    read: Read[Any]
    about: str
    default: object
    shown: str
    name: str
    later: bool
    table: type[Any] | None

    def default_at(self, place: Place) -> object:
        return self.read(place, self.default)


def setting(
    read: Read[T],
    about: str,
    default: object = _REQUIRED,
    *,
    shown: str = "",
    name: str = "",
    later: bool = False,
    table: type[Any] | None = None,
) -> T:
    """
    Declare one key.

    :param default: as TOML would write it; it is read like any other value
        (``None`` where the reader takes it for “not given”).
    :param shown: how the documentation writes the default.
    :param name: the key in TOML where it is not the attribute's name.
    :param later: the key belongs to a later version: refused when it is there.
    :param table: the class of what the value may be, where ``read`` reads a table in a way of its own.
    """
    key = _Key(read, about, default, shown, name, later, table)
    metadata = {_METADATA: key}
    if default is _REQUIRED:
        return cast(T, attrs.field(metadata=metadata))
    return cast(T, attrs.field(factory=lambda: key.default_at(Place("defaults", Path())), metadata=metadata))


def read_table(cls: type[T], place: Place, value: object, **more: object) -> T:
    """Read one table; ``more`` are attributes that do not stand in it (its name)."""
    if not isinstance(value, dict):
        raise place.wrong(_kind(value), "a table")
    keys = _keys(cls)
    known = {name for name, _ in keys.values()}
    for name in value:
        if name not in known:
            raise _unknown(place.at(name), name, known)
    for attribute, (name, key) in keys.items():
        here = place.at(name)
        if name in value:
            if key.later:
                raise here.later()
            more[attribute] = key.read(here, value[name])
        elif key.default is _REQUIRED:
            raise here.missing(key.about)
        else:
            more[attribute] = key.default_at(here)
    return cls(**more)


@frozen
class Table(Generic[T]):
    """Reads one table; a missing one (``{}``) has its keys' defaults."""

    cls: type[T]
    suffix = ""

    def __call__(self, place: Place, value: object) -> T:
        """Read it."""
        return read_table(self.cls, place, value)


@frozen
class ListOfTables(Generic[T]):
    """Reads ``[[key]]`` tables; there is at least one (the default has none to be read)."""

    cls: type[T]
    suffix = "[]"

    def __call__(self, place: Place, value: object) -> tuple[T, ...]:
        """Read them."""
        if not isinstance(value, list) or not value or len(value) > TABLES_MAX:
            raise place.wrong(_kind(value), f"[[{place.dotted}]] tables")
        return tuple(read_table(self.cls, place.index(n), item) for n, item in enumerate(value))


@frozen
class NamedTables(Generic[T]):
    """Reads ``[key.NAME]`` tables; each class has an attribute ``name``."""

    cls: type[T]

    def __call__(self, place: Place, value: object) -> tuple[T, ...]:
        """Read them."""
        if not isinstance(value, dict) or len(value) > TABLES_MAX:
            raise place.wrong(_kind(value), f"[{place.dotted}.NAME] tables")
        for name in value:
            if not NAME.fullmatch(name):
                raise place.at(name).wrong("this name", "1 to 64 of A-Z a-z 0-9 . _ -")
        return tuple(read_table(self.cls, place.at(name), item, name=name) for name, item in value.items())


def settings_of(cls: type[Any], prefix: str = "") -> Iterator[Setting]:
    """Every key below a class, in the order of its declaration."""
    for name, key in _keys(cls).values():
        dotted = f"{prefix}.{name}" if prefix else name
        if isinstance(key.read, (Table, ListOfTables)):
            yield from settings_of(key.read.cls, dotted + key.read.suffix)
            continue
        if not hasattr(key.table, "name"):
            yield Setting(dotted, _default(key), key.about, key.later)
        if key.table is not None:
            yield from settings_of(key.table, dotted + (".NAME" if hasattr(key.table, "name") else ""))


def _default(key: _Key) -> str:
    if key.shown or key.default is None:
        return key.shown
    return "required" if key.default is _REQUIRED else json.dumps(key.default, ensure_ascii=False)


def _keys(cls: type[Any]) -> Mapping[str, tuple[str, _Key]]:
    found = ((a.name, a.metadata[_METADATA]) for a in attrs.fields(cls) if _METADATA in a.metadata)
    return {attribute: (key.name or attribute, key) for attribute, key in found}


def _unknown(place: Place, name: str, known: set[str]) -> Exception:
    kept_out = sorted({f"{name}_file", f"{name}_env"} & known)
    if kept_out:
        return place.error(f"a secret is never in the configuration; accepted: {' or '.join(kept_out)}")
    return place.unknown(known)


def _kind(value: object) -> str:
    """A value by its kind alone: it stands where a table should, and may be a secret."""
    names = {str: "a string", bool: "a boolean", list: "a list", dict: "a table", int: "a number", float: "a number"}
    return names.get(type(value), "a date or time")
