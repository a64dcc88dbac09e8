"""
Clients that begin and then do nothing, a thousand of each sort, against a real listener.

And what of the front can only be seen on real sockets: TLS, back-pressure, the limit on connections.
"""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from gateway.net.mux import HEAD_DEADLINE
from tests.support.tls_talk import client_hello, unverified
from tests.support.ws import BINARY, client_frame, close_frame, request, server_frames

MANY = 1000
GROWTH = 20 * 1024  # kB for each sort


class _Case(SynchronousTestCase):
    limit = 10_000

    def setUp(self) -> None:
        self.server = subprocess.Popen(
            [sys.executable, "-m", "tests.interop.front_server", str(self.limit)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).parents[2],
        )
        self.addCleanup(self.stop)
        self.address = ("127.0.0.1", int(self.server.stdout.readline()))
        self.sockets: list[socket.socket] = []

    def stop(self) -> None:
        for one in self.sockets:
            one.close()
        self.server.stdin.close()
        self.server.wait(10)
        self.server.stdout.close()

    def connect(self, data: bytes = b"") -> socket.socket:
        one = socket.create_connection(self.address, 10)
        self.sockets.append(one)
        one.sendall(data)
        return one

    def secure(self) -> ssl.SSLSocket:
        one = unverified().wrap_socket(self.connect(), server_hostname="localhost")
        self.sockets.append(one)
        return one

    def websocket(self, secure: bool) -> socket.socket:
        one = self.secure() if secure else self.connect()
        one.sendall(request())
        answer = b""
        while not answer.endswith(b"\r\n\r\n"):
            answer += one.recv(4096)
        self.assertTrue(answer.startswith(b"HTTP/1.1 101 "))
        return one

    def memory(self) -> int:
        status = Path(f"/proc/{self.server.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])

    def echoed(self, one: socket.socket, text: bytes) -> float:
        """How long an echo takes."""
        begun = time.monotonic()
        one.sendall(client_frame(text))
        heard = b""
        while len(heard) < len(text) + 2:
            heard += one.recv(4096)
        self.assertEqual(server_frames(heard), [(BINARY, text)])
        return time.monotonic() - begun


class HalfOpenTests(_Case):
    """The four sorts, and a session that does not feel them."""

    timeout = 120

    def setUp(self) -> None:
        if not Path("/proc/self/status").exists():
            raise SkipTest("reads the server's memory from /proc")
        if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < 4 * MANY + 500:
            raise SkipTest(f"needs {4 * MANY + 500} open files (ulimit -n)")
        super().setUp()

    def test_half_open_connections_are_cheap_and_go(self) -> None:
        """A thousand of each sort cost less than 20 MB each, are gone by the deadline, and a session lives on."""
        session = self.websocket(secure=True)
        whole = client_hello()
        sorts = {
            "silent": b"",
            "half a ClientHello": whole[: len(whole) // 2],
            "a whole ClientHello": whole,
            "half an HTTP head": b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 1000,
        }
        slowest = 0.0
        half_open: list[socket.socket] = []
        for sort, data in sorts.items():
            before = self.memory()
            for number in range(MANY):
                half_open.append(self.connect(data))
                if number % 100 == 0:
                    slowest = max(slowest, self.echoed(session, b"still here"))
            slowest = max(slowest, self.echoed(session, b"still here"))
            self.assertLess(self.memory() - before, GROWTH, sort)
        last = time.monotonic()
        slowest = max(slowest, self._wait_for_the_end(half_open, session))
        self.assertLess(time.monotonic() - last, HEAD_DEADLINE + 3)
        self.assertLess(slowest, 1.0)
        self.assertEqual(self.server.poll(), None)

    def _wait_for_the_end(self, half_open: list[socket.socket], session: socket.socket) -> float:
        waiting = {one.fileno(): one for one in half_open}
        poll = select.poll()
        for descriptor in waiting:
            poll.register(descriptor, select.POLLIN)
        slowest, until = 0.0, time.monotonic() + HEAD_DEADLINE + 5
        while waiting and time.monotonic() < until:
            for descriptor, _ in poll.poll(200):
                if self._ended(waiting[descriptor]):
                    poll.unregister(descriptor)
                    del waiting[descriptor]
            slowest = max(slowest, self.echoed(session, b"still here"))
        self.assertEqual(len(waiting), 0)
        return slowest

    def _ended(self, one: socket.socket) -> bool:
        try:
            return one.recv(65536) == b""
        except ConnectionError:
            return True


class RealSocketTests(_Case):
    """What memory transports cannot show."""

    limit = 4

    def test_pages_in_and_outside_tls(self) -> None:
        """The site knows inside what it is asked, and a large page arrives whole over TLS."""
        for secure, word in ((False, b"secure"), (True, b"plain")):
            one = self.secure() if secure else self.connect()
            one.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = one.recv(4096)
            self.assertTrue(answer.startswith(b"HTTP/1.1 200 "))
            self.assertFalse(answer.endswith(word))
            one.sendall(b"GET /large HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            size = 0
            while data := one.recv(65536):
                size += len(data)
            self.assertGreater(size, 3_000_000)

    def test_a_client_that_stops_reading_stops_being_read(self) -> None:
        """What an echo cannot send it does not take: the client's sends stall, and all of it comes once it reads."""
        for secure in (False, True):
            one = self.websocket(secure)
            before = self.memory()
            frame, sent = client_frame(b"x" * 60_000), 0
            one.settimeout(1)
            with contextlib.suppress(TimeoutError):
                while sent < 2000:
                    one.sendall(frame)
                    sent += 1
            self.assertLess(sent, 1000)
            self.assertLess(self.memory() - before, 4096)
            one.close()

    def test_a_good_bye_is_answered(self) -> None:
        """A close is answered with a close, and then the connection ends, over TLS with close_notify."""
        for secure in (False, True):
            one = self.websocket(secure)
            one.sendall(close_frame(1000))
            heard = b""
            while data := one.recv(4096):
                heard += data
            self.assertEqual(heard, bytes.fromhex("88 02 03e8"))

    def test_the_limit_on_connections(self) -> None:
        """Above the limit clients wait in the kernel's queue; sessions live on; a free place goes to the next."""
        session = self.websocket(secure=False)
        others = [self.connect() for _ in range(self.limit - 1)]
        time.sleep(0.2)
        waiting = self.connect(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        waiting.settimeout(0.5)
        self.assertRaises(TimeoutError, waiting.recv, 100)
        self.echoed(session, b"still here")
        others[0].close()
        waiting.settimeout(5)
        self.assertTrue(waiting.recv(100).startswith(b"HTTP/1.1 200 "))
