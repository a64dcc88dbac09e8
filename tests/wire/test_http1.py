"""Which requests are read, which are refused, and with what status."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import LocalError
from gateway.wire.http1 import (
    MAX_BODY,
    MAX_HEAD,
    MAX_HEADERS,
    MAX_LINE,
    MAX_TRAILING,
    BadRequest,
    Body,
    End,
    Event,
    Head,
    RequestStream,
    simple_response,
)
from tests.support.feed import fed_three_ways

GET = b"GET / HTTP/1.1\r\nHost: a.example\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: a.example\r\n"
UPGRADE = GET + b"Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"


@attrs.frozen
class Outcome:
    """Everything that a stream said: its events with the pieces of a body joined, its refusal, and what it left."""

    events: tuple[Event, ...]
    status: int | None = None
    trailing: bytes | None = None


def joined(events: Sequence[Event]) -> tuple[Event, ...]:
    """The events with neighbouring pieces of a body made one."""
    out: list[Event] = []
    for event in events:
        if isinstance(event, Body) and out and isinstance(out[-1], Body):
            event = Body(out.pop().data + event.data)
        out.append(event)
    return tuple(out)


def run(pieces: Sequence[bytes]) -> Outcome:
    """Feed a fresh stream; the empty last piece asks for a refusal that is held back."""
    stream, events = RequestStream(), []
    for piece in [*pieces, b""]:
        try:
            events += stream.receive(piece)
        except BadRequest as bad:
            return Outcome(joined(events), bad.status)
    return Outcome(joined(events), trailing=stream.trailing() if stream.switched else None)


def outcome(data: bytes) -> Outcome:
    """What comes of these bytes, however they are cut."""
    return fed_three_ways(data, run)


def head(data: bytes) -> Head:
    """The one head in these bytes."""
    first = outcome(data).events[0]
    assert isinstance(first, Head)
    return first


class HeadTests(SynchronousTestCase):
    """What is read from one head."""

    def test_ordinary_request(self) -> None:
        """Method, target, version, headers and raw bytes are those of the client."""
        data = GET + b"X-Thing: \t a b \t\r\nx-thing:c\r\nX-Empty:\r\nX-Latin: caf\xe9\r\n\r\n"
        found = head(data)
        self.assertEqual((found.method, found.target, found.version), ("GET", "/", 1))
        self.assertEqual(found.raw, data)
        expected = (
            ("host", "a.example"),
            ("x-thing", "a b"),
            ("x-thing", "c"),
            ("x-empty", ""),
            ("x-latin", "caf\xe9"),
        )
        self.assertEqual(found.headers, expected)
        self.assertEqual(found.all("X-Thing"), ("a b", "c"))
        self.assertEqual(found.get("X-Thing"), "a b, c")
        self.assertEqual(found.get("X-Empty"), "")
        self.assertEqual(found.get("X-Absent"), None)
        self.assertEqual(outcome(data).events, (found, End()))

    def test_tokens(self) -> None:
        """A list is lower-cased and comes without its empty members."""
        found = head(GET + b"Connection: Keep-Alive,, \tUpgrade ,\r\nConnection: x\r\n\r\n")
        self.assertEqual(found.tokens("connection"), ("keep-alive", "upgrade", "x"))
        self.assertEqual(found.tokens("absent"), ())

    def test_vcloud_path(self) -> None:
        """The path of a vCloud Director viewer is kept as it came."""
        found = head(b"GET /902;cst-a/b+c=:--tp-4A:3E-- HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertEqual(found.target, "/902;cst-a/b+c=:--tp-4A:3E--")

    def test_console_connect(self) -> None:
        """A CONNECT of HTTP/1.0 to a path, without any header, is whole and switches."""
        found = outcome(b"CONNECT /console?token=T HTTP/1.0\r\n\r\n")
        expected = Head("CONNECT", "/console?token=T", 0, (), b"CONNECT /console?token=T HTTP/1.0\r\n\r\n")
        self.assertEqual(found, Outcome((expected,), trailing=b""))
        self.assertTrue(expected.switches)
        self.assertFalse(expected.upgrade)

    def test_connect_with_spaces(self) -> None:
        """SPICE viewers put the machine's title into the authority: its spaces belong to it."""
        found = head(b"CONNECT lab-console/vm 1:5900 HTTP/1.0\r\nHost: lab-console/vm 1:5900\r\n\r\n")
        self.assertEqual(found.target, "lab-console/vm 1:5900")

    def test_target_forms(self) -> None:
        """Path, URL, asterisk and authority each fit the methods that they are for."""
        for line in [
            b"GET /a%20b?c=d#e",
            b"GET http://a.example/b",
            b"OPTIONS *",
            b"OPTIONS /",
            b"CONNECT console:1",
            b"CONNECT [::1]:1",
        ]:
            self.assertEqual(head(line + b" HTTP/1.1\r\nHost: a\r\n\r\n").target.encode(), line.split(b" ")[1])

    def test_stray_lines(self) -> None:
        """Up to two empty lines before a request are passed over, and are no part of it."""
        for stray in (b"\r\n", b"\r\n\r\n"):
            self.assertEqual(outcome(stray + GET + b"\r\n"), outcome(GET + b"\r\n"))

    def test_expect(self) -> None:
        """``Expect: 100-continue`` is none of this module's business."""
        found = head(POST + b"Content-Length: 1\r\nExpect: 100-continue\r\n\r\n")
        self.assertEqual(found.get("expect"), "100-continue")

    def test_host_forms(self) -> None:
        """Names, addresses and, as the RFC has it, nothing are a Host; HTTP/1.0 needs none."""
        for host in (b"a.example:8443", b"[2001:db8::1]:8443", b"10.0.0.5", b""):
            self.assertEqual(head(b"GET / HTTP/1.1\r\nHost: " + host + b"\r\n\r\n").get("host"), host.decode())
        self.assertEqual(head(b"GET / HTTP/1.0\r\n\r\n").get("host"), None)

    def test_upgrade(self) -> None:
        """Only a GET of HTTP/1.1 that names both headers asks for a WebSocket."""
        self.assertTrue(head(UPGRADE + b"\r\n").upgrade)
        for other in [
            UPGRADE.replace(b"GET", b"POST"),
            UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"),
            UPGRADE.replace(b"WebSocket", b"h2c"),
            UPGRADE.replace(b", Upgrade", b""),
        ]:
            found = outcome(other + b"\r\n")
            self.assertFalse(found.events[0].upgrade)
            self.assertEqual(found.events[1:], (End(),))

    def test_repr_is_shy(self) -> None:
        """Nothing of a request but its method and version is shown: anything else may be a ticket."""
        data = b"POST /geheim?t=geheim HTTP/1.1\r\nHost: geheim\r\nCookie: geheim\r\nContent-Length: 6\r\n\r\ngeheim"
        shown = repr(outcome(data).events)
        self.assertIn("POST", shown)
        self.assertNotIn("geheim", shown)


