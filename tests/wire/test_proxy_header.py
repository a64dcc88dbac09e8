"""For whom a balancer says that it connects."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import LocalError, PeerError
from gateway.wire.proxy_header import (
    MAX_AUTHORITY,
    MAX_UNIQUE_ID,
    MAX_V1,
    MAX_V2,
    ProxyHeader,
    ProxyHeaderReader,
    crc32c,
)
from tests.support.feed import fed_three_ways

SIGNATURE = bytes.fromhex("0d0a0d0a000d0a515549540a")
IPV4 = bytes.fromhex(
    "c0000207"  # from 192.0.2.7
    "c6336401"  # to 198.51.100.1
    "d431 01bb"  # ports 54321 and 443
)
FROM, TO = ("192.0.2.7", 54321), ("198.51.100.1", 443)
IPV6 = bytes.fromhex(
    "20010db8000000000000000000000001"  # from 2001:db8::1
    "00000000000000000000ffffc0000207"  # to ::ffff:192.0.2.7
    "0050 01bb"
)


def header(payload: bytes, family: int = 0x11, command: int = 0x21, length: int | None = None) -> bytes:
    """A header of version 2."""
    return SIGNATURE + struct.pack("!BBH", command, family, len(payload) if length is None else length) + payload


def tlv(kind: int, value: bytes) -> bytes:
    """One extra of version 2."""
    return struct.pack("!BH", kind, len(value)) + value


def summed(before: bytes, after: bytes = b"") -> bytes:
    """A header of version 2 with these extras around its checksum."""
    blank = header(IPV4 + before + tlv(3, bytes(4)) + after)
    return header(IPV4 + before + tlv(3, struct.pack("!I", crc32c(blank))) + after)


def read(pieces: Sequence[bytes]) -> tuple[ProxyHeader | None, bytes]:
    """The header, and what came behind it."""
    reader = ProxyHeaderReader()
    for number, piece in enumerate(pieces, 1):
        found = reader.receive(piece)
        if found is not None:
            return found, reader.trailing() + b"".join(pieces[number:])
    return None, b""


def failing(pieces: Sequence[bytes]) -> tuple[str, int]:
    """Why the bytes are refused, and for a single byte at a time with how many of them."""
    reader = ProxyHeaderReader()
    for number, piece in enumerate(pieces, 1):
        try:
            found = reader.receive(piece)
        except PeerError as error:
            return str(error), number
        if found is not None:
            raise AssertionError(f"it was taken: {found}")
    raise AssertionError("more was waited for")


class ProxyHeaderTestCase(SynchronousTestCase):
    """What both versions are held to."""

    def assert_read(self, data: bytes, expected: ProxyHeader) -> None:
        """The header is this, and what follows is left, however it is cut."""
        for rest in (b"", b"\x16\x03\x01\r\nPROXY "):
            self.assertEqual(fed_three_ways(data + rest, read), (expected, rest), data)

    def assert_refused(self, data: bytes, after: int | None = None) -> None:
        """The bytes are refused, whole and one by one, with the first ``after`` of them if that is said."""
        failing([data])
        _, count = failing([data[i : i + 1] for i in range(len(data))])
        if after is not None:
            self.assertEqual(count, after, data)


class LineTests(ProxyHeaderTestCase):
    """Version 1."""

    def test_addresses(self) -> None:
        """Both families, written one way, a mapped address as what it maps."""
        self.assert_read(b"PROXY TCP4 192.0.2.7 198.51.100.1 54321 443\r\n", ProxyHeader(FROM, TO))
        self.assert_read(
            b"PROXY TCP6 2001:DB8:0:0:0:0:0:1 ::ffff:192.0.2.7 0 65535\r\n",
            ProxyHeader(("2001:db8::1", 0), ("192.0.2.7", 65535)),
        )

    def test_unknown(self) -> None:
        """The rest of the line is skipped."""
        self.assert_read(b"PROXY UNKNOWN\r\n", ProxyHeader())
        self.assert_read(b"PROXY UNKNOWN ffff::1 what ever\t\xff 1\r\n", ProxyHeader())

    def test_longest(self) -> None:
        """A line may have 107 bytes; the byte that cannot be its end refuses it."""
        start = b"PROXY UNKNOWN "
        self.assert_read(start + b"x" * (MAX_V1 - len(start) - 2) + b"\r\n", ProxyHeader())
        self.assert_refused(start + b"x" * (MAX_V1 - len(start) - 1) + b"\r\n", MAX_V1)

    def test_ill_formed(self) -> None:
        """What two readers could understand differently is refused."""
        for line in [
            b"PROXY TCP4 192.0.2.7 198.51.100.1 54321 443\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 54321\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 54321 443 \r\n",
            b"PROXY TCP4  192.0.2.7 198.51.100.1 54321 443\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 54321 0443\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 54321 65536\r\n",
            b"PROXY TCP4 192.0.2.7 198.51.100.1 54321 -1\r\n",
            b"PROXY TCP4 192.0.2.07 198.51.100.1 54321 443\r\n",
            b"PROXY TCP4 192.0.2 198.51.100.1 54321 443\r\n",
            b"PROXY TCP4 2001:db8::1 ::1 54321 443\r\n",
            b"PROXY TCP6 192.0.2.7 198.51.100.1 54321 443\r\n",
            b"PROXY TCP6 fe80::1%eth0 ::1 54321 443\r\n",
            b"PROXY TCP5 192.0.2.7 198.51.100.1 54321 443\r\n",
            b"PROXY UDP4 192.0.2.7 198.51.100.1 54321 443\r\n",
            b"PROXY UNKNOWNS\r\n",
            b"PROXY UNKNOWN \r \r\n",
            b"PROXY \r\n",
        ]:
            self.assert_refused(line, len(line))


class BinaryTests(ProxyHeaderTestCase):
    """Version 2."""

    def test_addresses(self) -> None:
        """Both families; that the client came in datagrams changes nothing."""
        for family in (0x11, 0x12):
            self.assert_read(header(IPV4, family), ProxyHeader(FROM, TO))
        for family in (0x21, 0x22):
            self.assert_read(header(IPV6, family), ProxyHeader(("2001:db8::1", 80), ("192.0.2.7", 443)))

    def test_without_addresses(self) -> None:
        """The connection's own addresses hold for probes, for unix sockets and for what is unspecified."""
        for payload in (b"", IPV4, b"\xff" * 20):
            for family in (0x00, 0x11, 0x77):
                self.assert_read(header(payload, family, command=0x20), ProxyHeader(local=True))
            self.assert_read(header(payload, 0x00), ProxyHeader())
        for family in (0x31, 0x32):
            self.assert_read(header(b"/run/a".ljust(108, b"\0") * 2, family), ProxyHeader())

    def test_extras(self) -> None:
        """The name, and whether TLS was spoken, are taken from among everything else."""
        other = tlv(4, bytes(9)) + tlv(1, b"h2") + tlv(0xEA, b"aws") + tlv(5, b"x" * MAX_UNIQUE_ID) + tlv(0x30, b"ns")
        with_tls = tlv(0x20, b"\x01" + bytes(4) + tlv(0x21, b"TLSv1.3") + tlv(0x22, b"somebody"))
        self.assert_read(
            header(IPV4 + other + tlv(2, b"Vm.Example.") + with_tls + tlv(4, b"")),
            ProxyHeader(FROM, TO, "vm.example", True),
        )
        self.assert_read(header(IPV4 + tlv(0x20, b"\x06" + bytes(4))), ProxyHeader(FROM, TO, None, False))

    def test_checksum(self) -> None:
        """A checksum is checked wherever it stands; a wrong one refuses the header."""
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)
        good = summed(tlv(4, b"abc"), tlv(2, b"a"))
        self.assert_read(good, ProxyHeader(FROM, TO, "a"))
        for at in (16, len(good) - 1, good.index(tlv(4, b"abc")) + 4):
            self.assert_refused(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        for size in (3, 5):
            self.assert_refused(header(IPV4 + tlv(3, bytes(size))))
        self.assert_refused(header(IPV4 + tlv(3, bytes(4)) * 2))

    def test_ill_formed_extras(self) -> None:
        """Extras fill the header exactly, have their lengths, and those that mean something come once."""
        for extra in [
            b"\x04",
            b"\x04\x00",
            tlv(4, b"abc")[:-1],
            tlv(2, b""),
            tlv(2, b"a b"),
            tlv(2, b"\xc3\xa4"),
            tlv(2, b"a" * (MAX_AUTHORITY + 1)),
            tlv(2, b"a") * 2,
            tlv(5, b"x" * (MAX_UNIQUE_ID + 1)),
            tlv(0x20, bytes(4)),
            tlv(0x20, bytes(5) + b"\x21\x00"),
            tlv(0x20, bytes(5) + tlv(0x21, b"TLS")[:-1]),
            tlv(0x20, bytes(5)) * 2,
        ]:
            self.assert_refused(header(IPV4 + extra))
        self.assert_read(header(IPV4 + tlv(2, b"a" * MAX_AUTHORITY)), ProxyHeader(FROM, TO, "a" * MAX_AUTHORITY))

    def test_addresses_too_short(self) -> None:
        """A header that ends within its addresses is refused."""
        for family, size in ((0x11, 12), (0x21, 36), (0x31, 216)):
            self.assert_refused(header(bytes(size - 1), family))

    def test_unknown_versions_and_families(self) -> None:
        """They are refused with the fixed part, before anything is waited for."""
        for command in (0x00, 0x10, 0x11, 0x22, 0x2F, 0x31):
            self.assert_refused(header(IPV4, command=command), 16)
        for family in (0x01, 0x02, 0x10, 0x13, 0x20, 0x33, 0x41, 0xFF):
            self.assert_refused(header(IPV4, family), 16)

    def test_longest(self) -> None:
        """A header is taken up to its bound, and refused beyond it before its bytes come."""
        longest = header(IPV4 + tlv(4, bytes(MAX_V2 - len(IPV4) - 3)))
        for pieces in ([longest + b"rest"], [longest[:20], longest[20:] + b"rest"]):
            self.assertEqual(read(pieces), (ProxyHeader(FROM, TO), b"rest"))
        self.assert_refused(header(IPV4, length=MAX_V2 + 1), 16)


class ReaderTests(ProxyHeaderTestCase):
    """What is no header, and how a reader is used."""

    def test_something_else(self) -> None:
        """It is refused with the first byte that shows it."""
        for data, after in [
            (b"\x16\x03\x01", 1),
            (b"GET / HTTP/1.1\r\n", 1),
            (b"POST / HTTP/1.1\r\n", 2),
            (b"PROXYv4\r\n", 6),
            (b"proxy TCP4", 1),
            (b"\r\nPROXY TCP4 ", 3),
            (b"\r\n\r\n\r\nGET", 5),
            (SIGNATURE[:-1] + b"\r", 12),
        ]:
            self.assert_refused(data, after)

    def test_much_behind_it(self) -> None:
        """What came behind the header is kept, even when it is many times longer."""
        rest = bytes(range(256)) * 1024
        self.assertEqual(read([header(IPV4) + rest]), (ProxyHeader(FROM, TO), rest))

    def test_out_of_turn(self) -> None:
        """Nothing trails before the end, and nothing is read after it or after a refusal."""
        reader = ProxyHeaderReader()
        self.assertIsNone(reader.receive(header(IPV4)[:-1]))
        self.assertRaises(LocalError, reader.trailing)
        self.assertIsNotNone(reader.receive(header(IPV4)[-1:]))
        self.assertRaises(LocalError, reader.receive, b"x")
        refused = ProxyHeaderReader()
        self.assertRaises(PeerError, refused.receive, b"x")
        self.assertRaises(LocalError, refused.receive, header(IPV4))

    def test_nothing_secret_is_shown(self) -> None:
        """A name that may carry a ticket is not in the repr."""
        self.assertNotIn("ticket", repr(ProxyHeader(authority="ticket.example")))

    @settings(max_examples=200, deadline=None)
    @given(
        st.sampled_from([b"", b"PROXY ", b"PROXY TCP4 ", b"PROXY TCP6 ", SIGNATURE, SIGNATURE + b"\x21"]),
        st.binary(max_size=300) | st.from_regex(rb"[0-9a-f:.]+ [0-9a-f:.]+ [0-9]{1,5} [0-9]{1,5}\r\n", fullmatch=True),
        st.lists(st.integers(0, 310), max_size=4),
    )
    def test_anything(self, start: bytes, rest: bytes, cuts: list[int]) -> None:
        """Any bytes in any pieces give what they give whole, or are refused as the peer's fault."""
        data = start + rest
        places = [0, *sorted(cuts), len(data)]
        outcomes = []
        for pieces in ([data], [data[a:b] for a, b in zip(places, places[1:], strict=False)]):
            try:
                outcomes.append(read(pieces))
            except PeerError as error:
                outcomes.append(str(error))
        self.assertEqual(outcomes[0], outcomes[1])

    @settings(max_examples=100, deadline=None)
    @given(st.lists(st.tuples(st.integers(0, 255), st.binary(max_size=40)), max_size=8))
    def test_any_extras(self, extras: list[tuple[int, bytes]]) -> None:
        """Any extras of the right form are taken or refused, and the addresses stand."""
        try:
            found, rest = read([header(IPV4 + b"".join(tlv(*extra) for extra in extras)) + b"rest"])
        except PeerError:
            return
        assert found is not None
        self.assertEqual((found.source, found.destination, rest), (FROM, TO, b"rest"))
