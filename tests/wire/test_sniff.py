"""What the first bytes of a connection are taken for."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.sniff import SNIFF_LIMIT, Kind, Match, NeedMore, NoMatch, Verdict, identify

# The opening, its kind, and with how many of its bytes it is decided.
OPENINGS = [
    (b"\x16\x03\x01\x02\x00\x01", Kind.TLS, 3),
    (b"\x16\x03\x00", Kind.TLS, 3),
    (b"\x16\x03\x04", Kind.TLS, 3),
    (b"GET / HTTP/1.1\r\n", Kind.HTTP, 4),
    (b"HEAD / HTTP/1.1\r\n", Kind.HTTP, 5),
    (b"POST / HTTP/1.1\r\n", Kind.HTTP, 5),
    (b"PUT / HTTP/1.1\r\n", Kind.HTTP, 4),
    (b"DELETE / HTTP/1.1\r\n", Kind.HTTP, 7),
    (b"OPTIONS / HTTP/1.1\r\n", Kind.HTTP, 8),
    (b"PATCH / HTTP/1.1\r\n", Kind.HTTP, 6),
    (b"CONNECT /console?token=T HTTP/1.0\r\n\r\n", Kind.HTTP, 8),
    (b"TRACE / HTTP/1.1\r\n", Kind.HTTP, 6),
    (b"\r\nGET / HTTP/1.1\r\n", Kind.HTTP, 6),
    (b"\r\n\r\nOPTIONS * HTTP/1.1\r\n", Kind.HTTP, 12),
    (b"RFB ", Kind.RFB, 4),
    (b"RFB 003.008\n", Kind.RFB, 4),
    (b"REDQ\x02\x00\x00\x00", Kind.SPICE, 4),
]

# Nothing we know, and with how many bytes that is certain.
STRANGERS = [
    (b"\x16\x03\x05", 3),
    (b"\x16\x02\x00", 2),
    (b"\x80\x2e\x01", 1),  # SSLv2
    (b"get / HTTP/1.1", 1),
    (b"GETX", 4),
    (b"GET\t", 4),
    (b"PRI * HTTP/2.0", 2),
    (b"PROXY TCP4 ", 2),
    (b"\r\n\r\n\x00\r\nQUIT\n", 5),  # PROXY version 2
    (b"\r\n\r\n\r\nGET", 5),
    (b"\nGET / HTTP/1.1", 1),
    (b"SSH-2.0-OpenSSH", 1),
    (b"RFB\n", 4),
    (b"REDX", 4),
    (b"\x00", 1),
]


def verdicts(data: bytes) -> list[Verdict]:
    """What is said of the first byte, the first two, and so on."""
    return [identify(data[:count]) for count in range(1, len(data) + 1)]


class SniffTests(SynchronousTestCase):
    """``identify`` says match, no match or more, each as early as it can."""

    def test_known_openings(self) -> None:
        """Each protocol is recognised at its deciding byte and from then on, and not before."""
        for data, kind, enough in OPENINGS:
            expected = [NeedMore()] * (enough - 1) + [Match(kind)] * (len(data) - enough + 1)
            self.assertEqual(verdicts(data), expected, data)

    def test_strangers(self) -> None:
        """What begins no known protocol is turned down at the first byte that shows it."""
        for data, enough in STRANGERS:
            expected = [NeedMore()] * (enough - 1) + [NoMatch()] * (len(data) - enough + 1)
            self.assertEqual(verdicts(data), expected, data)

    def test_silence(self) -> None:
        """No byte at all decides nothing."""
        self.assertEqual(identify(b""), NeedMore())

    @settings(max_examples=50, deadline=None)
    @given(st.binary(max_size=40) | st.text("GETHADPOSCNRFB \r\n", max_size=40).map(str.encode))
    def test_a_verdict_stands(self, data: bytes) -> None:
        """A decision never changes with more bytes, and is there by the limit."""
        said = [identify(data[:count]) for count in range(len(data) + 1)]
        decided = [verdict for verdict in said if verdict != NeedMore()]
        self.assertEqual(said[len(said) - len(decided) :], decided)
        self.assertEqual(len(set(decided)), 1 if decided else 0)
        if len(data) >= SNIFF_LIMIT:
            self.assertNotEqual(said[SNIFF_LIMIT], NeedMore())
