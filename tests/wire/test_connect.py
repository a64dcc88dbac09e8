"""CONNECT: what clients present and are answered, and how a tunnel is asked for."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.model import ticket as tickets
from gateway.wire.connect import (
    MAX_BASIC,
    MAX_FIELDS,
    MAX_TICKET,
    TunnelRefused,
    challenge,
    established,
    presented,
    tunnel,
)
from gateway.wire.errors import LocalError, PeerError
from gateway.wire.http1 import MAX_HEADERS, MAX_LINE, BadRequest, Head, RequestStream
from gateway.wire.reader import Dialogue
from tests.support.feed import fed_three_ways


def head(target: str, *credentials: str) -> Head:
    """The head of a CONNECT."""
    return Head("CONNECT", target, 1, tuple(("proxy-authorization", each) for each in credentials))


def basic(pair: str | bytes) -> str:
    """Credentials (RFC 7617)."""
    return "Basic " + base64.b64encode(pair if isinstance(pair, bytes) else pair.encode()).decode()


def first_head(data: bytes) -> Head:
    """The head of the request that these bytes are."""
    (found,) = RequestStream().receive(data)
    assert isinstance(found, Head)
    return found


class PresentedTests(SynchronousTestCase):
    """Where the ticket of a CONNECT stands."""

    def assert_bad(self, found: Head) -> None:
        """The request is refused for its form."""
        self.assertEqual(self.assertRaises(BadRequest, presented, found).status, 400)

    def test_the_longest_ticket(self) -> None:
        """The bound is that of tickets everywhere else."""
        self.assertEqual(MAX_TICKET, tickets.MAX_TICKET)

    def test_old_viewer(self) -> None:
        """The Java viewer's request, which is HTTP/1.0 and has no headers."""
        self.assertEqual(presented(first_head(b"CONNECT /console?token=7f3a-b2 HTTP/1.0\r\n\r\n")), "7f3a-b2")

    def test_spice_viewer(self) -> None:
        """remote-viewer's request, with a machine's title in the place of a host."""
        data = (
            b"CONNECT lab-console/vm 1:5900 HTTP/1.0\r\nHost: lab-console/vm 1:5900\r\n"
            b"Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic " + base64.b64encode(b"vm:T1") + b"\r\n\r\n"
        )
        self.assertEqual(presented(first_head(data)), "T1")

    def test_query(self) -> None:
        """Either name, anywhere in the query of any path, percent-decoded; a plus is a plus."""
        for target, ticket in [
            ("/console?token=T", "T"),
            ("/console?ticket=T", "T"),
            ("/?a=b&token=T&c", "T"),
            ("/?token=a%2Bb%20c+d%3d", "a+b c+d="),
            ("/?token=a=b", "a=b"),
            ("/?token=T&ticket=T&token=", "T"),
            ("/?token=%C3%A4", "ä"),
            ("/?token=%E4", "ä"),
            ("/?token=" + "t" * MAX_TICKET, "t" * MAX_TICKET),
        ]:
            self.assertEqual(presented(head(target)), ticket, target)

    def test_credentials(self) -> None:
        """The password, whoever the user is, from the first colon on."""
        for value, ticket in [
            (basic("vm:T"), "T"),
            (basic(":T"), "T"),
            (basic("vm:a:b"), "a:b"),
            (basic("vm:ä"), "ä"),
            (basic(b"vm:\xe4"), "ä"),
            ("bASIC  " + basic("vm:T").removeprefix("Basic ") + " ", "T"),
            (basic("u" * 1024 + ":" + "t" * MAX_TICKET), "t" * MAX_TICKET),
        ]:
            self.assertEqual(presented(head("console:1", value)), ticket, value)

    def test_nothing(self) -> None:
        """No ticket, an empty one, one in an authority, and other schemes present nothing."""
        for target in ("console:1", "console:1?token=T", "http://a/?token=T", "/console", "/?token=", "/?TOKEN=T"):
            self.assertIsNone(presented(head(target)), target)
        for value in ("Bearer VA==", "Digest a=b", "Basically " + basic("vm:T"), basic("vm:"), ""):
            self.assertIsNone(presented(head("console:1", value)), value)

    def test_malformed(self) -> None:
        """What cannot be read is refused, and not taken for nothing."""
        for target in ["/a b?token=T", "/?token=a b", "/?token=%", "/?token=%4", "/?token=%zz", "/?token=%00"]:
            self.assert_bad(head(target))
        self.assert_bad(head("/?token=" + "t" * (MAX_TICKET + 1)))
        self.assert_bad(head("/?" + "&" * MAX_FIELDS))
        for value in ["Basic", "Basic =", "Basic dm06V", "Basic dm06VA==dm06VA==", "Basic dm06-_==", "Basic d m06VA=="]:
            self.assert_bad(head("console:1", value))
        for pair in ["T", "vm:T\n", "vm:\x7f", "vm:" + "t" * (MAX_TICKET + 1)]:
            self.assert_bad(head("console:1", basic(pair)))
        longest = MAX_BASIC // 4 * 3 - len(":T")
        self.assertEqual(presented(head("console:1", basic("u" * longest + ":T"))), "T")
        self.assert_bad(head("console:1", basic("u" * (longest + 1) + ":T")))

    def test_two_sources(self) -> None:
        """Two places may say the same, and nothing else."""
        self.assertEqual(presented(head("/?token=T", basic("vm:T"), basic("other:T"))), "T")
        self.assert_bad(head("/?token=T&ticket=U"))
        self.assert_bad(head("/?token=T", basic("vm:U")))
        self.assert_bad(head("console:1", basic("vm:T"), basic("vm:U")))

    def test_another_method(self) -> None:
        """Whoever asks about another request is mistaken."""
        self.assertRaises(LocalError, presented, Head("GET", "/?token=T", 1, ()))

    @settings(max_examples=200, deadline=None)
    @given(
        st.from_regex(r"/(\?((token|ticket|a)=[!-~]{0,6}&?){0,3})?", fullmatch=True) | st.just("a:1"),
        st.lists(
            st.binary(max_size=12).map(basic) | st.text(st.characters(max_codepoint=255), max_size=20), max_size=2
        ),
    )
    def test_anything(self, target: str, credentials: list[str]) -> None:
        """Whatever stands there is a ticket in bounds, nothing, or a request refused for its form."""
        try:
            ticket = presented(head(target, *credentials))
        except BadRequest as bad:
            self.assertEqual(bad.status, 400)
        else:
            self.assertTrue(ticket is None or 0 < len(ticket) <= MAX_TICKET)


