"""
Logs in to an RFB server over a pipe, within a deadline.

What is said is ``wire.rfb.handshake``; how it is carried, ``converse``; here
is only what a failure means to whoever dialled.
"""

from __future__ import annotations

import functools

from twisted.internet.interfaces import IReactorTime

from gateway.model.errors import Unreachable
from gateway.model.target import Security, SecurityType
from gateway.net import vnc_auth
from gateway.net.converse import HandshakeLost, converse
from gateway.net.tcp_pipe import TcpPipe
from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue
from gateway.wire.rfb import constants, handshake
from gateway.wire.rfb.pixels import ServerInit

_WIRE_TYPES = {
    SecurityType.NONE: constants.SecurityType.NONE,
    SecurityType.VNC: constants.SecurityType.VNC,
}


async def log_in(pipe: TcpPipe, security: Security, clock: IReactorTime, seconds: float) -> ServerInit:
    """
    Be a client up to ServerInit; the pipe stands right behind it, as before its start.

    :raises Unreachable: final when the server refuses or speaks something else.
    """
    dialogue = Dialogue(functools.partial(handshake.connect, security=wire_security(security)))
    try:
        init, trailing = await converse(pipe, dialogue, clock, seconds)
    except handshake.UpstreamRefused as refused:
        raise _refusal(refused) from refused
    except PeerError as error:
        raise Unreachable(f"the log-in failed: {error}", final=True) from error
    except HandshakeLost as lost:
        raise _loss(dialogue, lost) from lost
    pipe.rewind(trailing)
    return init


def wire_security(security: Security) -> handshake.Security:
    """
    What is configured, in the handshake's own words.

    :raises Unreachable: it cannot be carried out.
    """
    wanted = _WIRE_TYPES.get(security.type)
    if wanted is None:
        raise Unreachable(f"security {security.type.value!r} is not in this version", final=True)
    respond = vnc_auth.response(security.password) if security.password is not None else None
    if wanted is constants.SecurityType.VNC and respond is None:
        raise Unreachable("security 'vnc' needs a password", final=True)
    return handshake.Security(frozenset({wanted}), respond)


def _refusal(refused: handshake.UpstreamRefused) -> Unreachable:
    said = f": {refused.reason}" if refused.reason else ""
    return Unreachable(f"{refused}{said}", final=True)


def _loss(dialogue: Dialogue[ServerInit], lost: HandshakeLost) -> Unreachable:
    # Servers that say no often close in the middle of the reason.
    try:
        dialogue.receive_eof()
    except handshake.UpstreamRefused as refused:
        return _refusal(refused)
    except PeerError:
        pass
    return Unreachable(f"the log-in failed: {lost}")
