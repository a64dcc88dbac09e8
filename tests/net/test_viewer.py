"""Tests of greeting stock viewers."""

from __future__ import annotations

import struct
from pathlib import Path

from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.protocols.policies import ProtocolWrapper
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival, Greeted, Way
from gateway.model.errors import Reason, Refused
from gateway.model.events import Event
from gateway.net.certificates import CertificateStore
from gateway.net.connection import ConnectionFactory, Gate
from gateway.net.entering import OPENING_DEADLINE
from gateway.net.handshakes import Slots
from gateway.net.mux import MuxFactory, Routes
from gateway.net.tls_start import TlsTerms
from gateway.net.viewer import (
    ANSWER_DEADLINE,
    CLOSE_DEADLINE,
    NOT_THIS_TICKET,
    TICKET_DEADLINE,
    UNREAD_MAX,
    ViewerFront,
)
from gateway.net.wheel import Wheel
from gateway.wire.sniff import Kind
from tests.support.certs import Authority, write_pile
from tests.support.front import Counts, Gatekeeper
from tests.support.pipes import RecordingReceiver, SocketTransport, turn
from tests.support.tls_talk import TlsTalk, client_hello, unverified

PILE = Authority().issue("gw.example.com")
GREETING = b"RFB 003.008\n"
CHOICES = b"\x13", b"\x00\x02", struct.pack("!I", 262)
OFFERS = GREETING + b"\x01\x13" + b"\x00\x02" + b"\x00\x01"
OK = bytes(4)
NO = struct.pack("!II", 1, len(NOT_THIS_TICKET)) + NOT_THIS_TICKET.encode()


def plain(ticket: bytes, user: bytes = b"") -> bytes:
    """What a viewer says inside."""
    return struct.pack("!II", len(user), len(ticket)) + user + ticket


class _Case(SynchronousTestCase):
    settles = False

    def setUp(self) -> None:
        directory = Path(self.mktemp())
        directory.mkdir()
        write_pile(directory / "default.pem", PILE)
        self.clock, self.counts = Clock(), Counts()
        self.wheel = Wheel(self.clock)
        self.gate, self.keeper = Gate(1000, self.wheel), Gatekeeper()
        self.keeper.admission.speaks_rfb = True
        self.slots = Slots(self.wheel, 2)
        store = CertificateStore(directory, "1.2", lambda notice: None)
        terms = TlsTerms(store.capped, self.slots, self.wheel)
        self.outside = ViewerFront(self.keeper, self.wheel, self.counts, terms, self.settles)
        self.inside = ViewerFront(self.keeper, self.wheel, self.counts)
        self.observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)

    def connect(self, front: ViewerFront | None = None) -> ProtocolWrapper:
        """A viewer that has said four bytes."""
        front = front or self.outside
        routes = Routes(self.wheel, self.counts, {Kind.RFB: front}, silent=front, silent_after=2.0)
        transport = SocketTransport(self.clock)
        factory = ConnectionFactory(MuxFactory(routes, Arrival("", listener="outside")), self.gate)
        connection = factory.buildProtocol(None)
        transport.protocol = connection
        connection.makeConnection(transport)
        return connection

    def said(self, connection) -> bytes:
        data = connection.transport.value()
        connection.transport.clear()
        return data

    def up_to_tls(self) -> TlsTalk:
        """A viewer outside TLS that is ready to begin with it."""
        self.last = connection = self.connect()
        connection.dataReceived(GREETING)
        for choice in CHOICES:
            connection.dataReceived(choice)
        self.assertEqual(OFFERS + CHOICES[2] + b"\x01", self.said(connection))
        return TlsTalk(connection, connection.transport, unverified(), None)

    def presenting(self, ticket: bytes = b"T0P-SECRET", user: bytes = b"") -> TlsTalk:
        """A viewer that has shown its ticket."""
        return self.up_to_tls().pump().send(plain(ticket, user))

    def advance(self, seconds: float) -> None:
        self.clock.pump([0.25] * round(seconds * 4))
        turn(self.clock)

    def assertNothingLeft(self) -> None:  # noqa: N802
        turn(self.clock)
        self.assertEqual((0, 0, 0), (len(self.gate), self.slots.active, self.slots.waiting))
        self.assertEqual([], self.clock.getDelayedCalls())


