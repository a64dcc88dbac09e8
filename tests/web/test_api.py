"""The frame of the API: routes, keys, bodies, deadlines."""

from __future__ import annotations

from pathlib import Path

from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectionLost
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.events import Event
from gateway.web.access import Role
from gateway.web.api import ANY, DEADLINE, MAX_FIELDS, MAX_VALUE, Answer, Route, only
from gateway.wire.http1 import MAX_BODY
from tests.support.web import WebBench, logged, read_reply


class ApiTestCase(SynchronousTestCase):
    def setUp(self):
        directory = Path(self.mktemp())
        directory.mkdir()
        self.bench = WebBench(directory)
        self.calls = []
        self.bench.serve(
            (
                Route("GET", ("things",), self.note),
                Route("GET", ("things", ANY), self.note, Role.OPERATOR),
                Route("POST", ("things", ANY), self.take),
                Route("GET", ("broken",), self.blunder),
                Route("GET", ("slow",), self.wait),
            )
        )
        self.waiting = Deferred()

    async def note(self, call):
        self.calls.append(call)
        return Answer(document={"parts": call.parts, "query": only(call, "a", "b")})

    async def take(self, call):
        return Answer(202, {"body": call.fields().take("x")})

    async def blunder(self, call):
        raise KeyError("s3cret")

    async def wait(self, call):
        await self.waiting
        return Answer(204)

    def api(self, method, path, body=None, **more):
        return self.bench.ask(method, f"/api/v1/{path}", body, **more)

    def assert_problem(self, status, word, reply):
        self.assertEqual((reply.status, reply.problem), (status, word))


class RoutingTests(ApiTestCase):
    def test_parts_and_query(self):
        """Segments and query are decoded once; an encoded slash stays within its segment."""
        reply = self.api("GET", "things/vc1%2Fvm%2520%C3%A4?a=x%26y&b=1+2", key="operator")
        self.assertEqual(reply.json, {"parts": ["vc1/vm%20ä"], "query": {"a": "x&y", "b": "1 2"}})

    def test_not_found(self):
        """A path that nobody knows is 404, with no key asked for."""
        for path in ("", "thing", "things/", "things/a/b", "%74hings/x/y", "../v1/x"):
            self.assertIn(self.api("GET", path).status, (401, 404), path)
        self.assert_problem(404, "not-found", self.api("GET", "thing"))

    def test_methods(self):
        """A method that a path does not know is 405, which says those it does."""
        reply = self.api("DELETE", "things/x")
        self.assert_problem(405, "method-not-allowed", reply)
        self.assertEqual(reply.headers["Allow"], "GET, POST, HEAD")

    def test_head(self):
        """HEAD is GET without the body."""
        get, head = self.api("GET", "things"), self.api("HEAD", "things")
        self.assertEqual((head.status, head.body), (200, b""))
        self.assertEqual(head.headers["Content-Length"], str(len(get.body)))

    def test_headers(self):
        """No answer is kept, and each says what it is."""
        for reply, kind in (
            (self.api("GET", "things"), "application/json"),
            (self.api("GET", "thing"), "application/problem+json"),
        ):
            self.assertEqual(reply.headers.get_all("Cache-Control"), ["no-store"])
            self.assertEqual(reply.headers.get_all("Content-Type"), [kind])

    def test_unreadable(self):
        """Segments and values that are no printable UTF-8, or too long, are refused."""
        for path in (
            "things/%ff",
            "things/%00",
            "things/a%0Ab",
            "things/" + "x" * (MAX_VALUE + 1),
            "things?a=%ff",
            "things?a=" + "x" * (MAX_VALUE + 1),
        ):
            self.assert_problem(400, "bad-request", self.api("GET", path, key="operator"))

    def test_query(self):
        """An unknown name in the query, or one twice, is refused; of countless fields only the first are read."""
        for query in ("c=1", "a=1&a=2", "&".join(["a=1"] * 2000)):
            self.assert_problem(400, "bad-request", self.api("GET", f"things?{query}"))
        self.api("GET", "things?" + "&" * MAX_FIELDS + "a=1")
        self.assertEqual(self.calls[-1].query, ())


