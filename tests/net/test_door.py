"""Tests of the HTTP side of a connection."""

from __future__ import annotations

import attrs
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.task import Clock
from twisted.internet.testing import EventLoggingObserver
from twisted.logger import globalLogPublisher
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from gateway.model.client import Arrival
from gateway.model.errors import HttpRefusal, Reason, Refused
from gateway.net.connection import GRACE, ConnectionFactory, Gate
from gateway.net.door import ANSWER_DEADLINE, BODY_DEADLINE, CLOSE_DEADLINE, HEAD_DEADLINE, IDLE_DEADLINE, Door
from gateway.net.fronts import Fronts
from gateway.net.site_channel import SiteChannel
from gateway.net.wheel import Wheel
from tests.support.feed import fed_three_ways
from tests.support.front import Counts, Gatekeeper, presentation
from tests.support.pipes import RecordingReceiver, SocketTransport, turn
from tests.support.ws import client_frame, request


class _Page(Resource):
    """Answers with what was asked, at once or when the test says so."""

    isLeaf = True

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.later: list = []
        self.lost: list = []

    def render(self, request):
        body = request.content.read()
        self.asked.append(f"{request.method.decode()} {request.uri.decode()} {body.decode()}".strip())
        if request.uri.startswith(b"/later"):
            request.notifyFinish().addErrback(self.lost.append)
            self.later.append(request)
            return NOT_DONE_YET
        return b"page " + request.uri


class _Site(Site):
    protocol = SiteChannel

    def channel_for(self, arrival: Arrival) -> SiteChannel:
        channel = super().buildProtocol(None)
        channel.arrival = arrival
        return channel

    def log(self, request) -> None:
        """Nothing."""


class _Case(SynchronousTestCase):
    policy = "serve"
    arrival = Arrival("192.0.2.7", 4711, public_url="https://gw.example.com", secure=True)

    def setUp(self) -> None:
        self.clock, self.counts, self.gate, self.page = Clock(), Counts(), Gatekeeper(), _Page()
        self.healthy = 200
        self.presented: list[str] = []
        self.fronts = Fronts(
            upgrade=self.present,
            admit=self.gate,
            site=_Site(self.page, reactor=self.clock),
            health=lambda path: 200 if path == "/healthz" else self.healthy,
            wheel=Wheel(self.clock),
            metrics=self.counts,
            plaintext=self.policy,
            ping=0,
        )
        self.open()

    def present(self, head, arrival):
        self.presented.append(head.target)
        if "bad" in head.target:
            raise HttpRefusal(403, "not this one")
        if "fault" in head.target:
            raise KeyError(head.target)
        return presentation()

    def open(self, **changes) -> None:
        self.transport = SocketTransport(self.clock)
        self.wrapper = ProtocolWrapper(WrappingFactory(None), Door(self.fronts, attrs.evolve(self.arrival, **changes)))
        self.transport.protocol = self.wrapper
        self.wrapper.makeConnection(self.transport)

    def say(self, data: bytes) -> None:
        self.wrapper.dataReceived(data)

    def take(self) -> bytes:
        data = self.transport.value()
        self.transport.clear()
        return data

    def ask(self, line: str, *headers: str, body: bytes = b"") -> bytes:
        self.say("\r\n".join([f"{line} HTTP/1.1", "Host: gw", *headers, "", ""]).encode() + body)
        return self.take()

    def assertClosed(self) -> None:  # noqa: N802
        turn(self.clock)
        self.assertTrue(self.transport.closed)

    def assertStatus(self, answer: bytes, status: int) -> None:  # noqa: N802
        self.assertTrue(answer.startswith(b"HTTP/1.1 %d " % status), answer)

    def advance(self, seconds: float) -> None:
        self.clock.pump([0.25] * round(seconds * 4))


