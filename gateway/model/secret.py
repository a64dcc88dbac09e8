"""
Secrets with a type: shown by no ``repr``, compared in constant time.

The only way to the text is :meth:`Secret.reveal`; nothing else lives here.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets


def base64url(data: bytes) -> str:
    """Encode without padding, as tickets and holders are written."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


class Secret:
    """A text that must not be seen: a ticket, a grant, a key, a password."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    @classmethod
    def random(cls) -> Secret:
        """256 random bits as 43 characters of base64url."""
        return cls(secrets.token_urlsafe(32))

    def reveal(self) -> str:
        """The text itself, for the wire and nothing else."""
        return self._text

    def digest(self) -> str:
        """SHA-256 of the text, base64url: what may be stored, and a holder's public name."""
        return base64url(hashlib.sha256(self._text.encode()).digest())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self.digest())

    def __repr__(self) -> str:
        return "<Secret>"

    __str__ = __repr__
