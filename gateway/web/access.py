"""
Who may call the API: keys, their roles and the consoles that they are good for.

Keys are known by their SHA-256 alone.  What a role may do stands with each
route; nothing here answers requests.
"""

from __future__ import annotations

import enum
import fnmatch
import hashlib
import hmac
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from gateway.model.client import Arrival, site_of
from gateway.model.events import Event, tell
from gateway.sessions.limits import Rate
from gateway.web.problems import Problem, Trouble, over_limit

MAX_FILE: Final = 1 << 20  # as ``consolegw key new`` has it
MAX_KEYS: Final = 5000  # each costs one comparison a call, about a millisecond for all
MAX_KEY: Final = 256  # characters; ours have 43

_BEARER: Final = re.compile(r"bearer +([\x21-\x7e]+) *", re.IGNORECASE)
_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_DIGEST: Final = re.compile(r"[0-9A-Fa-f]{64}")
_LINE: Final = "name:sha256-hex:role[:console-glob], roles viewer, operator, broker, admin"

_log = Logger()


class Role(enum.IntEnum):
    """What a key may do; each role may all that those before it may."""

    VIEWER = 1
    OPERATOR = 2
    BROKER = 3
    ADMIN = 4


@frozen
class Key:
    """One key; its digest is no secret that opens anything, and still nobody's business."""

    name: str
    digest: str = field(repr=False)
    role: Role = Role.VIEWER
    consoles: str = "*"
    """A glob: the consoles that this key may see and act on."""

    @property
    def limited(self) -> bool:
        """Whether there are consoles that this key may not touch."""
        return self.consoles != "*"

    def covers(self, console: str) -> bool:
        """Whether this key may see and act on a console."""
        return fnmatch.fnmatchcase(console, self.consoles)


class KeysFault(ValueError):
    """A file of keys is not understood; the text names the file and the line."""


def parse_keys(text: str, where: str) -> tuple[Key, ...]:
    """
    Read the lines of a keys file.

    :raises KeysFault: naming the line, never showing it.
    """
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            key = _parse_line(line.strip())
            if key is None:
                raise KeysFault(f"{where}, line {number}: not {_LINE}")
            found.append(key)
    if len(found) > MAX_KEYS:
        raise KeysFault(f"{where}: more than {MAX_KEYS} keys")
    return tuple(found)


def _parse_line(line: str) -> Key | None:
    name, digest, role, glob, *_ = [*line.split(":", 3), "", "", "", ""]
    known = {role.name.lower(): role for role in Role}
    limited = line.count(":") >= 3
    if not _NAME.fullmatch(name) or not _DIGEST.fullmatch(digest) or role not in known or limited and not glob:
        return None
    return Key(name, digest.lower(), known[role], glob or "*")


class ApiKeys:
    """
    The keys in a file, read again when it changes.

    :raises KeysFault: the file is there and is not understood.  One that is
        not there holds no keys.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: object = None
        self._keys: tuple[Key, ...] = ()
        if path.exists():
            self._stamp = self._look()
            self._keys = self._read()

    def __len__(self) -> int:
        return len(self._keys)

    def find(self, text: str) -> Key | None:
        """The key with this text; every known one is compared, in constant time."""
        self.refresh()
        digest = hashlib.sha256(text.encode()).hexdigest()
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def refresh(self) -> None:
        """Read the file if it has changed; while it is broken or away the keys read before stay."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = self._read()
        except KeysFault as fault:
            tell(_log, Event.API_KEYS_KEPT, problem=str(fault), keys=len(self._keys))

    def _look(self) -> object:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_ino, found.st_size, found.st_mtime_ns

    def _read(self) -> tuple[Key, ...]:
        try:
            with self._path.open("rb") as opened:
                data = opened.read(MAX_FILE + 1)
        except OSError as error:
            raise KeysFault(f"{self._path}: {error.strerror}") from error
        if len(data) > MAX_FILE:
            raise KeysFault(f"{self._path}: more than {MAX_FILE} bytes")
        return parse_keys(data.decode("utf-8", "replace"), str(self._path))


class Access:
    """
    Lets callers in by their key and its role.

    :param failures: how often one address may come with a wrong key.
    """

    def __init__(self, keys: ApiKeys, failures: Rate, clock: IReactorTime) -> None:
        self._keys = keys
        self._failures = failures
        self._clock = clock

    def key_for(self, authorization: Sequence[str], role: Role, arrival: Arrival) -> Key:
        """
        The key that a request comes with.

        :param authorization: its ``Authorization`` headers.
        :raises Trouble: there is none, it is not known, or it may not.
        """
        match = _BEARER.fullmatch(authorization[0]) if len(authorization) == 1 else None
        key = self._keys.find(match[1]) if match and len(match[1]) <= MAX_KEY else None
        if key is None:
            raise self._stranger(arrival, "a wrong key" if authorization else "no key")
        require(key, role, arrival)
        return key

    def _stranger(self, arrival: Arrival, why: str) -> Trouble:
        tell(_log, Event.API_REFUSED, peer=arrival.address, why=why)
        if not self._failures.take(site_of(arrival.address), self._clock.seconds()):
            return Trouble(over_limit("Too many wrong keys came from this address."))
        detail = "This call needs Authorization: Bearer KEY, with a key of this gateway."
        return Trouble(Problem(401, "unauthorized", "An API key is needed", detail, (("WWW-Authenticate", "Bearer"),)))


def require(key: Key, role: Role, arrival: Arrival) -> None:
    """Check a key's role.  :raises Trouble:"""
    if key.role < role:
        needed, has = role.name.lower(), key.role.name.lower()
        tell(_log, Event.API_REFUSED, peer=arrival.address, key_name=key.name, role=has, why=f"needs the role {needed}")
        detail = f"This call needs the role {needed}; the key is a {has}'s."
        raise Trouble(Problem(403, "forbidden", "This key may not do that", detail))
