"""
WebSocket frames that nobody should send, into live sessions of a real gateway.

Each is answered as RFC 6455 says or ends that one session; another session
echoes through all of it, and the gateway's memory stays where it was.
"""

from __future__ import annotations

import os
import random
import struct

from twisted.trial.unittest import SynchronousTestCase

from tests.support.running import Gateway
from tests.support.wires import UNBOUNDED, Console, Viewer, echo, faultless, settled, shared
from tests.support.ws import BINARY, CLOSE, MASK, PING, PONG, TEXT, client_frame, close_frame

CONTINUATION = 0
MAX_PAYLOAD = 1 << 20
GROWTH = 6_000_000
"""Bytes by which the gateway may grow over a test of this module, which sends it far more than that."""

_console = Console(echo)
_gateway = shared(
    lambda: Gateway(_console.table("echo"), listen='plaintext = "serve"', more=UNBOUNDED).start(),
)


def header(first: int, length: bytes, masked: bool = True) -> bytes:
    """The head of a frame, as it is spelled out; ``length`` without its mask bit."""
    mask = bytes([length[0] | 0x80]) + length[1:] + MASK if masked else length
    return bytes([first]) + mask


def size64(size: int) -> bytes:
    """A length in its longest form."""
    return b"\x7f" + struct.pack("!Q", size)


BREACHES = {
    "a frame without a mask": header(0x82, b"\x02", masked=False) + b"hi",
    **{f"reserved bit {bit:#x}": header(0x82 | bit, b"\x02") + b"hi" for bit in (0x40, 0x20, 0x10, 0x70)},
    **{f"opcode {opcode}": header(0x80 | opcode, b"\x02") + b"hi" for opcode in (*range(3, 8), *range(11, 16))},
    **{f"a frame of {size:#x} bytes": header(0x82, size64(size)) for size in (MAX_PAYLOAD + 1, 1 << 62, (1 << 63) - 1)},
    **{f"a length of {size:#x}": header(0x82, size64(size)) for size in (1 << 63, (1 << 64) - 1)},
    "a small length in 16 bits": header(0x82, b"\x7e\x00\x05") + b"hello",
    "a medium length in 64 bits": header(0x82, size64(300)) + bytes(300),
    "a long ping": header(0x89, b"\x7e\x00\x7e") + bytes(126),
    "a ping of 64 bits": header(0x89, size64(126)) + bytes(126),
    "a long close": header(0x88, b"\x7e\x00\x7e") + b"\x03\xe8" + bytes(124),
    "a ping in fragments": header(0x09, b"\x01") + b"x",
    "a close in fragments": header(0x08, b"\x02") + b"\x03\xe8",
    "a continuation of nothing": header(0x80, b"\x02") + b"hi",
    "a message inside another": client_frame(b"a", fin=False) + client_frame(b"b"),
    "too large a message": client_frame(bytes(600_000), fin=False) + client_frame(bytes(600_000), CONTINUATION),
}

CLOSES = {
    "no code": (close_frame(None), (1000, 1005)),
    "finished": (close_frame(1000, "bye"), (1000,)),
    "going away": (close_frame(1001), (1001, 1000)),
    "a code of an application": (close_frame(4999, "x" * 123), (4999, 1000)),
}
"""Closes in order, and what may be answered (RFC 6455 §5.5.1: the same, as a rule)."""

BAD_CLOSES = {
    "one byte": client_frame(b"\x03", CLOSE),
    **{f"code {code}": close_frame(code) for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)},
    "a reason that is not UTF-8": client_frame(b"\x03\xe8\xff\xfe", CLOSE),
    "a cut character": client_frame(b"\x03\xe8\xe2\x82", CLOSE),
}


class _Case(SynchronousTestCase):
    timeout = 120
    secure = False

    def setUp(self) -> None:
        self.gateway = _gateway()
        self.other = Viewer(self.gateway.port, self.gateway.mint("echo")["ticket"])
        self.other.echoed()
        settled(self.gateway, 1)
        self.before = self.gateway.rss()
        self.addCleanup(self.check_the_others)  # when the test's own clients have left

    def check_the_others(self) -> None:
        self.assertLess(self.other.echoed(), 1.0)
        settled(self.gateway, 1)
        self.assertLess(self.gateway.rss() - self.before, GROWTH)
        self.other.close()
        settled(self.gateway)
        faultless(self.gateway)

    def open(self) -> Viewer:
        viewer = Viewer(self.gateway.port, self.gateway.mint("echo")["ticket"], self.secure)
        self.addCleanup(viewer.close)
        return viewer

    def ended_by(self, data: bytes) -> tuple[int, str] | None:
        """How a session ends that is sent this after it echoed."""
        viewer = self.open()
        viewer.echoed()
        viewer.send(data)
        viewer.socket.settimeout(5)
        return viewer.ending()


