"""The beginning of an RFB connection, in both roles."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue
from gateway.wire.rfb.constants import KEPT_NAME, MAX_NAME, MAX_REASON, SecurityType, Version
from gateway.wire.rfb.handshake import ClientInit, Security, UpstreamRefused, connect, refuse, serve, version_of
from gateway.wire.rfb.pixels import BGRX, ServerInit
from tests.support.feed import fed_three_ways

V33, V37, V38 = b"RFB 003.003\n", b"RFB 003.007\n", b"RFB 003.008\n"
SCREEN = ServerInit(640, 480, BGRX, b"inside")
NONE_ONLY = Security()
WITH_PASSWORD = Security(frozenset({SecurityType.NONE, SecurityType.VNC}), lambda challenge: challenge[::-1])
PASSWORD_ONLY = Security(frozenset({SecurityType.VNC}), lambda challenge: challenge[::-1])
CHALLENGE = bytes(range(16))
OK, FAILED, TOO_MANY = b"\0\0\0\0", b"\0\0\0\1", b"\0\0\0\2"


def served(pieces: Sequence[bytes]) -> tuple[bytes, ClientInit, bytes]:
    """Serve a client that sends these pieces: what it is sent, what it is, what it sent beyond."""
    dialogue = Dialogue(serve)
    sent, beyond = dialogue.to_send(), b""
    for piece in pieces:
        if dialogue.done:
            beyond += piece
        else:
            dialogue.receive(piece)
            sent += dialogue.to_send()
    return sent, dialogue.result, dialogue.trailing() + beyond


def connected(security: Security, pieces: Sequence[bytes]) -> tuple[bytes, ServerInit, bytes]:
    """Connect to a server that sends these pieces: what it is sent, its screen, what it sent beyond."""
    dialogue = Dialogue(partial(connect, security=security))
    sent, beyond = b"", b""
    for piece in pieces:
        if dialogue.done:
            beyond += piece
        else:
            dialogue.receive(piece)
            sent += dialogue.to_send()
    return sent, dialogue.result, dialogue.trailing() + beyond


def failing(security: Security, pieces: Sequence[bytes]) -> tuple[bytes, str, str]:
    """Connect in vain: what the server is sent, why it failed, and the server's reason."""
    dialogue = Dialogue(partial(connect, security=security))
    sent = b""
    try:
        for piece in pieces:
            dialogue.receive(piece)
            sent += dialogue.to_send()
        dialogue.receive_eof()
    except PeerError as error:
        return sent + dialogue.to_send(), str(error), getattr(error, "reason", "")
    raise AssertionError("it did not fail")


class VersionTests(SynchronousTestCase):
    """``version_of`` brings every greeting down to one of three."""

    def test_known_greetings(self) -> None:
        """The greetings of real servers and clients."""
        for number, version in [
            ("003.003", Version.V3_3),
            ("003.005", Version.V3_3),
            ("003.006", Version.V3_3),
            ("003.007", Version.V3_7),
            ("003.008", Version.V3_8),
            ("003.889", Version.V3_8),
            ("004.000", Version.V3_8),
            ("004.001", Version.V3_8),
            ("005.000", Version.V3_8),
        ]:
            self.assertEqual(version_of(f"RFB {number}\n".encode()), version, number)

    def test_strangers(self) -> None:
        """What is no RFB, a repeater, or older than 3.3 is refused by name."""
        for greeting, reason in [
            (b"RFB 000.000\n", "repeater"),
            (b"RFB 002.002\n", "2.2 is not supported"),
            (b"RFB 003.008 ", "not RFB"),
            (b"RFB 003 008\n", "not RFB"),
            (b"RFB 0x3.008\n", "not RFB"),
            (b"RFB -03.008\n", "not RFB"),
            (b"SSH-2.0-abcd", "not RFB"),
        ]:
            with self.assertRaisesRegex(PeerError, reason):
                version_of(greeting)