class StreamTests(SynchronousTestCase):
    """Several requests on one connection, bodies, and what comes after HTTP."""

    def test_bodies_and_pipelining(self) -> None:
        """Requests follow one another exactly where the body of the one before ends."""
        first, second = POST + b"Content-Length: 5\r\n\r\n", GET + b"Content-Length: 0\r\n\r\n"
        found = outcome(first + b"GET /" + second + b"\r\n" + first + b"12345")
        self.assertEqual(
            found.events, (head(first), Body(b"GET /"), End(), head(second), End(), head(first), Body(b"12345"), End())
        )

    def test_body_is_not_held(self) -> None:
        """A body passes on piece by piece; its end comes with its last byte."""
        stream = RequestStream()
        self.assertEqual(len(stream.receive(POST + b"Content-Length: 4\r\n\r\n")), 1)
        self.assertEqual(stream.receive(b"ab"), [Body(b"ab")])
        self.assertEqual(stream.receive(b"cd"), [Body(b"cd"), End()])

    def test_largest_body(self) -> None:
        """A body of exactly the limit is taken."""
        length = str(MAX_BODY).encode()
        found = run([POST + b"Content-Length: " + length + b"\r\n\r\n" + bytes(MAX_BODY)])
        self.assertEqual(found.events[1:], (Body(bytes(MAX_BODY)), End()))

    def test_connect_leaves_the_rest(self) -> None:
        """What comes behind a CONNECT is no request, and is handed over."""
        data = b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n\r\n"
        found = outcome(data + b"RFB 003.008\nGET / HTTP/9")
        self.assertEqual(found, Outcome((head(data),), trailing=b"RFB 003.008\nGET / HTTP/9"))

    def test_upgrade_in_turn(self) -> None:
        """An upgrade may follow an ordinary request, and ends the stream."""
        found = outcome(GET + b"\r\n" + UPGRADE + b"\r\n")
        self.assertEqual(found.events, (head(GET + b"\r\n"), End(), head(UPGRADE + b"\r\n")))

    def test_spoke_early(self) -> None:
        """A client that sends anything behind its upgrade is told from one that waits, and CONNECT may not wait."""
        stream = RequestStream()
        stream.receive(UPGRADE + b"\r\n")
        self.assertFalse(stream.spoke_early)
        self.assertEqual(stream.receive(b"\x81"), [])
        self.assertTrue(stream.spoke_early)
        self.assertEqual(stream.trailing(), b"\x81")
        self.assertEqual(stream.trailing(), b"")
        stream = RequestStream()
        stream.receive(b"CONNECT a:1 HTTP/1.0\r\n\r\nRFB ")
        self.assertFalse(stream.spoke_early)

    def test_trailing_is_bounded(self) -> None:
        """Behind a switch only so much may wait."""
        stream = RequestStream()
        stream.receive(b"CONNECT a:1 HTTP/1.0\r\n\r\n")
        stream.receive(bytes(MAX_TRAILING))
        self.assertRaises(BadRequest, stream.receive, b"x")

    def test_trailing_out_of_turn(self) -> None:
        """While the stream is HTTP nothing is behind it: asking is our own mistake."""
        self.assertRaises(LocalError, RequestStream().trailing)

    def test_good_before_bad(self) -> None:
        """Good requests before an ill-formed one are delivered, then it is refused, again and again."""
        stream = RequestStream()
        self.assertEqual(len(stream.receive(GET + b"\r\nrubbish\r\n")), 2)
        for data in (b"", b"", GET + b"\r\n"):
            self.assertEqual(self.assertRaises(BadRequest, stream.receive, data).status, 400)


