"""What is read out of a TLS ClientHello, and which ones are turned down."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.client_hello import MAX_HELLO, MAX_PROTOCOLS, MAX_RECORDS, ClientHello, HelloReader
from gateway.wire.errors import LocalError, PeerError
from tests.support.feed import fed_three_ways


def real_hello(server_name: str | None = None, alpn: Sequence[str] = (), newest: int | None = None) -> bytes:
    """The ClientHello of OpenSSL, as Python makes it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    if newest:
        context.maximum_version = ssl.TLSVersion(newest)
    if alpn:
        context.set_alpn_protocols(list(alpn))
    out = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=server_name)
    try:
        connection.do_handshake()
    except ssl.SSLWantReadError:
        return out.read()
    raise AssertionError("a handshake with nobody")


def record(payload: bytes, kind: int = 22, version: int = 0x0301) -> bytes:
    """A TLS record (RFC 8446 §5.1)."""
    return struct.pack("!BHH", kind, version, len(payload)) + payload


def short(data: bytes) -> bytes:
    """A vector with a one-byte length."""
    return bytes([len(data)]) + data


def long(data: bytes) -> bytes:
    """A vector with a two-byte length."""
    return struct.pack("!H", len(data)) + data


def extension(kind: int, data: bytes) -> bytes:
    """One extension of a hello."""
    return struct.pack("!H", kind) + long(data)


def sni(*names: bytes, kind: int = 0) -> bytes:
    """A server_name extension (RFC 6066 §3)."""
    return extension(0, long(b"".join(bytes([kind]) + long(name) for name in names)))


def message(body: bytes, kind: int = 1) -> bytes:
    """A handshake message."""
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


START = (
    b"\x03\x03"  # legacy version: TLS 1.2
    + bytes(32)  # random
    + short(b"")  # session id
)
SUITES = long(b"\x13\x01") + short(b"\x00")  # one cipher suite, no compression


def hello(*extensions: bytes) -> bytes:
    """The smallest hello, in one record, with these extensions."""
    return record(message(START + SUITES + long(b"".join(extensions))))


def read(pieces: Sequence[bytes]) -> ClientHello | str | None:
    """What a fresh reader says of these pieces: the hello, or why not; ``None`` when it waits for more."""
    reader = HelloReader()
    for number, piece in enumerate(pieces, 1):
        try:
            found = reader.receive(piece)
        except PeerError as error:
            return str(error)
        assert reader.raw() == b"".join(pieces[:number])
        if found is not None:
            return found
    return None


class RealHelloTests(SynchronousTestCase):
    """Hellos that OpenSSL made."""

    def test_with_everything(self) -> None:
        """Name, protocols and versions of an ordinary client are read, however it is cut."""
        found = fed_three_ways(real_hello("Console.Example.COM", ["h2", "http/1.1"]), read)
        assert isinstance(found, ClientHello)
        self.assertEqual(found.server_name, "console.example.com")
        self.assertEqual(found.alpn, ("h2", "http/1.1"))
        self.assertEqual(found.versions[0], 0x0304)

    def test_with_nothing(self) -> None:
        """A client that sends neither name nor protocols, as most viewers, is read too."""
        found = fed_three_ways(real_hello(), read)
        assert isinstance(found, ClientHello)
        self.assertEqual((found.server_name, found.alpn), (None, ()))

    def test_old_client(self) -> None:
        """A client that stops at TLS 1.2 offers just the version in its hello's first field."""
        found = fed_three_ways(real_hello("a.example", newest=ssl.TLSVersion.TLSv1_2), read)
        self.assertEqual(found, ClientHello(server_name="a.example", alpn=(), versions=(0x0303,)))

    def test_two_records(self) -> None:
        """A hello that is spread over two records reads like one in a single record, wherever it is cut."""
        whole = real_hello("a.example", ["http/1.1"])
        payload = whole[5:]
        for cut in (1, 3, 4, 5, 100, len(payload) - 1):
            split = record(payload[:cut]) + record(payload[cut:])
            self.assertEqual(read([split]), read([whole]))
        self.assertEqual(fed_three_ways(split, read), read([whole]))

    def test_what_follows_is_kept(self) -> None:
        """The raw bytes hold everything received, also what came behind the hello."""
        reader = HelloReader()
        data = real_hello("a.example") + b"early"
        self.assertIsNotNone(reader.receive(data))
        self.assertEqual(reader.raw(), data)


