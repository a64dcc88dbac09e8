"""The beginning of a SPICE connection, in both roles."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from functools import partial

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import LocalError, PeerError
from gateway.wire.reader import Dialogue, Steps
from gateway.wire.spice import (
    ACCEPTED,
    MAX_MESSAGE,
    MAX_PASSWORD,
    MAX_WORDS,
    PUBLIC_KEY_LENGTH,
    TICKET_LENGTH,
    Caps,
    Channel,
    Common,
    Link,
    LinkError,
    SpiceClient,
    SpiceRefused,
    answer,
    connect,
    refusal,
    usual_caps,
)
from tests.support.feed import fed_three_ways

COMMON = Common.AUTH_SELECTION | Common.AUTH_SPICE | Common.MINI_HEADER
MAIN = Link(0, Channel.MAIN, 0, Caps(COMMON, 0xF))
MAIN_MESSAGE = bytes.fromhex(
    "52454451 02000000 02000000 1a000000"  # REDQ, version 2.2, 26 bytes follow
    "00000000 01 00"  # connection id, main channel, its number
    "01000000 01000000 12000000"  # a word of each sort, after 18 bytes
    "0b000000 0f000000"
)
KEY = bytes(range(PUBLIC_KEY_LENGTH))
REPLY = (
    bytes.fromhex("52454451 02000000 02000000 ba000000 00000000")  # 186 bytes follow; no error
    + KEY
    + bytes.fromhex("01000000 01000000 b2000000 0b000000 0f000000")  # a word of each sort, after 178 bytes
)
SPICE_AUTH = b"\x01\0\0\0"
TICKET = b"T1\0".ljust(TICKET_LENGTH, b"#")
"""The ticket as the functions below, which encrypt nothing, have it."""


def encrypt(key: bytes, text: bytes) -> bytes:
    """Encrypts nothing; shows whose key it was given by failing for another."""
    assert key == KEY
    return text.ljust(TICKET_LENGTH, b"#")


def decrypt(ticket: bytes) -> bytes:
    """The other half of :func:`encrypt`."""
    return ticket.rstrip(b"#")


def message(body: bytes, major: int = 2, minor: int = 2, magic: bytes = b"REDQ", size: int | None = None) -> bytes:
    """A link message or reply."""
    return magic + struct.pack("<III", major, minor, len(body) if size is None else size) + body


def asking(common: int = 0, channel: int = 0, offset: int = 18, words: bytes = b"") -> bytes:
    """A link message for the display, as counted here."""
    return message(struct.pack("<IBBIII", 7, 2, 1, common, channel, offset) + words)


def replying(error: int = 0, common: int = 0, channel: int = 0, offset: int = 178, words: bytes = b"") -> bytes:
    """A link reply, as counted here."""
    return message(struct.pack("<I162sIII", error, KEY, common, channel, offset) + words)


Outcome = tuple[object, bytes, bytes]


def talk(steps: Callable[..., Steps[object]], pieces: Sequence[bytes]) -> Outcome:
    """What a dialogue with a peer that sends these pieces comes to, what it sent, and what it left."""
    dialogue = Dialogue(steps)
    sent = dialogue.to_send()
    for number, piece in enumerate(pieces, 1):
        try:
            dialogue.receive(piece)
        except PeerError as error:
            return str(error), sent + dialogue.to_send(), b""
        sent += dialogue.to_send()
        if dialogue.done:
            return dialogue.result, sent, dialogue.trailing() + b"".join(pieces[number:])
    return "waiting", sent, b""


answering = partial(talk, partial(answer, public_key=KEY, decrypt=decrypt))
connecting = partial(talk, partial(connect, link=MAIN, password=b"secret", encrypt=encrypt))


class AnswerTests(SynchronousTestCase):
    """The server's role."""

    def test_a_client(self) -> None:
        """It is told what the table says, with our key, and its ticket is read; not a byte more."""
        found = fed_three_ways(MAIN_MESSAGE + SPICE_AUTH + TICKET + b"more", answering)
        self.assertEqual(found, (SpiceClient(MAIN, Caps(COMMON, 0xF), "T1"), REPLY, b"more"))

    def test_nothing_before_its_message(self) -> None:
        """A client speaks first."""
        self.assertEqual(answering([MAIN_MESSAGE[:-1]]), ("waiting", b"", b""))

    def test_an_old_client(self) -> None:
        """One that does not choose how to log in sends its ticket at once."""
        data = asking(common=1, words=b"\x08\0\0\0") + TICKET
        found, _, rest = fed_three_ways(data, answering)
        assert isinstance(found, SpiceClient)
        self.assertEqual((found.link.caps, found.ticket, rest), (Caps(8, 0), "T1", b""))

    def test_capabilities(self) -> None:
        """Any number of words up to the bound is read, wherever they lie, and none is none."""
        for data, expected in [
            (asking(), Caps()),
            (asking(offset=0), Caps()),
            (asking(1, 2, 18, b"\x08\0\0\0\x01\0\0\0\x02\0\0\0"), Caps(8, 2 << 32 | 1)),
            (asking(1, 1, 21, b"???\x08\0\0\0\x01\0\0\0??"), Caps(8, 1)),
            (asking(MAX_WORDS, MAX_WORDS, 18, bytes(MAX_WORDS * 8)), Caps()),
        ]:
            found, _, _ = answering([data + TICKET])
            assert isinstance(found, SpiceClient)
            self.assertEqual(found.link, Link(7, Channel.DISPLAY, 1, expected))

    def test_what_is_told(self) -> None:
        """The caller says it of each link; how to log in is never left to it."""
        asked: list[Link] = []

        def caps_for(link: Link) -> Caps:
            asked.append(link)
            return Caps(Common.AUTH_SASL, 1 << 40)

        steps = partial(answer, public_key=KEY, decrypt=decrypt, caps_for=caps_for)
        found, sent, _ = talk(steps, [MAIN_MESSAGE, SPICE_AUTH + TICKET])
        assert isinstance(found, SpiceClient)
        self.assertEqual(asked, [MAIN])
        self.assertEqual(found.told, Caps(Common.AUTH_SELECTION | Common.AUTH_SPICE, 1 << 40))
        self.assertEqual(sent, replying(0, 1, 2, 178, struct.pack("<III", 3, 0, 1 << 8)))

    def test_tickets(self) -> None:
        """A ticket ends at the first zero; what can be none, also for its length, is told apart only by being none."""
        longest = "t" * MAX_PASSWORD
        for plain, ticket in [
            (b"T1\0", "T1"),
            (b"T1", "T1"),
            (b"T1\0T2\0", "T1"),
            (longest.encode() + b"\0", longest),
            (longest.encode() + b"t\0", None),
            (b"\0", None),
            (b"", None),
            (b"\xc3\xa4\0", None),
            (None, None),
        ]:
            steps = partial(answer, public_key=KEY, decrypt=lambda _, plain=plain: plain)
            found, _, _ = talk(steps, [MAIN_MESSAGE + SPICE_AUTH + bytes(TICKET_LENGTH)])
            assert isinstance(found, SpiceClient)
            self.assertEqual(found.ticket, ticket, plain)

    def test_malformed(self) -> None:
        """What is no link message is refused with its header, or when it is whole; nothing is answered."""
        word = bytes(4)
        for data, why in [
            (message(b"", magic=b"REDX"), "not SPICE"),
            (message(b"", major=1), "1.2 is not supported"),
            (message(b"", major=3), "3.2 is not supported"),
            (message(b"", size=17), "17 bytes"),
            (message(b"", size=MAX_MESSAGE + 1), f"{MAX_MESSAGE + 1} bytes"),
            (asking(1, 0, 18, word[1:]), "outside"),
            (asking(1, 1, 18, word), "outside"),
            (asking(1, 0, 17, word * 2), "outside"),
            (asking(0, 0, 19), "outside"),
            (asking(1, 0, 0xFFFFFFFF, word), "outside"),
            (asking(MAX_WORDS + 1, 0, 18, word * (MAX_WORDS + 1)), "words"),
            (asking(0, MAX_WORDS + 1, 18, word * (MAX_WORDS + 1)), "words"),
            (asking(0xFFFFFFFF, 0xFFFFFFFF, 18), "words"),
        ]:
            error, sent, _ = fed_three_ways(data, answering)
            self.assertIn(why, str(error))
            self.assertEqual(sent, b"")

    def test_another_mechanism(self) -> None:
        """A client that chooses what was not offered is refused."""
        self.assertIn("mechanism 2", str(answering([MAIN_MESSAGE + b"\x02\0\0\0"])[0]))

    def test_a_key_of_another_size(self) -> None:
        """It would not fit; that is our mistake."""
        self.assertRaises(LocalError, Dialogue, partial(answer, public_key=KEY[1:], decrypt=decrypt))

    def test_results(self) -> None:
        """The words with which a link ends."""
        self.assertEqual((ACCEPTED, refusal()), (b"\0\0\0\0", b"\x07\0\0\0"))
        self.assertEqual(refusal(LinkError.BAD_CONNECTION_ID), b"\x08\0\0\0")

    def test_nothing_secret_is_shown(self) -> None:
        """The ticket is not in the repr."""
        self.assertNotIn("T1", repr(SpiceClient(MAIN, Caps(), "T1")))


