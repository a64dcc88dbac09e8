"""
Sealing: small objects encrypted and authenticated with keys that all nodes have.

JWE ``dir`` with A256GCM (RFC 7516, RFC 7518 section 5.3), header exactly
``alg``, ``enc``, ``kid``, ``typ``; joserfc does the cryptography.  What is
sealed, and for whom, is the caller's matter.
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import field, frozen
from joserfc import jwe
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from gateway.model.errors import NotSupported
from gateway.model.secret import base64url
from gateway.stores.files import create_privately

MAX_STORED = 256 * 1024
"""Characters of a sealed grant in a database: a target may hold a CA file."""

MAX_KEYS = 16
"""Keys in a file: two are enough for a rotation."""

_MAX_KEYS_FILE = 4096
_MAX_HEADER = 256

# An empty second segment (``dir`` has no encrypted key), 12 bytes of nonce, 16 of tag.
_COMPACT = re.compile(r"(?P<header>[A-Za-z0-9_-]+)\.\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{22}")
_KEY_LINE = re.compile(r"(?P<kid>[A-Za-z0-9_-]{1,32}):(?P<key>[A-Za-z0-9_-]{43})=?")


class BadSeal(ValueError):
    """A text was not sealed by us for this purpose; which of its checks failed is nobody's business."""


class _Registry(jwe.JWERegistry):
    """Nothing but what we write: no other algorithm, no compression."""

    max_ciphertext_length = MAX_STORED

    def __init__(self) -> None:
        super().__init__(algorithms=["dir", "A256GCM"])


_REGISTRY = _Registry()


@frozen
class SealingKey:
    """A key and the name under which sealed texts refer to it."""

    kid: str
    secret: bytes = field(repr=False)


class Sealer:
    """
    Seals with the first of its keys and opens with any of them.

    Rotation: add a new key last on every node, then put it first on every
    node, then drop the old one when what it sealed is over.  A key is good
    for 2**32 sealings (random nonces, NIST SP 800-38D section 8.3).
    """

    def __init__(self, keys: Sequence[SealingKey]) -> None:
        if not keys:
            raise ValueError("sealing needs a key")
        self._first = keys[0].kid
        self._keys = {key.kid: OctKey.import_key(key.secret, {"kid": key.kid}) for key in keys}

    def seal(self, claims: Mapping[str, Any], *, typ: str, aud: str, limit: int = MAX_STORED) -> str:
        """
        Encrypt an object for one purpose (``typ``) and one audience.

        :raises NotSupported: the result is longer than ``limit``.
        """
        plain = json.dumps({**claims, "aud": aud}, separators=(",", ":"), allow_nan=False)
        # Four thirds, and some 150 characters around: refused before work is spent on it.
        if len(plain) > limit:
            raise NotSupported(f"this is too large to be sealed into {limit} characters")
        header = _header(self._first, typ)
        text = jwe.encrypt_compact(header, plain.encode("ascii"), self._keys[self._first], registry=_REGISTRY)
        if len(text) > limit:
            raise NotSupported(f"this is too large to be sealed into {limit} characters")
        return text

    def open(self, text: str, *, typ: str, aud: str, limit: int = MAX_STORED) -> dict[str, Any]:
        """
        Decrypt what was sealed for this purpose and audience.

        :raises BadSeal: it was not, or was changed since.
        """
        match = _COMPACT.fullmatch(text) if len(text) <= limit else None
        if match is None:
            raise BadSeal("not a sealed text")
        key = self._key_for(match["header"], typ)
        try:
            plain = jwe.decrypt_compact(text, key, registry=_REGISTRY).plaintext
            claims = json.loads(plain or b"")
        except (JoseError, ValueError) as error:
            raise BadSeal("not sealed with our key") from error
        if type(claims) is not dict or claims.pop("aud", None) != aud:
            raise BadSeal("sealed for somebody else")
        return claims

    def _key_for(self, segment: str, typ: str) -> OctKey:
        """The key that a header names; joserfc never sees a header that we would not have written."""
        try:
            header = json.loads(base64.urlsafe_b64decode(segment[:_MAX_HEADER] + "=" * (-len(segment) % 4)))
            kid = header["kid"]
            if type(kid) is str and kid in self._keys and header == _header(kid, typ):
                return self._keys[kid]
        except (ValueError, TypeError, LookupError, RecursionError):
            pass
        raise BadSeal("not sealed by us, or for something else")


def _header(kid: str, typ: str) -> dict[str, str]:
    return {"alg": "dir", "enc": "A256GCM", "kid": kid, "typ": typ}


def make_key() -> str:
    """A fresh line for a keys file."""
    return f"{secrets.token_hex(3)}:{base64url(secrets.token_bytes(32))}"


def create_keys(path: Path) -> bool:
    """Make a keys file with one key unless there is one; whether this call made it."""
    return not path.exists() and create_privately(path, _write_key)


def _write_key(path: Path) -> None:
    path.write_text(make_key() + "\n", "ascii")


def read_keys(path: Path) -> tuple[SealingKey, ...]:
    """
    Read a keys file: a line per key, ``kid:`` and 32 bytes in base64url; the first one seals.

    Empty lines and lines that begin with ``#`` do not count.

    :raises ValueError: naming file and line, never what stands there.
    :raises OSError: the file cannot be read.
    """
    with path.open("r", encoding="ascii", errors="replace") as file:
        text = file.read(_MAX_KEYS_FILE + 1)
    if len(text) > _MAX_KEYS_FILE:
        raise ValueError(f"{path}: larger than a file of at most {MAX_KEYS} keys")
    keys: dict[str, SealingKey] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _KEY_LINE.fullmatch(line.strip())
        if match is None:
            raise ValueError(
                f"{path}, line {number}: not a key; a name, a colon and 32 bytes in base64url are accepted"
            )
        if match["kid"] in keys:
            raise ValueError(f"{path}, line {number}: a second key of the same name")
        keys[match["kid"]] = SealingKey(match["kid"], base64.urlsafe_b64decode(match["key"] + "="))
    if not 0 < len(keys) <= MAX_KEYS:
        raise ValueError(f"{path}: between 1 and {MAX_KEYS} keys are accepted")
    return tuple(keys.values())
