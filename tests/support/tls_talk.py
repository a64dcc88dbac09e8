"""
A TLS client in memory: the standard library's, talking to a protocol of ours.
"""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

from twisted.internet.testing import StringTransport


def client_hello(server_name: str | None = "localhost", alpn: tuple[str, ...] = ()) -> bytes:
    """What a client sends first."""
    context = unverified()
    if alpn:
        context.set_alpn_protocols(list(alpn))
    outgoing = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name)
    with contextlib.suppress(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


def unverified() -> ssl.SSLContext:
    """A client that trusts anybody."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class TlsTalk:
    """
    One TLS connection to ``server``, which is connected to ``transport``.

    :meth:`pump` carries bytes until nothing moves; :attr:`received` is what
    the client read in the clear, :attr:`closed` whether it saw a close_notify.
    """

    def __init__(self, server: Any, transport: StringTransport, context: ssl.SSLContext, name: str | None) -> None:
        self._server = server
        self._transport = transport
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.client = context.wrap_bio(self._incoming, self._outgoing, server_hostname=name)
        self.done = self.closed = False
        self.received = b""

    def pump(self) -> TlsTalk:
        """Let both sides say what they have to say."""
        while self.step():
            pass
        return self

    def step(self) -> bool:
        """One flight each way; whether anything moved."""
        self._think()
        out = self._outgoing.read()
        if out:
            self._server.dataReceived(out)
        back = self._transport.value()
        self._transport.clear()
        self._incoming.write(back)
        return bool(out or back)

    def send(self, data: bytes) -> TlsTalk:
        """Send in the clear, and pump."""
        self.client.write(data)
        return self.pump()

    def _think(self) -> None:
        try:
            if not self.done:
                self.client.do_handshake()
                self.done = True
            while data := self.client.read(65536):
                self.received += data
            self.closed = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.closed = True
