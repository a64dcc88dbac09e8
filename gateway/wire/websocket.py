"""
The two pieces of WebSocket that are written here and not left to a library.

A handshake made anew from a checked one, so that whoever takes it from here
sees no path, no query and no token; and the frame of a message to a client.
Reading frames, control frames and closing are autobahn's.
"""

from __future__ import annotations

import struct
from typing import Final

from gateway.wire.http1 import Head

SUBPROTOCOL: Final = "binary"

_MEDIUM: Final = struct.Struct("!BBH")
_LARGE: Final = struct.Struct("!BBQ")
_BINARY: Final = 0x82  # the only frame of a binary message


def bare_handshake(head: Head) -> bytes:
    """What of an upgrade request the handshake itself needs (RFC 6455 §4.2.1); extensions are left out."""
    lines = ["GET / HTTP/1.1", "Host: gateway", "Upgrade: websocket", "Connection: Upgrade"]
    for name in ("sec-websocket-version", "sec-websocket-key"):
        lines += [f"{name}: {value}" for value in head.all(name)]
    offered = [name.strip(" \t") for name in (head.get("sec-websocket-protocol") or "").split(",")]
    if SUBPROTOCOL in offered:
        lines.append(f"sec-websocket-protocol: {SUBPROTOCOL}")
    return "\r\n".join([*lines, "", ""]).encode("ascii", "replace")


def binary_frame(data: bytes) -> bytes:
    """One binary message in one frame, not masked (RFC 6455 §5.2)."""
    size = len(data)
    if size < 126:
        return bytes((_BINARY, size)) + data
    if size < 65536:
        return _MEDIUM.pack(_BINARY, 126, size) + data
    return _LARGE.pack(_BINARY, 127, size) + data
