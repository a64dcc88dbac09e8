"""
The answer to a VNC server's challenge (RFC 6143 §7.2.2): DES, as VNC does it.

One function and nothing else; the dialogue around it is ``wire.rfb.handshake``.
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

from gateway.model.secret import Secret

PASSWORD_MAX = 8
"""Bytes of the password that VNC uses: the key of DES is no longer."""

_MIRRORED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def response(password: Secret) -> Callable[[bytes], bytes]:
    """Make the function that encrypts a challenge of 16 bytes."""

    def respond(challenge: bytes) -> bytes:
        # VNC takes each byte's bits from the other end; three times the same key makes triple DES plain DES.
        key = password.reveal().encode("utf-8")[:PASSWORD_MAX].ljust(PASSWORD_MAX, b"\0").translate(_MIRRORED)
        encryptor = Cipher(TripleDES(key * 3), modes.ECB()).encryptor()
        return encryptor.update(challenge) + encryptor.finalize()

    return respond
