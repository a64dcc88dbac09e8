"""Tests of the bare handshake and of outgoing frames."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.http1 import Head, RequestStream
from gateway.wire.websocket import bare_handshake, binary_frame

UPGRADE = (
    b"GET /ticket/T0P?token=T0P HTTP/1.1\r\nHost: gw\r\nOrigin: https://gw\r\nCookie: token=T0P\r\n"
    b"Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
)


def head(extra: bytes) -> Head:
    (event,) = RequestStream().receive(UPGRADE + extra + b"\r\n")
    assert isinstance(event, Head)
    return event


class BareHandshakeTests(SynchronousTestCase):
    """Only what the handshake needs."""

    def test_nothing_secret_is_left(self) -> None:
        """Path, query, cookie, origin, extensions and other sub-protocols are gone; version and key stay."""
        bare = bare_handshake(head(b"Sec-WebSocket-Protocol: binary, grant.T0P\r\n"))
        self.assertEqual(
            bare,
            b"GET / HTTP/1.1\r\nHost: gateway\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"sec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
            b"sec-websocket-protocol: binary\r\n\r\n",
        )

    def test_without_binary_there_is_no_sub_protocol(self) -> None:
        """A client that offers others only is answered with none; names are compared exactly."""
        for line in (b"", b"Sec-WebSocket-Protocol: base64, Binary\r\n"):
            self.assertNotIn(b"protocol", bare_handshake(head(line)))

    def test_doubled_headers_stay_doubled(self) -> None:
        """A second key is not hidden from whoever judges the handshake."""
        self.assertEqual(bare_handshake(head(b"Sec-WebSocket-Key: x\r\n")).count(b"sec-websocket-key"), 2)

    def test_no_line_can_be_made_up(self) -> None:
        """Bytes that some readers take for line ends do not pass."""
        bare = bare_handshake(head(b"Sec-WebSocket-Key: a\x85Host: b\r\n"))
        self.assertIn(b"sec-websocket-key: a?Host: b\r\n", bare)


class BinaryFrameTests(SynchronousTestCase):
    """Frames of every length form."""

    def test_length_forms(self) -> None:
        """The shortest form of the length is used, on both sides of each border."""
        for size, header in (
            (0, "82 00"),
            (125, "82 7d"),
            (126, "82 7e 007e"),
            (65535, "82 7e ffff"),
            (65536, "82 7f 0000000000010000"),
        ):
            frame = binary_frame(b"x" * size)
            self.assertEqual(frame, bytes.fromhex(header) + b"x" * size)
