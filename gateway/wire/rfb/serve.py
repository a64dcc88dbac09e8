"""
The beginning of an RFB connection in the server's role: a client of ours, up to ClientInit.

``serve`` is for clients that were let in before; ``greet_viewer``, ``accept`` or
``refuse``, and ``finish`` are for stock viewers, which bring their ticket as a
password.  Whether a ticket is good is not known here.
"""

from __future__ import annotations

from struct import Struct
from typing import Final

import attrs

from gateway.wire.errors import PeerError
from gateway.wire.reader import Need, Reader, Steps
from gateway.wire.rfb import vencrypt
from gateway.wire.rfb.constants import SecurityResult, SecurityType, SubType, Version, named
from gateway.wire.rfb.greeting import GREETINGS, VERSION_LENGTH, version_of
from gateway.wire.rfb.refusal import printable, refuse

U8: Final = Struct("!B")
U32: Final = Struct("!I")

TOO_OLD: Final = "This gateway needs a viewer that speaks RFB 3.7 or 3.8 with VeNCrypt."
NEEDS_X509_PLAIN: Final = "This gateway needs VeNCrypt with X509Plain: TLS, and the ticket as the password."
NEEDS_PLAIN: Final = "This gateway needs VeNCrypt with Plain: the ticket as the password."


@attrs.frozen
class ClientInit:
    """What a client said of itself."""

    shared: bool
    version: Version


@attrs.frozen
class Viewer:
    """
    A stock viewer that waits to be told whether it may come in.

    :param user: any name, or none; printable.
    :param ticket: what it sent as the password.
    """

    user: str
    ticket: str = attrs.field(repr=False)
    version: Version


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
            raise _not_offered(chosen)
    if version is Version.V3_8:  # the older two go straight on after None
        yield U32.pack(SecurityResult.OK)
    return (yield from finish(reader, version))


def greet_viewer(reader: Reader, *, inside_tls: bool) -> Steps[Viewer]:
    """
    Be the server of a stock viewer until it has shown its ticket, and leave it waiting.

    One type and one sub-type are offered, since viewers take whichever of
    several they see first.  Send the viewer :func:`accept` or :func:`refuse`
    then, and go on with :func:`finish`.

    :raise PeerError: what was to be sent before must still be sent: it may be a reason.
    """
    yield GREETINGS[Version.V3_8]
    # gtk-vnc grows impatient: it sends “RFB ” alone, and the rest when it has our version.
    version = version_of((yield from reader.exact(VERSION_LENGTH)))
    if version is Version.V3_3:
        yield refuse(version, TOO_OLD)
        raise PeerError("the client speaks RFB 3.3 only")
    wanted = SubType.PLAIN if inside_tls else SubType.X509_PLAIN
    needs = NEEDS_PLAIN if inside_tls else NEEDS_X509_PLAIN
    yield U8.pack(1) + U8.pack(SecurityType.VENCRYPT)
    (chosen,) = yield from reader.exact(1)
    if chosen == SecurityType.VENCRYPT:
        chosen = yield from vencrypt.offer(reader, wanted)
    if chosen != wanted:
        # Whoever waits for the byte that lets TLS begin reads the first byte of this as a no.
        yield refuse(version, needs)
        raise _not_offered(chosen)
    yield from vencrypt.start_tls(wanted)
    user, ticket = yield from vencrypt.read_plain(reader)
    return Viewer(printable(user), ticket.decode("utf-8", "replace"), version)


def accept(version: Version) -> bytes:
    """Return what lets a viewer in, after any log-in in any version."""
    return U32.pack(SecurityResult.OK)


def finish(reader: Reader, version: Version = Version.V3_8) -> Need[ClientInit]:
    """Read what a client says last, once it was let in."""
    (shared,) = yield from reader.exact(1)
    return ClientInit(shared=bool(shared), version=version)


def _not_offered(chosen: int) -> PeerError:
    return PeerError(f"the client chose {named(chosen)}, which was not offered")
