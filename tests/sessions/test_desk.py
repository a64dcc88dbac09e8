"""What operators ask for at the desk."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Way
from gateway.model.errors import NotSupported, UnknownConsole
from gateway.model.target import ConsoleKind, TcpAddress
from gateway.model.ticket import DEFAULT_RIGHTS, Right
from gateway.sessions.desk import TargetForbidden, Wish
from tests.support.bench import Bench

S = "s" * 43


class DeskTests(SynchronousTestCase):
    """Mint, list, end."""

    def test_unknown_console(self) -> None:
        """There is no ticket to a console that nobody knows."""
        bench = Bench()
        self.assertRaises(UnknownConsole, bench.mint, "nowhere")
        self.assertRaises(UnknownConsole, bench.mint, "driver/vm")

    def test_brokers_target(self) -> None:
        """A ticket may name an allowed address itself; another is forbidden."""
        bench = Bench()
        target = attrs.evolve(bench.target(ConsoleKind.RAW), addresses=(TcpAddress("10.9.0.1", 23),))
        made = bench.mint("theirs", target=target)
        self.assertEqual(("theirs", ConsoleKind.RAW), (made.console, made.kind))
        bench.connect(made.minted.ticket.reveal())
        self.assertEqual(1, len(bench.servers))
        for host in ("10.10.0.1", "127.0.0.1", "169.254.169.254", "inside.example"):
            evil = attrs.evolve(target, addresses=(TcpAddress(host, 23),))
            self.assertRaises(TargetForbidden, bench.result, bench.desk.mint(Wish("theirs", target=evil)))

    def test_spice(self) -> None:
        """What cannot be enforced is not promised: a SPICE ticket has the usual rights, and may be shown again."""
        bench = Bench()
        bench.mint("spice", rights=DEFAULT_RIGHTS | {Right.POWER})
        for wish in (
            {"rights": frozenset({Right.VIEW})},
            {"rights": DEFAULT_RIGHTS - {Right.CLIPBOARD}},
            {"one_shot": True},
        ):
            self.assertRaises(NotSupported, bench.mint, "spice", **wish)
        target = attrs.evolve(bench.target(ConsoleKind.SPICE), addresses=(TcpAddress("10.9.0.1", 5930),))
        ticket = bench.ticket("theirs", target=target)
        clients = [bench.connect(ticket) for _ in range(4)]
        self.assertEqual((4, 1), (len(bench.servers), len(bench.registry)))
        self.assertEqual([None] * 4, [client.lost for client in clients])

    def test_sessions_are_as_of_now(self) -> None:
        """The list has live bytes and states."""
        bench = Bench()
        client = bench.connect(bench.ticket("line"))
        client.pipe.send(b"hello")
        bench.turn()
        (record,) = bench.result(bench.desk.sessions())
        self.assertEqual(("relaying", 5), (record.state.value, record.bytes_in))

    def test_end(self) -> None:
        """A session is ended by its id, once."""
        bench = Bench()
        record = bench.redeem(bench.ticket(), S)
        client = bench.connect(S, Way.GRANT)
        self.assertTrue(bench.result(bench.desk.end(record.id)))
        bench.turn()
        self.assertIsNotNone(client.lost)
        self.assertFalse(bench.result(bench.desk.end(record.id)))
        self.assertFalse(bench.result(bench.desk.end("s-unknown")))
