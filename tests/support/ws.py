"""
The client's side of a WebSocket, byte for byte: what a test sends, and what it reads.
"""

from __future__ import annotations

import struct

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
MASK = b"\x11\x22\x33\x44"
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # RFC 6455 §1.3


def request(target: str = "/", *lines: str) -> bytes:
    """An upgrade request."""
    head = [f"GET {target} HTTP/1.1", "Host: gw.example.com", "Connection: Upgrade", "Upgrade: websocket"]
    head += ["Sec-WebSocket-Version: 13", f"Sec-WebSocket-Key: {KEY}", *lines, "", ""]
    return "\r\n".join(head).encode()


def client_frame(payload: bytes, opcode: int = BINARY, fin: bool = True) -> bytes:
    """A frame as a client sends it: masked."""
    size = len(payload)
    if size < 126:
        length = bytes([size | 0x80])
    else:
        length = struct.pack("!BH", 0xFE, size) if size < 65536 else struct.pack("!BQ", 0xFF, size)
    pad = (MASK * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
    return bytes([opcode | (0x80 if fin else 0)]) + length + MASK + masked


def close_frame(code: int | None = 1000, reason: str = "") -> bytes:
    """A client's close."""
    return client_frame(b"" if code is None else struct.pack("!H", code) + reason.encode(), CLOSE)


def server_frames(data: bytes) -> list[tuple[int, bytes]]:
    """The frames of a server: opcode and payload; none may be masked or cut."""
    frames = []
    while data:
        size, at = data[1], 2
        if size == 126:
            (size,), at = struct.unpack("!H", data[2:4]), 4
        elif size == 127:
            (size,), at = struct.unpack("!Q", data[2:10]), 10
        assert len(data) >= at + size, "a frame is cut"
        frames.append((data[0] & 0x0F, data[at : at + size]))
        data = data[at + size :]
    return frames


def closing(payload: bytes) -> tuple[int, str]:
    """Code and reason of a server's close."""
    return struct.unpack("!H", payload[:2])[0], payload[2:].decode()