class ConnectTests(SynchronousTestCase):
    """The client's role."""

    login = SPICE_AUTH + b"secret\0".ljust(TICKET_LENGTH, b"#")

    def test_a_server(self) -> None:
        """It is sent the client's link and our password; what its channel says at once is left."""
        found = fed_three_ways(REPLY + ACCEPTED + b"init", connecting)
        self.assertEqual(found, (Caps(COMMON, 0xF), MAIN_MESSAGE + self.login, b"init"))

    def test_the_link(self) -> None:
        """The client's own is passed on, except that it logs in by password."""
        link = Link(7, Channel.USBREDIR, 3, Caps(Common.AUTH_SASL | 1 << 33, 0), minor=1)
        sent = Dialogue(partial(connect, link=link, password=b"", encrypt=encrypt)).to_send()
        words = struct.pack("<II", Common.AUTH_SELECTION | Common.AUTH_SPICE, 2)
        self.assertEqual(sent, message(struct.pack("<IBBIII", 7, 9, 3, 2, 0, 18) + words, minor=1))

    def test_an_old_server(self) -> None:
        """One that knows a single way to log in is not told which."""
        data = replying(0, 1, 0, 178, b"\x08\0\0\0") + ACCEPTED
        self.assertEqual(connecting([data]), (Caps(8, 0), MAIN_MESSAGE + self.login.removeprefix(SPICE_AUTH), b""))

    def test_no_password(self) -> None:
        """A server without one is sent an empty one."""
        _, sent, _ = talk(partial(connect, link=MAIN, password=b"", encrypt=encrypt), [REPLY])
        self.assertEqual(sent, MAIN_MESSAGE + SPICE_AUTH + b"\0".ljust(TICKET_LENGTH, b"#"))

    def test_refused(self) -> None:
        """A server's no is told by its name, at either step."""
        for number, error, name in [
            (5, LinkError.NEED_SECURED, "need secured"),
            (7, LinkError.PERMISSION_DENIED, "permission denied"),
            (8, LinkError.BAD_CONNECTION_ID, "bad connection id"),
            (77, LinkError.ERROR, "error 77"),
        ]:
            word = struct.pack("<I", number)
            for data in (replying(number), message(word), REPLY + word):
                self.assertTrue(str(fed_three_ways(data, connecting)[0]).endswith(name), data)
                dialogue = Dialogue(partial(connect, link=MAIN, password=b"", encrypt=encrypt))
                self.assertEqual(self.assertRaises(SpiceRefused, dialogue.receive, data).error, error)

    def test_malformed(self) -> None:
        """What is no link reply is refused."""
        for data, why in [
            (message(b"", magic=b"RFB "), "not SPICE"),
            (message(b"", major=1), "not supported"),
            (message(b"", size=3), "3 bytes"),
            (message(b"", size=MAX_MESSAGE + 1), f"{MAX_MESSAGE + 1} bytes"),
            (message(bytes(177)), "177 bytes"),
            (replying(0, 1, 0, 178, bytes(3)), "outside"),
            (replying(0, 1, 0, 177, bytes(8)), "outside"),
            (replying(0, MAX_WORDS + 1, 0, 178, bytes(1000)), "words"),
            (replying(0, 1, 0, 178, b"\x05\0\0\0"), "no SPICE password"),
        ]:
            self.assertIn(why, str(fed_three_ways(data, connecting)[0]))

    def test_a_key_of_another_size(self) -> None:
        """A server whose key makes longer tickets is no SPICE server."""
        steps = partial(connect, link=MAIN, password=b"", encrypt=lambda key, text: bytes(256))
        self.assertIn("1024", str(talk(steps, [REPLY])[0]))

    def test_passwords_that_cannot_be(self) -> None:
        """They are our mistake, found before anything is sent."""
        for password in (b"x" * (MAX_PASSWORD + 1), b"a\0b"):
            self.assertRaises(LocalError, Dialogue, partial(connect, link=MAIN, password=password, encrypt=encrypt))
        Dialogue(partial(connect, link=MAIN, password=b"x" * MAX_PASSWORD, encrypt=encrypt))

    def test_a_server_that_leaves(self) -> None:
        """A server without the channel closes in place of its reply: the peer's fault."""
        dialogue = Dialogue(partial(connect, link=MAIN, password=b"", encrypt=encrypt))
        self.assertRaises(PeerError, dialogue.receive_eof)


