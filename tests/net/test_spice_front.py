"""Tests of SPICE viewers that come straight to the port."""

from __future__ import annotations

import functools
import struct

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival, Way
from gateway.model.errors import Reason, Refused
from gateway.model.target import ConsoleKind
from gateway.net.connection import Connection, ConnectionFactory, Gate
from gateway.net.entering import OPENING_DEADLINE
from gateway.net.spice_front import CLOSE_DEADLINE, HELD_MAX, LINK_DEADLINE, SpiceFront
from gateway.net.spice_keys import encrypt
from gateway.net.wheel import Wheel
from gateway.wire.reader import Dialogue
from gateway.wire.spice import PUBLIC_KEY_LENGTH, Caps, Channel, Common, Link, connect, refusal, usual_caps
from tests.support.front import Admitted, Counts, Gatekeeper
from tests.support.pipes import RecordingReceiver, SocketTransport, turn

COMMON = int(Common.AUTH_SELECTION | Common.AUTH_SPICE | Common.MINI_HEADER)
MAIN = Link(0, Channel.MAIN, 0, Caps(COMMON, 3))
TICKET = b"T0P-SECRET"


class _Spice(Admitted):
    kind = ConsoleKind.SPICE


class _Case(SynchronousTestCase):
    now = True
    limit = 10

    def setUp(self) -> None:
        self.clock, self.counts, self.gate = Clock(), Counts(), Gatekeeper(self.now)
        self.gate.admission = _Spice()
        self.front = SpiceFront(self.gate, Wheel(self.clock), self.counts)
        self.open()

    def open(self) -> None:
        self.transport = SocketTransport(self.clock)
        factory = ConnectionFactory(None, Gate(self.limit, self.front.wheel))
        self.wrapper = Connection(factory, self.front(Arrival("192.0.2.7", 4711, secure=True)))
        self.transport.protocol = self.wrapper
        self.wrapper.makeConnection(self.transport)

    def take(self) -> bytes:
        turn(self.clock)
        data = self.transport.value()
        self.transport.clear()
        return data

    def link(self, ticket: bytes = TICKET, link: Link = MAIN, behind: bytes = b"") -> Dialogue:
        """Be a viewer, up to the result, which is left with the transport."""
        viewer = Dialogue(functools.partial(connect, link=link, password=ticket, encrypt=encrypt))
        self.wrapper.dataReceived(viewer.to_send())
        viewer.receive(self.take())
        self.wrapper.dataReceived(viewer.to_send() + behind)
        return viewer

    def wait(self, seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            self.clock.advance(0.25)
        turn(self.clock)


class LetInTests(_Case):
    """A ticket that is good."""

    def test_presented(self) -> None:
        """The password is the ticket; the result waits for the machine's server, and nobody gets the viewer's place."""
        self.limit = 1
        self.open()
        self.link()
        (shown,) = self.gate.asked
        self.assertEqual(("T0P-SECRET", Way.SPICE), (shown.secret.reveal(), shown.way))
        self.wait(1000)
        self.assertEqual((b"", False), (self.take(), self.transport.closed))
        self.assertEqual((MAIN.connection_id, Channel.MAIN), self.asked_for())

    def asked_for(self) -> tuple[int, int]:
        link = self.gate.admission.opening.link
        return link.connection_id, link.channel_type

    def test_bytes_both_ways(self) -> None:
        """What the session sends is the rest of the connection; what the viewer said early is kept."""
        self.link(link=Link(9, Channel.INPUTS, 0, Caps(COMMON)), behind=b"early")
        receiver = RecordingReceiver()
        pipe = self.gate.admission.pipe
        pipe.start(receiver)
        pipe.send(b"result and more")
        self.assertEqual(b"result and more", self.take())
        self.assertEqual((b"early", (9, Channel.INPUTS)), (receiver.data, self.asked_for()))

    def test_what_it_is_told(self) -> None:
        """The usual; once that was wrong for this client, what its server said."""
        self.link()
        opening = self.gate.admission.opening
        self.assertEqual(usual_caps(MAIN), opening.told)
        opening.correct(Caps(COMMON, 1))
        self.open()
        self.link()
        self.assertEqual(Caps(COMMON, 1), self.gate.admission.opening.told)


class TurnedAwayTests(_Case):
    """No ticket, or none that is good."""

    now = False

    def assert_refused(self) -> None:
        self.assertEqual(refusal(), self.take())
        self.assertTrue(self.transport.closed)
        self.assertEqual([], self.clock.getDelayedCalls())
        self.assertEqual(["refused"], self.counts.outcomes)

    def test_refused(self) -> None:
        """A wrong ticket is answered with 7, on which viewers ask for another."""
        self.link()
        self.assertEqual(b"", self.take())
        self.gate.refuse(Refused(Reason.UNKNOWN))
        self.assert_refused()
        self.assertEqual(struct.pack("<I", 7), refusal())

    def test_nothing_presented(self) -> None:
        """A viewer that was given no password tries without: nobody is asked, the answer is the same."""
        self.link(b"")
        self.assert_refused()
        self.assertEqual([], self.gate.asked)

    def test_another_kind_of_console(self) -> None:
        """A ticket for a screen or a line is none here; it is left as it is."""
        self.gate.admission = Admitted()
        self.link()
        self.assertTrue(self.gate.let_in().abandoned)
        self.assert_refused()
        self.assertIsNone(self.gate.admission.pipe)

    def test_a_fault(self) -> None:
        """A fault of ours cuts: no password would help."""
        self.link()
        self.gate.refuse(KeyError("x"))
        self.assertEqual(b"", self.take())
        self.assertTrue(self.transport.closed)

    def test_left(self) -> None:
        """A viewer that left is abandoned."""
        self.link()
        self.transport.cut()
        self.assertTrue(self.gate.let_in().abandoned)
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_malformed(self) -> None:
        """What is no link is cut."""
        for data in (b"REDQ" + bytes([3, 0, 0, 0] * 3), b"REDQ" + struct.pack("<III", 2, 2, 1 << 30)):
            self.setUp()
            self.wrapper.dataReceived(data)
            turn(self.clock)
            self.assertEqual((True, ["junk"]), (self.transport.closed, self.counts.outcomes))

    def test_too_slow(self) -> None:
        """A link has its time, and so have the gate and the reading of a refusal."""
        self.wrapper.dataReceived(b"REDQ")
        self.wait(LINK_DEADLINE + 0.5)
        self.assertTrue(self.transport.closed)
        self.open()
        self.link()
        self.wait(OPENING_DEADLINE + 0.5)
        self.assertEqual(refusal(), self.take())
        self.open()
        self.transport.stuck = True
        self.link(b"")
        self.wait(CLOSE_DEADLINE + 0.5)
        self.assertTrue(self.transport.closed)

    def test_not_waiting(self) -> None:
        """Who goes on and on without a result is cut."""
        self.link(behind=bytes(HELD_MAX))
        self.assertFalse(self.transport.closed)
        self.wrapper.dataReceived(b"x")
        turn(self.clock)
        self.assertTrue(self.transport.closed)
        self.assertTrue(self.gate.let_in().abandoned)

    def test_an_early_flood(self) -> None:
        """Bytes far beyond a link are cut while it is read, too."""
        self.wrapper.dataReceived(Link(0, 1, 0, Caps(COMMON)).pack() + bytes(PUBLIC_KEY_LENGTH))
        for _ in range(20):
            self.wrapper.dataReceived(bytes(8192)) if not self.transport.closed else None
            turn(self.clock)
        self.assertTrue(self.transport.closed)