class LetInTests(_Case):
    """A viewer with a good ticket."""

    def test_outside_tls(self) -> None:
        """It is asked for by way and ticket, told yes once, and its session goes on where the log-in ended."""
        talk = self.presenting(user=b"any")
        (asked,) = self.keeper.asked
        self.assertEqual((Way.VIEWER, "T0P-SECRET", True), (asked.way, asked.secret.reveal(), asked.arrival.secure))
        self.assertEqual((b"", self.slots.active), (talk.received, 0))
        self.keeper.let_in()
        self.assertEqual(OK, talk.pump().received)
        self.assertIs(Greeted.LET_IN, self.keeper.admission.greeted)
        receiver = RecordingReceiver()
        self.keeper.admission.pipe.start(receiver)
        talk.send(b"\x01")
        turn(self.clock)
        self.assertEqual(b"\x01", receiver.data)
        self.keeper.admission.pipe.send(b"screen")
        self.assertEqual(OK + b"screen", talk.pump().received)
        self.assertEqual(["rfb", "viewer"], self.counts.outcomes)
        self.assertEqual("TLSv1.2", talk.client.version())
        self.last.transport.cut()
        self.assertNothingLeft()

    def test_inside_tls(self) -> None:
        """Inside TLS the ticket comes in Plain; what follows it at once is the session's."""
        connection = self.connect(self.inside)
        for piece in (GREETING, b"\x13", b"\x00\x02", struct.pack("!I", 256)):
            connection.dataReceived(piece)
        self.assertEqual(OFFERS + struct.pack("!I", 256), self.said(connection))
        connection.dataReceived(plain(b"T0P-SECRET") + b"\x01")
        self.keeper.let_in()
        self.assertEqual(OK, self.said(connection))
        receiver = RecordingReceiver()
        self.keeper.admission.pipe.start(receiver)
        turn(self.clock)
        self.assertEqual(b"\x01", receiver.data)

    def test_gtk_vnc(self) -> None:
        """“RFB ” by itself is greeted at once, and the rest of the version may come when it likes."""
        connection = self.connect()
        connection.dataReceived(b"RFB ")
        self.assertEqual(GREETING, self.said(connection))
        connection.dataReceived(b"003.008\n")
        self.assertEqual(b"\x01\x13", self.said(connection))

    def test_silent(self) -> None:
        """A viewer that waits is spoken to after the listener's time."""
        connection = self.connect()
        self.advance(1.75)
        self.assertEqual(b"", self.said(connection))
        self.advance(0.25)
        self.assertEqual((GREETING, ["silent"]), (self.said(connection), self.counts.outcomes))

    def test_tls_right_behind_the_choice(self) -> None:
        """A viewer that does not wait for the byte that lets TLS begin loses none of its own."""
        connection = self.connect()
        connection.dataReceived(GREETING + b"".join(CHOICES) + client_hello()[:100])
        self.assertEqual(0, self.slots.active)
        connection.dataReceived(client_hello()[100:])
        self.assertEqual(1, self.slots.active)

    def test_an_admission_that_fails(self) -> None:
        """A fault of ours ends the connection and is told without the ticket."""
        self.keeper.admission.attach = None
        talk = self.presenting()
        self.keeper.let_in()
        turn(self.clock)
        talk.pump()
        self.assertTrue(self.last.transport.closed)
        (event,) = [event for event in self.observer if event.get("event") is Event.FAULT]
        self.assertNotIn("T0P-SECRET", repr(dict(event)))


class RefusedTests(_Case):
    """A viewer without one."""

    def test_every_refusal_is_the_same(self) -> None:
        """Whatever the reason, a viewer hears one sentence and a good-bye; nothing of it is logged here."""
        heard = set()
        for reason in (Reason.UNKNOWN, Reason.SPENT, Reason.OVER_LIMIT, Reason.STORE_AWAY, Reason.DRAINING):
            self.setUp()
            talk = self.presenting()
            self.keeper.refuse(Refused(reason))
            talk.pump()
            heard.add((talk.received, talk.closed))
            self.assertEqual((["rfb", "refused"], []), (self.counts.outcomes, list(self.observer)))
            self.advance(CLOSE_DEADLINE)
            self.assertNothingLeft()
        self.assertEqual({(NO, True)}, heard)

    def test_another_kind_of_console(self) -> None:
        """A ticket for what is no screen is refused the same way, and the session is let go."""
        self.keeper.admission.speaks_rfb = False
        talk = self.presenting()
        self.keeper.let_in()
        self.assertEqual((NO, True), (talk.pump().received, talk.closed))
        self.assertEqual((True, None), (self.keeper.admission.abandoned, self.keeper.admission.pipe))

    def test_no_answer_from_inside(self) -> None:
        """A viewer whose ticket is not judged in time is refused."""
        talk = self.presenting()
        self.advance(OPENING_DEADLINE)
        self.assertEqual(NO, talk.pump().received)

    def test_one_attempt(self) -> None:
        """A refused viewer that shows another ticket is not heard."""
        talk = self.presenting()
        self.keeper.refuse(Refused(Reason.UNKNOWN))
        talk.pump()
        talk.client.write(plain(b"another"))
        talk.step()
        self.assertEqual(1, len(self.keeper.asked))

    def test_an_old_viewer(self) -> None:
        """3.3 is told why, in the clear, before any ticket."""
        connection = self.connect()
        connection.dataReceived(b"RFB 003.003\n")
        self.assertIn(b"This gateway needs a viewer that speaks RFB 3.7 or 3.8", self.said(connection))
        turn(self.clock)
        self.assertTrue(connection.transport.closed)
        self.assertEqual([Event.JUNK_REFUSED], [event["event"] for event in self.observer])
        self.assertNothingLeft()

    def test_another_sort_of_log_in(self) -> None:
        """Who chooses what was not offered is told what is needed."""
        connection = self.connect()
        connection.dataReceived(GREETING + b"\x02")
        self.assertIn(b"VeNCrypt with X509Plain", self.said(connection))
        self.assertEqual(["rfb", "junk"], self.counts.outcomes)

    def test_no_tls(self) -> None:
        """A ticket in the clear where TLS was to begin is not read."""
        connection = self.connect()
        connection.dataReceived(GREETING + b"".join(CHOICES) + plain(b"T0P-SECRET"))
        turn(self.clock)
        self.assertTrue(connection.transport.closed)
        self.assertEqual([], self.keeper.asked)
        self.assertNotIn("T0P-SECRET", repr([dict(event) for event in self.observer]))

    def test_too_long(self) -> None:
        """A ticket longer than any is refused by its length; more than may wait before the answer too."""
        self.up_to_tls().pump().send(struct.pack("!II", 0, 4097))
        self.presenting().send(bytes(UNREAD_MAX + 1))
        self.assertEqual(["rfb", "junk"] * 2, self.counts.outcomes)
        self.keeper.let_in()
        self.assertTrue(self.keeper.admission.abandoned)


