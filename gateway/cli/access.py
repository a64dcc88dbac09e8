"""
Where the gateway is and what opens its API: from options, environment, or the demo beside us.

The key is read from a file and nothing else, so that it is in no process
list, no shell history and no message.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from gateway.cli.exits import Exit, Failed
from gateway.model.secret import Secret

DEMO_URL = "https://localhost:8443"
DEMO_KEY = Path("keys/demo-api-key")
DEMO_CA = Path("keys/default.pem")

KEY_FILE_LIMIT = 4096
"""Bytes of a key file: ours have 44; whoever names a wrong file shall not read a disk image."""

_DEFAULT_PORTS = {"https": 443, "http": 80}


@frozen
class Access:
    """One gateway's address, its key, and the certificates trusted for it (``None``: the system's)."""

    secure: bool
    host: str
    port: int
    key: Secret
    ca: str | None = None

    @property
    def url(self) -> str:
        """The address as a user would write it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


def find_access(options: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> Access:
    """
    Options first, then the environment, then the demo in the current directory.

    The demo's key and certificate are used only when no URL was given.
    """
    given = options.url or environ.get("CONSOLEGW_URL")
    key_file = options.key_file or environ.get("CONSOLEGW_KEY_FILE")
    ca = options.ca or environ.get("CONSOLEGW_CA")
    if not given:
        key_file = key_file or _if_there(DEMO_KEY)
        ca = ca or _if_there(DEMO_CA)
    if not key_file:
        raise Failed("no API key: give --key-file FILE or set CONSOLEGW_KEY_FILE (see “key new”)", Exit.USAGE)
    secure, host, port = read_url(given or DEMO_URL)
    return Access(secure, host, port, read_key(key_file), ca)


def read_url(text: str) -> tuple[bool, str, int]:
    """Whether TLS, which host, which port."""
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme not in _DEFAULT_PORTS or "@" in parts.netloc or not host.isprintable() or " " in host:
        raise Failed("the URL must read https://HOST[:PORT]", Exit.USAGE)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise Failed("the URL must end after the host and port: https://HOST[:PORT]", Exit.USAGE)
    if parts.scheme == "http" and not _is_loopback(host):
        raise Failed("the URL must begin with https://: the key would cross the network in the clear", Exit.USAGE)
    return parts.scheme == "https", host, port or _DEFAULT_PORTS[parts.scheme]


def read_key(path: str) -> Secret:
    """The key in a file: one word, as “key new” printed it."""
    try:
        with open(path, "rb") as file:
            data = file.read(KEY_FILE_LIMIT)
    except OSError as problem:
        raise Failed(f"the key file {path} cannot be read: {problem.strerror}", Exit.USAGE) from problem
    words = data.split()
    if len(words) != 1 or not words[0].isascii() or not words[0].decode().isprintable():
        raise Failed(f"the key file {path} must hold one key and nothing else", Exit.USAGE)
    return Secret(words[0].decode())


def _if_there(path: Path) -> str | None:
    return str(path) if path.is_file() else None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