class KeyTests(ApiTestCase):
    def test_key(self):
        """A route with a role needs a key of it; one without needs none and looks at none."""
        self.assertEqual(self.api("GET", "things/x", key="operator").status, 200)
        self.assertEqual(self.calls[-1].key.name, "operator")
        self.assert_problem(403, "forbidden", self.api("GET", "things/x", key="viewer"))
        reply = self.api("GET", "things/x")
        self.assert_problem(401, "unauthorized", reply)
        self.assertEqual(reply.headers["WWW-Authenticate"], "Bearer")
        self.assertEqual(self.api("GET", "things", key="wrong").status, 200)

    def test_a_key_elsewhere(self):
        """A key in the query, in a cookie or as Basic is no key."""
        for more in ({"Cookie": "key=operator"}, {"Authorization": "Basic b3BlcmF0b3I="}):
            self.assert_problem(401, "unauthorized", self.api("GET", "things/x", **more))
        self.assert_problem(401, "unauthorized", self.api("GET", "things/x?a=operator"))

    def test_repr(self):
        """A call's repr shows no key, grant or body."""
        self.api("GET", "things", Authorization="Grant s3cret")
        self.assertNotIn("s3cret", repr(self.calls[-1]))


class BodyTests(ApiTestCase):
    def test_json(self):
        """A JSON body is read, whatever parameters its type has."""
        for kind in ("application/json", "Application/JSON; charset=utf-8"):
            reply = self.api("POST", "things/x", {"x": 1}, Content_Type=kind)
            self.assertEqual((reply.status, reply.json), (202, {"body": 1}))

    def test_other_types(self):
        """A body of any other type is refused, as a form of another site would be."""
        for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""):
            reply = self.api("POST", "things/x", b'{"x": 1}', Content_Type=kind)
            self.assert_problem(415, "unsupported-media-type", reply)

    def test_ill_formed(self):
        """What is no JSON object is refused."""
        self.assert_problem(400, "bad-request", self.api("POST", "things/x", b"[]"))

    def test_bound(self):
        """The longest body that the door lets through is read."""
        padding = b" " * (MAX_BODY - 8)
        self.assertEqual(self.api("POST", "things/x", b'{"x": 1}' + padding).status, 202)


class WaitingTests(ApiTestCase):
    def test_later(self):
        """A call may be answered later."""
        transport = self.bench.send(b"GET /api/v1/slow HTTP/1.1\r\nHost: h\r\n\r\n")
        self.assertEqual(transport.value(), b"")
        self.waiting.callback(None)
        self.assertEqual(read_reply("GET", transport.value()).status, 204)

    def test_deadline(self):
        """A call that takes too long is given up, and answered so."""
        cancelled = []
        self.waiting = Deferred(cancelled.append)
        transport = self.bench.send(b"GET /api/v1/slow HTTP/1.1\r\nHost: h\r\n\r\n")
        self.bench.turn(DEADLINE - 1)
        self.assertEqual(transport.value(), b"")
        self.bench.turn(1)
        self.assert_problem(504, "too-slow", read_reply("GET", transport.value()))
        self.assertEqual(cancelled, [self.waiting])

    def test_left(self):
        """A client that leaves ends its call, and nothing is logged or written."""
        cancelled = []
        self.waiting = Deferred(cancelled.append)
        transport = self.bench.send(b"GET /api/v1/slow HTTP/1.1\r\nHost: h\r\n\r\n")
        with logged() as events:
            transport.channel.connectionLost(Failure(ConnectionLost()))
        self.assertEqual((cancelled, transport.value(), events), ([self.waiting], b"", []))

    def test_fault(self):
        """A mistake of ours is 500 without a word of it; the next call is answered."""
        with logged() as events:
            self.assert_problem(500, "fault", self.api("GET", "broken"))
        self.assertEqual([event["event"] for event in events], [Event.FAULT])
        self.assertNotIn(b"s3cret", self.api("GET", "broken").body)
        self.assertEqual(len(self.flushLoggedErrors(KeyError)), 2)
        self.assertEqual(self.api("GET", "things").status, 200)