class FuzzTests(_Case):
    """Frame by frame."""

    def test_breaches_of_the_framing_end_the_session(self) -> None:
        """Each is cut off, or closed with a word about the protocol or the size; not a byte of it is echoed."""
        for case, data in BREACHES.items():
            ending = self.ended_by(data)
            self.assertTrue(ending is None or ending[0] in (1002, 1009), f"{case}: {ending}")

    def test_text_is_not_understood(self) -> None:
        """Text, whole or in fragments, UTF-8 or not, is answered with 1003."""
        for data in (client_frame(b"hi", TEXT), client_frame(b"\xff", TEXT), client_frame(b"hi", TEXT, fin=False)):
            self.assertEqual((self.ended_by(data) or (0,))[0], 1003)

    def test_closes_are_answered(self) -> None:
        """A close comes back with a code of its own kind; what follows it is not heard."""
        for case, (data, answers) in CLOSES.items():
            ending = self.ended_by(data + client_frame(b"not heard"))
            self.assertIn((ending or (0,))[0], answers, case)

    def test_closes_with_odd_payloads_end_the_session(self) -> None:
        """A code that must not be sent, a cut or ill-formed payload: ended all the same, never echoed."""
        for case, data in BAD_CLOSES.items():
            ending = self.ended_by(data)
            self.assertTrue(ending is None or ending[0] in (1002, 1007), f"{case}: {ending}")

    def test_pings_are_answered_wherever_they_stand(self) -> None:
        """Between and inside messages, with payloads up to 125 bytes; pongs unasked for are let pass."""
        viewer = self.open()
        viewer.send(client_frame(b"hel", fin=False) + client_frame(b"p" * 125, PING) + client_frame(b"?", PONG))
        self.assertEqual(sorted([viewer.frame(), viewer.frame()]), [(BINARY, b"hel"), (PONG, b"p" * 125)])
        viewer.send(client_frame(b"", CONTINUATION, fin=False) + client_frame(b"", PING))
        self.assertEqual(viewer.frame(), (PONG, b""))
        viewer.send(client_frame(b"lo", CONTINUATION))
        self.assertEqual(viewer.frame(), (BINARY, b"lo"))

    def test_a_frame_in_single_bytes(self) -> None:
        """However a message is cut into frames and segments, its bytes arrive."""
        viewer = self.open()
        data = os.urandom(300)
        for byte in client_frame(data[:150], fin=False) + client_frame(data[150:], CONTINUATION):
            viewer.send(bytes([byte]))
        self.assertEqual(viewer.read(300), data)

    def test_the_largest_frames(self) -> None:
        """A frame of exactly the largest size is relayed, in whatever form that needs."""
        viewer = self.open()
        for size in (0, 1, 125, 126, 65535, 65536, MAX_PAYLOAD):
            viewer.say(os.urandom(size))
            viewer.read(size)
        viewer.echoed()


class FloodTests(_Case):
    """Too many of what is allowed."""

    secure = True

    def test_a_good_bye(self) -> None:
        """Inside TLS a close is answered with a close, then close_notify, and not with a cut."""
        viewer = self.open()
        viewer.send(close_frame(1000))
        self.assertEqual(viewer.frame()[0], CLOSE)
        self.assertEqual(viewer.socket.recv(1), b"")  # without a close_notify this raises

    def test_thousands_of_tiny_frames(self) -> None:
        """Thirty thousand bytes in a frame each are echoed, in order."""
        viewer = self.open()
        data = os.urandom(30_000)
        frames = b"".join(client_frame(data[at : at + 1]) for at in range(len(data)))
        for at in range(0, len(frames), 21_000):
            viewer.send(frames[at : at + 21_000])
            self.assertEqual(viewer.read(3000), data[at // 7 : at // 7 + 3000])

    def test_thousands_of_empty_frames(self) -> None:
        """They mean nothing and cost nothing."""
        viewer = self.open()
        viewer.send(client_frame(b"") * 20_000 + client_frame(b"", fin=False))
        viewer.send(client_frame(b"", CONTINUATION, fin=False) * 20_000 + client_frame(b"", CONTINUATION))
        viewer.echoed()

    def test_a_flood_of_pings(self) -> None:
        """Whoever asks and does not listen is not answered without end; when it listens its session goes on."""
        viewer = self.open()
        viewer.socket.settimeout(20)
        for _ in range(40):
            viewer.send(client_frame(b"p" * 125, PING) * 2000)
            self.other.echoed()
        self.assertLess(self.gateway.rss() - self.before, GROWTH)
        viewer.echoed()

    def test_frames_that_are_never_completed(self) -> None:
        """Twenty clients that announce a megabyte and stop just short of it are no burden: it was passed on."""
        viewers = [self.open() for _ in range(20)]
        for viewer in viewers:
            viewer.send(client_frame(bytes(MAX_PAYLOAD))[:100_000])
            self.assertEqual(viewer.read(90_000), bytes(90_000))
        self.assertLess(self.gateway.rss() - self.before, 20 * 200_000)
        for viewer in viewers:
            viewer.reset()

    def test_random_frames(self) -> None:
        """Sessions that get frames with random heads and sizes go on or end; nobody else notices."""
        dice = random.Random(6455)
        for _ in range(60):
            viewer = self.open()
            noise = b"".join(
                bytes([dice.randrange(256), dice.randrange(256)]) + dice.randbytes(dice.randrange(200))
                for _ in range(dice.randrange(1, 20))
            )
            viewer.send(noise)
            viewer.reset()
