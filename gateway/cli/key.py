"""
``consolegw key new``: make an API key.

The key is printed once; the gateway's file gets its digest.  The file is
replaced in one step, so that a gateway that reads it just then reads the old
one or the new one.
"""

from __future__ import annotations

import argparse
import fcntl
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gateway.cli.answers import Commands, print_json
from gateway.cli.exits import Exit, Failed
from gateway.model.secret import Secret

ROLES = ("viewer", "operator", "broker", "admin")
KEYS_FILE = "keys/api-keys"

FILE_LIMIT = 1 << 20
"""Bytes of a keys file: thousands of keys; whoever names a wrong file shall not have it rewritten."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_GLOB = re.compile(r"[A-Za-z0-9._*?/\[\]!-]{1,160}")


def register(commands: Commands, connection: argparse.ArgumentParser) -> None:
    """Add the command and the one below it."""
    parser = commands.add_parser("key", help="make API keys")
    below = parser.add_subparsers(required=True, metavar="COMMAND")
    making = below.add_parser("new", help="make a key: printed once, its digest added to the keys file")
    making.add_argument("name", metavar="NAME", help="whose it is; stands in the log and in the keys file")
    making.add_argument("--role", required=True, choices=ROLES, help="what it may do")
    making.add_argument("--console", metavar="GLOB", help="only for consoles whose name matches")
    making.add_argument("--keys-file", default=KEYS_FILE, metavar="FILE", help=f"default: {KEYS_FILE}")
    making.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    making.set_defaults(run=run)


def run(options: argparse.Namespace) -> Exit:
    """Make one."""
    if not _NAME.fullmatch(options.name):
        raise Failed("a key's name is 1 to 64 letters, digits, dots, hyphens and underscores", Exit.USAGE)
    if options.console is not None and not _GLOB.fullmatch(options.console):
        raise Failed("--console is a console's name in which * and ? stand for others", Exit.USAGE)
    key = Secret.random()
    line = [options.name, hashlib.sha256(key.reveal().encode()).hexdigest(), options.role]
    if options.console is not None:
        line.append(options.console)
    try:
        append(Path(options.keys_file), options.name, ":".join(line))
    except OSError as problem:
        raise Failed(f"{options.keys_file} cannot be changed: {problem.strerror}") from problem
    if options.json:
        print_json({"name": options.name, "role": options.role, "console": options.console, "key": key.reveal()})
    else:
        print(key.reveal())
    return Exit.OK


def append(path: Path, name: str, line: str) -> None:
    """
    Add a line to a keys file (mode 0600), which is made if it is not there.

    :raises Failed: the name is taken, or the file is no keys file.
    """
    path = path.resolve()  # a symbolic link stays one
    path.parent.mkdir(mode=0o700, exist_ok=True)
    with _alone(path.parent):
        text = _read(path)
        if any(known.partition(":")[0].strip() == name for known in text.splitlines()):
            raise Failed(
                f"there is a key called {name} in {path.name} already; remove its line, or choose another name"
            )
        if text and not text.endswith("\n"):
            text += "\n"
        _replace(path, f"{text}{line}\n")


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_LIMIT + 1)
    except FileNotFoundError:
        return ""
    try:
        if len(data) > FILE_LIMIT:
            raise ValueError
        return data.decode()
    except ValueError:
        raise Failed(f"{path} is not a keys file: too long, or not text") from None


def _replace(path: Path, text: str) -> None:
    owner = os.stat(path if path.exists() else path.parent)
    descriptor, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mkstemp makes it 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if os.geteuid() == 0:  # root adds a key, the gateway's own user reads it
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(fresh, path)
    except BaseException:
        os.unlink(fresh)
        raise


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Nobody else adds a key in this directory meanwhile; the lock goes with the descriptor."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed("somebody else is adding a key just now; try again") from None
        yield
    finally:
        os.close(descriptor)