class SiteTests(_Case):
    """What goes to twisted.web."""

    def test_pages_on_one_connection(self) -> None:
        """Requests one after the other are answered on the same connection, bodies included."""
        self.assertIn(b"page /a", self.ask("GET /a"))
        self.assertIn(b"page /b", self.ask("POST /b", "Content-Length: 3", body=b"abc"))
        self.assertIn(b"page /c", self.ask("GET /c"))
        self.assertEqual(self.page.asked, ["GET /a", "POST /b abc", "GET /c"])
        self.assertFalse(self.transport.closed)

    def test_however_it_is_cut(self) -> None:
        """Three pipelined requests give the same three answers, in order, however they arrive."""
        stream = (
            b"GET /a HTTP/1.1\r\nHost: g\r\n\r\n"
            b"POST /b HTTP/1.1\r\nHost: g\r\nContent-Length: 2\r\n\r\nxy"
            b"GET /c HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n"
        )

        def run(pieces):
            self.open()
            self.page.asked.clear()
            for piece in pieces:
                self.say(piece)
            turn(self.clock)
            return list(self.page.asked), self.take().count(b"HTTP/1.1 200"), self.transport.closed

        self.assertEqual(fed_three_ways(stream, run), (["GET /a", "POST /b xy", "GET /c"], 3, True))

    def test_http_1_0(self) -> None:
        """An old client gets its page, and the connection closes behind it."""
        self.say(b"GET /old HTTP/1.0\r\n\r\n")
        self.assertIn(b"page /old", self.take())
        self.assertClosed()

    def test_nothing_is_built_before_a_head_is_whole(self) -> None:
        """Half a head costs no channel; the site never hears of it."""
        self.say(b"GET /a HTTP/1.1\r\nHost: gw\r\nX: " + b"x" * 4000)
        self.assertIsNone(self.transport.producer)
        self.assertEqual(self.page.asked, [])

    def test_an_answer_that_takes_time_holds_back_the_next_request(self) -> None:
        """While one request is answered the next waits, reading stops, and both are answered in order."""
        self.say(b"GET /later HTTP/1.1\r\nHost: g\r\n\r\n")
        self.assertEqual(self.transport.producerState, "producing")
        self.say(b"GET /b HTTP/1.1\r\nHost: g\r\n\r\n")
        self.assertEqual(self.transport.producerState, "paused")
        self.assertEqual(self.page.asked, ["GET /later"])
        self.page.later[0].write(b"at last")
        self.page.later[0].finish()
        answers = self.take()
        self.assertLess(answers.index(b"at last"), answers.index(b"page /b"))
        self.assertEqual(self.transport.producerState, "producing")

    def test_what_is_held_is_bounded(self) -> None:
        """A client that goes on sending in spite of the pause is cut."""
        self.say(b"GET /later HTTP/1.1\r\nHost: g\r\n\r\n")
        for _ in range(4):
            self.say(b"x" * 30_000)
        self.assertClosed()

    def test_a_client_that_leaves_ends_its_request(self) -> None:
        """The site learns that nobody waits for the answer any more."""
        self.say(b"GET /later HTTP/1.1\r\nHost: g\r\n\r\n")
        self.transport.cut()
        self.assertEqual(len(self.page.lost), 1)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_the_site_knows_the_client(self) -> None:
        """A request's channel carries the arrival."""
        self.say(b"GET /later HTTP/1.1\r\nHost: g\r\n\r\n")
        self.assertEqual(self.page.later[0].channel.arrival, self.arrival)


