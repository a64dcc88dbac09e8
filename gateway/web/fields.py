"""
JSON bodies, read field by field.

Every field is named in the error that it causes, with what would be accepted;
its value never is, since it may be a secret.  Nothing is guessed or converted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from gateway.web.problems import BadField

T = TypeVar("T")

MAX_LIST: Final = 16  # addresses or rights in one list


def parse_object(body: bytes) -> dict[str, object]:
    """Read a JSON object.  :raises BadField:"""
    try:
        found = json.loads(body.decode(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadField("The body must be one JSON object, each name once.") from None
    if not isinstance(found, dict):
        raise BadField("The body must be one JSON object.")
    return found


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(name)


class Fields:
    """
    One object, emptied field by field; ``null`` is as good as absent.

    :param at: what stands before a field's name in errors.
    """

    def __init__(self, table: Mapping[str, object], at: str = "") -> None:
        self._left = {name: value for name, value in table.items() if value is not None}
        self._known: list[str] = []
        self._at = at

    def has(self, name: str) -> bool:
        """Whether a field is there (and was not read yet)."""
        return name in self._left

    def wrong(self, name: str, accepted: str) -> BadField:
        """The error that a field's value causes."""
        return BadField(f'"{self._at}{name}" must be {accepted}.')

    def take(self, name: str) -> object:
        """A field's value as it came, or ``None``."""
        self._known.append(name)
        return self._left.pop(name, None)

    def text(self, name: str, accepted: str, pattern: re.Pattern[str], default: str | None = None) -> str:
        """A text of a certain form; without a default it must be there."""
        value = self.take(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or not pattern.fullmatch(value) or not value.isprintable():
            raise self.wrong(name, accepted)
        return value

    def pem(self, name: str) -> bytes:
        """Certificates, as a text of several lines."""
        value = self.take(name)
        if not isinstance(value, str) or not value.isascii() or "-----BEGIN CERTIFICATE-----" not in value:
            raise self.wrong(name, "PEM certificates")
        return value.encode()

    def number(self, name: str, least: int, most: int, default: int, *, whole: bool = True) -> float:
        """A number within a range."""
        value = self.take(name)
        if value is None:
            return default
        kinds = int if whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds) or not least <= value <= most:
            raise self.wrong(name, f"a {'whole ' if whole else ''}number from {least} to {most}")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false when absent."""
        value = self.take(name)
        if value not in (None, True, False) or isinstance(value, (int, float)) and not isinstance(value, bool):
            raise self.wrong(name, "true or false")
        return bool(value)

    def choice(self, name: str, words: Mapping[str, T], default: T | None = None) -> T:
        """One of a few words."""
        value = self.take(name)
        if value is None and default is not None:
            return default
        if not isinstance(value, str) or value not in words:
            raise self.wrong(name, "one of " + ", ".join(words))
        return words[value]

    def choices(self, name: str, words: Mapping[str, T], default: frozenset[T]) -> frozenset[T]:
        """Some of a few words, at least one."""
        return frozenset(self.ordered_choices(name, words)) or default

    def ordered_choices(self, name: str, words: Mapping[str, T]) -> tuple[T, ...]:
        """Some of a few words in the order given, at least one; none when absent."""
        value = self.take(name)
        if value is None:
            return ()
        fits = isinstance(value, list) and 0 < len(value) <= MAX_LIST
        if not fits or not isinstance(value, list) or not all(isinstance(one, str) and one in words for one in value):
            raise self.wrong(name, "a list of some of " + ", ".join(words))
        return tuple(words[one] for one in value)

    def texts(self, name: str, accepted: str) -> tuple[str, ...]:
        """A text, or a list of them; at least one."""
        value = self.take(name)
        found = value if isinstance(value, list) else [value]
        if not 0 < len(found) <= MAX_LIST or not all(isinstance(one, str) for one in found):
            raise self.wrong(name, accepted)
        return tuple(found)

    def table(self, name: str) -> Fields | None:
        """An object within, if it is there."""
        value = self.take(name)
        if value is None:
            return None
        if not isinstance(value, dict):
            raise self.wrong(name, "an object")
        return Fields(value, f"{self._at}{name}.")

    def later(self, name: str) -> None:
        """Refuse a field of a later version."""
        if self.take(name) is not None:
            raise BadField(f'"{self._at}{name}" is not in this version.')
        self._known.remove(name)

    def done(self) -> None:
        """Refuse what is left."""
        for name in self._left:
            shown = json.dumps(name[:64])
            raise BadField(f"{shown} is not known {self._place}; known are {', '.join(self._known)}.")

    @property
    def _place(self) -> str:
        return f'in "{self._at.removesuffix(".")}"' if self._at else "here"
