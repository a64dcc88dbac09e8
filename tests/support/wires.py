"""
Both ends of a console with nothing but sockets: servers that behave as a test needs, and clients byte for byte.

Everything waits with a deadline; nothing here knows more of the gateway than
its port, its certificate and a ticket.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable

from tests.support.running import DEADLINE, Gateway, until
from tests.support.tls_talk import unverified
from tests.support.ws import BINARY, client_frame, closing, request

UNBOUNDED = "[limits]\nconnections_per_address = 0\nsessions_per_address = 0\nsessions_per_console = 0\n"
"""The limits of a gateway that one test's address may hammer."""

RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing resets the connection


anybody = functools.cache(unverified)
"""A client's context that trusts any certificate, made once: that takes longer than a handshake."""


class Console:
    """A console's server on loopback: ``behave`` gets each connection, in a thread of its own."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._behave = behave
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port = self._listening.getsockname()[1]
        self.connections: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                one, _ = self._listening.accept()
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self.connections.append(one)
                threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    def _serve(self, one: socket.socket) -> None:
        with contextlib.suppress(OSError), one:
            self._behave(one)

    def table(self, name: str) -> str:
        """The console of this server, for a configuration."""
        return f'[console.{name}]\nkind = "raw"\naddress = ["127.0.0.1:{self.port}"]\n'

    def stop(self) -> None:
        """Listen no more, and cut what is connected."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for one in self.connections:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)


def echo(one: socket.socket) -> None:
    """Say everything back."""
    while data := one.recv(65536):
        one.sendall(data)


def shared(make: Callable[[], Gateway]) -> Callable[[], Gateway]:
    """One gateway for all tests of a module, started by the first and ended with the process."""
    running: list[Gateway] = []

    def get() -> Gateway:
        if not running:
            running.append(make())
            atexit.register(running[0].clean)
        return running[0]

    return get


class Wire:
    """A client's connection, plain or TLS; every wait has a deadline."""

    def __init__(
        self, port: int, tls: ssl.SSLContext | bool = False, name: str = "localhost", source: str = "127.0.0.1"
    ) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), DEADLINE, (source, 0))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = anybody() if tls is True else tls
            self.socket = context.wrap_socket(self.socket, server_hostname=name, suppress_ragged_eofs=False)
        self.heard = b""

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self.socket.sendall(data)

    def hear(self) -> bytes:
        """Wait for more; what came, or nothing at the end."""
        try:
            data = self.socket.recv(65536)
        except (ConnectionError, ssl.SSLError):
            data = b""
        self.heard += data
        return data

    def take(self, size: int) -> bytes:
        """The next so many bytes."""
        while len(self.heard) < size:
            if not self.hear():
                raise EOFError(f"the gateway closed after {self.heard!r}")
        data, self.heard = self.heard[:size], self.heard[size:]
        return data

    def head(self) -> bytes:
        """The next answer's head."""
        while b"\r\n\r\n" not in self.heard:
            if not self.hear():
                raise EOFError(f"the gateway closed after {self.heard!r}")
        head, _, self.heard = self.heard.partition(b"\r\n\r\n")
        return head

    def rest(self) -> bytes:
        """All that still comes, until the end."""
        while self.hear():
            pass
        return self.heard

    def quiet(self, seconds: float) -> bool:
        """Whether nothing comes in that time."""
        return not self.heard and not select.select([self.socket], [], [], seconds)[0]

    def close(self) -> None:
        """Leave (with a FIN)."""
        self.socket.close()

    def reset(self) -> None:
        """Leave with a RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        with contextlib.suppress(OSError):
            self.socket.close()


class Viewer(Wire):
    """A WebSocket client with a session of its own."""

    def __init__(
        self,
        port: int,
        ticket: str,
        tls: ssl.SSLContext | bool = True,
        receive_buffer: int | None = None,
        *headers: str,
        source: str = "127.0.0.1",
    ) -> None:
        super().__init__(port, tls, source=source)
        self._stream = b""
        self.others: list[tuple[int, bytes]] = []
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.send(request(f"/?token={ticket}", "Sec-WebSocket-Protocol: binary", *headers))
        head = self.head()
        if not head.startswith(b"HTTP/1.1 101 "):
            raise AssertionError(f"no WebSocket: {head!r}")

    def say(self, data: bytes) -> None:
        """Send one message."""
        self.send(client_frame(data))

    def frame(self) -> tuple[int, bytes]:
        """The next frame: opcode and payload."""
        first, size = self.take(2)
        if size == 126:
            (size,) = struct.unpack("!H", self.take(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", self.take(8))
        return first & 0x0F, self.take(size)

    def read(self, size: int) -> bytes:
        """So many bytes of the stream; frames in between that are no part of it are kept in ``others``."""
        while len(self._stream) < size:
            opcode, payload = self.frame()
            if opcode == BINARY:
                self._stream += payload
            else:
                self.others.append((opcode, payload))
        data, self._stream = self._stream[:size], self._stream[size:]
        return data

    def echoed(self, data: bytes = b"still here?") -> float:
        """Have something said back; how long that took."""
        begun = time.monotonic()
        self.say(data)
        came = self.read(len(data))
        if came != data:
            raise AssertionError(f"sent {data!r}, got {came!r}")
        return time.monotonic() - begun

    def ending(self) -> tuple[int, str] | None:
        """Read to the end: code and reason of a close, or ``None`` when it was cut without one."""
        try:
            while True:
                opcode, payload = self.frame()
                if opcode == 8:
                    return closing(payload) if payload else (1005, "")
        except EOFError:
            return None


def metric(gateway: Gateway, name: str) -> float:
    """The sum of a metric's samples, from the admin endpoint."""
    one = Wire(gateway.admin_port)
    one.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    lines = one.rest().decode().splitlines()
    one.close()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))


def settled(gateway: Gateway, connections: int = 0, seconds: float = DEADLINE) -> None:
    """Wait until so many clients are connected."""
    until(
        f"{connections} connections",
        lambda: metric(gateway, "consolegw_connections") == connections,
        seconds,
    )


def faultless(gateway: Gateway) -> str:
    """The gateway's log, which tells of no mistake of its own."""
    log = gateway.log
    for word in (" critical ", "Traceback", "Unhandled", "Exception"):
        if word in log:
            raise AssertionError(f"{word.strip()} in the log:\n{log[-4000:]}")
    return log
