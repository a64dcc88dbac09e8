"""The client's role: every way to log in to a server, and every way in which that fails."""

from __future__ import annotations

from functools import partial

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue
from gateway.wire.rfb.connect import STRENGTH, PassedOver, Security, connect
from gateway.wire.rfb.constants import KEPT_NAME, MAX_NAME, MAX_REASON, SecurityType, SubType
from gateway.wire.rfb.pixels import BGRX, ServerInit
from gateway.wire.rfb.vencrypt import Method, plain
from tests.support.feed import fed_three_ways
from tests.wire.rfb.talking import (
    ANONYMOUS,
    CHALLENGE,
    FAILED,
    OK,
    TOO_MANY,
    V33,
    V37,
    V38,
    X509,
    Talk,
    talk,
)

SCREEN = ServerInit(640, 480, BGRX, b"inside")
NONE_ONLY = Security()
EVERYTHING = Security(
    frozenset(STRENGTH), lambda challenge: challenge[::-1], lambda: (b"root", b"secret"), anonymous=True, in_clear=True
)
WITH_PASSWORD = Security(frozenset({SecurityType.NONE, SecurityType.VNC}), EVERYTHING.respond)
ANSWER = CHALLENGE[::-1]
PLAIN = plain(b"root", b"secret")


def only(*types: Method) -> Security:
    """Allow and know everything, and have these configured."""
    return attrs.evolve(EVERYTHING, types=frozenset(types))


def sub_types(*numbers: int) -> bytes:
    """What a server says from its list of types (VeNCrypt alone) to its list of sub-types."""
    listed = b"".join(number.to_bytes(4, "big") for number in numbers)
    return b"\1\x13" + b"\0\2" + b"\0" + bytes([len(numbers)]) + listed


def connecting(security: Security) -> partial[Talk]:
    """Connect with this to what the pieces say."""
    return partial(talk, partial(connect, security=security))


class LogInTests(SynchronousTestCase):
    """``connect`` logs in to a server and reads its screen."""

    def check(self, security: Security, server: bytes, sent: bytes) -> None:
        """Feed what a server says up to ServerInit, then some; expect what it is sent."""
        heard = fed_three_ways(server + SCREEN.pack() + b"\2", connecting(security))
        self.assertEqual(heard, Talk(sent, SCREEN, b"\2"))

    def test_none(self) -> None:
        """Without a log-in only 3.8 says that all is well."""
        self.check(NONE_ONLY, V38 + b"\3\x13\2\1" + OK, V38 + b"\1\1")
        self.check(NONE_ONLY, V37 + b"\1\1", V37 + b"\1\1")
        self.check(NONE_ONLY, V33 + b"\0\0\0\1", V33 + b"\1")
        self.check(NONE_ONLY, b"RFB 003.889\n\1\1" + OK, V38 + b"\1\1")

    def test_vnc(self) -> None:
        """A challenge is answered in every version, and each says how that went."""
        self.check(WITH_PASSWORD, V38 + b"\2\1\2" + CHALLENGE + OK, V38 + b"\2" + ANSWER + b"\1")
        self.check(only(SecurityType.VNC), V37 + b"\1\2" + CHALLENGE + OK, V37 + b"\2" + ANSWER + b"\1")
        self.check(WITH_PASSWORD, V33 + b"\0\0\0\2" + CHALLENGE + OK, V33 + ANSWER + b"\1")

    def test_every_sub_type(self) -> None:
        """TLS begins where the name says so, the log-in comes inside it, and every one has a result, in 3.7 too."""
        for number, said, sent in [
            (256, b"", PLAIN),
            (257, b"\1", ANONYMOUS),
            (258, b"\1" + CHALLENGE, ANONYMOUS + ANSWER),
            (259, b"\1", ANONYMOUS + PLAIN),
            (260, b"\1", X509),
            (261, b"\1" + CHALLENGE, X509 + ANSWER),
            (262, b"\1", X509 + PLAIN),
        ]:
            for version in (V38, V37):
                self.check(
                    only(SubType(number)),
                    version + sub_types(number) + said + OK,
                    version + b"\x13" + b"\0\2" + number.to_bytes(4, "big") + sent + b"\1",
                )

    def test_exclusive(self) -> None:
        """The shared flag is what the caller says."""
        dialogue = Dialogue(partial(connect, security=NONE_ONLY, shared=False))
        dialogue.receive(V33 + b"\0\0\0\1")
        self.assertEqual(dialogue.to_send(), V33 + b"\0")

    def test_password_waits_for_tls(self) -> None:
        """Nobody is asked for the password before TLS is there."""
        asked = []

        def credentials() -> tuple[bytes, bytes]:
            asked.append(True)
            return b"", b"secret"

        security = Security(frozenset({SubType.X509_PLAIN}), credentials=credentials)
        dialogue = Dialogue(partial(connect, security=security))
        dialogue.receive(V38 + sub_types(262) + b"\1")
        self.assertEqual((dialogue.wants_tls, asked), (True, []))
        self.assertNotIn(b"secret", dialogue.to_send())
        dialogue.tls_started()
        self.assertEqual((asked, dialogue.to_send()), ([True], plain(b"", b"secret")))