class ForwardedTests(_Case):
    """Requests that a balancer makes for others."""

    policy = "serve"
    arrival = Arrival("10.0.0.5", 40000)

    def setUp(self) -> None:
        super().setUp()
        self.arrivals: list[Arrival] = []

        def present(head, arrival):
            self.arrivals.append(arrival)
            return presentation()

        def connect(head, arrival, behind):
            self.arrivals.append(arrival)
            return Protocol()

        def forwarded(head, arrival):
            return attrs.evolve(arrival, address=head.get("x-forwarded-for") or arrival.address)

        self.fronts = attrs.evolve(self.fronts, upgrade=present, connect=connect, forwarded=forwarded)
        self.open()

    def test_each_request_has_its_own_client(self) -> None:
        """Requests of several clients on one connection are each answered as their own, also behind a slow answer."""
        self.say(b"GET /later HTTP/1.1\r\nHost: g\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
        self.say(b"GET /later HTTP/1.1\r\nHost: g\r\nX-Forwarded-For: 192.0.2.8\r\n\r\n")
        self.say(b"GET /later HTTP/1.1\r\nHost: g\r\n\r\n")
        for n, address in enumerate(("192.0.2.7", "192.0.2.8", "10.0.0.5")):
            request = self.page.later[n]
            self.assertEqual(request.channel.arrival, attrs.evolve(self.arrival, address=address))
            request.finish()

    def test_upgrades_and_connects(self) -> None:
        """What becomes something else than HTTP belongs to the client as well."""
        self.say(request("/").replace(b"\r\n\r\n", b"\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n"))
        self.open()
        self.ask("CONNECT console:1", "X-Forwarded-For: 192.0.2.8")
        self.assertEqual([one.address for one in self.arrivals], ["192.0.2.7", "192.0.2.8"])


class DirectTests(_Case):
    """What is answered without the site."""

    def test_health(self) -> None:
        """Both health paths answer with their status and no body, by GET and HEAD, and keep the connection."""
        self.assertStatus(self.ask("GET /healthz"), 200)
        self.assertStatus(self.ask("HEAD /readyz"), 200)
        self.healthy = 503
        answer = self.ask("GET /readyz")
        self.assertStatus(answer, 503)
        self.assertIn(b"\r\nContent-Length: 0\r\n", answer)
        self.assertTrue(answer.endswith(b"\r\n\r\n"))
        self.assertStatus(self.ask("GET /healthz"), 200)
        self.assertEqual(self.page.asked, [])
        self.assertIn(b"page", self.ask("POST /healthz"))

    def test_health_closes_when_asked_to(self) -> None:
        """A probe that says close, or speaks HTTP/1.0, is closed."""
        self.assertIn(b"Connection: close", self.ask("GET /healthz", "Connection: close"))
        self.assertClosed()
        self.open()
        self.say(b"GET /healthz HTTP/1.0\r\n\r\n")
        self.assertStatus(self.take(), 200)
        self.assertClosed()

    def test_options(self) -> None:
        """A balancer's OPTIONS is 204 and leaves no line in the log."""
        observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        for target in ("*", "/"):
            self.assertStatus(self.ask(f"OPTIONS {target}"), 204)
        self.say(b"OPTIONS / HTTP/1.0\r\n\r\n")
        self.assertStatus(self.take(), 204)
        self.assertClosed()
        self.assertEqual(list(observer), [])

    def test_ill_formed(self) -> None:
        """What is no request, or has two meanings, is answered with its status, and the connection closes."""
        for data, status in (
            (b"GET /a HTTP/1.1\r\n\r\n", 400),
            (b"GET /" + b"x" * 9000, 414),
            (b"GET / HTTP/1.1\r\nX: " + b"x" * 9000, 431),
            (b"POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            (b"POST / HTTP/1.1\r\nHost: g\r\nContent-Length: 99999999\r\n\r\n", 413),
            (b"GET / HTTP/2.0\r\n\r\n", 505),
        ):
            self.open()
            self.say(data)
            self.assertStatus(self.take(), status)
            self.assertClosed()
            self.assertEqual(self.page.asked, [])

    def test_ill_formed_after_a_good_one(self) -> None:
        """The good request is answered first, then the bad one is refused, also while the first takes its time."""
        self.say(b"GET /later HTTP/1.1\r\nHost: g\r\n\r\nGET\r\n\r\n")
        self.assertEqual(self.take(), b"")
        self.page.later[0].write(b"at last")
        self.page.later[0].finish()
        answers = self.take()
        self.assertLess(answers.index(b"at last"), answers.index(b"HTTP/1.1 400 "))
        self.assertClosed()

    def test_connect_is_not_spoken_yet(self) -> None:
        """Without somebody for it a CONNECT is refused."""
        self.assertStatus(self.ask("CONNECT console:1"), 501)
        self.assertClosed()

    def test_connect_is_handed_over(self) -> None:
        """With somebody for it he gets the connection, and what was sent behind the request."""
        heard: list[bytes] = []

        class Tunnel(Protocol):
            def dataReceived(self, data: bytes) -> None:
                heard.append(data)

        def connect(head, arrival, behind):
            heard.append(behind)
            return Tunnel()

        self.fronts = attrs.evolve(self.fronts, connect=connect)
        self.open()
        self.ask("CONNECT console:1", body=b"RFB ")
        self.say(b"003.008\n")
        self.assertEqual(b"".join(heard), b"RFB 003.008\n")
        self.advance(HEAD_DEADLINE * 10)
        self.assertFalse(self.transport.closed)


class PlaintextTests(_Case):
    """Outside TLS."""

    arrival = Arrival("192.0.2.7", public_url="https://gw.example.com/")
    policy = "redirect"

    def test_redirect(self) -> None:
        """GET and HEAD are sent to the public URL; the connection closes."""
        for method in ("GET", "HEAD"):
            self.open()
            answer = self.ask(f"{method} /console/")
            self.assertStatus(answer, 308)
            self.assertIn(b"\r\nLocation: https://gw.example.com/console/\r\n", answer)
            self.assertClosed()

    def test_no_ticket_is_echoed(self) -> None:
        """A target that may carry a ticket is refused instead of sent back over the open line."""
        for target in ("/?token=T0P", "/ticket/T0P", "/902;T0P", "http://evil.example/", "//x/ticket/T0P"):
            self.open()
            answer = self.ask(f"GET {target}")
            self.assertStatus(answer, 403)
            self.assertNotIn(b"T0P", answer)
            self.assertNotIn(b"Location", answer)

    def test_all_else_is_refused(self) -> None:
        """Other methods, CONNECT and upgrades are 403, and nothing is presented or redeemed."""
        for line in ("POST /", "DELETE /api/v1/tickets/x", "CONNECT console:1"):
            self.open()
            self.assertStatus(self.ask(line), 403)
            self.assertClosed()
        self.open()
        self.say(request("/console"))
        self.assertStatus(self.take(), 403)
        self.assertEqual((self.presented, self.gate.asked, self.page.asked), ([], [], []))

    def test_health_answers_anyway(self) -> None:
        """Balancers probe without TLS."""
        self.assertStatus(self.ask("GET /healthz"), 200)
        self.assertStatus(self.ask("OPTIONS *"), 204)

    def test_without_a_public_url(self) -> None:
        """With nowhere to redirect to, everything is refused."""
        self.open(public_url="")
        self.assertStatus(self.ask("GET /"), 403)

    def test_refuse_and_serve(self) -> None:
        """The other policies: no to everything, or the same as inside TLS."""
        self.fronts = attrs.evolve(self.fronts, plaintext="refuse")
        self.open()
        self.assertStatus(self.ask("GET /"), 403)
        self.fronts = attrs.evolve(self.fronts, plaintext="serve")
        self.open()
        self.assertIn(b"page /", self.ask("GET /"))
        self.say(request("/"))
        self.assertEqual(self.presented, ["/"])


class UpgradeTests(_Case):
    """What becomes a WebSocket."""

    def test_let_in(self) -> None:
        """An upgrade on any path is presented and, once admitted, a pipe both ways."""
        self.say(request("/some/where?token=T0P"))
        self.assertEqual(self.presented, ["/some/where?token=T0P"])
        self.assertEqual(self.take(), b"")
        admission = self.gate.let_in()
        self.assertStatus(self.take(), 101)
        receiver = RecordingReceiver()
        admission.pipe.start(receiver)
        self.say(client_frame(b"hello"))
        turn(self.clock)
        self.assertEqual(receiver.data, b"hello")
        self.advance(IDLE_DEADLINE * 20)
        self.assertFalse(self.transport.closed)

    def test_a_later_request_of_a_connection(self) -> None:
        """After pages on the same connection an upgrade still gets the transport wholly, back-pressure included."""
        self.ask("GET /a")
        self.say(request("/"))
        admission = self.gate.let_in()
        receiver = RecordingReceiver()
        admission.pipe.start(receiver)
        self.transport.stuck = True
        admission.pipe.send(b"x" * 70_000)
        turn(self.clock)
        self.assertEqual(receiver.events, ["full"])

    def test_behind_an_answer_that_takes_time(self) -> None:
        """A pipelined upgrade waits for the answer before it."""
        self.say(b"GET /later HTTP/1.1\r\nHost: g\r\n\r\n")
        self.say(request("/"))
        self.assertEqual(self.presented, [])
        self.page.later[0].finish()
        self.assertEqual(self.presented, ["/"])
        self.gate.let_in()
        self.assertIn(b"HTTP/1.1 101 ", self.take())

    def test_going_on_without_waiting(self) -> None:
        """Bytes behind the upgrade request, in the same segment or while it waits its turn, are 400."""
        self.say(request("/") + b"GET /smuggled HTTP/1.1\r\nHost: g\r\n\r\n")
        self.assertStatus(self.take(), 400)
        self.assertClosed()
        self.open()
        self.say(b"GET /later HTTP/1.1\r\nHost: g\r\n\r\n" + request("/"))
        self.say(b"x")
        self.page.later[0].finish()
        self.assertIn(b"HTTP/1.1 400 ", self.take())
        self.assertClosed()
        self.assertEqual((self.presented, self.gate.asked), ([], []))

    def test_refused_before_it_is_asked(self) -> None:
        """What presents nothing good gets the status, and nobody is asked."""
        self.say(request("/bad"))
        answer = self.take()
        self.assertStatus(answer, 403)
        self.assertNotIn(b"not this one", answer)
        self.assertClosed()
        self.assertEqual(self.gate.asked, [])

    def test_both_refusals_look_alike(self) -> None:
        """Nothing presented and a ticket refused give the same bytes."""
        self.say(request("/bad"))
        before = self.take()
        self.open()
        self.say(request("/"))
        self.gate.refuse(Refused(Reason.EXPIRED))
        self.assertEqual(self.take(), before)

    def test_a_fault(self) -> None:
        """An unexpected exception is 500, and the log does not hold what it said."""
        observer = EventLoggingObserver.createWithCleanup(self, globalLogPublisher)
        self.say(request("/fault?T0P-SECRET"))
        self.assertStatus(self.take(), 500)
        (event,) = list(observer)
        self.assertEqual(event["kind"], "KeyError")
        self.assertNotIn("T0P-SECRET", repr(dict(event)))


class CrowdedTests(_Case):
    """At the gate's limit."""

    def test_who_makes_room(self) -> None:
        """Who asks for nothing goes first, who asked or was answered lately later, who was let in never."""
        gate = Gate(3, self.fronts.wheel)
        factory = ConnectionFactory(Factory.forProtocol(lambda: Door(self.fronts, self.arrival)), gate)

        def connect():
            connection, transport = factory.buildProtocol(None), SocketTransport(self.clock)
            transport.protocol = connection
            connection.makeConnection(transport)
            return connection

        session, asking, _ = connect(), connect(), connect()
        self.gate.let_in()
        session.dataReceived(request("/?token=T0P-SECRET"))
        self.advance(GRACE - 1)
        asking.dataReceived(b"GET /later HTTP/1.1\r\nHost: g\r\n\r\n")
        self.advance(1)
        self.assertEqual(list(gate), [session, asking])
        connect()
        self.advance(GRACE - 2)
        self.page.later[0].finish()
        self.advance(2)
        self.assertEqual(list(gate), [session, asking])
        connect()
        self.advance(2 * GRACE)
        self.assertIn(session, gate)
        self.assertNotIn(asking, gate)


class DeadlineTests(_Case):
    """Whoever is slow."""

    def assertLives(self, seconds: float) -> None:  # noqa: N802
        self.advance(seconds - 0.5)
        self.assertFalse(self.transport.closed)
        self.advance(0.75)

    def test_head(self) -> None:
        """Half a head is cut after its time, however it trickles in."""
        self.say(b"GET / HTTP/1.1\r\n")
        self.advance(5)
        self.say(b"Host: g\r\n")
        self.assertLives(HEAD_DEADLINE - 5)
        self.assertClosed()
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_idle(self) -> None:
        """After an answer the connection waits for a while; a started head has its own time again."""
        self.ask("GET /a")
        self.advance(IDLE_DEADLINE - 1)
        self.say(b"GET")
        self.assertLives(HEAD_DEADLINE)
        self.assertClosed()
        self.open()
        self.ask("GET /a")
        self.assertLives(IDLE_DEADLINE)
        self.assertClosed()

    def test_each_request_has_its_own_time(self) -> None:
        """Many requests in a row take longer than one may."""
        for _ in range(10):
            self.ask("GET /a")
            self.advance(IDLE_DEADLINE / 2)
        self.assertFalse(self.transport.closed)

    def test_body(self) -> None:
        """A body that does not come is not waited for."""
        self.ask("POST /a", "Content-Length: 10", body=b"x")
        self.assertLives(BODY_DEADLINE)
        self.assertClosed()

    def test_answer(self) -> None:
        """An answer that is never finished ends too."""
        self.ask("GET /later")
        self.assertLives(ANSWER_DEADLINE)
        self.assertClosed()

    def test_close(self) -> None:
        """A client that does not take its refusal is cut."""
        self.transport.stuck = True
        self.say(b"BAD\r\n\r\n")
        turn(self.clock)
        self.assertLives(CLOSE_DEADLINE)
        self.assertClosed()