class FieldTests(SynchronousTestCase):
    """What is made of each field."""

    def name(self, *names: bytes) -> object:
        """The server name that is read, or why the hello is refused."""
        found = fed_three_ways(hello(sni(*names)), read)
        return found.server_name if isinstance(found, ClientHello) else found

    def test_names(self) -> None:
        """A host name is lower-cased, an address passes, anything else counts as no name."""
        for sent, expected in [
            (b"vm-1.EXAMPLE.com", "vm-1.example.com"),
            (b"example.com.", "example.com"),
            (b"under_score", "under_score"),
            (b"10.0.0.5", "10.0.0.5"),
            (b"2001:DB8::1", "2001:db8::1"),
            (b"b\xc3\xbcro.example", None),
            (b"../../etc/passwd", None),
            (b"a..b", None),
            (b".", None),
            (b"a\x00b", None),
            (b"a\n", None),
            (b"a b", None),
            (b"a" * 64, None),
            (b".".join([b"a" * 63] * 4) + b".a", None),
        ]:
            self.assertEqual(self.name(sent), expected, sent)

    def test_name_stays_out_of_the_repr(self) -> None:
        """A name may carry a ticket: it is not shown."""
        self.assertNotIn("geheim", repr(read([hello(sni(b"geheim.example"))])))

    def test_other_kind_of_name(self) -> None:
        """A name of a kind that nobody uses is passed over."""
        self.assertEqual(read([hello(sni(b"x", kind=7))]), ClientHello(None, (), (0x0303,)))

    def test_no_extensions(self) -> None:
        """A hello may end before its extensions, as old clients' do."""
        found = fed_three_ways(record(message(START + SUITES)), read)
        self.assertEqual(found, ClientHello(None, (), (0x0303,)))

    def test_protocols_and_versions(self) -> None:
        """They come in the client's order, made-up ones (RFC 8701) included."""
        alpn = extension(16, long(short(b"\x0a\x0a") + short(b"http/1.1")))
        versions = extension(43, short(b"\x2a\x2a\x03\x04\x03\x03"))
        found = fed_three_ways(hello(extension(0x3A3A, b""), alpn, versions), read)
        self.assertEqual(found, ClientHello(None, ("\n\n", "http/1.1"), (0x2A2A, 0x0304, 0x0303)))


