"""
How an RFB connection begins, in both roles, up to ServerInit (protocols.md §5.1).

Dialogues for ``gateway.wire.reader.Dialogue``.  Neither what follows the
handshake nor any cryptography lives here: the answer to a VNC challenge is
computed by a function that is passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from struct import Struct
from typing import Final

import attrs

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need, Reader, Steps
from gateway.wire.rfb.constants import KEPT_NAME, MAX_NAME, MAX_REASON, MAX_SIDE, SecurityResult, SecurityType, Version
from gateway.wire.rfb.pixels import SERVER_INIT, PixelFormat, ServerInit

U8: Final = Struct("!B")
U32: Final = Struct("!I")

VERSION_LENGTH: Final = 12
CHALLENGE_LENGTH: Final = 16

GREETINGS: Final = {
    Version.V3_3: b"RFB 003.003\n",
    Version.V3_7: b"RFB 003.007\n",
    Version.V3_8: b"RFB 003.008\n",
}

STRENGTH: Final = (SecurityType.VNC, SecurityType.NONE)
"""The types that :func:`connect` can do, the strongest first."""


class UpstreamRefused(PeerError):
    """
    The server said no.

    The text says at which step; what the server wrote is in :attr:`reason`,
    made harmless and for the operator only: it may name the inside.
    """

    def __init__(self, step: str, reason: bytes = b"") -> None:
        super().__init__(f"the server refused {step}")
        text = reason.decode("utf-8", "replace")
        self.reason = "".join(letter if letter.isprintable() else " " for letter in text).strip()


@attrs.frozen
class ClientInit:
    """What a client said of itself."""

    shared: bool
    version: Version


@attrs.frozen
class Security:
    """
    How we may log in to a server.

    :param types: what is configured; the strongest of them that the server
        offers is used.
    :param respond: answers a VNC challenge; ``None`` without a password.
    """

    types: frozenset[SecurityType] = frozenset({SecurityType.NONE})
    respond: Callable[[bytes], bytes] | None = attrs.field(default=None, repr=False)


def version_of(greeting: bytes) -> Version:
    """Tell which protocol a greeting of 12 bytes comes down to."""
    numbers = greeting[4:7] + greeting[8:11]
    if not (greeting.startswith(b"RFB ") and greeting[7:8] == b"." and greeting.endswith(b"\n") and numbers.isdigit()):
        raise PeerError("this is not RFB")
    major, minor = int(greeting[4:7]), int(greeting[8:11])
    if (major, minor) == (0, 0):
        raise PeerError("this is a VNC repeater, not a server")
    if major < 3:
        raise PeerError(f"RFB {major}.{minor} is not supported")
    # 3.889 is Apple's; 4.0, 4.1 and 5.0 are RealVNC's: all of them speak 3.8.
    if major > 3 or minor >= 8:
        return Version.V3_8
    return Version.V3_7 if minor == 7 else Version.V3_3


def refuse(reason: str) -> bytes:
    """Return the failing SecurityResult for a 3.8 client; an older one is simply closed."""
    text = reason.encode()[:MAX_REASON]
    return U32.pack(SecurityResult.FAILED) + U32.pack(len(text)) + text


def serve(reader: Reader) -> Steps[ClientInit]:
    """
    Be the server of a client that was let in already: offer None, and only that.

    The version is the first thing to send and stands alone, since VMware's
    browser client looks at the length of its first message.  ServerInit is
    left to the caller, who may not know the screen yet.
    """
    yield GREETINGS[Version.V3_8]
    version = version_of((yield from reader.exact(VERSION_LENGTH)))
    if version is Version.V3_3:
        yield U32.pack(SecurityType.NONE)
    else:
        yield U8.pack(1) + U8.pack(SecurityType.NONE)
        (chosen,) = yield from reader.exact(1)
        if chosen != SecurityType.NONE:
            raise PeerError(f"the client chose {_named(chosen)}, which was not offered")
    if version is Version.V3_8:  # the older two go straight on after None
        yield U32.pack(SecurityResult.OK)
    (shared,) = yield from reader.exact(1)
    return ClientInit(shared=bool(shared), version=version)


def connect(reader: Reader, security: Security, shared: bool = True) -> Steps[ServerInit]:
    """
    Be a client of a server: log in and read its ServerInit.

    :raise UpstreamRefused: when the server says no.
    :raise PeerError: also when it wants a type that is not configured.
    """
    version = version_of((yield from reader.exact(VERSION_LENGTH)))
    yield GREETINGS[version]
    chosen = yield from _choose(reader, security, version)
    if chosen is SecurityType.VNC and security.respond is not None:
        yield security.respond((yield from reader.exact(CHALLENGE_LENGTH)))
    # A type that brings TLS (VeNCrypt) goes here: yield StartTLS(), then its inner type.
    if version is Version.V3_8 or chosen is not SecurityType.NONE:
        yield from _security_result(reader, version)
    yield U8.pack(shared)
    return (yield from _server_init(reader))


def _choose(reader: Reader, security: Security, version: Version) -> Steps[SecurityType]:
    """Agree on the security type."""
    offered: tuple[int, ...]
    if version is Version.V3_3:
        (decided,) = U32.unpack((yield from reader.exact(4)))
        offered = (decided,) if decided else ()
    else:
        (count,) = yield from reader.exact(1)
        offered = tuple((yield from reader.exact(count)))
    if not offered:
        raise UpstreamRefused("the connection", (yield from _reason(reader)))
    usable = security.types if security.respond is not None else security.types - {SecurityType.VNC}
    for candidate in STRENGTH:
        if candidate in usable and candidate in offered:
            if version is not Version.V3_3:
                yield U8.pack(candidate)
            return candidate
    raise PeerError(f"the server offers {_listed(offered)}; configured is {_listed(usable)}")


def _security_result(reader: Reader, version: Version) -> Need[None]:
    (result,) = U32.unpack((yield from reader.exact(4)))
    if result == SecurityResult.OK:
        return
    reason = (yield from _reason(reader)) if version is Version.V3_8 and result == SecurityResult.FAILED else b""
    raise UpstreamRefused("any more attempts" if result == SecurityResult.TOO_MANY else "the log-in", reason)


def _reason(reader: Reader) -> Need[bytes]:
    """Read a reason as far as it goes: a server that says no often closes in the middle of it."""
    length = 0
    try:
        (length,) = U32.unpack((yield from reader.exact(4)))
        return (yield from reader.exact(min(length, MAX_REASON)))
    except PeerError:
        return reader.rest()[:length]


def _server_init(reader: Reader) -> Need[ServerInit]:
    width, height, pixels, length = SERVER_INIT.unpack((yield from reader.exact(SERVER_INIT.size)))
    if max(width, height) > MAX_SIDE:
        raise PeerError(f"a screen of {width}×{height} is too big")
    if length > MAX_NAME:
        raise PeerError(f"a desktop name of {length} bytes is too long")
    parsed = PixelFormat.parse(pixels)
    name = b""
    while length:
        part = yield from reader.exact(min(length, KEPT_NAME))
        length -= len(part)
        name = name or part
    return ServerInit(width, height, parsed, name)


def _named(number: int) -> str:
    try:
        return SecurityType(number).name
    except ValueError:
        return f"type {number}"


def _listed(numbers: Iterable[int]) -> str:
    return ", ".join(_named(number) for number in sorted(set(numbers))) or "nothing usable"
