"""
Clients over real sockets, as bare as can be: they do what the test says and nothing by themselves.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Sequence
from typing import Any

from tests.support.running import DEADLINE, Gateway
from tests.support.ws import BINARY, CLOSE, KEY, PING, PONG, client_frame, close_frame, closing

LOOPBACK = "127.0.0.1"
ELSEWHERE = "127.0.0.2"
"""Another address of the same machine: to the gateway, another client."""


def tls_socket(gateway: Gateway, source: str = LOOPBACK, server_name: str = "localhost") -> ssl.SSLSocket:
    """A connection to the gateway, TLS done."""
    bare = socket.create_connection((LOOPBACK, gateway.port), DEADLINE, (source, 0))
    context = gateway.tls()
    context.check_hostname = server_name == "localhost"
    return context.wrap_socket(bare, server_hostname=server_name)


class WebClient:
    """
    A WebSocket client, let in or refused: ``status``, ``head`` and ``body`` are the answer.

    It answers no ping unless it is read from, and reads nothing by itself;
    ``seen`` is every byte that it was sent.
    """

    def __init__(
        self,
        gateway: Gateway,
        target: str = "/",
        *,
        grant: str = "",
        headers: Sequence[str] = (),
        protocols: Sequence[str] = ("binary",),
        origin: str | None = None,
        host: str = "",
        source: str = LOOPBACK,
    ) -> None:
        offers = [*protocols, *([f"grant.{grant}"] if grant else [])]
        page = origin if origin is not None else (gateway.url if grant else "")
        lines = [f"GET {target} HTTP/1.1", f"Host: {host or f'localhost:{gateway.port}'}", "Connection: Upgrade"]
        lines += ["Upgrade: websocket", "Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}"]
        lines += [f"Sec-WebSocket-Protocol: {', '.join(offers)}"] if offers else []
        lines += [f"Origin: {page}"] if page else []
        self.socket = tls_socket(gateway, source)
        self.socket.sendall("\r\n".join([*lines, *headers, "", ""]).encode())
        self.seen = b""
        self._buffer = b""
        self._bytes = b""
        self.head = self._until(b"\r\n\r\n")
        self.status = int(self.head.split()[1])
        self.body = b""
        if self.status != 101:
            self.body = self._rest()
            self.socket.close()

    @property
    def protocol(self) -> str | None:
        """The sub-protocol that was agreed on."""
        return self.header("sec-websocket-protocol")

    @property
    def refusal(self) -> bytes:
        """Everything that a refused client sees, but for the date."""
        lines = [line for line in self.head.split(b"\r\n") if not line.lower().startswith(b"date:")]
        return b"\r\n".join(lines) + self.body

    def header(self, name: str) -> str | None:
        """One header of the answer."""
        for line in self.head.decode("latin-1").split("\r\n")[1:]:
            key, _, value = line.partition(":")
            if key.lower() == name:
                return value.strip()
        return None

    def send(self, data: bytes) -> None:
        """Send one binary message."""
        self.socket.sendall(client_frame(data))

    def read(self, size: int) -> bytes:
        """So many bytes of binary messages; pings are answered on the way."""
        while len(self._bytes) < size:
            opcode, payload = self.frame()
            assert opcode != CLOSE, f"closed with {closing(payload)} after {self._bytes!r}"
            self._bytes += payload if opcode == BINARY else b""
        data, self._bytes = self._bytes[:size], self._bytes[size:]
        return data

    def closed(self) -> tuple[int, str]:
        """Code and reason of the gateway's close, whatever comes before it; it is answered."""
        while True:
            opcode, payload = self.frame()
            if opcode == CLOSE:
                self.socket.sendall(close_frame(struct.unpack("!H", payload[:2])[0]))
                self.socket.close()
                return closing(payload)

    def frame(self) -> tuple[int, bytes]:
        """One frame; a ping is answered."""
        first, size = self._take(2)
        if size >= 126:
            size = int.from_bytes(self._take(2 if size == 126 else 8), "big")
        opcode, payload = first & 0x0F, self._take(size)
        if opcode == PING:
            self.socket.sendall(client_frame(payload, PONG))
        return opcode, payload

    def bye(self) -> None:
        """Close in an orderly way, as a page does."""
        self.socket.sendall(close_frame(1000))
        while self.frame()[0] != CLOSE:
            pass
        self.socket.close()

    def lose(self) -> None:
        """Be gone without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _take(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _until(self, end: bytes) -> bytes:
        while end not in self._buffer:
            self._more()
        head, _, self._buffer = self._buffer.partition(end)
        return head

    def _rest(self) -> bytes:
        while data := self.socket.recv(65536):
            self.seen += data
            self._buffer += data
        return self._buffer

    def _more(self) -> None:
        data = self.socket.recv(65536)
        assert data, f"the connection ended after {self._buffer[-200:]!r}"
        self.seen += data
        self._buffer += data


class Viewer(WebClient):
    """A WebSocket client that speaks RFB 3.8, as far as the test says."""

    def __init__(self, gateway: Gateway, target: str = "/", **more: Any) -> None:
        super().__init__(gateway, target, **more)
        self.name = b""
        self.size = (0, 0)

    def greet(self) -> Viewer:
        """Go through the log-in that the gateway offers (none) and learn of the screen."""
        self.log_in()
        return self.meet()

    def log_in(self) -> None:
        """The handshake up to ClientInit: the gateway answers that much without the machine."""
        assert self.read(12) == b"RFB 003.008\n"
        self.send(b"RFB 003.008\n")
        (count,) = self.read(1)
        assert b"\x01" in self.read(count)
        self.send(b"\x01")
        assert self.read(4) == bytes(4)
        self.send(b"\x01")

    def meet(self) -> Viewer:
        """ServerInit."""
        width, height = struct.unpack("!HH", self.read(4))
        self.read(16)
        (length,) = struct.unpack("!L", self.read(4))
        self.size, self.name = (width, height), self.read(length)
        return self

    def encodings(self, *numbers: int) -> None:
        """SetEncodings."""
        self.send(struct.pack("!BxH", 2, len(numbers)) + b"".join(struct.pack("!l", number) for number in numbers))

    def ask(self, incremental: bool = False) -> None:
        """FramebufferUpdateRequest for the whole screen."""
        self.send(struct.pack("!BBHHHH", 3, incremental, 0, 0, *self.size))

    def key(self, keysym: int) -> None:
        """Press and release a key."""
        self.send(struct.pack("!BBxxL", 4, 1, keysym) + struct.pack("!BBxxL", 4, 0, keysym))

    def rectangles(self) -> list[tuple[int, int, int, int, int, bytes]]:
        """One FramebufferUpdate of raw and DesktopName rectangles, after whatever colour maps and bells there are."""
        assert self.read(1) == b"\x00"
        _, count = struct.unpack("!BH", self.read(3))
        found = []
        for _ in range(count):
            x, y, width, height, encoding = struct.unpack("!HHHHl", self.read(12))
            size = int.from_bytes(self.read(4), "big") if encoding == -307 else width * height * 4
            found.append((x, y, width, height, encoding, self.read(size)))
        return found