class ServeTests(SynchronousTestCase):
    """``serve`` takes an admitted client to its ClientInit."""

    def test_version_stands_alone(self) -> None:
        """The first thing sent is the 12 bytes of the version and no more."""
        self.assertEqual(Dialogue(serve).to_send(), V38)

    def test_ladder(self) -> None:
        """Each side waits for the other."""
        dialogue = Dialogue(serve)
        dialogue.to_send()
        dialogue.receive(V38)
        self.assertEqual(dialogue.to_send(), b"\1\1")
        dialogue.receive(b"\1")
        self.assertEqual(dialogue.to_send(), OK)
        self.assertFalse(dialogue.done)
        dialogue.receive(b"\1")
        self.assertTrue(dialogue.done)

    def test_each_version(self) -> None:
        """3.3 is told the type, 3.7 gets no result, 3.8 does; what follows ClientInit is left."""
        for greeting, reply, sent, version in [
            (V38, b"\1\1", b"\1\1" + OK, Version.V3_8),
            (V37, b"\1\0", b"\1\1", Version.V3_7),
            (V33, b"\1", b"\0\0\0\1", Version.V3_3),
        ]:
            outcome = fed_three_ways(greeting + reply + b"\2rest", served)
            shared = reply[-1:] != b"\0"
            self.assertEqual(outcome, (V38 + sent, ClientInit(shared, version), b"\2rest"))

    def test_choice_that_was_not_offered(self) -> None:
        """A client that takes another type is wrong, and the log says which it took."""
        for choice, name in [(b"\2", "VNC"), (b"\x13", "VENCRYPT"), (b"\xc8", "type 200")]:
            with self.assertRaisesRegex(PeerError, f"{name}, which was not offered"):
                served([V38, choice])

    def test_refuse(self) -> None:
        """A refusal is SecurityResult 1 with its reason, cut to what a client reads."""
        self.assertEqual(refuse("no"), FAILED + b"\0\0\0\2no")
        self.assertEqual(len(refuse("x" * 9999)), 8 + MAX_REASON)


