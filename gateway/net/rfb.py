"""
Logs in to an RFB server over a pipe, within a deadline.

What is said is ``wire.rfb.handshake``; how it is carried, ``converse``; how
TLS is judged, ``tls_client``.  Here is how a configured log-in becomes all of
that, and what a failure means to whoever dialled.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Final

from attrs import evolve
from twisted.internet.interfaces import IReactorTime

from gateway.model.errors import Unreachable
from gateway.model.target import LogIn, Security
from gateway.net import vnc_auth
from gateway.net.converse import HandshakeLost, converse
from gateway.net.tcp_pipe import TcpPipe
from gateway.net.tls_client import ClientTLS, anonymous_context, begin_tls, tls_context
from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue, StartTLS
from gateway.wire.rfb import handshake
from gateway.wire.rfb.constants import SecurityType, SubType
from gateway.wire.rfb.pixels import ServerInit

ON_THE_WIRE: Final[Mapping[LogIn, handshake.Method]] = {
    LogIn.X509_PLAIN: SubType.X509_PLAIN,
    LogIn.X509_VNC: SubType.X509_VNC,
    LogIn.X509_NONE: SubType.X509_NONE,
    LogIn.TLS_PLAIN: SubType.TLS_PLAIN,
    LogIn.TLS_VNC: SubType.TLS_VNC,
    LogIn.TLS_NONE: SubType.TLS_NONE,
    LogIn.PLAIN: SubType.PLAIN,
    LogIn.VNC: SecurityType.VNC,
    LogIn.NONE: SecurityType.NONE,
}


class TryInstead(Unreachable):
    """This log-in led nowhere, but the same server offered what :attr:`security` has, on a connection of its own."""

    def __init__(self, detail: str, security: Security) -> None:
        super().__init__(detail, final=True)
        self.security = security


async def log_in(pipe: TcpPipe, security: Security, host: str, clock: IReactorTime, seconds: float) -> ServerInit:
    """
    Be a client up to ServerInit; the pipe stands right behind it, as before its start.

    :param host: whom a certificate has to be for; empty where there is no name.
    :raises TryInstead: at most once for a log-in and what it says to try.
    :raises Unreachable: final when the server refuses or speaks something else.
    """
    dialogue = Dialogue(functools.partial(handshake.connect, security=wire_security(security)))
    tls: ClientTLS | None = None

    async def make_tls(wish: StartTLS) -> None:
        nonlocal tls
        tls = anonymous_context() if wish.anonymous else tls_context(security.tls, host)
        pipe.rewind()
        await begin_tls(pipe, tls)

    try:
        init, trailing = await converse(pipe, dialogue, clock, seconds, make_tls)
    except handshake.UpstreamRefused as refused:
        raise _refusal(refused) from refused
    except handshake.PassedOver as error:
        raise TryInstead(f"the log-in failed: {error}", without_vencrypt(security)) from error
    except PeerError as error:
        raise Unreachable(f"the log-in failed: {error}", final=True) from error
    except HandshakeLost as lost:
        raise _loss(dialogue, lost, tls.loss(pipe.lost_by) if tls else None) from lost
    pipe.rewind(trailing)
    return init


def wire_security(security: Security) -> handshake.Security:
    """
    What is configured, in the handshake's own words.

    :raises Unreachable: it cannot be carried out.
    """
    if (lack := security.lack) is not None:
        raise Unreachable(f"security {security.type.value!r} needs {lack.accepted}", final=True)
    return handshake.Security(
        frozenset(ON_THE_WIRE[way] for way in security.ways),
        vnc_auth.response(security.password) if security.password is not None else None,
        _credentials(security),
        security.anonymous,
        security.clear,
    )


def without_vencrypt(security: Security) -> Security:
    """The same log-in with only those of its ways that need no VeNCrypt."""
    return evolve(security, subtypes=tuple(way for way in security.ways if isinstance(ON_THE_WIRE[way], SecurityType)))


def _credentials(security: Security) -> Callable[[], tuple[bytes, bytes]] | None:
    password = security.password
    if password is None or not security.username:
        return None
    return lambda: (security.username.encode(), password.reveal().encode())


def _refusal(refused: handshake.UpstreamRefused) -> Unreachable:
    said = f": {refused.reason}" if refused.reason else ""
    return Unreachable(f"{refused}{said}", final=True)


def _loss(dialogue: Dialogue[ServerInit], lost: HandshakeLost, known: Unreachable | None) -> Unreachable:
    if dialogue.wants_tls:
        return Unreachable(f"the log-in failed while TLS began: {lost}")
    # Servers that say no often close in the middle of the reason.
    try:
        dialogue.receive_eof()
    except handshake.UpstreamRefused as refused:
        return _refusal(refused)
    except PeerError:
        pass
    return known or Unreachable(f"the log-in failed: {lost}")
