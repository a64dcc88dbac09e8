"""What a session promises: bytes, limits, losses, and exactly one ending."""

from __future__ import annotations

import attrs
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Way
from gateway.model.errors import Unreachable
from gateway.model.session import Closing, Ending, State
from tests.support.bench import GREETING, Bench

S = "s" * 43
GOODBYE = Closing.of(Ending.FINISHED)


class RelayTests(SynchronousTestCase):
    """Bytes between a client and its console."""

    def test_client_sees_the_consoles_name(self) -> None:
        """After the handshake the client reads the screen's size under the console's name, not the machine's."""
        bench = Bench()
        client = bench.connect(bench.ticket())
        greeting = b"RFB 003.008\n" + b"\x01\x01" + b"\0\0\0\0"
        self.assertEqual(greeting + GREETING[:20] + b"\0\0\0\x03lab", bytes(client.received))

    def test_view_only_keys_stop_here(self) -> None:
        """A key of a client without the right to control never reaches the server; its request does."""
        from gateway.model.ticket import Right

        bench = Bench()
        client = bench.connect(bench.ticket(rights=frozenset({Right.VIEW})))
        request = b"\x03\x00" + b"\0\0\0\0" + b"\0\x40\0\x30"
        client.pipe.send(b"\x04\x01\0\0\0\0\0a" + request)
        bench.turn()
        self.assertEqual(request, bytes(bench.servers[0].received))

    def test_view_only_bytes_stop_here(self) -> None:
        """Without the right to control nothing is typed into a serial line either; its output shows."""
        from gateway.model.ticket import Right

        bench = Bench()
        client = bench.connect(bench.ticket("line", rights=frozenset({Right.VIEW})))
        client.pipe.send(b"reboot\n")
        bench.servers[0].pipe.send(b"login: ")
        bench.turn()
        self.assertEqual(b"", bytes(bench.servers[0].received))
        self.assertEqual(b"login: ", bytes(client.received))

    def test_last_bytes_reach_the_machine(self) -> None:
        """What a client sent before its good-bye is delivered: the machine's half is closed, not cut."""
        for console in ("line", "lab"):
            bench = Bench()
            client = bench.connect(bench.ticket(console))
            bench.servers[0].pipe.pause()
            key = b"\x04\x00\0\0\0\0\0a"
            client.pipe.send(key)
            client.pipe.close(GOODBYE)
            bench.turn()
            bench.servers[0].pipe.resume()
            bench.turn()
            self.assertEqual(key, bytes(bench.servers[0].received))
            self.assertIs(True, bench.servers[0].lost)

    def test_serial_bytes_pass_both_ways(self) -> None:
        """A serial line is bytes; what the client sends before the console is there is kept."""
        bench = Bench()
        bench.hold_dials = True
        client = bench.connect(bench.ticket("line"))
        client.pipe.send(b"early ")
        bench.turn()
        bench.held_dials.pop().callback(None)
        bench.turn()
        client.pipe.send(b"late")
        bench.servers[0].pipe.send(b"login: ")
        bench.turn()
        self.assertEqual(b"early late", bytes(bench.servers[0].received))
        (session,) = bench.registry
        self.assertEqual((10, 7), (session.record.bytes_in, session.record.bytes_out))
        self.assertEqual(b"login: ", bytes(client.received))

    def test_audit_counts_bytes(self) -> None:
        """The audit line has who, what, bytes each way and the ending."""
        bench = Bench()
        client = bench.connect(bench.ticket("line", user="alice"))
        client.pipe.send(b"four")
        bench.servers[0].pipe.send(b"sixsix")
        bench.turn()
        client.pipe.close(GOODBYE)
        bench.turn()
        (line,) = bench.audit.lines
        expected = {"user": "alice", "console": "line", "bytes_in": 4, "bytes_out": 6, "ending": "finished"}
        self.assertEqual(expected, {key: line[key] for key in expected})