class StrengthTests(SynchronousTestCase):
    """The strongest way that is configured and offered is taken."""

    def taken(self, security: Security, server: bytes) -> bytes:
        """Tell what is chosen from a server's lists: what is sent after the version, to the first thing unsaid."""
        sent = talk(partial(connect, security=security), [V38 + server]).sent
        self.assertEqual(sent[:12], V38)
        return sent[12:]

    def test_order(self) -> None:
        """Whatever the server's order: certificates over anonymous TLS, and Plain over VNC over None inside."""
        order = [262, 261, 260, 259, 258, 257, 2, 1, 256]
        while order:
            chosen = b"\x13" + b"\0\2" + order[0].to_bytes(4, "big")
            for listed in (sorted(order), sorted(order, reverse=True)):
                self.assertEqual(self.taken(EVERYTHING, sub_types(264, *listed, 263))[:7], chosen)
            del order[0]

    def test_outside_vencrypt(self) -> None:
        """VeNCrypt goes before VNC, VNC before None, and either of them before a password in clear."""
        self.assertEqual(self.taken(EVERYTHING, b"\3\1\2\x13"), b"\x13")
        self.assertEqual(self.taken(EVERYTHING, b"\2\1\2"), b"\2")
        self.assertEqual(self.taken(only(SecurityType.NONE, SubType.PLAIN), b"\2\x13\1"), b"\1")
        self.assertEqual(self.taken(only(SubType.PLAIN), b"\2\x13\1"), b"\x13")

    def test_only_what_is_configured(self) -> None:
        """What is stronger, offered, and not configured, is left alone."""
        self.assertEqual(self.taken(only(SecurityType.NONE), b"\3\1\2\x13")[:1], b"\1")
        self.assertEqual(self.taken(only(SubType.X509_NONE), sub_types(262, 260))[3:], b"\0\0\1\4")

    def test_needs_permission(self) -> None:
        """Anonymous TLS and a password in clear are not usable for being configured."""
        plain_in_x509 = {SubType.X509_NONE, SubType.X509_VNC, SubType.X509_PLAIN}
        ordinary = {SecurityType.NONE, SecurityType.VNC}
        in_anonymous = {SubType.TLS_NONE, SubType.TLS_VNC, SubType.TLS_PLAIN}
        for anonymous, in_clear, usable in [
            (False, False, plain_in_x509 | ordinary),
            (True, False, plain_in_x509 | ordinary | in_anonymous),
            (False, True, plain_in_x509 | ordinary | {SubType.PLAIN}),
        ]:
            security = attrs.evolve(EVERYTHING, anonymous=anonymous, in_clear=in_clear)
            self.assertEqual(set(security.usable), usable)

    def test_needs_secrets(self) -> None:
        """Without a password what needs one is as good as not configured."""
        with_vnc = {method for method in STRENGTH if "VNC" in method.name}
        with_plain = {method for method in STRENGTH if "PLAIN" in method.name}
        self.assertEqual(set(attrs.evolve(EVERYTHING, respond=None).usable), set(STRENGTH) - with_vnc)
        self.assertEqual(set(attrs.evolve(EVERYTHING, credentials=None).usable), set(STRENGTH) - with_plain)

    def test_what_we_cannot_do(self) -> None:
        """A type that is configured and that nobody here speaks is not chosen."""
        self.assertEqual(only(SecurityType.RA2, SecurityType.TLS).usable, ())

    def test_secrets_stay_out_of_reprs(self) -> None:
        """The functions that know the passwords are not shown."""
        self.assertNotIn("lambda", repr(EVERYTHING))


