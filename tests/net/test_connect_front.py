"""Tests of clients that come by CONNECT."""

from __future__ import annotations

import base64

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival, Way
from gateway.model.errors import Reason, Refused
from gateway.net.connect_front import CLOSE_DEADLINE, MAX_REQUESTS, NEXT_DEADLINE, ConnectFront
from gateway.net.connection import Connection, ConnectionFactory, Gate
from gateway.net.door import Door
from gateway.net.entering import OPENING_DEADLINE
from gateway.net.fronts import Fronts
from gateway.net.wheel import Wheel
from gateway.wire.connect import challenge, established
from gateway.wire.http1 import MAX_TRAILING, simple_response
from tests.support.feed import ways
from tests.support.front import Admitted, Counts, Gatekeeper
from tests.support.pipes import RecordingReceiver, SocketTransport, turn

JAVA = b"CONNECT /console?token=T0P-SECRET HTTP/1.0\r\n\r\n"
BARE = b"CONNECT console:1 HTTP/1.1\r\nHost: console:1\r\n\r\n"


def basic(ticket: str = "T0P-SECRET", authority: str = "console:1", version: str = "1.1") -> bytes:
    """A CONNECT with the ticket as the password."""
    credentials = base64.b64encode(f"anybody:{ticket}".encode()).decode()
    lines = [f"CONNECT {authority} HTTP/{version}", f"Host: {authority}", f"Proxy-Authorization: Basic {credentials}"]
    return "\r\n".join([*lines, "", ""]).encode()


class _Tickets(Gatekeeper):
    """Lets those with the right ticket in, at once."""

    async def __call__(self, presentation):
        self.asked.append(presentation)
        if presentation.secret.reveal() != "T0P-SECRET":
            raise Refused(Reason.UNKNOWN)
        return self.admission


class _Opaque(Admitted):
    speaks_rfb = False


class _Screen(Admitted):
    speaks_rfb = True


class _Case(SynchronousTestCase):
    arrival = Arrival("192.0.2.7", 4711, secure=True)
    now = True
    limit = 10

    def setUp(self) -> None:
        self.clock, self.counts = Clock(), Counts()
        self.gate = _Tickets() if self.now else Gatekeeper()
        self.wheel = Wheel(self.clock)
        self.fronts = Fronts(
            upgrade=lambda head, arrival: None,
            admit=self.gate,
            site=None,
            health=lambda path: 200,
            wheel=self.wheel,
            metrics=self.counts,
            connect=ConnectFront(self.gate, self.wheel, self.counts),
        )
        self.open()

    def open(self, **changes) -> None:
        self.transport = SocketTransport(self.clock)
        self.transport.peerAddr = IPv4Address("TCP", "192.0.2.7", 4711)
        factory = ConnectionFactory(None, Gate(self.limit, self.wheel))
        self.connection = Connection(factory, Door(self.fronts, attrs.evolve(self.arrival, **changes)))
        self.transport.protocol = self.connection
        self.connection.makeConnection(self.transport)

    def say(self, data: bytes) -> None:
        self.connection.dataReceived(data)

    def take(self) -> bytes:
        turn(self.clock)
        data = self.transport.value()
        self.transport.clear()
        return data

    def listen(self) -> RecordingReceiver:
        receiver = RecordingReceiver()
        self.gate.admission.pipe.start(receiver)
        turn(self.clock)
        return receiver

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)
        turn(self.clock)


class LetInTests(_Case):
    """A ticket that is good."""

    def test_both_forms(self) -> None:
        """The Java viewer's request and a proxy's client are presented, told 200 and nothing else."""
        for request in (JAVA, basic(), basic(version="1.0"), basic(authority="lab-console/vm 1:5900")):
            self.setUp()
            self.say(request)
            self.assertEqual(established(), self.take())
            (shown,) = self.gate.asked
            self.assertEqual(
                ("T0P-SECRET", Way.CONNECT, self.arrival), (shown.secret.reveal(), shown.way, shown.arrival)
            )
            self.assertEqual(["connect"], self.counts.outcomes)

    def test_bytes_both_ways(self) -> None:
        """What comes behind the head, in whatever pieces, is the console's; what the console says follows the 200."""
        for pieces in ways(basic() + b"hello"):
            self.setUp()
            for piece in pieces:
                self.say(piece)
            receiver = self.listen()
            self.gate.admission.pipe.send(b"welcome")
            self.assertEqual((b"hello", established() + b"welcome"), (receiver.data, self.take()))

    def test_the_pipe_has_the_transport_wholly(self) -> None:
        """A client that does not read is told of, no deadline of the front's is left, and it makes room for nobody."""
        self.limit = 1
        self.open()
        self.say(JAVA)
        receiver = self.listen()
        self.transport.stuck = True
        self.gate.admission.pipe.send(b"x" * 70_000)
        self.wait(1000)
        self.assertEqual(["full"], receiver.events)
        self.assertFalse(self.transport.closed)

    def test_a_fin(self) -> None:
        """It ends a client's bytes where only bytes count, and is a good-bye from a viewer."""
        for admission, provided, events in ((_Opaque(), True, ["ended"]), (_Screen(), False, ["goodbye"])):
            self.setUp()
            self.gate.admission = admission
            self.say(JAVA)
            receiver = self.listen()
            self.assertIs(provided, IHalfCloseableProtocol.providedBy(self.connection))
            if provided:  # as Twisted's transport does it
                self.connection.readConnectionLost()
            else:
                self.transport.cut(ConnectionDone())
            turn(self.clock)
            self.assertEqual(events, receiver.events)

    def test_not_the_first_request(self) -> None:
        """A connection that has asked for something else becomes nobody's console."""
        self.say(b"GET /healthz HTTP/1.1\r\nHost: gw\r\n\r\n" + basic())
        self.assertTrue(self.take().endswith(simple_response(400)))
        self.assertEqual([], self.gate.asked)

    def test_in_the_clear(self) -> None:
        """Outside TLS it is 403 unless the listener serves plain HTTP, and no ticket is looked at."""
        no = simple_response(403)
        for policy, answer in (("redirect", no), ("refuse", no), ("serve", established())):
            self.setUp()
            self.fronts = attrs.evolve(self.fronts, plaintext=policy)
            self.open(secure=False)
            self.say(basic())
            self.assertEqual(answer, self.take())
            self.assertEqual(policy == "serve", bool(self.gate.asked))


