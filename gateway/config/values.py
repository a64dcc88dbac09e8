"""
Readers of single values: numbers, texts, choices, lists, files, secrets.

Each is made with its limits and is called with a place and what TOML has
there.  Files are read at load and never again; addresses and URLs are in
``urls.py``.
"""

from __future__ import annotations

import os
import re
import socket
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from gateway.config.place import Place, show
from gateway.config.tables import NAME, Read
from gateway.model.secret import Secret

T = TypeVar("T")

TEXT_MAX = 200
"""Characters of a title or a name that people read."""

ITEMS_MAX = 1000
"""Items of one list: addresses, origins, networks."""

SECRET_MAX = 4096
"""Bytes of a secret's file: keys and passwords are shorter, and /dev/zero is not one."""

PEM_MAX = 1 << 20
"""Bytes of a file of certificates: the system's whole bundle is a quarter of it."""


def text(place: Place, value: object) -> str:
    """Read a text for people: one line, nothing unprintable."""
    if not isinstance(value, str) or len(value) > TEXT_MAX or not value.isprintable():
        raise place.wrong(show(value), f"a text of at most {TEXT_MAX} printable characters")
    return value


def boolean(place: Place, value: object) -> bool:
    """Read true or false."""
    if not isinstance(value, bool):
        raise place.wrong(show(value), "true or false")
    return value


def whole(least: int, most: int) -> Read[int]:
    """Read whole numbers within a range."""

    def read(place: Place, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise place.wrong(show(value), f"a whole number from {least} to {most}")
        return value

    return read


def number(least: float, most: float, what: str = "a number") -> Read[float]:
    """Read finite numbers within a range."""

    def read(place: Place, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value <= most:
            raise place.wrong(show(value), f"{what} from {least:g} to {most:.10g}")
        return value

    return read


def seconds(least: float, most: float) -> Read[float]:
    """Read a duration within a range."""
    return number(least, most, "seconds,")


def choice(*accepted: str, later: Sequence[str] = ()) -> Read[str]:
    """Read one of a few words; ``later`` are those of later versions."""

    def read(place: Place, value: object) -> str:
        if value in accepted and isinstance(value, str):
            return value
        if isinstance(value, str) and value in later:
            raise place.later(show(value), _either(accepted))
        raise place.wrong(show(value), _either(accepted))

    return read


def only(accepted: T, later: Callable[[object], bool]) -> Read[T]:
    """Read a key of which this version knows one value; ``later`` tells those of later versions."""

    def read(place: Place, value: object) -> T:
        if value == accepted and type(value) is type(accepted):
            return accepted
        raise (place.later if later(value) else place.wrong)(show(value), show(accepted))

    return read


def subset(*accepted: str) -> Read[frozenset[str]]:
    """Read a list of a few words."""

    def read(place: Place, value: object) -> frozenset[str]:
        if not isinstance(value, list):
            raise place.wrong(show(value), f"a list of {_either(accepted)}")
        one = choice(*accepted)
        return frozenset(one(place.index(n), item) for n, item in enumerate(value))

    return read


def list_of(one: Read[T], accepted: str) -> Read[tuple[T, ...]]:
    """Read a list, each item in its own way."""

    def read(place: Place, value: object) -> tuple[T, ...]:
        if not isinstance(value, list) or len(value) > ITEMS_MAX:
            raise place.wrong(show(value), f"a list of {accepted}")
        return tuple(one(place.index(n), item) for n, item in enumerate(value))

    return read


def optional(one: Read[T]) -> Read[T | None]:
    """Read a value that need not be given."""

    def read(place: Place, value: object) -> T | None:
        return None if value is None else one(place, value)

    return read


def or_empty(one: Read[str]) -> Read[str]:
    """Read a text that need not be given: then it is empty, and filled in from elsewhere."""

    def read(place: Place, value: object) -> str:
        return "" if value is None else one(place, value)

    return read


def path(place: Place, value: object) -> Path:
    """Read a path; a relative one is relative to the configuration."""
    if not isinstance(value, str) or not value or "\0" in value:
        raise place.wrong(show(value), "a path, absolute or relative to this file")
    return place.base_dir / value


def path_or(word: str) -> Read[Path | None]:
    """Read a path, or one word that stands for no file."""

    def read(place: Place, value: object) -> Path | None:
        return None if value == word else path(place, value)

    return read


def name(place: Place, value: object) -> str:
    """Read a name by the rule of contract section 2."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise place.wrong(show(value), "1 to 64 of A-Z a-z 0-9 . _ -")
    return value


def node_name(place: Place, value: object) -> str:
    """Read a node's name; without one it is the host's."""
    if value is not None:
        return name(place, value)
    return re.sub("[^A-Za-z0-9._-]", "-", socket.gethostname())[:64] or "node"


def secret_file(place: Place, value: object) -> Secret:
    """Read a secret from its file; one newline at its end does not count."""
    file = path(place, value)
    data, mode = _read(place, file, SECRET_MAX)
    _warn_of_readers(place, file, mode)
    try:
        content = data.decode()
    except UnicodeDecodeError as problem:
        raise place.wrong("a file that is no UTF-8 text", "a file with the secret in it") from problem
    return _some_secret(place, content.removesuffix("\n").removesuffix("\r"), f"an empty file ({file})")


def secret_env(place: Place, value: object) -> Secret:
    """Read a secret from the environment."""
    if not isinstance(value, str) or not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", value):
        raise place.wrong("something else", "the name of an environment variable")
    return _some_secret(place, os.environ.get(value, ""), f"{value}, which is not set")


def certificates(place: Place, value: object) -> bytes:
    """Read a file of CA certificates (PEM)."""
    file = path(place, value)
    data, _ = _read(place, file, PEM_MAX)
    if b"-----BEGIN CERTIFICATE-----" not in data:
        raise place.wrong(f"{show(str(file))}, which holds no certificate", "a file of PEM certificates")
    return data


def private_key(place: Place, value: object) -> Secret:
    """Read a file with a private key (PEM)."""
    file = path(place, value)
    data, mode = _read(place, file, PEM_MAX)
    _warn_of_readers(place, file, mode)
    if b"PRIVATE KEY-----" not in data or not data.isascii():
        raise place.wrong(f"{show(str(file))}, which holds no private key", "a file with a PEM private key")
    return Secret(data.decode())


def _warn_of_readers(place: Place, file: Path, mode: int) -> None:
    if mode & (stat.S_IRGRP | stat.S_IROTH):
        place.warn(f"{file} can be read by others than its owner; chmod 600 mends it")


def _some_secret(place: Place, content: str, otherwise: str) -> Secret:
    if not content:
        raise place.wrong(otherwise, "a secret of at least one character")
    return Secret(content)


def _read(place: Place, file: Path, limit: int) -> tuple[bytes, int]:
    try:
        with file.open("rb") as opened:
            data, mode = opened.read(limit + 1), os.fstat(opened.fileno()).st_mode
    except OSError as problem:
        raise place.wrong(f"{show(str(file))} ({problem.strerror})", "a file that can be read") from problem
    if len(data) > limit:
        raise place.wrong(f"{show(str(file))}, which is too long", f"a file of at most {limit} bytes")
    return data, mode


def _either(words: Sequence[str]) -> str:
    return " or ".join(f'"{word}"' for word in words)