class TimeTests(_Case):
    """How long a viewer may take, and when it leaves."""

    def test_saying_nothing(self) -> None:
        """Who says nothing after the greeting is let go, without a line in the log."""
        connection = self.connect()
        self.advance(2 + ANSWER_DEADLINE - 0.25)
        self.assertFalse(connection.transport.closed)
        self.advance(0.25)
        self.assertTrue(connection.transport.closed)
        self.assertEqual((["silent", "timeout"], []), (self.counts.outcomes, list(self.observer)))
        self.assertNothingLeft()

    def test_a_person_who_types(self) -> None:
        """After the first bytes there is a minute for all of it, which trickling does not move."""
        self.up_to_tls().pump()
        self.advance(TICKET_DEADLINE - 0.25)
        self.assertFalse(self.last.transport.closed)
        self.advance(0.25 + CLOSE_DEADLINE)
        self.assertTrue(self.last.transport.closed)
        self.assertNothingLeft()

    def test_leaving_at_every_point(self) -> None:
        """A viewer that goes at any moment leaves nothing behind, and whom it was to be is abandoned."""
        for steps in range(6):
            talk = self.up_to_tls()
            for _ in range(steps):
                talk.step()
            self.last.transport.cut()
            self.assertNothingLeft()
        self.presenting()
        self.last.transport.cut()
        self.keeper.let_in()
        self.assertTrue(self.keeper.admission.abandoned)
        self.assertNothingLeft()
        self.assertIn("tls-failed", self.counts.outcomes)

    def test_no_room_for_its_handshake(self) -> None:
        """A viewer thinks before TLS without a turn; with its hello it waits for one like everybody."""
        thinking = self.up_to_tls()
        self.assertEqual(0, self.slots.active)
        for _ in range(2):
            self.slots.turn(lambda: None, lambda: None).wait()
        thinking.step()
        self.assertEqual((2, 1), (self.slots.active, self.slots.waiting))
        self.last.transport.cut()
        self.assertEqual(0, self.slots.waiting)


class SettlingTests(_Case):
    """Where nothing but TLS 1.3 is spoken."""

    settles = True

    def test_the_answer_waits(self) -> None:
        """Yes and no keep their distance from the end of the handshake; a viewer that leaves meanwhile is abandoned."""
        talk = self.presenting()
        self.keeper.let_in()
        self.assertEqual(b"", talk.pump().received)
        self.advance(0.25)
        self.assertEqual(OK, talk.pump().received)
        self.setUp()
        talk = self.presenting()
        self.keeper.refuse(Refused(Reason.UNKNOWN))
        self.assertEqual(b"", talk.pump().received)
        self.advance(0.25)
        self.assertEqual(NO, talk.pump().received)
        self.setUp()
        self.presenting()
        self.keeper.let_in()
        self.last.transport.cut()
        self.assertTrue(self.keeper.admission.abandoned)
        self.assertNothingLeft()

    def test_a_person_types_longer(self) -> None:
        """Who shows its ticket later is answered at once."""
        talk = self.up_to_tls().pump()
        self.advance(1)
        talk.send(plain(b"T0P-SECRET"))
        self.keeper.let_in()
        self.assertEqual(OK, talk.pump().received)
