"""
What a first start makes: a certificate, an API key, and their directories.

Nothing that exists is ever overwritten; every file is mode 0600.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from attrs import frozen

from gateway.model.client import is_ip
from gateway.model.secret import Secret
from gateway.net.self_signed import make_self_signed


@frozen
class FirstKeys:
    """Where the first start's files are; ``made`` says which of them are new."""

    certificate: Path
    api_key: Path
    made: tuple[Path, ...]


def ensure_keys(*, keys: Path, api_keys: Path, name: str, public_urls: Iterable[str], node: str) -> FirstKeys:
    """
    Make what is missing.

    :param keys: the directory of certificates.
    :param api_keys: the file of key digests; when there is none it is made
        with one ``admin`` key, whose text is put into ``NAME-api-key`` beside it.
    :raises OSError: a file or directory cannot be made.
    """
    for directory in (keys, api_keys.parent):
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = []
    certificate = keys / "default.pem"
    if not certificate.exists():
        hosts = list(dict.fromkeys(_hosts(public_urls, node)))
        names = [host for host in hosts if not is_ip(host)]
        make_self_signed(names, [host for host in hosts if is_ip(host)], certificate)
        made.append(certificate)
    api_key = api_keys.parent / f"{name}-api-key"
    if not api_keys.exists():
        key = Secret.random()
        _write(api_key, key.reveal() + "\n")
        digest = hashlib.sha256(key.reveal().encode()).hexdigest()
        _write(api_keys, f"# name:sha256-hex:role[:console-glob]\n{name}:{digest}:admin\n")
        made += [api_key, api_keys]
    return FirstKeys(certificate, api_key, tuple(made))


def _hosts(public_urls: Iterable[str], node: str) -> Iterator[str]:
    for url in public_urls:
        if host := urlsplit(url).hostname:
            yield host
    yield from ("localhost", "127.0.0.1", "::1")
    yield node


def _write(path: Path, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(text)
