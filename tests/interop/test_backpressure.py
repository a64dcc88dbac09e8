"""
Whoever stops reading stops the other side, through a real gateway, over plain and TLS; nothing piles up in between.
"""

from __future__ import annotations

import itertools
import select
import socket
import ssl
import struct
import threading
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.support.running import DEADLINE, Gateway, until
from tests.support.wires import UNBOUNDED, Console, Viewer, faultless, settled
from tests.support.ws import client_frame

SESSIONS = 4
GROWTH = 1_000_000
"""Bytes of memory that one stalled session may cost the gateway."""
KERNEL = 24_000_000
"""Bytes that the kernel's four socket buffers on the way may take in, by their largest sizes."""
STALL = 0.5
"""Seconds without a byte moving, after which a side is said to be stopped."""

CHUNK = 64 * 1024
ENOUGH = 2 * KERNEL // CHUNK
"""Chunks that nobody but a broken gateway takes from a side that is not stopped."""


def counted(number: int) -> bytes:
    """A chunk whose place in the stream can be told from it."""
    return struct.pack("!Q", number) * (CHUNK // 8)


class Pusher:
    """A console that sends without end, and notes what it is sent."""

    def __init__(self) -> None:
        self.pushed = 0
        self.heard = b""

    def __call__(self, one: socket.socket) -> None:
        threading.Thread(target=self._listen, args=(one,), daemon=True).start()
        for number in range(ENOUGH):
            one.sendall(counted(number))
            self.pushed += CHUNK
        threading.Event().wait()  # nothing stopped it: the test fails, and the machine's memory is spared

    def _listen(self, one: socket.socket) -> None:
        while data := one.recv(4096):
            self.heard += data


def stalled(*pushers: Pusher) -> bool:
    """Whether nothing went out of any of them for a while."""
    before = [one.pushed for one in pushers]
    time.sleep(STALL)
    return before == [one.pushed for one in pushers]


class Deaf:
    """A console that reads nothing before it is told to, and says what it is told to."""

    def __init__(self) -> None:
        self.listen = threading.Event()
        self.connected = threading.Event()
        self.received = 0
        self.wrong = 0

    def __call__(self, one: socket.socket) -> None:
        self.one = one
        self.connected.set()
        self.listen.wait()
        stream = one.makefile("rb")
        for number in itertools.count():
            chunk = stream.read(CHUNK)
            self.wrong += chunk != counted(number)[: len(chunk)]
            self.received += len(chunk)
            if not chunk:
                return


def send_until_stalled(viewer: Viewer) -> tuple[int, bytes]:
    """Send counted chunks until the gateway takes no more; how many went, and what of the last did not."""
    viewer.socket.setblocking(False)
    frame = memoryview(b"")
    for number in range(ENOUGH):
        frame = memoryview(client_frame(counted(number)))
        while frame:
            try:
                frame = frame[viewer.socket.send(frame) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                if not select.select([], [viewer.socket], [], STALL)[1]:
                    viewer.socket.settimeout(DEADLINE)
                    return number, bytes(frame)
    raise AssertionError(f"the gateway took {ENOUGH * CHUNK} bytes that nobody reads")


class BackpressureTests(SynchronousTestCase):
    """Memory is bounded, the other direction still flows, and afterwards not a byte is missing."""

    timeout = 120

    def start(self, *consoles: Console) -> Gateway:
        gateway = Gateway(
            "".join(one.table(f"c{number}") for number, one in enumerate(consoles)),
            listen='plaintext = "serve"',
            more=UNBOUNDED,
        ).start()
        self.addCleanup(gateway.clean)
        for one in consoles:
            self.addCleanup(one.stop)
        return gateway

    def open(self, gateway: Gateway, secure: bool, number: int = 0) -> Viewer:
        viewer = Viewer(gateway.port, gateway.mint(f"c{number}")["ticket"], secure, receive_buffer=64 * 1024)
        self.addCleanup(viewer.close)
        return viewer

    def warm(self, gateway: Gateway, secure: bool, number: int) -> int:
        """Have everything imported and every pool filled once; the memory then."""
        viewer = self.open(gateway, secure, number)
        viewer.say(b"hello")
        viewer.read(5)
        viewer.reset()
        settled(gateway)
        return gateway.rss()

    def check_growth(self, gateway: Gateway, before: int, pushed: int, case: str) -> None:
        grown = gateway.rss() - before
        print(f"\n{case}: {grown / SESSIONS / 1e3:.0f} kB a session, {pushed / 1e6:.1f} MB in the kernel's buffers")
        self.assertLess(grown, SESSIONS * GROWTH)
        self.assertLess(pushed, KERNEL)

    def client_stops(self, secure: bool) -> None:
        pushers = [Pusher() for _ in range(SESSIONS)]
        gateway = self.start(*map(Console, pushers), Console(Pusher()))
        before = self.warm(gateway, secure, SESSIONS)
        viewers = [self.open(gateway, secure, number) for number in range(SESSIONS)]
        until("every server stands still", lambda: stalled(*pushers))
        self.check_growth(gateway, before, max(one.pushed for one in pushers), f"clients stopped, TLS: {secure}")
        for viewer in viewers:
            viewer.say(b"a key")
        until("what is typed arrives", lambda: all(one.heard == b"a key" for one in pushers))
        for number in range(400):
            self.assertEqual(viewers[0].read(CHUNK), counted(number))
        self.assertTrue(stalled(*pushers[1:]))
        faultless(gateway)

    def server_stops(self, secure: bool) -> None:
        servers = [Deaf() for _ in range(SESSIONS)]
        gateway = self.start(*map(Console, servers), Console(lambda one: one.sendall(one.recv(5))))
        before = self.warm(gateway, secure, SESSIONS)
        viewers = [self.open(gateway, secure, number) for number in range(SESSIONS)]
        left = [send_until_stalled(viewer) for viewer in viewers]
        self.check_growth(gateway, before, max(number for number, _ in left) * CHUNK, f"servers stopped, TLS: {secure}")
        for viewer, server in zip(viewers, servers, strict=True):
            server.one.sendall(b"a picture")
            self.assertEqual(viewer.read(9), b"a picture")
        servers[0].listen.set()
        number, rest = left[0]
        viewers[0].send(rest)
        until("all of it arrives", lambda: servers[0].received == (number + 1) * CHUNK)
        self.assertEqual(servers[0].wrong, 0)
        faultless(gateway)

    def test_a_client_that_stops_reading_stops_the_server(self) -> None:
        """Stalled clients cost less than 1 MB each, can still type, and lose nothing."""
        self.client_stops(secure=False)

    def test_a_client_that_stops_reading_stops_the_server_over_tls(self) -> None:
        """The same inside TLS."""
        self.client_stops(secure=True)

    def test_a_server_that_stops_reading_stops_the_client(self) -> None:
        """Stalled servers cost less than 1 MB each, can still speak, and lose nothing."""
        self.server_stops(secure=False)

    def test_a_server_that_stops_reading_stops_the_client_over_tls(self) -> None:
        """The same inside TLS."""
        self.server_stops(secure=True)
