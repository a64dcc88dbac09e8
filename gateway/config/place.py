"""
Where in which file a value stands, and how to say that it is wrong.

Every error of the configuration is one line: file, dotted key, what was
found, what would be accepted.  A secret's value is in none of them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

from attrs import evolve, field, frozen

from gateway.model.errors import GatewayError

SHOWN = 60
"""Characters of a wrong value that an error repeats: enough to recognise it."""

NOT_YET = "not in this version"

_USER_INFO = re.compile(r"[^/\s\"\[,]*@")


class ConfigError(GatewayError):
    """The configuration cannot be used; the text is the whole message, one line."""


def show(value: object) -> str:
    """A value as an error repeats it: as TOML writes it, shortened, without user info and control characters."""
    if isinstance(value, dict):
        return "a table"
    text = _USER_INFO.sub("…@", json.dumps(value, ensure_ascii=False, default=str))
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


@frozen
class Place:
    """One value's place; warnings of the whole file are collected in ``warnings``."""

    file: str
    base_dir: Path
    dotted: str = ""
    warnings: list[str] = field(factory=list, eq=False)

    def at(self, key: str) -> Place:
        """The place of a key below this one."""
        name = key if re.fullmatch("[A-Za-z0-9_-]+", key) else json.dumps(show_key(key), ensure_ascii=False)
        return evolve(self, dotted=f"{self.dotted}.{name}" if self.dotted else name)

    def index(self, number: int) -> Place:
        """The place of one item of this list."""
        return evolve(self, dotted=f"{self.dotted}[{number}]")

    def error(self, text: str) -> ConfigError:
        """An error at this place."""
        return ConfigError(": ".join(part for part in (self.file, self.dotted, text) if part))

    def wrong(self, found: str, accepted: str) -> ConfigError:
        """What was found, and what would be accepted."""
        return self.error(f"found {found}; accepted: {accepted}")

    def missing(self, accepted: str) -> ConfigError:
        """A key that must be there."""
        return self.error(f"missing; accepted: {accepted}")

    def later(self, found: str = "", accepted: str = "") -> ConfigError:
        """A value (or a whole key) that a later version brings."""
        text = f"found {found}, which is {NOT_YET}" if found else NOT_YET
        return self.error(f"{text}; accepted: {accepted}" if accepted else text)

    def unknown(self, known: Iterable[str]) -> ConfigError:
        """A key that no version knows; ``self`` is its place."""
        key, names = self.dotted.rpartition(".")[2].strip('"'), sorted(known)
        near = get_close_matches(key, names, 1)
        meant = f"did you mean {near[0]}? " if near else ""
        return self.error(f"unknown key; {meant}known here: {', '.join(names)}")

    def warn(self, text: str) -> None:
        """Note what the operator should know although it works."""
        self.warnings.append(f"{self.file}: {self.dotted}: {text}" if self.dotted else f"{self.file}: {text}")


def show_key(key: str) -> str:
    """A key as an error repeats it."""
    return "".join(c if c.isprintable() else "?" for c in key)[:SHOWN]
