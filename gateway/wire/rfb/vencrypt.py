"""
VeNCrypt 0.2, the security type that brings TLS and user names, in both roles.

Its version, its sub-types, the byte that lets TLS begin, and the Plain log-in.
Which sub-type is good enough is decided by ``serve`` and ``connect``; TLS itself
is made by whoever runs the dialogue, when it asks for ``StartTLS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Final

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need, Reader, StartTLS, Steps
from gateway.wire.rfb.constants import SecurityType, SubType
from gateway.wire.rfb.refusal import UpstreamRefused

U32: Final = Struct("!I")
PLAIN: Final = Struct("!II")

VERSION: Final = b"\0\2"
GIVE_UP: Final = b"\0\0"
"""Instead of a version: the client can do none of the server's."""

SPOKEN: Final = b"\0"
NOT_SPOKEN: Final = b"\xff"
"""What the server says to the client's version."""

TLS_BEGINS: Final = b"\1"
"""What the server says to a sub-type with TLS, right before it begins; the others have no such byte."""

MAX_USER: Final = 1024
"""The longest user name in bytes: 300 were seen to come whole, and it is only a label."""

MAX_PASSWORD: Final = 4096
"""The longest password in bytes: the longest ticket there is (contract §5)."""

Method = SecurityType | SubType
"""A way to log in: a security type, or a sub-type of VeNCrypt."""

ANONYMOUS, X509 = StartTLS(anonymous=True), StartTLS()

LAYERS: Final[Mapping[Method, tuple[StartTLS | None, Method]]] = {
    SubType.TLS_NONE: (ANONYMOUS, SecurityType.NONE),
    SubType.TLS_VNC: (ANONYMOUS, SecurityType.VNC),
    SubType.TLS_PLAIN: (ANONYMOUS, SubType.PLAIN),
    SubType.X509_NONE: (X509, SecurityType.NONE),
    SubType.X509_VNC: (X509, SecurityType.VNC),
    SubType.X509_PLAIN: (X509, SubType.PLAIN),
}
"""What a sub-type is made of: TLS, and the log-in inside it.  What is not here is a log-in without TLS."""


def layers_of(method: Method) -> tuple[StartTLS | None, Method]:
    """Tell what TLS a method begins with, and how the log-in goes then."""
    return LAYERS.get(method, (None, method))


# The server.


def offer(reader: Reader, only: SubType) -> Steps[int]:
    """Offer a client one sub-type, and return what it chose: the answer is the caller's."""
    yield VERSION
    if (yield from reader.exact(2)) != VERSION:
        yield NOT_SPOKEN
        raise PeerError("the client does not speak VeNCrypt 0.2")
    yield SPOKEN + b"\1" + U32.pack(only)
    chosen: int = U32.unpack((yield from reader.exact(4)))[0]
    return chosen


def start_tls(method: Method) -> Steps[None]:
    """Let the client begin with TLS, if that is part of what it chose."""
    tls, _ = layers_of(method)
    if tls is not None:
        yield TLS_BEGINS
        yield tls


def read_plain(reader: Reader) -> Need[tuple[bytes, bytes]]:
    """Read a user name and a password."""
    user, password = PLAIN.unpack((yield from reader.exact(PLAIN.size)))
    if user > MAX_USER:
        raise PeerError(f"a user name of {user} bytes is too long")
    if password > MAX_PASSWORD:
        raise PeerError(f"a password of {password} bytes is too long")
    return (yield from reader.exact(user)), (yield from reader.exact(password))


# The client.


def ask(reader: Reader) -> Steps[tuple[int, ...]]:
    """Agree with a server on the version, and return the sub-types that it offers."""
    version = yield from reader.exact(2)
    if version < VERSION:
        yield GIVE_UP
        raise PeerError(f"the server speaks VeNCrypt {version[0]}.{version[1]}; 0.2 is needed")
    yield VERSION
    if (yield from reader.exact(1)) != SPOKEN:
        raise UpstreamRefused("VeNCrypt 0.2")
    (count,) = yield from reader.exact(1)
    listed = yield from reader.exact(4 * count)
    return tuple(number for (number,) in U32.iter_unpack(listed))


def choose(reader: Reader, method: Method) -> Steps[None]:
    """Choose what the server offered, and begin with TLS if that is part of it."""
    yield U32.pack(method)
    tls, _ = layers_of(method)
    if tls is not None:
        if (yield from reader.exact(1)) != TLS_BEGINS:
            raise UpstreamRefused("to begin with TLS")
        yield tls


def plain(user: bytes, password: bytes) -> bytes:
    """Write a user name and a password."""
    return PLAIN.pack(len(user), len(password)) + user + password
