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
        bench.admit(bench.ticket(), Way.VIEWER).attach(near, greeted=Greeted.LET_IN)
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

    def test_opening(self) -> None:
        """A client that began to speak with its console is told what its log-in came to, then what the console says."""
        bench = Bench()

        async def opening(pipe, security) -> bytes:
            return b"come in, "

        near, far = pipe_pair(bench.clock)
        client = Client(far)
        far.start(client)
        bench.admit(bench.ticket("spice")).attach(near, opening=opening)
        bench.turn()
        bench.servers[0].pipe.send(b"welcome")
        bench.turn()
        self.assertEqual(b"come in, welcome", bytes(client.received))

    def test_what_cannot_go_on(self) -> None:
        """A serial line waits for its client to come back; what one SPICE viewer began no other goes on with."""
        for console, kept in (("line", True), ("spice", False)):
            bench = Bench()
            ticket = bench.ticket(console)
            bench.connect(ticket).pipe.abort()
            bench.turn()
            self.assertEqual(kept, bench.servers[0].lost is None)
            bench.connect(ticket)
            self.assertEqual(1 if kept else 2, len(bench.servers))

    def test_half_close(self) -> None:
        """Where only bytes count a client that sends no more is still answered, also if it ended while it waited."""
        for waited in (False, True):
            bench = Bench()
            bench.hold_dials = waited
            client = self.attach(bench, "line")
            client.pipe.send(b"question")
            client.pipe.half_close()
            bench.turn()
            for dial in bench.held_dials:
                dial.callback(None)
            bench.turn()
            server = bench.servers[0]
            self.assertEqual((b"question", True), (bytes(server.received), server.ended))
            server.pipe.send(b"answer")
            server.pipe.half_close()
            bench.turn()
            self.assertEqual((b"answer", True), (bytes(client.received), client.lost))
            self.assertEqual(["finished"], bench.endings())

    def test_half_close_of_a_viewer(self) -> None:
        """A viewer that ends while its console is dialled has said good-bye."""
        bench = Bench()
        bench.hold_dials = True
        client = bench.connect(bench.ticket("lab"))
        client.pipe.half_close()
        bench.turn()
        self.assertEqual(["abandoned"], bench.endings())

    def test_cut_after_a_half_close(self) -> None:
        """Whoever goes after the client's last word, and however, it was a good-bye."""
        for side in ("client", "server"):
            bench = Bench()
            client = self.attach(bench, "line")
            client.pipe.half_close()
            bench.turn()
            (client if side == "client" else bench.servers[0]).pipe.abort()
            bench.turn()
            self.assertEqual(["finished"], bench.endings())

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