class ConnectTests(SynchronousTestCase):
    """``connect`` logs in to a server and reads its screen."""

    def check(self, security: Security, server: bytes, sent: bytes) -> None:
        """Feed what a server says up to ServerInit, then some; expect what it is sent."""
        outcome = fed_three_ways(server + SCREEN.pack() + b"\2", partial(connected, security))
        self.assertEqual(outcome, (sent, SCREEN, b"\2"))

    def test_none(self) -> None:
        """Without a log-in only 3.8 says that all is well."""
        self.check(NONE_ONLY, V38 + b"\3\x13\2\1" + OK, V38 + b"\1\1")
        self.check(NONE_ONLY, V37 + b"\1\1", V37 + b"\1\1")
        self.check(NONE_ONLY, V33 + b"\0\0\0\1", V33 + b"\1")
        self.check(NONE_ONLY, b"RFB 003.889\n\1\1" + OK, V38 + b"\1\1")

    def test_vnc(self) -> None:
        """A challenge is answered in every version, and each says how that went."""
        self.check(WITH_PASSWORD, V38 + b"\2\1\2" + CHALLENGE + OK, V38 + b"\2" + CHALLENGE[::-1] + b"\1")
        self.check(PASSWORD_ONLY, V37 + b"\1\2" + CHALLENGE + OK, V37 + b"\2" + CHALLENGE[::-1] + b"\1")
        self.check(WITH_PASSWORD, V33 + b"\0\0\0\2" + CHALLENGE + OK, V33 + CHALLENGE[::-1] + b"\1")

    def test_exclusive(self) -> None:
        """The shared flag is what the caller says."""
        dialogue = Dialogue(partial(connect, security=NONE_ONLY, shared=False))
        dialogue.receive(V33 + b"\0\0\0\1")
        self.assertEqual(dialogue.to_send(), V33 + b"\0")

    def refused(self, security: Security, server: bytes, sent: bytes, text: str, reason: str = "") -> None:
        """Feed a refusal; expect what was sent before, the log's text, and the server's reason."""
        self.assertEqual(fed_three_ways(server, partial(failing, security)), (sent, text, reason))

    def test_nothing_in_common(self) -> None:
        """The error names what is offered and what is configured, and no type is chosen."""
        self.refused(
            NONE_ONLY, V38 + b"\3\x13\2\xc8", V38, "the server offers VNC, VENCRYPT, type 200; configured is NONE"
        )
        self.refused(PASSWORD_ONLY, V38 + b"\1\1", V38, "the server offers NONE; configured is VNC")
        self.refused(NONE_ONLY, V33 + b"\xff\xff\xff\xfa", V33, "the server offers type 4294967290; configured is NONE")
        without_password = Security(frozenset({SecurityType.VNC}))
        self.refused(without_password, V38 + b"\1\2", V38, "the server offers VNC; configured is nothing usable")

    def test_refused_connection(self) -> None:
        """An empty list and 3.3's zero are refusals; the reason is not in the text."""
        for server, sent in [(V38 + b"\0", V38), (V37 + b"\0", V37), (V33 + b"\0\0\0\0", V33)]:
            self.refused(NONE_ONLY, server + b"\0\0\0\4full", sent, "the server refused the connection", "full")

    def test_refused_log_in(self) -> None:
        """Only 3.8 gives a reason, and only for a plain failure."""
        text = "the server refused the log-in"
        vnc38, vnc37 = V38 + b"\1\2" + CHALLENGE, V37 + b"\1\2" + CHALLENGE
        sent38, sent37 = V38 + b"\2" + CHALLENGE[::-1], V37 + b"\2" + CHALLENGE[::-1]
        self.refused(WITH_PASSWORD, vnc38 + FAILED + b"\0\0\0\5wrong", sent38, text, "wrong")
        self.refused(WITH_PASSWORD, vnc37 + FAILED, sent37, text)
        self.refused(WITH_PASSWORD, vnc38 + TOO_MANY, sent38, "the server refused any more attempts")
        self.refused(NONE_ONLY, V38 + b"\1\1" + FAILED + b"\0\0\0\5wrong", V38 + b"\1", text, "wrong")

    def test_cut_reason(self) -> None:
        """A server that closes in the middle of its reason has still refused."""
        text = "the server refused the connection"
        self.refused(NONE_ONLY, V38 + b"\0\0\0\0\x09full", V38, text, "full")
        self.refused(NONE_ONLY, V38 + b"\0\0\0", V38, text)

    def test_reason_is_bounded_and_printable(self) -> None:
        """A reason is cut at its bound, and nothing in it steers a terminal or breaks a line."""
        dialogue = Dialogue(partial(connect, security=NONE_ONLY))
        with self.assertRaises(UpstreamRefused) as caught:
            dialogue.receive(V38 + b"\0\xff\xff\xff\xff" + b"a\x1b[1m\n\xff\xc3\xa9" + b"x" * 9999)
        reason = caught.exception.reason
        self.assertTrue(reason.startswith("a [1m \N{REPLACEMENT CHARACTER}éx"))
        self.assertTrue(reason.isprintable())
        self.assertLessEqual(len(reason), MAX_REASON)

    def test_early_end(self) -> None:
        """A server that closes before its ServerInit has failed."""
        whole = V38 + b"\1\1" + OK + SCREEN.pack()
        for count in range(len(whole)):
            dialogue = Dialogue(partial(connect, security=NONE_ONLY))
            dialogue.receive(whole[:count])
            with self.assertRaises(PeerError):
                dialogue.receive_eof()

    def test_long_name(self) -> None:
        """A long name is read to its end and cut; a longer one is refused."""
        server = V33 + b"\0\0\0\1"
        long = ServerInit(1, 1, BGRX, b"n" * MAX_NAME).pack()
        data = server + long
        pieces = [data[at : at + 5000] for at in range(0, len(data), 5000)] + [b"rest"]
        _, screen, beyond = connected(NONE_ONLY, pieces)
        self.assertEqual(screen, ServerInit(1, 1, BGRX, b"n" * KEPT_NAME))
        self.assertEqual(beyond, b"rest")
        with self.assertRaisesRegex(PeerError, "65537 bytes is too long"):
            connected(NONE_ONLY, [server, ServerInit(1, 1, BGRX, b"n" * (MAX_NAME + 1)).pack()[:24]])

    def test_screen_too_big(self) -> None:
        """A screen beyond the bound is refused before anything is tracked."""
        for width, height in [(16385, 1), (1, 65535)]:
            with self.assertRaisesRegex(PeerError, f"{width}×{height} is too big"):
                connected(NONE_ONLY, [V33 + b"\0\0\0\1" + ServerInit(width, height, BGRX).pack()])

    def test_secrets_stay_out_of_reprs(self) -> None:
        """The function that knows the password is not shown."""
        self.assertNotIn("lambda", repr(WITH_PASSWORD))

    @given(st.binary(max_size=80), st.booleans())
    @settings(max_examples=200)
    def test_noise(self, noise: bytes, greeted: bool) -> None:
        """Whatever comes, a dialogue waits, ends or blames the peer."""
        for dialogue in (Dialogue(serve), Dialogue(partial(connect, security=WITH_PASSWORD))):
            try:
                dialogue.receive((V38 if greeted else b"") + noise)
                if not dialogue.done:
                    dialogue.receive_eof()
            except PeerError:
                pass


class BothRolesTests(SynchronousTestCase):
    """The two roles understand each other."""

    def test_against_each_other(self) -> None:
        """A client of ours gets through a server of ours, and reads the screen that follows."""
        ours, theirs = Dialogue(serve), Dialogue(partial(connect, security=NONE_ONLY))
        while not ours.done:
            theirs.receive(ours.to_send())
            ours.receive(theirs.to_send())
        self.assertEqual(ours.result, ClientInit(shared=True, version=Version.V3_8))
        theirs.receive(SCREEN.pack("shown"))
        self.assertEqual(theirs.result, ServerInit(640, 480, BGRX, b"shown"))
