"""RFB messages in one line each, for the tests of this package."""

from __future__ import annotations

import struct

from gateway.wire.rfb.pixels import BGRX, PixelFormat, ServerInit

SCREEN = ServerInit(64, 48, BGRX, b"inside")
RGB565 = PixelFormat(16, 16, False, True, (31, 63, 31), (11, 5, 0))
RGB332 = PixelFormat(8, 8, False, True, (7, 7, 3), (5, 2, 0))


def rect(encoding: int, body: bytes = b"", place: tuple[int, int, int, int] = (0, 0, 4, 4)) -> bytes:
    """Make a rectangle with its header."""
    return struct.pack("!4Hi", *place, encoding) + body


def update(*rects: bytes, count: int | None = None) -> bytes:
    """Make a FramebufferUpdate."""
    return struct.pack("!BxH", 0, len(rects) if count is None else count) + b"".join(rects)


def counted(body: bytes) -> bytes:
    """Put a U32 length before bytes."""
    return struct.pack("!I", len(body)) + body


def server_fence(payload: bytes, flags: int = 0x80000001) -> bytes:
    """Make a fence; a client's looks the same."""
    return struct.pack("!B3xIB", 248, flags, len(payload)) + payload


def cut_text(length: int, body: bytes = b"", kind: int = 3) -> bytes:
    """Make a clipboard message: 3 from a server, 6 from a client."""
    return struct.pack("!B3xi", kind, length) + body


def set_encodings(*encodings: int) -> bytes:
    """Make a SetEncodings."""
    return struct.pack(f"!BxH{len(encodings)}i", 2, len(encodings), *encodings)


def set_format(pixels: PixelFormat) -> bytes:
    """Make a SetPixelFormat."""
    return b"\0\0\0\0" + pixels.pack()


def request(incremental: bool = True, place: tuple[int, int, int, int] = (0, 0, 64, 48)) -> bytes:
    """Make a FramebufferUpdateRequest."""
    return struct.pack("!BB4H", 3, incremental, *place)


def key(keysym: int, down: bool = True) -> bytes:
    """Make a KeyEvent."""
    return struct.pack("!BBxxI", 4, down, keysym)


def extended_key(keysym: int, keycode: int, down: bool = True) -> bytes:
    """Make a QEMU extended key event."""
    return struct.pack("!BBHII", 255, 0, down, keysym, keycode)


def pointer(buttons: int, x: int, y: int) -> bytes:
    """Make a PointerEvent."""
    return struct.pack("!BBHH", 5, buttons, x, y)


def continuous(enabled: bool) -> bytes:
    """Make an EnableContinuousUpdates for the whole screen."""
    return struct.pack("!BB4H", 150, enabled, 0, 0, 64, 48)


def desktop_size(width: int, height: int, screens: int = 1) -> bytes:
    """Make a SetDesktopSize."""
    return struct.pack("!BxHHBx", 251, width, height, screens) + bytes(16 * screens)