class LossTests(SynchronousTestCase):
    """What is lost comes back, or ends with a word."""

    def test_serial_client_continues_on_the_same_upstream(self) -> None:
        """Within ``linger`` a returning client goes on where the line is, and no byte is missing."""
        bench = Bench()
        ticket = bench.ticket("line")
        bench.connect(ticket).pipe.abort()
        bench.turn(5)
        bench.servers[0].pipe.send(b"meanwhile")
        bench.turn()
        client = bench.connect(ticket)
        self.assertEqual(1, len(bench.servers))
        self.assertEqual(b"meanwhile", bytes(client.received))
        (session,) = bench.registry
        self.assertEqual(1, session.record.generation)

    def test_upstream_is_let_go_after_linger(self) -> None:
        """After ``linger`` the machine is left alone; a later return dials again."""
        bench = Bench()
        ticket = bench.ticket("line")
        bench.connect(ticket).pipe.abort()
        bench.turn(12)
        self.assertIsNotNone(bench.servers[0].lost)
        bench.connect(ticket)
        self.assertEqual(2, len(bench.servers))

    def test_lost_upstream_says_come_back(self) -> None:
        """When the upstream is lost the client is closed with 1012 and its session waits."""
        bench = Bench()
        ticket = bench.ticket()
        near = bench.connect(ticket)
        bench.servers[0].pipe.abort()
        bench.turn()
        self.assertIsNotNone(near.lost)
        (session,) = bench.registry
        self.assertIs(State.PARKED, session.state)
        bench.connect(ticket)
        self.assertIs(State.RELAYING, session.state)
        self.assertEqual(2, session.record.generation)

    def test_hung_up_upstream_says_come_back(self) -> None:
        """A machine that closes in an orderly way (its program ended) has not ended the session either."""
        for console in ("lab", "line"):
            bench = Bench()
            client = bench.connect(bench.ticket(console))
            bench.servers[0].pipe.half_close()
            bench.turn()
            self.assertIsNotNone(client.lost)
            (session,) = bench.registry
            self.assertIs(State.PARKED, session.state)
            self.assertIsNotNone(bench.servers[0].lost)

    def test_unreachable_console_is_tried_again(self) -> None:
        """A first dial that fails is repeated; the session ends as unreachable when patience is over."""
        bench = Bench(first_dial=5)
        bench.failures = [Unreachable("refused")] * 2
        bench.connect(bench.ticket())
        bench.turn(3)
        self.assertEqual(1, len(bench.servers))
        bench.failures = [Unreachable("refused")] * 100
        bench.connect(bench.ticket())
        bench.turn(10)
        self.assertEqual(["unreachable"], bench.endings())

    def test_final_failure_is_not_repeated(self) -> None:
        """A refused log-in ends the session at once."""
        bench = Bench()
        bench.failures = [Unreachable("wrong password", final=True)]
        bench.connect(bench.ticket())
        self.assertEqual(["unreachable"], bench.endings())

    def test_another_machine_at_the_address(self) -> None:
        """A console whose machine changed while it was dialled is dropped and looked up again."""
        bench = Bench()
        info, target = bench.targets["lab"]
        answers = iter([target, attrs.evolve(target, identity="vm-2")] + [target] * 9)

        async def resolve(grant: object) -> object:
            return next(answers)

        bench.around = attrs.evolve(bench.around, dialling=attrs.evolve(bench.around.dialling, resolve=resolve))
        bench.registry._around = bench.around
        bench.connect(bench.ticket())
        bench.turn(1)
        self.assertEqual([True, None], [server.lost for server in bench.servers])

    def test_console_is_gone_from_the_configuration(self) -> None:
        """A console that no driver knows any more is unreachable, and no fault of ours."""
        bench = Bench()
        ticket = bench.ticket()
        del bench.driver._consoles["lab"]
        bench.connect(ticket)
        self.assertEqual(["unreachable"], bench.endings())

    def test_dial_without_end(self) -> None:
        """A dial that never comes to an end does not keep the session for ever."""
        bench = Bench(first_dial=5)
        bench.hold_dials = True
        bench.connect(bench.ticket())
        bench.turn(70)
        self.assertEqual(["unreachable"], bench.endings())

    def test_client_leaves_while_dialling(self) -> None:
        """A client that leaves before its console is there parks the session, and the late dial is dropped."""
        bench = Bench()
        bench.hold_dials = True
        client = bench.connect(bench.ticket())
        client.pipe.abort()
        bench.turn()
        (session,) = bench.registry
        self.assertIs(State.PARKED, session.state)
        self.assertEqual([], bench.servers)

    def test_broken_client(self) -> None:
        """A client that sends what no rule knows ends its session with that word."""
        bench = Bench()
        client = bench.connect(bench.ticket())
        client.pipe.send(b"\xee" * 40)
        bench.turn()
        self.assertEqual(["client-error"], bench.endings())
        self.assertIsNotNone(client.lost)

    def test_broken_server(self) -> None:
        """A server that sends what cannot be framed ends the session with that word."""
        bench = Bench()
        bench.connect(bench.ticket())
        bench.servers[0].pipe.send(b"\xee" * 40)
        bench.turn()
        self.assertEqual(["upstream-error"], bench.endings())


