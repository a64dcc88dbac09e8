"""
A real gateway at its limits, and at its end: connections, addresses, ports that are taken, SIGTERM.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time

from twisted.trial.unittest import SynchronousTestCase

from tests.support.running import Gateway, until
from tests.support.wires import UNBOUNDED, Console, Viewer, Wire, echo, faultless, metric, settled
from tests.support.ws import CLOSE, PING, client_frame

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
LIMIT = 12
ENDING = 5.0
"""Seconds from SIGTERM to the end of the process."""


class _Case(SynchronousTestCase):
    timeout = 60

    def start(self, *, gateway: str = "", more: str = UNBOUNDED, port: int = 0) -> Gateway:
        self.console = Console(echo)
        self.addCleanup(self.console.stop)
        made = Gateway(self.console.table("echo"), gateway=gateway, listen='plaintext = "serve"', more=more, port=port)
        self.addCleanup(made.clean)
        return made

    def viewer(self, gateway: Gateway) -> Viewer:
        viewer = Viewer(gateway.port, gateway.mint("echo")["ticket"])
        self.addCleanup(viewer.close)
        viewer.echoed()
        return viewer

    def wire(self, gateway: Gateway) -> Wire:
        wire = Wire(gateway.port)
        self.addCleanup(wire.close)
        return wire


class ConnectionLimitTests(_Case):
    """``max_connections``."""

    def test_accepting_pauses_at_the_limit(self) -> None:
        """Sessions live on, the next clients wait, places that become free are theirs, and the log says it once."""
        gateway = self.start(gateway=f"max_connections = {LIMIT}").start()
        sessions = [self.viewer(gateway) for _ in range(4)]
        settled(gateway, 4)
        others = [self.wire(gateway) for _ in range(LIMIT - 4)]
        settled(gateway, LIMIT)
        waiting = [self.wire(gateway) for _ in range(5)]
        for wire in waiting:
            wire.send(HEALTH)
        for wire in waiting:
            self.assertTrue(wire.quiet(0.1))
        for session in sessions:
            self.assertLess(session.echoed(), 1.0)
        self.assertEqual(metric(gateway, "consolegw_connections"), LIMIT)
        for wire, other in zip(waiting, others, strict=False):
            other.close()
            self.assertTrue(wire.rest().startswith(b"HTTP/1.1 200 "))
        self.assertEqual(gateway.log.count("accepting_paused"), 1)
        self.assertIn(f"accepting_paused limit={LIMIT}", gateway.log)
        for session in sessions:
            session.echoed()
        faultless(gateway)

    def fill(self, gateway: Gateway) -> list[Wire]:
        """Two clients that are connected, and two more that wait."""
        wires = [self.wire(gateway) for _ in range(2)]
        settled(gateway, 2)
        return wires + [self.wire(gateway) for _ in range(2)]

    def test_the_operator_is_not_locked_out(self) -> None:
        """At the limit the admin endpoint answers as ever."""
        gateway = self.start(gateway="max_connections = 2").start()
        wires = self.fill(gateway)
        admin = Wire(gateway.admin_port)
        admin.send(HEALTH)
        self.assertTrue(admin.rest().startswith(b"HTTP/1.1 200 "))
        admin.close()
        for wire in wires:
            wire.close()
        settled(gateway)

    def test_an_end_at_the_limit(self) -> None:
        """Clients that wait do not keep the gateway from ending."""
        gateway = self.start(gateway="max_connections = 2").start()
        wires = self.fill(gateway)
        begun = time.monotonic()
        self.assertEqual(gateway.stop(), 0)
        self.assertLess(time.monotonic() - begun, ENDING)
        for wire in wires:
            self.assertEqual(wire.rest(), b"")


class AddressLimitTests(_Case):
    """``connections_per_address``."""

    def test_an_address_that_connects_too_often(self) -> None:
        """Beyond its rate it is cut, while others and its own sessions are served; later it is welcome again."""
        gateway = self.start(more="[limits]\nconnections_per_address = 5\n").start()
        session = self.viewer(gateway)
        answered = sum(self.answered(gateway, "127.0.0.1") for _ in range(60))
        self.assertTrue(2 <= answered <= 40, answered)
        self.assertEqual(self.answered(gateway, "127.0.0.77"), 1)
        session.echoed()
        until("a token", lambda: self.answered(gateway, "127.0.0.1"), 5)
        faultless(gateway)

    def answered(self, gateway: Gateway, source: str) -> int:
        """Whether a connection from this address gets an answer."""
        with socket.create_connection(("127.0.0.1", gateway.port), 5, (source, 0)) as one:
            try:
                one.sendall(HEALTH)
                return int(one.recv(100).startswith(b"HTTP/1.1 200 "))
            except ConnectionError:
                return 0


class PortTests(_Case):
    """Ports that somebody else has."""

    def test_a_port_that_is_taken(self) -> None:
        """Exit status 1 and one line that names the endpoint, for a listener and for the admin endpoint."""
        for which in ("port", "admin_port"):
            gateway = self.start()
            with socket.create_server(("127.0.0.1", getattr(gateway, which))):
                with contextlib.suppress(AssertionError):
                    gateway.start()
                self.assertEqual(gateway.program.process.wait(10), 1)
            last = gateway.log.splitlines()[-1]
            self.assertIn(str(getattr(gateway, which)), last)
            self.assertNotIn("Traceback", gateway.log)


class EndTests(_Case):
    """SIGTERM."""

    def test_clients_are_told_to_come_back(self) -> None:
        """WebSocket clients get 1012 and words, other connections are closed, and the status is 0, all within 5 s."""
        gateway = self.start().start()
        viewers = [self.viewer(gateway) for _ in range(5)]
        silent, half = self.wire(gateway), self.wire(gateway)
        half.send(b"GET / HTTP/1.1\r\n")
        settled(gateway, 7)
        begun = time.monotonic()
        os.kill(gateway.pid, signal.SIGTERM)
        for viewer in viewers:
            self.assertEqual((viewer.ending() or (0, ""))[0], 1012)
            viewer.close()
        self.assertEqual(silent.rest() + half.rest(), b"")
        self.assertEqual(gateway.program.process.wait(10), 0)
        self.assertLess(time.monotonic() - begun, ENDING)
        faultless(gateway)

    def test_clients_that_do_not_answer(self) -> None:
        """Who neither answers nor leaves, or reads nothing, is cut in time."""
        gateway = self.start().start()
        deaf = self.viewer(gateway)
        deaf.socket.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            while True:
                deaf.send(client_frame(bytes(60_000)) + client_frame(b"?", PING))
        mute = self.viewer(gateway)
        begun = time.monotonic()
        self.assertEqual(gateway.stop(), 0)
        self.assertLess(time.monotonic() - begun, ENDING)
        self.assertEqual(mute.frame()[0], CLOSE)
        faultless(gateway)

    def test_a_second_signal_ends_at_once(self) -> None:
        """Who cannot wait for the grace sends another SIGTERM."""
        gateway = self.start().start()
        viewer = self.viewer(gateway)
        os.kill(gateway.pid, signal.SIGTERM)
        self.assertEqual(viewer.frame()[0], CLOSE)
        begun = time.monotonic()
        os.kill(gateway.pid, signal.SIGTERM)
        self.assertEqual(gateway.program.process.wait(10), -signal.SIGTERM)
        self.assertLess(time.monotonic() - begun, 1.0)
