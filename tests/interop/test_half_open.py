"""
Clients that begin and then do nothing, a thousand of each sort, against a real gateway with a live session.
"""

from __future__ import annotations

import contextlib
import resource
import select
import socket
import ssl
import time
from collections.abc import Callable

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from gateway.net.mux import HEAD_DEADLINE
from tests.support.running import Gateway
from tests.support.tls_talk import client_hello
from tests.support.wires import UNBOUNDED, Console, Viewer, Wire, anybody, echo, faultless, settled

MANY = 1000
GROWTH = 20_000_000
"""Bytes that a thousand of one sort may cost."""

FEWER = 200
INSIDE = 80_000
"""Bytes that one client inside TLS may cost: most of it is OpenSSL's."""

SLACK = 3.0
"""Seconds after the deadline, on a slow and busy machine."""

PATIENCE = 1.0
"""Seconds in which a live session has its answer, whatever the others do."""

DESCRIPTORS = 12_000

HELLO = client_hello()
HALF_HEAD = b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 1000
SORTS = {
    "silent": b"",
    "half a ClientHello": HELLO[: len(HELLO) // 2],
    "a whole ClientHello": HELLO,
    "half an HTTP head": HALF_HEAD,
}


class Crowd:
    """Clients that do no more than they did; notes when each of them is let go."""

    def __init__(self) -> None:
        self._waiting: dict[int, tuple[socket.socket, str, float]] = {}
        self._poll = select.poll()
        self.latest: dict[str, float] = {}
        """Seconds from connecting until the last of each sort was gone."""

    def __len__(self) -> int:
        return len(self._waiting)

    def join(self, sort: str, one: socket.socket) -> None:
        """One more."""
        one.setblocking(False)
        self._waiting[one.fileno()] = one, sort, time.monotonic()
        self._poll.register(one, select.POLLIN)

    def trickle(self, sort: str, byte: bytes) -> None:
        """Each of a sort says one byte more."""
        for one, its, _ in list(self._waiting.values()):
            if its == sort:
                with contextlib.suppress(OSError):
                    one.send(byte)

    def look(self, milliseconds: int = 0) -> None:
        """Note who is gone by now, or is within this time."""
        for descriptor, _ in self._poll.poll(milliseconds):
            one, sort, since = self._waiting[descriptor]
            if self._ended(one):
                self._poll.unregister(descriptor)
                del self._waiting[descriptor]
                one.close()
                self.latest[sort] = max(self.latest.get(sort, 0.0), time.monotonic() - since)

    def _ended(self, one: socket.socket) -> bool:
        try:
            return one.recv(65536) == b""
        except (BlockingIOError, ssl.SSLWantReadError):
            return False
        except OSError:
            return True

    def leave(self) -> None:
        """All go."""
        for one, _, _ in self._waiting.values():
            one.close()
        self._waiting.clear()


class HalfOpenTests(SynchronousTestCase):
    """Cheap, gone in time, and not felt by others."""

    timeout = 120

    def setUp(self) -> None:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        if before[1] != resource.RLIM_INFINITY and before[1] < DESCRIPTORS:
            raise SkipTest(f"needs {DESCRIPTORS} open files (ulimit -Hn)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], DESCRIPTORS), before[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        self.console = Console(echo)
        self.addCleanup(self.console.stop)
        self.gateway = Gateway(self.console.table("echo"), listen='plaintext = "serve"', more=UNBOUNDED).start()
        self.addCleanup(self.gateway.clean)
        self.crowd = Crowd()
        self.addCleanup(self.crowd.leave)
        self.session = Viewer(self.gateway.port, self.gateway.mint("echo")["ticket"])
        self.slowest = 0.0

    def feel(self) -> None:
        """Measure the live session."""
        self.slowest = max(self.slowest, self.session.echoed())

    def begin(self, data: bytes) -> socket.socket:
        one = socket.create_connection(("127.0.0.1", self.gateway.port), 10)
        one.sendall(data)
        return one

    def begin_inside(self) -> socket.socket:
        wire = Wire(self.gateway.port, anybody())
        wire.send(HALF_HEAD)
        return wire.socket

    def gather(self, sort: str, count: int, begin: Callable[[], socket.socket]) -> int:
        """Let so many begin; the bytes that they cost together."""
        before = self.gateway.rss()
        for number in range(count):
            self.crowd.join(sort, begin())
            if number % 50 == 0:
                self.feel()
                self.crowd.look()
        self.feel()
        grown = self.gateway.rss() - before
        print(f"\n{sort}: {grown / count / 1e3:.1f} kB each", end="")
        return grown

    def warm_up(self) -> None:
        """Have everything imported and every pool used once."""
        for data in SORTS.values():
            for _ in range(20):
                self.begin(data).close()
        for _ in range(20):
            self.begin_inside().close()
        settled(self.gateway, 1)
        self.feel()
        self.slowest = 0.0

    def test_half_open_clients(self) -> None:
        """A thousand of each sort cost less than 20 MB, are gone by the deadline, and a session goes on as if alone."""
        self.warm_up()
        for sort, data in SORTS.items():
            self.assertLess(self.gather(sort, MANY, lambda data=data: self.begin(data)), GROWTH, sort)
        self.assertLess(self.gather("half a head in TLS", FEWER, self.begin_inside), FEWER * INSIDE)
        self.gather("a head that trickles", 20, lambda: self.begin(b"GET /"))
        deadline = time.monotonic() + 3 * HEAD_DEADLINE
        while len(self.crowd) and time.monotonic() < deadline:
            self.crowd.trickle("a head that trickles", b"x")
            self.crowd.look(100)
            self.feel()
        print("\n" + ", ".join(f"{sort} gone after {late:.1f} s" for sort, late in self.crowd.latest.items()))
        print(f"slowest answer of the live session: {self.slowest * 1e3:.0f} ms")
        self.assertEqual(len(self.crowd), 0)
        self.assertLess(max(self.crowd.latest.values()), HEAD_DEADLINE + SLACK)
        self.assertLess(self.slowest, PATIENCE)
        settled(self.gateway, 1)
        faultless(self.gateway)