class LimitTests(SynchronousTestCase):
    """Times of a session."""

    def test_idle(self) -> None:
        """Without input it ends as idle; update requests are not input."""
        bench = Bench(idle=30)
        client = bench.connect(bench.ticket())
        for _ in range(4):
            bench.turn(7)
            client.pipe.send(b"\x03\x00" + b"\0\0\0\0" + b"\0\x40\0\x30")
        bench.turn(3)
        self.assertEqual(["idle"], bench.endings())

    def test_input_keeps_it_alive(self) -> None:
        """A key counts as input."""
        bench = Bench(idle=30)
        client = bench.connect(bench.ticket())
        for _ in range(8):
            bench.turn(7)
            client.pipe.send(b"\x04\x01\0\0\0\0\0a")
        bench.turn(1)
        self.assertEqual([], bench.endings())

    def test_absolute_limit(self) -> None:
        """It ends as expired, however busy."""
        bench = Bench(max_session=60)
        client = bench.connect(bench.ticket())
        bench.turn(61)
        self.assertEqual(["expired"], bench.endings())
        self.assertIsNotNone(client.lost)


class NodeTests(SynchronousTestCase):
    """Sessions and the lives of nodes."""

    def test_drained_session_may_go_on(self) -> None:
        """A node that stops says come back; the session is lost, not over, in the directory."""
        bench = Bench()
        record = bench.redeem(bench.ticket(), S)
        bench.connect(S, Way.GRANT)
        bench.registry.stop()
        bench.turn()
        self.assertEqual(["drained"], bench.endings())
        stored = bench.result(bench.directory.find(session=record.id))
        self.assertIsNone(stored.ending)
        bench.connect(S, Way.GRANT)
        self.assertIs(State.RELAYING, bench.registry.get(record.id).state)

    def test_taken_over_session_ends_as_moved(self) -> None:
        """When another node has claimed it, the session ends here and leaves the record alone."""
        bench = Bench()
        record = bench.redeem(bench.ticket(), S)
        client = bench.connect(S, Way.GRANT)
        bench.result(bench.directory.claim(attrs.evolve(record, node="gw-2")))
        client.pipe.abort()
        bench.turn()
        self.assertEqual(["moved"], bench.endings())
        stored = bench.result(bench.directory.find(session=record.id))
        self.assertEqual(("gw-2", None), (stored.node, stored.ending))

    def test_closed_session_turns_a_late_client_away(self) -> None:
        """A client whose session ended while it was let in is closed with the session's word."""
        bench = Bench()
        ticket = bench.ticket()
        admitted = bench.admit(ticket)
        bench.registry.stop()
        from gateway.net.memory_pipe import pipe_pair

        near, _ = pipe_pair(bench.clock)
        admitted.attach(near)
        self.assertEqual(Closing.of(Ending.DRAINED), near.closing)