class TurnedAwayTests(_Case):
    """No ticket, or none that is good."""

    def test_asked_again_on_the_same_connection(self) -> None:
        """Missing and refused look the same, and the next request may be better, in whatever pieces it comes."""
        for first in (BARE, basic("wrong"), basic("")):
            for pieces in ways(basic() + b"hello"):
                self.setUp()
                self.say(first)
                self.assertEqual(challenge(), self.take())
                for piece in pieces:
                    self.say(piece)
                self.assertEqual(established(), self.take())
                self.assertEqual(b"hello", self.listen().data)
                self.assertEqual(["refused", "connect"], self.counts.outcomes)

    def test_pipelined(self) -> None:
        """What comes behind a refused request is the next one, and never reaches a console."""
        self.say(BARE + basic("wrong") + basic() + b"hello")
        self.assertEqual(challenge() * 2 + established(), self.take())
        self.assertEqual(b"hello", self.listen().data)

    def test_malformed(self) -> None:
        """Two tickets that differ, or no base64, are 400 and the end; so is another method after a 407."""
        two = basic().replace(b"console:1 HTTP", b"/x?token=other HTTP")
        for requests in (two, b"CONNECT x:1 HTTP/1.0\r\nProxy-Authorization: Basic %%%\r\n\r\n", BARE + b"GET /"):
            self.setUp()
            self.say(requests + b" HTTP/1.1\r\nHost: gw\r\n\r\n" if requests.endswith(b"/") else requests)
            self.assertTrue(self.take().endswith(simple_response(400)))
            self.wait(0)
            self.assertTrue(self.transport.closed)
            self.assertEqual([], self.gate.asked)
            self.assertEqual([], self.clock.getDelayedCalls())

    def test_guessing_is_bounded(self) -> None:
        """One connection has so many requests."""
        for _ in range(MAX_REQUESTS):
            self.assertFalse(self.transport.closed)
            self.say(basic("wrong"))
            self.assertEqual(challenge(), self.take())
        self.assertTrue(self.transport.closed)
        self.assertEqual(MAX_REQUESTS, len(self.gate.asked))

    def test_the_next_request_has_its_time(self) -> None:
        """A client that does not ask again is closed, also when it does not read."""
        self.say(BARE)
        self.wait(NEXT_DEADLINE - 1)
        self.assertFalse(self.transport.closed)
        self.transport.stuck = True
        self.wait(CLOSE_DEADLINE + 2)
        self.assertTrue(self.transport.closed)
        self.assertEqual([], self.clock.getDelayedCalls())


class SlowGateTests(_Case):
    """While it is not known yet whether the client may come in."""

    now = False

    def test_nothing_early(self) -> None:
        """Bytes are held until the 200, but not many."""
        self.say(JAVA + b"first ")
        self.say(b"second")
        self.assertEqual(b"", self.take())
        self.gate.let_in()
        self.assertEqual(established(), self.take())
        self.assertEqual(b"first second", self.listen().data)

    def test_held_bytes_are_bounded(self) -> None:
        """A client that pushes is not read on; nothing of it is lost."""
        self.say(JAVA)
        self.say(bytes(MAX_TRAILING))
        self.assertEqual("producing", self.transport.producerState)
        self.say(b"x")
        self.assertEqual("paused", self.transport.producerState)
        self.gate.let_in()
        self.assertEqual(MAX_TRAILING + 1, len(self.listen().data))
        self.assertEqual("producing", self.transport.producerState)

    def test_left(self) -> None:
        """A client that left is abandoned."""
        self.say(JAVA)
        self.transport.cut()
        self.assertTrue(self.gate.let_in().abandoned)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_no_answer(self) -> None:
        """A gate that does not answer is a refusal."""
        self.say(JAVA)
        self.wait(OPENING_DEADLINE)
        self.assertEqual(challenge(), self.take())

    def test_a_fault(self) -> None:
        """A fault of ours is 500, and closes."""
        self.say(JAVA)
        self.gate.refuse(KeyError("x"))
        self.assertEqual(simple_response(500), self.take())
        self.assertTrue(self.transport.closed)
