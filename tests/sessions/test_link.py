"""One client connection and its upstream."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Greeted, Way
from gateway.net.memory_pipe import pipe_pair
from gateway.sessions.link import GREETING_SECONDS
from tests.support.bench import GREETING, Bench, Client


class LinkTests(SynchronousTestCase):
    """Greeting, waiting, relaying."""

    def attach(self, bench: Bench, console: str) -> Client:
        """A client that says nothing by itself."""
        near, far = pipe_pair(bench.clock)
        client = Client(far)
        far.start(client)
        bench.admit(bench.ticket(console)).attach(near)
        bench.turn()
        return client

    def test_silent_rfb_client(self) -> None:
        """A client that never answers the greeting is lost after a while, and no server is bothered."""
        bench = Bench()
        client = self.attach(bench, "lab")
        self.assertEqual(b"RFB 003.008\n", bytes(client.received))
        bench.turn(GREETING_SECONDS + 1)
        self.assertEqual([], bench.servers)
        self.assertIsNotNone(client.lost)
        bench.turn(130)
        self.assertEqual(["client-lost"], bench.endings())

    def test_viewer_that_was_let_in(self) -> None:
        """A viewer that has version and log-in behind it says whether it shares, and reads of the screen."""
        bench = Bench()
        near, far = pipe_pair(bench.clock)
        client = Client(far)
        far.start(client)
        bench.admit(bench.ticket(), Way.VIEWER).attach(near, Greeted.LET_IN)
        bench.turn()
        self.assertEqual((b"", []), (bytes(client.received), bench.servers))
        far.send(b"\x00")
        bench.turn()
        self.assertEqual(GREETING[:20] + b"\0\0\0\x03lab", bytes(client.received))
        far.send(b"\x03\x00" + bytes(8))
        bench.turn()
        self.assertEqual(b"\x03\x00" + bytes(8), bytes(bench.servers[0].received))
        self.assertEqual(1, len(bench.servers))

    def test_early_bytes_are_bounded(self) -> None:
        """A client that pushes before its console is there is held back, and loses nothing."""
        bench = Bench()
        bench.hold_dials = True
        client = self.attach(bench, "line")
        sent = bytes(range(256)) * 1024
        for start in range(0, len(sent), 4096):
            client.pipe.send(sent[start : start + 4096])
            bench.turn()
        self.assertTrue(client.full)
        bench.held_dials.pop().callback(None)
        bench.turn()
        self.assertEqual(sent, bytes(bench.servers[0].received))

    def test_server_that_stops_reading_stops_the_client(self) -> None:
        """Bytes that a server does not take stay with the client; the other direction flows."""
        bench = Bench()
        client = self.attach(bench, "line")
        server = bench.servers[0]
        server.pipe.pause()
        for _ in range(300):
            client.pipe.send(b"x" * 4096)
            bench.turn()
        server.pipe.send(b"still here")
        bench.turn()
        self.assertEqual(b"still here", bytes(client.received))
        self.assertTrue(client.full)
        server.pipe.resume()
        bench.turn()
        self.assertFalse(client.full)
        self.assertEqual(300 * 4096, len(server.received))
