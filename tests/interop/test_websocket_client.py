"""
A plain WebSocket client, such as a script would use: RFB over binary messages, from a real Xvnc.
"""

from __future__ import annotations

import shutil
import struct
import tempfile
import urllib.parse
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.support.running import DEADLINE, Gateway, Xvnc, need
from tests.support.sharing import shared

WIDTH, HEIGHT = 160, 100
COLOUR = bytes((0x40, 0x60, 0xC0))  # what xsetroot paints, as blue, green, red

PLACES = ("/?ticket={}", "/?token={}", "/websockify?token={}", "/anything/at/all?token={}&x=1", "/ticket/{}", "/902;{}")


class Rig:
    """An Xvnc of one colour, and a gateway in front of it."""

    def __init__(self) -> None:
        need("xsetroot")
        self.directory = Path(tempfile.mkdtemp(prefix="consolegw-websocket-"))
        self.xvnc = Xvnc(self.directory, geometry=f"{WIDTH}x{HEIGHT}")
        self.xvnc.do("xsetroot", "-solid", "#" + COLOUR[::-1].hex())
        self.gateway = Gateway(f'[console.lab]\nkind = "vnc"\naddress = "127.0.0.1:{self.xvnc.port}"\n').start()

    def end(self) -> None:
        self.gateway.clean()
        self.xvnc.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


class Rfb:
    """RFB 3.8 over one WebSocket; every byte that was read is kept."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.seen = b""
        self._taken = 0

    def read(self, size: int) -> bytes:
        while len(self.seen) < self._taken + size:
            message = self._socket.recv(DEADLINE)
            assert isinstance(message, bytes), "a text message"
            self.seen += message
        self._taken += size
        return self.seen[self._taken - size : self._taken]

    def send(self, data: bytes) -> None:
        self._socket.send(data)

    def begin(self) -> tuple[int, int, bytes]:
        """The handshake; width, height and name of the screen."""
        assert self.read(12) == b"RFB 003.008\n"
        self.send(b"RFB 003.008\n")
        assert self.read(2) == b"\x01\x01", "exactly the security type None"
        self.send(b"\x01")
        assert self.read(4) == bytes(4)
        self.send(b"\x01")
        width, height = struct.unpack("!HH16x", self.read(20))
        (size,) = struct.unpack("!L", self.read(4))
        return width, height, self.read(size)

    def picture(self) -> bytes:
        """The whole screen, asked for in Raw; 32 bits a pixel, blue first."""
        self.send(struct.pack("!BxxxBBBBHHHBBBxxx", 0, 32, 24, 0, 1, 255, 255, 255, 16, 8, 0))
        self.send(struct.pack("!BxHll", 2, 2, 0, -307))  # Raw, DesktopName
        self.send(struct.pack("!BBHHHH", 3, 0, 0, 0, WIDTH, HEIGHT))
        pixels = bytearray(WIDTH * HEIGHT * 4)
        owed = WIDTH * HEIGHT
        while owed > 0:
            owed -= self._update(pixels)
        return bytes(pixels)

    def _update(self, pixels: bytearray) -> int:
        kind, count = struct.unpack("!BxH", self.read(4))
        assert kind == 0, f"message {kind}"
        got = 0
        for _ in range(count):
            x, y, width, height, encoding = struct.unpack("!HHHHl", self.read(12))
            if encoding == -307:
                self.read(*struct.unpack("!L", self.read(4)))
                continue
            assert encoding == 0, f"encoding {encoding}"
            for row in range(y, y + height):
                at = (row * WIDTH + x) * 4
                pixels[at : at + width * 4] = self.read(width * 4)
            got += width * height
        return got


class PlainClientTests(SynchronousTestCase):
    """The python websockets library."""

    def setUp(self) -> None:
        # autobahn, once imported, has urllib cut "/902;T" at the semicolon, and this library asks urllib.
        cut = [scheme for scheme in urllib.parse.uses_params if scheme not in ("ws", "wss")]
        self.patch(urllib.parse, "uses_params", cut)
        self.rig = shared(self, Rig, Rig.end)
        self.gateway = self.rig.gateway

    def connect(self, path: str, **more: Any) -> ClientConnection:
        url = f"wss://localhost:{self.gateway.port}{path}"
        socket = connect(url, ssl=self.gateway.tls(), open_timeout=DEADLINE, **more)
        self.addCleanup(socket.close)
        return socket

    def check(self, socket: ClientConnection) -> None:
        """The screen is Xvnc's, its name the console's, and nothing says where it is."""
        rfb = Rfb(socket)
        self.assertEqual(rfb.begin(), (WIDTH, HEIGHT, b"lab"))
        pixels = rfb.picture()
        middle = (HEIGHT // 4 * WIDTH + WIDTH // 4) * 4
        self.assertEqual(pixels[middle : middle + 3], COLOUR)
        for inside in (b"inside.example", b"127.0.0.1", str(self.rig.xvnc.port).encode()):
            self.assertNotIn(inside, rfb.seen)

    def test_places(self) -> None:
        """The ticket may stand in every place of the contract, with the sub-protocol binary offered."""
        for place in PLACES:
            socket = self.connect(place.format(self.gateway.mint("lab")["ticket"]), subprotocols=["binary"])
            self.assertEqual(socket.subprotocol, "binary")
            self.check(socket)

    def test_without_sub_protocol(self) -> None:
        """A client that offers no sub-protocol is answered with none; one that offers others only, too."""
        for place in PLACES:
            socket = self.connect(place.format(self.gateway.mint("lab")["ticket"]))
            self.assertIsNone(socket.subprotocol)
            self.check(socket)

    def test_other_sub_protocols(self) -> None:
        """Among several sub-protocols binary is taken; without it, none."""
        for offered, answered in ((["base64", "binary"], "binary"), (["base64"], None)):
            socket = self.connect(f"/?token={self.gateway.mint('lab')['ticket']}", subprotocols=offered)
            self.assertEqual(socket.subprotocol, answered)
            self.check(socket)

    def test_compression_is_declined(self) -> None:
        """Clients offer to compress messages; screens are compressed already."""
        socket = self.connect(f"/?token={self.gateway.mint('lab')['ticket']}", compression="deflate")
        self.assertEqual(socket.protocol.extensions, [])
        self.check(socket)

    def test_one_byte_a_message(self) -> None:
        """Where a message ends means nothing."""
        socket = self.connect(f"/?token={self.gateway.mint('lab')['ticket']}")
        send = socket.send
        socket.send = lambda data: [send(data[at : at + 1]) for at in range(len(data))]  # type: ignore[method-assign]
        self.check(socket)

    def test_refused(self) -> None:
        """A used ticket, a wrong one and none are refused alike, and on /ticket/ with 503."""
        used = self.gateway.mint("lab")["ticket"]
        self.check(self.connect(f"/?token={used}"))
        for path, status in ((f"/?token={'x' * 43}", 403), ("/", 403), (f"/ticket/{'x' * 43}", 503)):
            with self.assertRaises(InvalidStatus) as caught:
                self.connect(path)
            self.assertEqual(caught.exception.response.status_code, status)