class CapsTests(SynchronousTestCase):
    """What is told, and whether it holds."""

    def test_usual(self) -> None:
        """Every channel has the common ones; one that is not known has no others."""
        self.assertEqual(usual_caps(MAIN), Caps(COMMON, 0xF))
        for channel, word in [(Channel.DISPLAY, 0x1052), (Channel.CURSOR, 0), (Channel.PLAYBACK, 10), (77, 0)]:
            self.assertEqual(usual_caps(Link(1, channel, 0, Caps())), Caps(COMMON, word))

    def test_holds(self) -> None:
        """A server may do more than was told, and log in otherwise, but not less, nor write its headers otherwise."""
        told = Caps(COMMON, 0b11)
        for said, holds in [
            (told, True),
            (Caps(COMMON | 1 << 5, 0b111), True),
            (Caps(Common.MINI_HEADER, 0b11), True),
            (Caps(COMMON, 0b101), False),
            (Caps(COMMON & ~Common.MINI_HEADER, 0b11), False),
        ]:
            self.assertEqual(told.holds_for(said), holds, said)
        self.assertFalse(Caps(0, 0).holds_for(Caps(Common.MINI_HEADER, 0)))
        self.assertFalse(Caps(1 << 5, 0).holds_for(Caps(0, 0)))