class RefusalTests(SynchronousTestCase):
    """What is not a ClientHello, or too much of one."""

    def refused(self, data: bytes, reason: str) -> None:
        """Each way of feeding comes to the same refusal."""
        self.assertEqual(fed_three_ways(data, read), reason)

    def test_records(self) -> None:
        """A record that cannot begin a hello is turned down by its header."""
        self.refused(record(b"", kind=22), "a TLS record of 0 bytes")
        self.refused(b"\x16\x03\x01\x40\x01", "a TLS record of 16385 bytes")
        self.refused(record(b"x", kind=23), "a TLS record of content type 23 instead of a handshake")
        self.refused(record(b"x", version=0x0201), "a TLS record of version 2.x")
        half = hello()[5:]
        self.refused(
            record(half[:9]) + b"\x15\x03\x01\x00\x02", "a TLS record of content type 21 instead of a handshake"
        )

    def test_messages(self) -> None:
        """A message of another type, or a hello over the limit, is turned down by its header."""
        self.refused(record(message(b"", kind=2)), "a handshake message of type 2 instead of a ClientHello")
        big = b"\x01" + (MAX_HELLO + 1).to_bytes(3, "big")
        self.refused(record(big), f"a ClientHello of {MAX_HELLO + 1} bytes")
        self.assertIsNone(read([record(b"\x01" + MAX_HELLO.to_bytes(3, "big"))]))

    def test_largest_hello(self) -> None:
        """A hello of exactly the limit, which takes two records, is read."""
        room = MAX_HELLO - len(START + SUITES) - 2 - 4
        whole = message(START + SUITES + long(extension(21, bytes(room))))
        found = read([record(whole[: 2**14]) + record(whole[2**14 :])])
        self.assertEqual(found, ClientHello(None, (), (0x0303,)))

    def test_too_many_records(self) -> None:
        """A hello in so many records as allowed is read; in one more it is refused."""
        payload = hello(sni(b"a.example"))[5:]
        spread = [record(payload[at : at + 1]) for at in range(MAX_RECORDS - 1)]
        self.assertIsInstance(read([*spread, record(payload[MAX_RECORDS - 1 :])]), ClientHello)
        self.refused(
            b"".join(record(payload[at : at + 1]) for at in range(MAX_RECORDS)),
            f"the ClientHello is spread over more than {MAX_RECORDS} records",
        )

    def test_something_behind_the_hello(self) -> None:
        """Bytes behind the hello in its own record are refused, and so is a record that would hold them."""
        reason = "a record holds more than the ClientHello"
        payload = hello()[5:]
        self.refused(record(payload + b"x"), reason)
        self.refused(record(payload[:20]) + record(payload[20:] + b"x")[:5], reason)

    def test_broken_fields(self) -> None:
        """A hello whose fields do not fit into one another is refused, whichever field it is."""
        over, size = (
            "a field of the ClientHello reaches over its end",
            "an extension of the ClientHello has the wrong length",
        )
        suites = "a ClientHello without cipher suites or compression methods"
        names = "an empty ALPN name, or too many of them"
        for body, reason in [
            (b"", over),
            (START[:20], over),
            (START + long(b"\x13\x01"), over),
            (b"\x02\x00" + START[2:] + SUITES, "a ClientHello of version 0x0200"),
            (START[:-1] + short(bytes(33)) + SUITES, "a session id of more than 32 bytes"),
            (START + long(b"") + short(b"\x00"), suites),
            (START + long(b"\x13\x01\x13") + short(b"\x00"), suites),
            (START + long(b"\x13\x01") + short(b""), suites),
            (START + SUITES + b"\x00", over),
            (START + SUITES + long(b"") + b"x", "something follows the extensions of the ClientHello"),
            (START + SUITES + long(b"\x00\x00\x00"), over),
            (START + SUITES + long(extension(9, b"") * 2), "extension 9 occurs twice"),
            (START + SUITES + long(sni(b"a", b"b")), "more than one server name"),
            (START + SUITES + long(sni(b"")), "an empty server name"),
            (START + SUITES + long(extension(0, b"")), over),
            (START + SUITES + long(extension(0, long(b""))), size),
            (START + SUITES + long(extension(0, long(b"\x00\x00\x01a") + b"x")), size),
            (START + SUITES + long(extension(0, long(b"\x00\x00\x02a"))), over),
            (START + SUITES + long(extension(16, long(b""))), size),
            (START + SUITES + long(extension(16, long(short(b"")))), names),
            (START + SUITES + long(extension(16, long(short(b"a") * (MAX_PROTOCOLS + 1)))), names),
            (START + SUITES + long(extension(43, short(b""))), size),
            (START + SUITES + long(extension(43, short(b"\x03\x04\x03"))), over),
        ]:
            self.assertEqual(read([record(message(body))]), reason, body)

    def test_out_of_turn(self) -> None:
        """A reader that has come to an end takes nothing more: that would be our own mistake."""
        reader = HelloReader()
        reader.receive(hello())
        self.assertRaises(LocalError, reader.receive, b"x")
        refuser = HelloReader()
        self.assertRaises(PeerError, refuser.receive, b"GET / HTTP/1.1\r\n")
        self.assertRaises(LocalError, refuser.receive, b"x")


class FuzzTests(SynchronousTestCase):
    """Whatever comes: a hello, a wait or a PeerError, within bounds."""

    @settings(max_examples=100, deadline=None)
    @given(st.data())
    def test_damaged_hello(self, data: st.DataObject) -> None:
        """A hello with a few bytes changed, cut anywhere, raises nothing but PeerError."""
        damaged = bytearray(
            hello(sni(b"a.example"), extension(16, long(short(b"h2"))), extension(43, short(b"\x03\x04")))
        )
        for _ in range(data.draw(st.integers(0, 3))):
            damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
        cut = data.draw(st.integers(0, len(damaged)))
        self.assertEqual(read([bytes(damaged[:cut]), bytes(damaged[cut:])]), read([bytes(damaged)]))

    @settings(max_examples=50, deadline=None)
    @given(st.lists(st.binary(min_size=1, max_size=300).map(record) | st.binary(max_size=20), max_size=20))
    def test_arbitrary_records(self, pieces: list[bytes]) -> None:
        """Arbitrary records raise nothing but PeerError."""
        read(pieces)

    def test_waiting_is_bounded(self) -> None:
        """The worst client can make the reader hold a hello of the largest size and its record headers."""
        whole = message(START + SUITES + long(b"") + bytes(MAX_HELLO))[: MAX_HELLO + 4]
        whole = b"\x01" + MAX_HELLO.to_bytes(3, "big") + whole[4:]
        step = -(-len(whole) // (MAX_RECORDS - 1))
        stream = b"".join(record(whole[at : at + step]) for at in range(0, len(whole), step)) + bytes(64)
        reader = HelloReader()
        with self.assertRaises(PeerError):
            for at in range(len(stream)):
                reader.receive(stream[at : at + 1])
        self.assertLessEqual(len(reader.raw()), 4 + MAX_HELLO + 5 * MAX_RECORDS)
