"""
The beginning of an RFB connection in the client's role: logging in to a server, up to ServerInit.

The strongest way that is configured and offered is taken.  No cryptography
lives here: a VNC challenge is answered, and secrets are kept, by functions
that are passed in.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from struct import Struct
from typing import Final, TypeVar

import attrs

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need, Reader, Steps
from gateway.wire.rfb import vencrypt
from gateway.wire.rfb.constants import (
    KEPT_NAME,
    MAX_NAME,
    MAX_SIDE,
    SecurityResult,
    SecurityType,
    SubType,
    Version,
    named,
)
from gateway.wire.rfb.greeting import GREETINGS, VERSION_LENGTH, version_of
from gateway.wire.rfb.pixels import SERVER_INIT, PixelFormat, ServerInit
from gateway.wire.rfb.refusal import UpstreamRefused, read_reason
from gateway.wire.rfb.vencrypt import Method

M = TypeVar("M", bound=Method)

U8: Final = Struct("!B")
U32: Final = Struct("!I")

CHALLENGE_LENGTH: Final = 16

MAX_LISTED: Final = 16
"""How many of a server's types an error names: more than any server has."""

STRENGTH: Final[tuple[Method, ...]] = (
    SubType.X509_PLAIN,
    SubType.X509_VNC,
    SubType.X509_NONE,
    SubType.TLS_PLAIN,
    SubType.TLS_VNC,
    SubType.TLS_NONE,
    SecurityType.VNC,
    SecurityType.NONE,
    SubType.PLAIN,
)
"""What :func:`connect` can do, the strongest first.  Plain is last: alone it gives the password away."""


@attrs.frozen
class Security:
    """
    How we may log in to a server.

    :param types: what is configured; the strongest of them that the server
        offers is used.
    :param respond: answers a VNC challenge; ``None`` without a password.
    :param credentials: gives user name and password for Plain; ``None`` without.
    :param anonymous: whether TLS will do that proves nobody's identity.
    :param in_clear: whether Plain will do without TLS of its own.
    """

    types: frozenset[Method] = frozenset({SecurityType.NONE})
    respond: Callable[[bytes], bytes] | None = attrs.field(default=None, repr=False)
    credentials: Callable[[], tuple[bytes, bytes]] | None = attrs.field(default=None, repr=False)
    anonymous: bool = False
    in_clear: bool = False

    @property
    def usable(self) -> tuple[Method, ...]:
        """What of :attr:`types` can and may be used, the strongest first."""
        return tuple(method for method in STRENGTH if method in self.types and self._allows(method))

    def _allows(self, method: Method) -> bool:
        tls, log_in = vencrypt.layers_of(method)
        if log_in is SecurityType.VNC and self.respond is None:
            return False
        if log_in is SubType.PLAIN and self.credentials is None:
            return False
        if tls is None:
            return log_in is not SubType.PLAIN or self.in_clear
        return self.anonymous or not tls.anonymous


class PassedOver(PeerError):
    """
    The server's VeNCrypt has nothing that is configured; what it offered beside it has.

    VeNCrypt is chosen before its sub-types are known, and there is no way
    back: only another connection can log in without it.
    """


def connect(reader: Reader, security: Security, shared: bool = True) -> Steps[ServerInit]:
    """
    Be a client of a server: log in and read its ServerInit.

    :raise UpstreamRefused: when the server says no.
    :raise PassedOver: when the same without VeNCrypt would go further.
    :raise PeerError: also when it wants a type that is not configured.
    """
    version = version_of((yield from reader.exact(VERSION_LENGTH)))
    yield GREETINGS[version]
    chosen = yield from _choose(reader, security, version)
    _, log_in = vencrypt.layers_of(chosen)
    yield from LOG_IN[log_in](reader, security)
    # Only the bare type None is without a result, before 3.8; X509None and its like always have one.
    if version is Version.V3_8 or chosen is not SecurityType.NONE:
        yield from _security_result(reader, version)
    yield U8.pack(shared)
    return (yield from _server_init(reader))


def _choose(reader: Reader, security: Security, version: Version) -> Steps[Method]:
    """Agree on how to log in, with TLS in place if that is part of it."""
    usable = security.usable
    offered = yield from _offered(reader, version)
    carrier = _first((_carrier(method) for method in usable), offered)
    if carrier is None:
        raise _mismatch(usable, offered)
    if version is not Version.V3_3:
        yield U8.pack(carrier)
    if carrier is not SecurityType.VENCRYPT:
        return carrier
    # Some servers list their other types here again, and those need not be left.
    listed = yield from vencrypt.ask(reader)
    method = _first(usable, listed)
    if method is None:
        raise _mismatch(usable, offered, listed)
    yield from vencrypt.choose(reader, method)
    return method


def _offered(reader: Reader, version: Version) -> Need[tuple[int, ...]]:
    offered: tuple[int, ...]
    if version is Version.V3_3:
        (decided,) = U32.unpack((yield from reader.exact(4)))
        offered = (decided,) if decided else ()
    else:
        (count,) = yield from reader.exact(1)
        offered = tuple((yield from reader.exact(count)))
    if not offered:
        raise UpstreamRefused("the connection", (yield from read_reason(reader)))
    return offered


def _carrier(method: Method) -> SecurityType:
    """The security type under which a method is found."""
    return SecurityType.VENCRYPT if isinstance(method, SubType) else method


def _first(wanted: Iterable[M], offered: Container[int]) -> M | None:
    return next((method for method in wanted if method in offered), None)


def _mismatch(usable: Sequence[Method], offered: Iterable[int], listed: Iterable[int] | None = None) -> PeerError:
    """Say what both sides have; nothing of it is chosen."""
    names = [named(number) for number in sorted(set(offered))]
    if listed is not None:
        within = _joined([named(number) for number in sorted(set(listed))]) or "nothing"
        names[names.index(named(SecurityType.VENCRYPT))] += f"({within})"
    configured = _joined([named(method) for method in usable]) or "nothing usable"
    error = PeerError if _first(usable, set(offered)) is None else PassedOver
    return error(f"the server offers {_joined(names)}; configured: {configured}")


def _joined(names: Sequence[str]) -> str:
    if len(names) > MAX_LISTED:
        names = [*names[:MAX_LISTED], "…"]
    return ", ".join(names)


def _without(reader: Reader, security: Security) -> Steps[None]:
    """Log in without a word."""
    return
    yield


def _vnc(reader: Reader, security: Security) -> Steps[None]:
    assert security.respond is not None  # else it is not usable
    yield security.respond((yield from reader.exact(CHALLENGE_LENGTH)))


def _plain(reader: Reader, security: Security) -> Steps[None]:
    assert security.credentials is not None  # else it is not usable
    yield vencrypt.plain(*security.credentials())


LOG_IN: Final[Mapping[Method, Callable[[Reader, Security], Steps[None]]]] = {
    SecurityType.NONE: _without,
    SecurityType.VNC: _vnc,
    SubType.PLAIN: _plain,
}


def _security_result(reader: Reader, version: Version) -> Need[None]:
    (result,) = U32.unpack((yield from reader.exact(4)))
    if result == SecurityResult.OK:
        return
    reason = (yield from read_reason(reader)) if version is Version.V3_8 and result == SecurityResult.FAILED else b""
    raise UpstreamRefused("any more attempts" if result == SecurityResult.TOO_MANY else "the log-in", reason)


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