class BothTests(SynchronousTestCase):
    """Client and server against each other, and against anything."""

    def test_with_real_keys(self) -> None:
        """With RSA as it is meant, a server of ours reads what a client of ours sends."""
        oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None)
        private = rsa.generate_private_key(65537, 1024)
        form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo

        def with_key(der: bytes, text: bytes) -> bytes:
            key = serialization.load_der_public_key(der)
            assert isinstance(key, rsa.RSAPublicKey)
            return key.encrypt(text, oaep)

        def opened(ticket: bytes) -> bytes:
            return private.decrypt(ticket, oaep)

        server = Dialogue(partial(answer, public_key=private.public_key().public_bytes(*form), decrypt=opened))
        client = Dialogue(partial(connect, link=MAIN, password=b"x" * MAX_PASSWORD, encrypt=with_key))
        while not server.done:
            server.receive(client.to_send())
            client.receive(server.to_send() if not server.done else ACCEPTED + b"init")
        self.assertEqual(server.result.ticket, "x" * MAX_PASSWORD)
        self.assertTrue(server.result.told.holds_for(client.result))
        self.assertEqual((server.trailing(), client.trailing()), (b"", b"init"))

    @settings(max_examples=100, deadline=None)
    @given(
        st.integers(0, 2**32 - 1),
        st.integers(0, 255),
        st.integers(0, 255),
        st.integers(0, 2 ** (32 * MAX_WORDS) - 1),
        st.integers(0, 2 ** (32 * MAX_WORDS) - 1),
    )
    def test_any_link(self, connection_id: int, channel: int, number: int, common: int, own: int) -> None:
        """Every link comes out of its message as it went in, but for the ways to log in."""
        link = Link(connection_id, channel, number, Caps(common, own))
        found, _, _ = answering([link.pack() + SPICE_AUTH + bytes(TICKET_LENGTH)])
        if common & Common.AUTH_SELECTION:
            assert isinstance(found, SpiceClient)
            self.assertEqual(found.link, link)

    @settings(max_examples=200, deadline=None)
    @given(
        st.sampled_from([b"", b"REDQ", MAIN_MESSAGE[:16], REPLY[:16], REPLY[:182], asking() + SPICE_AUTH]),
        st.binary(max_size=220),
        st.integers(0, 300),
        st.sampled_from([answering, connecting]),
    )
    def test_anything(self, start: bytes, rest: bytes, cut: int, role: Callable[[Sequence[bytes]], Outcome]) -> None:
        """Any bytes in any two pieces come to what they come to whole; failures are the peer's."""
        data = start + rest
        self.assertEqual(role([data[:cut], data[cut:]]), role([data]))