class RefusedTests(SynchronousTestCase):
    """A server that says no, and one with which nothing is in common."""

    def refused(self, security: Security, server: bytes, sent: bytes, text: str, reason: str = "") -> None:
        """Feed a refusal; expect what was sent before, the log's text, and the server's reason."""
        heard = fed_three_ways(server, connecting(security))
        self.assertEqual(heard, Talk(sent, error=text, reason=reason))

    def test_nothing_in_common(self) -> None:
        """The error names what is offered and what is configured, and no type is chosen."""
        offers = "the server offers "
        for security, server, text in [
            (NONE_ONLY, V38 + b"\3\x13\2\xc8", "VNC, VeNCrypt, type 200; configured: None"),
            (only(SecurityType.VNC), V38 + b"\1\1", "None; configured: VNC"),
            (NONE_ONLY, V33 + b"\xff\xff\xff\xfa", "type 4294967290; configured: None"),
            (only(SubType.X509_PLAIN), V38 + b"\2\1\2", "None, VNC; configured: X509Plain"),
            (Security(frozenset({SecurityType.VNC})), V38 + b"\1\2", "VNC; configured: nothing usable"),
            (WITH_PASSWORD, V38 + b"\2\5\x12", "RA2, TLS; configured: VNC, None"),
        ]:
            self.refused(security, server, server[:12], offers + text)

    def test_no_sub_type_in_common(self) -> None:
        """The error names the sub-types too, and none is chosen."""
        sent, offers = V38 + b"\x13\0\2", "the server offers "
        with_vnc = b"\2\2\x13" + sub_types(260)[2:]
        for security, server, text in [
            (
                only(SubType.X509_PLAIN),
                with_vnc,
                "VNC, VeNCrypt(X509None); configured: X509Plain",
            ),
            (
                only(SubType.X509_PLAIN, SubType.X509_VNC),
                sub_types(264, 258, 999, 2),
                "VeNCrypt(VNC, TLSVnc, SASL, type 999); configured: X509Plain, X509Vnc",
            ),
            (only(SubType.X509_NONE), sub_types(), "VeNCrypt(nothing); configured: X509None"),
        ]:
            self.refused(security, V38 + server, sent, offers + text)

    def test_permission_is_not_configured_away(self) -> None:
        """A server that offers only anonymous TLS, or Plain in clear, gets neither name nor password."""
        for number, name in [(259, "TLSPlain"), (256, "Plain")]:
            security = attrs.evolve(EVERYTHING, types=frozenset(SubType), anonymous=False, in_clear=False)
            text = f"the server offers VeNCrypt({name}); configured: X509Plain, X509Vnc, X509None"
            self.refused(security, V38 + sub_types(number), V38 + b"\x13\0\2", text)

    def test_passed_over(self) -> None:
        """Within VeNCrypt there is no way back to the server's other types: the error tells whether they would do."""
        server = b"\2\2\x13" + sub_types(260)[2:]
        text = "the server offers VNC, VeNCrypt(X509None); configured: X509Plain"
        self.refused(only(SubType.X509_PLAIN, SecurityType.VNC), V38 + server, V38 + b"\x13\0\2", text + ", VNC")
        for types, error in (((SecurityType.VNC,), PassedOver), ((SecurityType.NONE,), PeerError), ((), PeerError)):
            dialogue = Dialogue(partial(connect, security=only(SubType.X509_PLAIN, *types)))
            raised = self.assertRaises(PeerError, dialogue.receive, V38 + server)
            self.assertIs(type(raised), error)

    def test_long_lists_are_cut(self) -> None:
        """An error names no more than a line's worth of what a server lists."""
        server = V38 + sub_types(*range(1000, 1255))
        error = talk(partial(connect, security=only(SubType.X509_PLAIN)), [server]).error
        self.assertIn("type 1015, …); configured", error)

    def test_refused_connection(self) -> None:
        """An empty list and 3.3's zero are refusals; the reason is not in the text."""
        for server, sent in [(V38 + b"\0", V38), (V37 + b"\0", V37), (V33 + b"\0\0\0\0", V33)]:
            self.refused(NONE_ONLY, server + b"\0\0\0\4full", sent, "the server refused the connection", "full")

    def test_refused_log_in(self) -> None:
        """Only 3.8 gives a reason, and only for a plain failure."""
        text = "the server refused the log-in"
        vnc38, vnc37 = V38 + b"\1\2" + CHALLENGE, V37 + b"\1\2" + CHALLENGE
        sent38, sent37 = V38 + b"\2" + ANSWER, V37 + b"\2" + ANSWER
        self.refused(WITH_PASSWORD, vnc38 + FAILED + b"\0\0\0\5wrong", sent38, text, "wrong")
        self.refused(WITH_PASSWORD, vnc37 + FAILED, sent37, text)
        self.refused(WITH_PASSWORD, vnc38 + TOO_MANY, sent38, "the server refused any more attempts")
        self.refused(NONE_ONLY, V38 + b"\1\1" + FAILED + b"\0\0\0\5wrong", V38 + b"\1", text, "wrong")

    def test_refused_inside_tls(self) -> None:
        """The same inside VeNCrypt's TLS."""
        server, sent = sub_types(262) + b"\1", b"\x13\0\2\0\0\1\6" + X509 + PLAIN
        security, text = only(SubType.X509_PLAIN), "the server refused the log-in"
        self.refused(security, V38 + server + FAILED + b"\0\0\0\5wrong", V38 + sent, text, "wrong")
        self.refused(security, V37 + server + FAILED, V37 + sent, text)
        self.refused(security, V38 + server + TOO_MANY, V38 + sent, "the server refused any more attempts")

    def test_refused_by_vencrypt(self) -> None:
        """An older VeNCrypt, a version refused, and TLS refused; no password follows."""
        security = only(SubType.X509_PLAIN)
        for server, sent, text in [
            (b"\1\x13\0\1", b"\x13\0\0", "the server speaks VeNCrypt 0.1; 0.2 is needed"),
            (b"\1\x13\0\2\xff", b"\x13\0\2", "the server refused VeNCrypt 0.2"),
            (sub_types(262) + b"\0", b"\x13\0\2\0\0\1\6", "the server refused to begin with TLS"),
        ]:
            self.refused(security, V38 + server, V38 + sent, text)

    def test_cut_reason(self) -> None:
        """A server that closes in the middle of its reason has still refused."""
        text = "the server refused the connection"
        self.refused(NONE_ONLY, V38 + b"\0\0\0\0\x09full", V38, text, "full")
        self.refused(NONE_ONLY, V38 + b"\0\0\0", V38, text)

    def test_reason_is_bounded_and_printable(self) -> None:
        """A reason is cut at its bound, and nothing in it steers a terminal or breaks a line."""
        server = V38 + b"\0\xff\xff\xff\xff" + b"a\x1b[1m\n\xff\xc3\xa9" + b"x" * 9999
        reason = talk(partial(connect, security=NONE_ONLY), [server]).reason
        self.assertTrue(reason.startswith("a [1m \N{REPLACEMENT CHARACTER}éx"))
        self.assertTrue(reason.isprintable())
        self.assertLessEqual(len(reason), MAX_REASON)