class RefusalTests(SynchronousTestCase):
    """Every ill-formed request with the status that it gets."""

    def refused(self, status: int, *requests: bytes) -> None:
        """Each is refused with this status and without an event, however it is cut."""
        for data in requests:
            self.assertEqual(outcome(data), Outcome((), status), data)

    def test_two_lengths(self) -> None:
        """A length that is given twice is refused, also when both are equal."""
        self.refused(
            400,
            POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            POST + b"Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello",
            POST + b"Content-Length: 5, 5\r\n\r\nhello",
        )

    def test_length_and_coding(self) -> None:
        """A length together with a transfer coding is refused, in either order."""
        self.refused(
            400,
            POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            POST + b"Transfer-Encoding: \r\nContent-Length: 5\r\n\r\n",
        )

    def test_transfer_coding(self) -> None:
        """Chunked bodies are asked for with a length; other codings are unknown."""
        self.refused(
            411,
            POST + b"Transfer-Encoding: chunked\r\n\r\n",
            POST + b"transfer-encoding:\tChunked\r\n\r\n",
        )
        self.refused(
            501,
            POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
            POST + b"Transfer-Encoding: identity\r\n\r\n",
            POST + b"Transfer-Encoding:\r\n\r\n",
            POST + b"Transfer-Encoding: xchunked\r\n\r\n",
            POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n",
        )

    def test_lengths(self) -> None:
        """A length is digits and nothing else, and not too many of them."""
        self.refused(
            400,
            *(
                POST + b"Content-Length: " + length + b"\r\n\r\n"
                for length in (b"", b"+5", b"-1", b"0x5", b"5 5", b"1_0", b"\xb2", b"5;", b"1e3")
            ),
        )
        self.refused(413, POST + b"Content-Length: " + str(MAX_BODY + 1).encode() + b"\r\n\r\n")
        self.assertEqual(run([POST + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n"]), Outcome((), 413))

    def test_header_names(self) -> None:
        """Folded lines, spaces before the colon and names that are no tokens are refused."""
        self.refused(
            400,
            GET + b"X-A: b\r\n folded\r\n\r\n",
            GET + b"X-A: b\r\n\tfolded\r\n\r\n",
            GET + b" X: y\r\n\r\n",
            GET + b"Content-Length : 5\r\n\r\n",
            GET + b"Transfer-Encoding\t: chunked\r\n\r\n",
            GET + b": no name\r\n\r\n",
            GET + b"no colon\r\n\r\n",
            GET + b"X(A): b\r\n\r\n",
            GET + b"X\xe9: b\r\n\r\n",
            GET + b"X\x00: b\r\n\r\n",
        )

    def test_line_ends(self) -> None:
        """Bare CR, bare LF and other control characters are refused wherever they stand in a head."""
        self.refused(
            400,
            b"GET / HTTP/1.1\nHost: a\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            GET + b"\n",
            GET + b"X: a\nTransfer-Encoding: chunked\r\n\r\n",
            GET + b"X: a\rTransfer-Encoding: chunked\r\n\r\n",
            GET + b"X: a\r\r\n\r\n",
            GET + b"X: a\x00b\r\n\r\n",
            GET + b"X: a\x7fb\r\n\r\n",
            GET + b"X: a\x0bb\r\n\r\n",
            b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
            b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        )

    def test_host(self) -> None:
        """A missing Host, two of them, and one that is no host are refused."""
        self.refused(
            400,
            b"GET / HTTP/1.1\r\n\r\n",
            b"CONNECT a:1 HTTP/1.1\r\n\r\n",
            GET + b"Host: a.example\r\n\r\n",
            b"GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a, b.example x\r\n\r\n",
        )

    def test_request_lines(self) -> None:
        """A first line that is not method, target and version with one space between is refused."""
        for line in [
            b"rubbish",
            b"GET /",
            b"GET / HTTP/1.1 ",
            b" GET / HTTP/1.1",
            b"GET  / HTTP/1.1",
            b"GET /  HTTP/1.1",
            b"GET /a b HTTP/1.1",
            b"GET /\t HTTP/1.1",
            b"GET\t/ HTTP/1.1",
            b"GET HTTP/1.1",
            b"G(T / HTTP/1.1",
            b"GET / http/1.1",
            b"GET / HTTP/1",
            b"GET / HTTP/1.10",
            b"GET / HTTP/\xb2.1",
            b"GET /\xe9 HTTP/1.1",
        ]:
            self.refused(400, line + b"\r\nHost: a\r\n\r\n")

    def test_targets(self) -> None:
        """A target of a form that its method does not take is refused."""
        for line in [
            b"GET *",
            b"GET a:1",
            b"GET a",
            b"GET ?a",
            b"OPTIONS **",
            b"OPTIONS a:1",
            b"GET ://a",
            b"CONNECT ",
        ]:
            self.refused(400, line + b" HTTP/1.1\r\nHost: a\r\n\r\n")

    def test_versions(self) -> None:
        """Other versions of HTTP are named as what they are."""
        self.refused(505, *(b"GET / HTTP/" + version + b"\r\n" for version in (b"0.9", b"1.2", b"2.0", b"9.9")))

    def test_bodies_behind_a_switch(self) -> None:
        """A request that switches protocols has no body: its bytes could be read as either."""
        self.refused(
            400,
            UPGRADE + b"Content-Length: 3\r\n\r\nabc",
            b"CONNECT a:1 HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc",
        )
        self.assertTrue(head(UPGRADE + b"Content-Length: 0\r\n\r\n").upgrade)

    def test_early(self) -> None:
        """A bad line is refused when it ends, not when the head does."""
        for data in (b"GET / HTTP/2.0\r\n", GET + b"X : y\r\n"):
            self.assertRaises(BadRequest, RequestStream().receive, data)


class BoundTests(SynchronousTestCase):
    """Each limit lets its last byte through and no more."""

    def both_ways(self, data: bytes) -> Outcome:
        """Whole and byte by byte; every split would take too long here."""
        whole = run([data])
        self.assertEqual(run([data[at : at + 1] for at in range(len(data))]), whole)
        return whole

    def test_request_line(self) -> None:
        """A request line that is too long is answered with 414."""
        room = MAX_LINE - len(b"GET / HTTP/1.1")
        line = b"GET /" + b"a" * room + b" HTTP/1.1\r\nHost: a\r\n\r\n"
        self.assertIsNone(self.both_ways(line).status)
        self.assertEqual(self.both_ways(line.replace(b"aa", b"aaa", 1)).status, 414)

    def test_header_line(self) -> None:
        """A header line that is too long is answered with 431, at 8 kB as at a megabyte."""
        line = b"X: " + b"a" * (MAX_LINE - 3) + b"\r\n\r\n"
        self.assertIsNone(self.both_ways(GET + line).status)
        self.assertEqual(self.both_ways(GET + b"X" + line).status, 431)
        self.assertEqual(run([GET, b"X: " + b"a" * 16384]).status, 431)
        self.assertEqual(run([GET + b"X: " + b"a" * 2**20 + b"\r\n\r\n"]).status, 431)

    def test_head(self) -> None:
        """A head that is too large in all is answered with 431."""
        filler = b"X: " + b"a" * 5000 + b"\r\n"
        start = GET + filler * 3
        last = b"Y: " + b"b" * (MAX_HEAD - len(start) - 7) + b"\r\n\r\n"
        self.assertEqual(len(start + last), MAX_HEAD)
        self.assertIsNone(self.both_ways(start + last).status)
        self.assertEqual(self.both_ways(start + b"Y" + last).status, 431)

    def test_header_count(self) -> None:
        """Too many headers are answered with 431."""
        most = b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X:y\r\n" * (MAX_HEADERS - 1)
        self.assertIsNone(self.both_ways(most + b"\r\n").status)
        self.assertEqual(self.both_ways(most + b"X:y\r\n").status, 431)

    @settings(max_examples=100, deadline=None)
    @given(
        st.lists(
            st.sampled_from(
                [GET, POST, UPGRADE, b"\r\n", b"Content-Length: 3\r\n", b"abc", b" ", b"\n", b"\r", b"X:y\r\n"]
            )
            | st.binary(max_size=12),
            max_size=12,
        )
    )
    def test_anything(self, pieces: list[bytes]) -> None:
        """Whatever comes is events or a BadRequest, the same at once as in pieces, and little of it is held."""
        self.assertEqual(run(pieces), run([b"".join(pieces)]))
        stream = RequestStream()
        for piece in pieces:
            try:
                stream.receive(piece)
            except BadRequest as bad:
                self.assertIn(bad.status, (400, 411, 413, 414, 431, 501, 505))
            self.assertLessEqual(len(stream._buffer), MAX_TRAILING)

    def test_little_is_held(self) -> None:
        """However much comes, no more than one line waits, and a refused stream holds on to nothing that could grow."""
        for flood in (b"a" * 4096, GET, GET + b"\r\n", b"\r\n", POST + b"Content-Length: 9999\r\n\r\n"):
            stream = RequestStream()
            for _ in range(200):
                try:
                    stream.receive(flood)
                except BadRequest:
                    break
            self.assertLessEqual(len(stream._buffer), MAX_LINE + 1)


class ResponseTests(SynchronousTestCase):
    """The answers that are made without a web server."""

    def test_refusal(self) -> None:
        """A refusal is complete and cacheable by nobody."""
        expected = (
            b"HTTP/1.1 403 Forbidden\r\n"
            b"Content-Type: text/plain; charset=utf-8\r\n"
            b"Content-Length: 3\r\n"
            b"Cache-Control: no-store\r\n"
            b"X-Content-Type-Options: nosniff\r\n"
            b"Connection: close\r\n"
            b"\r\n"
            b"no\n"
        )
        self.assertEqual(simple_response(403, b"no\n"), expected)

    def test_headers(self) -> None:
        """Headers of the caller are added or take the place of ours; a kept connection is not said to close."""
        answer = simple_response(
            407, headers=[("Proxy-Authenticate", "Basic"), ("Content-Type", "text/html")], close=False
        )
        self.assertIn(b"\r\nProxy-Authenticate: Basic\r\n", answer)
        self.assertIn(b"\r\nContent-Type: text/html\r\n", answer)
        self.assertNotIn(b"text/plain", answer)
        self.assertNotIn(b"Connection", answer)
        self.assertTrue(answer.endswith(b"\r\n\r\n"))

    def test_no_injection(self) -> None:
        """A header that would end its line is our own mistake and is never sent."""
        for header in [("Location", "/a\r\nX: y"), ("Location", "/a\n"), ("A B", "c"), ("", "c")]:
            self.assertRaises(LocalError, simple_response, 308, headers=[header])

    def test_every_refusal_has_a_name(self) -> None:
        """Each status of a BadRequest makes a proper status line."""
        for status in (400, 411, 413, 414, 431, 501, 505):
            self.assertRegex(simple_response(status), rb"^HTTP/1\.1 %d [A-Za-z -]+\r\n" % status)