class AnswerTests(SynchronousTestCase):
    """The two answers."""

    def test_yes(self) -> None:
        """It begins as the old viewer wants it and says no length."""
        self.assertTrue(established().startswith(b"HTTP/1.1 200 "))
        self.assertTrue(established().endswith(b"\r\n\r\n"))
        self.assertNotIn(b"ontent", established().split(b"\r\n", 1)[1])

    def test_challenge(self) -> None:
        """It is complete, asks for Basic, and keeps the connection, also of a client of HTTP/1.0."""
        lines = challenge().split(b"\r\n")
        self.assertEqual(lines[0], b"HTTP/1.1 407 Proxy Authentication Required")
        for line in (b'Proxy-Authenticate: Basic realm="consolegw"', b"Content-Length: 0", b"Connection: keep-alive"):
            self.assertIn(line, lines)
        self.assertNotIn(b"close", challenge())
        self.assertEqual(lines[-2:], [b"", b""])


def tunnelled(pieces: Sequence[bytes], target: str = "/vnc") -> tuple[str, bytes]:
    """How the answer that comes in these pieces is taken, and what is left of it."""
    dialogue = Dialogue(partial(tunnel, target=target))
    dialogue.to_send()
    for number, piece in enumerate(pieces, 1):
        try:
            dialogue.receive(piece)
        except PeerError as error:
            return str(error), b""
        if dialogue.done:
            return "open", dialogue.trailing() + b"".join(pieces[number:])
    return "waiting", b""


