"""
How an RFB server says no: written for a client of ours, and read from a server.

Why somebody is refused is decided elsewhere.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need, Reader
from gateway.wire.rfb.constants import MAX_REASON, SecurityResult, Version

U32: Final = Struct("!I")

NO_TYPE: Final = 0
"""In 3.3 the server decides on the security type; this one is its refusal."""


class UpstreamRefused(PeerError):
    """
    The server said no.

    The text says at which step; what the server wrote is in :attr:`reason`,
    made harmless and for the operator only: it may name the inside.
    """

    def __init__(self, step: str, reason: bytes = b"") -> None:
        super().__init__(f"the server refused {step}")
        self.reason = printable(reason)


def refuse(version: Version, reason: str) -> bytes:
    """
    Return what turns a client down.

    It is the SecurityResult, so for 3.7 and 3.8 it must follow a choice of
    security type; 3.7 knows no reasons.  A 3.3 client is told in the type's place.
    """
    text = reason.encode()[:MAX_REASON]
    if version is Version.V3_7:
        return U32.pack(SecurityResult.FAILED)
    word = NO_TYPE if version is Version.V3_3 else SecurityResult.FAILED
    return U32.pack(word) + U32.pack(len(text)) + text


def read_reason(reader: Reader) -> Need[bytes]:
    """Read a reason as far as it goes: a server that says no often closes in the middle of it."""
    length = 0
    try:
        (length,) = U32.unpack((yield from reader.exact(4)))
        return (yield from reader.exact(min(length, MAX_REASON)))
    except PeerError:
        return reader.rest()[:length]


def printable(data: bytes) -> str:
    """What a peer wrote, as one line that steers no terminal."""
    text = data.decode("utf-8", "replace")
    return "".join(letter if letter.isprintable() else " " for letter in text).strip()
