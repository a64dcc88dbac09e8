"""
The RSA keys of SPICE's log-in: ours, for a while, and any server's, for one password.

They have 1024 bits, because the protocol has no room for more: TLS around
them is what protects a ticket.  What is said is in ``wire.spice``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from gateway.wire.errors import PeerError

LIFETIME: Final = 3600.0
"""Seconds that one key is told to clients; making one takes some hundredths of a second."""

_BITS: Final = 1024
_OAEP: Final = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)


class SpiceKey:
    """One key of ours."""

    def __init__(self) -> None:
        self._private = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        self.public = self._private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        """In DER, as a link reply has it."""

    def decrypt(self, data: bytes) -> bytes | None:
        """Decrypt what was encrypted under it; ``None`` for anything else."""
        try:
            return self._private.decrypt(data, _OAEP)
        except ValueError:
            return None


class SpiceKeys:
    """Makes a key when one is needed, and another once that is old; ``seconds`` tells the time."""

    def __init__(self, seconds: Callable[[], float]) -> None:
        self._seconds = seconds
        self._key: SpiceKey | None = None
        self._made = 0.0

    def current(self) -> SpiceKey:
        """The key for a client that links now; it keeps it, whatever comes."""
        if self._key is None or self._seconds() - self._made >= LIFETIME:
            self._key, self._made = SpiceKey(), self._seconds()
        return self._key


def encrypt(public_key: bytes, text: bytes) -> bytes:
    """
    Encrypt under a server's key.

    :raises PeerError: it is no RSA key, or too small for the text.
    """
    try:
        key = serialization.load_der_public_key(public_key)
        if isinstance(key, rsa.RSAPublicKey):
            return key.encrypt(text, _OAEP)
    except Exception as error:  # whatever the library has to say of a stranger's key
        raise PeerError("the server's key cannot be used") from error
    raise PeerError("the server's key is not RSA")