class TunnelTests(SynchronousTestCase):
    """The gateway as a client of a proxy."""

    def request(self, target: str, *headers: tuple[str, str]) -> bytes:
        """What is sent."""
        return Dialogue(partial(tunnel, target=target, headers=headers)).to_send()

    def test_request(self) -> None:
        """The target, the headers as they are, and a Host for an authority that has none."""
        self.assertEqual(self.request("/vnc?uuid=1"), b"CONNECT /vnc?uuid=1 HTTP/1.1\r\n\r\n")
        self.assertEqual(
            self.request("/vnc", ("host", "xen"), ("Cookie", "session_id=S")),
            b"CONNECT /vnc HTTP/1.1\r\nhost: xen\r\nCookie: session_id=S\r\n\r\n",
        )
        self.assertEqual(self.request("vm:5900"), b"CONNECT vm:5900 HTTP/1.1\r\nHost: vm:5900\r\n\r\n")
        self.assertEqual(self.request("vm:1", ("HOST", "a")), b"CONNECT vm:1 HTTP/1.1\r\nHOST: a\r\n\r\n")

    def test_request_that_would_be_two(self) -> None:
        """What would break out of its line is never sent."""
        for target in ("/a b", "/a\r\nX: y", "", "/ä"):
            self.assertRaises(LocalError, self.request, target)
        for header in (("A", "b\r\nC: d"), ("A b", "c"), ("A:", "b"), ("", "b"), ("A", "☃")):
            self.assertRaises(LocalError, self.request, "/a", header)

    def test_open(self) -> None:
        """After a 200 whatever follows is left for the console's own protocol, however it is cut."""
        for answer in (
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.0 200\r\nContent-Length: 12\r\nX\r\n\r\n",
            b"HTTP/1.1 200 OK\n\n",
        ):
            self.assertEqual(fed_three_ways(answer + b"RFB 003.008\n", tunnelled), ("open", b"RFB 003.008\n"))

    def test_refused(self) -> None:
        """Any other status is a refusal that says it."""
        for status in (100, 204, 302, 401, 403, 407, 500, 599):
            answer = b"HTTP/1.1 %d Some Reason\r\nA: b\r\n\r\nbody" % status
            self.assertEqual(fed_three_ways(answer, tunnelled)[0], f"CONNECT was answered with status {status}")
        dialogue = Dialogue(partial(tunnel, target="/"))
        refused = self.assertRaises(TunnelRefused, dialogue.receive, b"HTTP/1.1 407 No\r\n\r\n")
        self.assertEqual(refused.status, 407)

    def test_something_else(self) -> None:
        """An answer in another protocol is the peer's fault."""
        for answer in (b"RFB 003.008\n", b"HTTP/2 200\r\n", b"HTTP/1.1 20\r\n", b"HTTP/1.1 2000\r\n", b"\r\n"):
            self.assertEqual(fed_three_ways(answer, tunnelled)[0], "CONNECT was not answered in HTTP/1")

    def test_bounds(self) -> None:
        """Lines, their number and their sum are bounded."""
        start, line = b"HTTP/1.1 200 OK\r\n", b"A: b\r\n"
        self.assertEqual(tunnelled([start + line * MAX_HEADERS + b"\r\nx"]), ("open", b"x"))
        self.assertIn("too large", tunnelled([start + line * (MAX_HEADERS + 1)])[0])
        self.assertIn("longer than", tunnelled([start + b"A" * MAX_LINE])[0])
        self.assertIn("too large", tunnelled([start, *[b"A" * (MAX_LINE - 2) + b"\r\n"] * 3])[0])

    def test_cut_off(self) -> None:
        """A proxy that leaves within its answer is the peer's fault."""
        dialogue = Dialogue(partial(tunnel, target="/"))
        dialogue.receive(b"HTTP/1.1 200 OK\r\n")
        self.assertRaises(PeerError, dialogue.receive_eof)

    @settings(max_examples=200, deadline=None)
    @given(st.sampled_from([b"", b"HTTP/1.1 200", b"HTTP/1.1 403 a\r\n"]), st.binary(max_size=80), st.integers(0, 90))
    def test_anything(self, start: bytes, rest: bytes, cut: int) -> None:
        """Any answer in any two pieces is taken as it is taken whole."""
        data = start + rest.replace(b"\x00", b"\r\n")
        self.assertEqual(tunnelled([data[:cut], data[cut:]]), tunnelled([data]))
