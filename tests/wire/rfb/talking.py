"""Dialogues without a network, where TLS begins by saying so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import attrs

from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue, Reader, Steps
from gateway.wire.rfb.refusal import refuse
from gateway.wire.rfb.serve import ClientInit, Viewer, accept, finish, greet_viewer

V33, V37, V38 = b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n"
OK, FAILED, TOO_MANY = b"\0\0\0\0", b"\0\0\0\1", b"\0\0\0\2"
CHALLENGE = bytes(range(16))

X509, ANONYMOUS = b"<X509>", b"<ANONYMOUS>"
"""Stand in what was sent where TLS began."""


@attrs.frozen
class Talk:
    """How a dialogue went: what it sent, what it came to, and what came beyond."""

    sent: bytes
    result: object = None
    beyond: bytes = b""
    error: str = ""
    reason: str = ""


def talk(steps: Callable[[Reader], Steps[Any]], pieces: Sequence[bytes]) -> Talk:
    """Run a dialogue on what the peer sends in these pieces and then no more."""
    dialogue = Dialogue(steps)
    sent, beyond = [dialogue.to_send()], b""
    try:
        for piece in pieces:
            if dialogue.done:
                beyond += piece
            else:
                _hear(dialogue, piece, sent)
        if not dialogue.done:
            dialogue.receive_eof()
    except PeerError as error:
        sent.append(dialogue.to_send())
        return Talk(b"".join(sent), error=str(error), reason=getattr(error, "reason", ""))
    return Talk(b"".join(sent), dialogue.result, dialogue.trailing() + beyond)


def _hear(dialogue: Dialogue[Any], data: bytes, sent: list[bytes]) -> None:
    while data:
        dialogue.receive(data)
        sent.append(dialogue.to_send())
        if dialogue.tls is None:
            return
        sent.append(ANONYMOUS if dialogue.tls.anonymous else X509)
        data = dialogue.trailing()
        dialogue.tls_started()
        sent.append(dialogue.to_send())


def bridge(server: Dialogue[Any], client: Dialogue[Any]) -> list[bool]:
    """
    Let two dialogues talk until neither has more to say.

    Return for each TLS that began whether it was anonymous; both sides must mean the same.
    """
    begun = []
    while True:
        if down := server.to_send():
            client.receive(down)
        if up := client.to_send():
            server.receive(up)
        if server.tls is not None and client.tls is not None:
            if server.tls != client.tls:
                raise AssertionError(f"{server.tls} and {client.tls}")
            begun.append(server.tls.anonymous)
            server.tls_started()
            client.tls_started()
        elif not (down or up):
            return begun


Judge = Callable[[Viewer], str]
"""Why a viewer may not come in; nothing, if it may."""


def whole(judge: Judge, *, inside_tls: bool) -> Callable[[Reader], Steps[tuple[Viewer, ClientInit | None]]]:
    """Make a viewer's whole handshake as one dialogue, with the decision in its middle."""

    def steps(reader: Reader) -> Steps[tuple[Viewer, ClientInit | None]]:
        viewer = yield from greet_viewer(reader, inside_tls=inside_tls)
        if reason := judge(viewer):
            yield refuse(viewer.version, reason)
            return viewer, None
        yield accept(viewer.version)
        return viewer, (yield from finish(reader, viewer.version))

    return steps


def let_in(viewer: Viewer) -> str:
    """Judge everybody fit."""
    return ""


outside: Callable[[Reader], Steps[Viewer]] = partial(greet_viewer, inside_tls=False)
inside: Callable[[Reader], Steps[Viewer]] = partial(greet_viewer, inside_tls=True)