class BoundsTests(SynchronousTestCase):
    """What a server says is bounded, and may end anywhere."""

    def test_early_end(self) -> None:
        """A server that closes before its ServerInit has failed."""
        for security, start in [
            (NONE_ONLY, V38 + b"\1\1" + OK),
            (EVERYTHING, V38 + sub_types(261, 258, 2) + b"\1" + CHALLENGE + OK),
        ]:
            whole = start + SCREEN.pack()
            for count in range(len(whole)):
                self.assertIn("stream ended", talk(partial(connect, security=security), [whole[:count]]).error)

    def test_long_name(self) -> None:
        """A long name is read to its end and cut; a longer one is refused."""
        server = V33 + b"\0\0\0\1"
        data = server + ServerInit(1, 1, BGRX, b"n" * MAX_NAME).pack()
        pieces = [data[at : at + 5000] for at in range(0, len(data), 5000)] + [b"rest"]
        heard = talk(partial(connect, security=NONE_ONLY), pieces)
        self.assertEqual((heard.result, heard.beyond), (ServerInit(1, 1, BGRX, b"n" * KEPT_NAME), b"rest"))
        too_long = ServerInit(1, 1, BGRX, b"n" * (MAX_NAME + 1)).pack()[:24]
        self.assertIn("65537 bytes is too long", talk(partial(connect, security=NONE_ONLY), [server, too_long]).error)

    def test_screen_too_big(self) -> None:
        """A screen beyond the bound is refused before anything is tracked."""
        for width, height in [(16385, 1), (1, 65535)]:
            server = V33 + b"\0\0\0\1" + ServerInit(width, height, BGRX).pack()
            error = talk(partial(connect, security=NONE_ONLY), [server]).error
            self.assertIn(f"{width}×{height} is too big", error)

    @given(
        st.sampled_from([b"", V38, V33, V38 + b"\1\x13", V38 + sub_types(262), V38 + sub_types(259) + b"\1"]),
        st.binary(max_size=80),
    )
    @settings(max_examples=200, deadline=None)
    def test_noise(self, start: bytes, noise: bytes) -> None:
        """Whatever comes, a dialogue ends or blames the peer."""
        heard = talk(partial(connect, security=EVERYTHING), [start + noise] if start + noise else [])
        self.assertTrue(heard.error or isinstance(heard.result, ServerInit))
