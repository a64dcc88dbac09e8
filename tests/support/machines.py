"""
Machines at the other end of the gateway: small servers in threads that keep what they are sent.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from pathlib import Path

from gateway.model.secret import Secret
from gateway.net.vnc_auth import response
from tests.support.running import DEADLINE, until

Greet = Callable[[socket.socket], None]

INSIDE = "inside.example"
"""A host name that no client may ever see."""


class Line:
    """One connection of the gateway's to a machine."""

    def __init__(self, connection: socket.socket, greet: Greet | None) -> None:
        self._connection = connection
        self._greet = greet
        self.received = b""
        self.ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        with contextlib.suppress(OSError, AssertionError):
            if self._greet is not None:
                self._greet(self._connection)
            while data := self._connection.recv(65536):
                self.received += data
        self.ended = True

    def send(self, data: bytes) -> None:
        """Say something."""
        self._connection.sendall(data)

    def wait_for(self, data: bytes) -> None:
        """Wait until these bytes have come."""
        until(f"{data!r} reaches the machine (it has {self.received[-80:]!r})", lambda: data in self.received)

    def wait_for_end(self) -> None:
        """Wait until the gateway has let go of it."""
        until("the gateway closes the connection to the machine", lambda: self.ended)

    def close(self) -> None:
        """Hang up."""
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._connection.close()


class Machine:
    """
    A console: raw bytes on a TCP port of loopback, or on a socket path; TLS around it if wanted.

    :param greet: what it says to each connection first.
    """

    def __init__(
        self, greet: Greet | None = None, *, path: Path | None = None, host: str = "127.0.0.1", pile: Path | None = None
    ) -> None:
        self._greet = greet
        self._tls: ssl.SSLContext | None = None
        if pile is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(pile)
        if path is not None:
            self._listening = socket.socket(socket.AF_UNIX)
            self._listening.bind(str(path))
            self._listening.listen()
            self.address = f"unix:{path}"
        else:
            self._listening = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
            self.port = self._listening.getsockname()[1]
            self.address = f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"
        self.lines: list[Line] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                connection.settimeout(None)
                if self._tls is not None:
                    try:
                        connection = self._tls.wrap_socket(connection, server_side=True)
                    except OSError:
                        connection.close()
                        continue
                self.lines.append(Line(connection, self._greet))

    @property
    def newest(self) -> Line:
        """The newest connection; there must have been one."""
        return self.line(max(0, len(self.lines) - 1))

    def line(self, index: int) -> Line:
        """A connection, as soon as it is there."""
        until(f"connection {index} to the machine", lambda: len(self.lines) > index)
        return self.lines[index]

    def close(self) -> None:
        """Hang up and answer no more."""
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for line in self.lines:
            line.close()


def _take(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        assert more, "the gateway hung up"
        data += more
    return data


def rfb_open(connection: socket.socket, name: bytes = f"{INSIDE}:1 (root)".encode(), size: int = 16) -> None:
    """Greet as an RFB server without a log-in, with a small screen."""
    connection.sendall(b"RFB 003.008\n")
    _take(connection, 12)
    connection.sendall(b"\x01\x01")
    _take(connection, 1)
    connection.sendall(bytes(4))
    _take(connection, 1)
    connection.sendall(rfb_screen(name, size))


def rfb_screen(name: bytes, size: int = 16) -> bytes:
    """ServerInit of a small screen."""
    pixels = struct.pack("!BBBBHHHBBBxxx", 32, 24, 0, 1, 255, 255, 255, 16, 8, 0)
    return struct.pack("!HH", size, size) + pixels + struct.pack("!L", len(name)) + name


def rfb_closed(connection: socket.socket) -> None:
    """Greet as an RFB server that takes nobody just now, and says why in words that name the inside."""
    connection.sendall(b"RFB 003.008\n")
    _take(connection, 12)
    reason = f"{INSIDE} is busy".encode()
    connection.sendall(b"\x00" + struct.pack("!L", len(reason)) + reason)


def rfb_refusing(reason: bytes) -> Greet:
    """Greet as an RFB server that takes nobody's password, and says why in words that name the inside."""

    def greet(connection: socket.socket) -> None:
        connection.settimeout(DEADLINE)
        connection.sendall(b"RFB 003.008\n")
        _take(connection, 12)
        connection.sendall(b"\x01\x02")
        _take(connection, 1)
        connection.sendall(bytes(range(16)))
        _take(connection, 16)
        connection.sendall(struct.pack("!LL", 1, len(reason)) + reason)
        connection.close()

    return greet


def rfb_of(greeting: bytes, password: bytes = b"") -> Greet:
    """Greet as an RFB server of this version; with a password it takes the right answer to its challenge alone."""

    def greet(connection: socket.socket) -> None:
        connection.settimeout(DEADLINE)
        connection.sendall(greeting)
        spoken = _take(connection, 12)
        kind = 2 if password else 1
        if spoken == b"RFB 003.003\n":
            connection.sendall(struct.pack("!L", kind))
        else:
            connection.sendall(bytes([1, kind]))
            assert _take(connection, 1) == bytes([kind]), "another type was chosen"
        if password:
            connection.sendall(bytes(range(16)))
            if _take(connection, 16) != response(Secret(password.decode()))(bytes(range(16))):
                # Before 3.8 no reason is given.
                connection.sendall(struct.pack("!L", 1))
                connection.close()
                return
        if password or spoken == b"RFB 003.008\n":
            connection.sendall(bytes(4))
        _take(connection, 1)
        connection.sendall(rfb_screen(spoken.strip()))

    return greet


def vencrypt(sub_type: int, then: Greet, *, beside: bytes = b"", word: bytes = b"\1") -> Greet:
    """Greet as a server with one sub-type of VeNCrypt, up to the word that lets TLS begin, and go on as is told."""

    def greet(connection: socket.socket) -> None:
        connection.settimeout(DEADLINE)
        connection.sendall(b"RFB 003.008\n")
        _take(connection, 12)
        types = b"\x13" + beside
        connection.sendall(bytes([len(types)]) + types)
        if _take(connection, 1) != b"\x13":
            then(connection)
            return
        connection.sendall(b"\0\2")
        assert _take(connection, 2) == b"\0\2"
        connection.sendall(b"\0\1" + struct.pack("!L", sub_type))
        if connection.recv(4):
            connection.sendall(word)
            then(connection)

    return greet


def raw_update(size: int = 16, pixel: bytes = b"\x10\x20\x30\x00") -> bytes:
    """FramebufferUpdate with one raw rectangle of one colour."""
    return struct.pack("!BxHHHHHl", 0, 1, 0, 0, size, size, 0) + pixel * (size * size)


def desktop_name(name: bytes) -> bytes:
    """FramebufferUpdate with a DesktopName."""
    return struct.pack("!BxHHHHHlL", 0, 1, 0, 0, 0, 0, -307, len(name)) + name
