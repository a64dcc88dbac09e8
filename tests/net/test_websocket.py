"""Tests of the opening of a WebSocket."""

from __future__ import annotations

from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Way
from gateway.model.errors import Reason, Refused
from gateway.net.connection import GRACE, ConnectionFactory, Gate
from gateway.net.entering import OPENING_DEADLINE
from gateway.net.websocket_pipe import WebSocketFront
from gateway.net.wheel import Wheel
from gateway.wire.http1 import RequestStream
from tests.support.front import Counts, Gatekeeper, SocketClient, presentation
from tests.support.pipes import SocketTransport, turn
from tests.support.ws import (
    ACCEPT,
    client_frame,
    request,
)


class EnteringTests(SynchronousTestCase):
    """Between the request and the answer."""

    def assertRefused(self, client: SocketClient, status: bytes) -> bytes:  # noqa: N802
        turn(client.clock)
        answer = client.take()
        self.assertTrue(answer.startswith(b"HTTP/1.1 " + status), answer)
        self.assertIn(b"\r\nConnection: close\r\n", answer)
        self.assertTrue(answer.endswith(b"\r\n\r\n"))
        self.assertTrue(client.transport.closed)
        return answer

    def test_let_in(self) -> None:
        """Who is let in gets 101 with the key's answer, nothing that names the software, and its pipe is attached."""
        client = SocketClient()
        self.assertEqual(client.take(), b"")
        admission = client.gate.let_in()
        answer = client.take()
        self.assertTrue(answer.startswith(b"HTTP/1.1 101 "), answer)
        self.assertIn(f"Sec-WebSocket-Accept: {ACCEPT}\r\n".encode(), answer)
        self.assertNotIn(b"Server:", answer)
        self.assertNotIn(b"-Protocol", answer)
        self.assertIsNotNone(admission.pipe)
        self.assertEqual(client.counts.outcomes, ["websocket"])

    def test_sub_protocol(self) -> None:
        """binary is answered when it is offered, and no other ever; the grant is never repeated."""
        for line, expected in (
            ("Sec-WebSocket-Protocol: binary", True),
            ("Sec-WebSocket-Protocol: grant.T0P, binary", True),
            ("Sec-WebSocket-Protocol: base64", False),
        ):
            client = SocketClient(request("/", line), now=True)
            answer = client.take()
            self.assertEqual(b"Sec-WebSocket-Protocol: binary\r\n" in answer, expected, line)
            self.assertNotIn(b"T0P", answer)

    def test_no_compression(self) -> None:
        """An offer to compress is not taken up."""
        client = SocketClient(request("/", "Sec-WebSocket-Extensions: permessage-deflate"), now=True)
        self.assertNotIn(b"Extensions", client.take())

    def test_refusals_look_alike(self) -> None:
        """Whatever the reason, the bytes of a refusal are the same, on each way in."""
        for way, status in ((Way.QUERY, b"403 "), (Way.GRANT, b"403 "), (Way.TICKET_PATH, b"503 ")):
            answers = set()
            for reason in Reason:
                client = SocketClient(way=way)
                client.gate.refuse(Refused(reason, retry_after=7))
                answers.add(self.assertRefused(client, status))
                self.assertEqual(client.counts.outcomes, ["refused"])
            self.assertEqual(len(answers), 1)

    def test_too_slow(self) -> None:
        """When no answer comes in time it is a refusal like any other, and a late admission is abandoned."""
        client = SocketClient()
        client.advance(OPENING_DEADLINE - 0.25)
        self.assertEqual(client.take(), b"")
        client.advance(0.25)
        self.assertRefused(client, b"403 ")
        self.assertTrue(client.gate.let_in().abandoned)

    def test_the_client_leaves(self) -> None:
        """An admission for a client that is gone is abandoned, not attached."""
        client = SocketClient()
        client.transport.cut()
        admission = client.gate.let_in()
        self.assertEqual((admission.abandoned, admission.pipe), (True, None))
        self.assertEqual(client.clock.getDelayedCalls(), [])

    def test_early_bytes(self) -> None:
        """A client that goes on before it has its answer is refused with 400, and is not let in any more."""
        client = SocketClient()
        client.say(client_frame(b"early"))
        self.assertRefused(client, b"400 ")
        admission = client.gate.let_in()
        self.assertEqual((admission.abandoned, admission.pipe), (True, None))

    def test_a_fault_is_told_once_without_what_was_presented(self) -> None:
        """An exception that nobody expects is 500 to the client and one log event without its text."""
        observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        client = SocketClient()
        client.gate.refuse(ValueError("no such ticket: T0P-SECRET"))
        self.assertRefused(client, b"500 ")
        (event,) = [event for event in observer if "event" in event]
        self.assertEqual(event["kind"], "ValueError")
        self.assertNotIn("T0P-SECRET", repr({key: value for key, value in event.items()}))

    def test_an_admission_that_fails_to_attach(self) -> None:
        """A fault while the pipe is attached is logged, and cuts the connection."""
        client = SocketClient()
        client.gate.admission.attach = lambda pipe: 1 / 0
        client.gate.let_in()
        turn(client.clock)
        self.assertTrue(client.transport.closed)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)

    def test_keeps_its_place(self) -> None:
        """Whoever was let in is not closed to make room for others; who waits to be is."""
        for let_in in (True, False):
            clock, gatekeeper = Clock(), Gatekeeper(now=let_in)
            front = WebSocketFront(Wheel(clock), Counts(), 0)
            gate = Gate(1, front.wheel)
            transport = SocketTransport(clock)
            transport.protocol = ConnectionFactory(Factory.forProtocol(Protocol), gate).buildProtocol(None)
            transport.protocol.makeConnection(transport)
            (event,) = RequestStream().receive(request("/"))
            front.open(transport.protocol, event, presentation(), gatekeeper)
            clock.pump([0.25] * round(4 * GRACE + 4))
            self.assertEqual(len(gate), int(let_in))

    def test_ill_formed_handshakes(self) -> None:
        """A handshake out of order is refused before anybody is asked, without a word of the request."""
        good = request().decode()
        key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="
        for head in (
            good.replace(key, "X-Key: a"),
            good.replace(key, "Sec-WebSocket-Key: short"),
            good.replace(key, f"{key}\r\n{key}"),
            good.replace(key, "Sec-WebSocket-Key: dGhl!HNhbXBsZSBub25jZQ=="),
            good.replace("Version: 13", "Version: 12"),
            good.replace("Version: 13", "Version: x"),
            good.replace("Sec-WebSocket-Version: 13\r\n", ""),
        ):
            client = SocketClient(head.encode())
            answer = self.assertRefused(client, b"400 ")
            self.assertNotIn(b"dGhl", answer)
            self.assertEqual(client.gate.asked, [])

    def test_the_log_stays_silent(self) -> None:
        """A whole life of a connection, with its ill-formed end, leaves no line of autobahn's in the log."""
        observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        client = SocketClient(now=True)
        client.say(client_frame(b"x") + client_frame(b"x", 5))
        client.transport.cut()
        SocketClient(request().replace(b"Version: 13", b"Version: 12"))
        self.assertEqual(list(observer), [])
