"""The server's role: clients that were let in before, and stock viewers with a ticket."""

from __future__ import annotations

from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.reader import Dialogue, StartTLS
from gateway.wire.rfb.constants import Version
from gateway.wire.rfb.serve import (
    NEEDS_PLAIN,
    NEEDS_X509_PLAIN,
    TOO_OLD,
    ClientInit,
    Viewer,
    accept,
    finish,
    serve,
)
from tests.support.feed import fed_three_ways
from tests.wire.rfb.building import counted
from tests.wire.rfb.talking import FAILED, OK, V33, V37, V38, X509, Talk, inside, let_in, outside, talk, whole

TICKET = "t" * 43
PLAIN = b"\0\0\0\5" + b"\0\0\0\x2b" + b"alice" + TICKET.encode()
"""Lengths of user name and ticket, user name, ticket."""
OUTSIDE = b"\x13" + b"\0\2" + b"\0\0\1\6" + PLAIN
"""What a viewer sends after its version: VeNCrypt, 0.2, X509Plain, and inside TLS its ticket."""
INSIDE = b"\x13" + b"\0\2" + b"\0\0\1\0" + PLAIN
TO_OUTSIDE = V38 + b"\1\x13" + b"\0\2" + b"\0" + b"\1\0\0\1\6" + b"\1" + X509
"""What it is sent: the version, one type, 0.2 and that it is spoken, one sub-type, that TLS begins."""
TO_INSIDE = V38 + b"\1\x13" + b"\0\2" + b"\0" + b"\1\0\0\1\0"


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
            heard = fed_three_ways(greeting + reply + b"\2rest", partial(talk, serve))
            self.assertEqual(heard, Talk(V38 + sent, ClientInit(reply[-1:] != b"\0", version), b"\2rest"))

    def test_choice_that_was_not_offered(self) -> None:
        """A client that takes another type is wrong, and the log says which it took."""
        for choice, name in [(b"\2", "VNC"), (b"\x13", "VeNCrypt"), (b"\xc8", "type 200")]:
            error = f"the client chose {name}, which was not offered"
            self.assertEqual(talk(serve, [V38, choice]), Talk(V38 + b"\1\1", error=error))


class GreetViewerTests(SynchronousTestCase):
    """``greet_viewer`` takes a stock viewer to its ticket, and leaves it waiting."""

    def test_ladder(self) -> None:
        """Each side waits for the other, and nothing but the version is said before the viewer's."""
        dialogue = Dialogue(outside)
        self.assertEqual(dialogue.to_send(), V38)
        for said, answer in [
            (b"RFB ", b""),  # gtk-vnc, when it has waited long enough
            (b"003.008\n", b"\1\x13"),
            (b"\x13", b"\0\2"),
            (b"\0\2", b"\0\1\0\0\1\6"),
            (b"\0\0\1\6", b"\1"),
        ]:
            dialogue.receive(said)
            self.assertEqual(dialogue.to_send(), answer)
        self.assertEqual((dialogue.tls, dialogue.done), (StartTLS(), False))
        dialogue.tls_started()
        dialogue.receive(PLAIN)
        self.assertEqual((dialogue.to_send(), dialogue.done), (b"", True))
        self.assertEqual(dialogue.result, Viewer("alice", TICKET, Version.V3_8))

    def test_each_version(self) -> None:
        """3.8, 3.7 and what is newer; a viewer that does not wait for the result leaves its next byte."""
        for greeting, version in [
            (V38, Version.V3_8),
            (V37, Version.V3_7),
            (b"RFB 003.889\n", Version.V3_8),
            (b"RFB 005.000\n", Version.V3_8),
        ]:
            viewer = Viewer("alice", TICKET, version)
            heard = fed_three_ways(greeting + OUTSIDE + b"\1", partial(talk, outside))
            self.assertEqual(heard, Talk(TO_OUTSIDE, viewer, b"\1"))
            heard = fed_three_ways(greeting + INSIDE, partial(talk, inside))
            self.assertEqual(heard, Talk(TO_INSIDE, viewer))

    def test_tls_that_comes_early(self) -> None:
        """A viewer may begin with TLS before it is let: those bytes are kept for TLS, and not read as a log-in."""
        dialogue = Dialogue(outside)
        dialogue.receive(V38 + OUTSIDE)
        self.assertTrue(dialogue.wants_tls)
        self.assertEqual(dialogue.trailing(), PLAIN)

    def test_any_name_and_no_name(self) -> None:
        """The user name is free: empty, unreadable, in any script; what is not printable is not kept."""
        for user, kept in [
            (b"", ""),
            ("Zoë".encode(), "Zoë"),
            (b"a\nb\x1b[2J", "a b [2J"),
            (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
        ]:
            log_in = len(user).to_bytes(4, "big") + b"\0\0\0\1" + user + b"t"
            heard = talk(inside, [V38 + INSIDE[:7] + log_in])
            self.assertEqual(heard.result, Viewer(kept, "t", Version.V3_8))

    def test_odd_tickets(self) -> None:
        """A ticket is whatever was sent, none included: it is judged elsewhere, and must not break anything."""
        for ticket, kept in [(b"", ""), (b" t\0", " t\0"), (b"\xff", "\N{REPLACEMENT CHARACTER}")]:
            log_in = b"\0\0\0\0" + counted(ticket)
            heard = talk(inside, [V38 + INSIDE[:7] + log_in])
            self.assertEqual(heard.result, Viewer("", kept, Version.V3_8))

    def test_ticket_stays_out_of_reprs(self) -> None:
        """A viewer can be shown; its ticket is not."""
        self.assertEqual(repr(Viewer("alice", TICKET, Version.V3_8)).count(TICKET), 0)

    def test_too_old(self) -> None:
        """A viewer of 3.3 is told what is needed, in the place of the type."""
        for greeting in (V33, b"RFB 003.006\n"):
            for steps in (inside, outside):
                heard = fed_three_ways(greeting, partial(talk, steps))
                sent = V38 + b"\0\0\0\0" + counted(TOO_OLD.encode())
                self.assertEqual(heard, Talk(sent, error="the client speaks RFB 3.3 only"))

    def test_no_viewer(self) -> None:
        """What is not RFB is told nothing."""
        self.assertEqual(talk(outside, [b"GET / HTTP/1.1\r\n"]), Talk(V38, error="this is not RFB"))

    def test_another_type(self) -> None:
        """A viewer that takes another type is told what is needed; 3.7 has no place for words."""
        for choice, name in [(b"\1", "None"), (b"\2", "VNC"), (b"\xc8", "type 200")]:
            error = f"the client chose {name}, which was not offered"
            heard = fed_three_ways(V38 + choice, partial(talk, outside))
            self.assertEqual(heard, Talk(V38 + b"\1\x13" + FAILED + counted(NEEDS_X509_PLAIN.encode()), error=error))
            heard = fed_three_ways(V37 + choice, partial(talk, outside))
            self.assertEqual(heard, Talk(V38 + b"\1\x13" + FAILED, error=error))

    def test_another_sub_type(self) -> None:
        """Neither less than X509Plain outside TLS nor TLS in TLS: no log-in is read, and no TLS begins."""
        needs, other = counted(NEEDS_X509_PLAIN.encode()), counted(NEEDS_PLAIN.encode())
        for steps, choice, name, needed in [
            (outside, b"\0\0\1\0", "Plain", needs),
            (outside, b"\0\0\1\3", "TLSPlain", needs),
            (outside, b"\0\0\1\4", "X509None", needs),
            (outside, b"\0\0\0\1", "None", needs),
            (inside, b"\0\0\1\6", "X509Plain", other),
            (inside, b"\0\0\0\x13", "VeNCrypt", other),
        ]:
            heard = fed_three_ways(V38 + b"\x13\0\2" + choice, partial(talk, steps))
            self.assertTrue(heard.sent.endswith(FAILED + needed))
            self.assertNotIn(X509, heard.sent)
            self.assertEqual(heard.error, f"the client chose {name}, which was not offered")

    def test_another_vencrypt(self) -> None:
        """VeNCrypt 0.1 is refused in VeNCrypt's own words."""
        heard = fed_three_ways(V38 + b"\x13\0\1", partial(talk, outside))
        sent = V38 + b"\1\x13\0\2\xff"
        self.assertEqual(heard, Talk(sent, error="the client does not speak VeNCrypt 0.2"))

    def test_too_long(self) -> None:
        """Too long a name or ticket is refused by its length alone."""
        for lengths, error in [
            (b"\0\0\4\1\0\0\0\x2b", "a user name of 1025 bytes is too long"),
            (b"\0\0\0\5\0\0\x10\1", "a password of 4097 bytes is too long"),
        ]:
            heard = fed_three_ways(V38 + OUTSIDE[:7] + lengths, partial(talk, outside))
            self.assertEqual(heard, Talk(TO_OUTSIDE, error=error))

    def test_early_end(self) -> None:
        """A viewer that leaves before its ticket is whole has shown none."""
        data = V38 + INSIDE
        for count in range(len(data)):
            self.assertIn("the stream ended", talk(inside, [data[:count]] if count else []).error)

    @given(st.sampled_from([b"", V38, V38 + b"\x13\0\2", V37 + OUTSIDE[:7], V38 + INSIDE[:7]]), st.binary(max_size=80))
    @settings(max_examples=200, deadline=None)
    def test_noise(self, start: bytes, noise: bytes) -> None:
        """Whatever comes, a dialogue ends or blames the peer."""
        for steps in (outside, inside):
            heard = talk(steps, [start + noise] if start + noise else [])
            self.assertTrue(heard.error or isinstance(heard.result, Viewer))


class WholeTests(SynchronousTestCase):
    """A viewer's handshake with the decision in its middle."""

    def test_let_in(self) -> None:
        """A viewer that is let in is told so in every version, says whether it shares, and goes on."""
        for greeting, version in [(V38, Version.V3_8), (V37, Version.V3_7)]:
            for flag, shared in [(b"\0", False), (b"\1", True), (b"\xff", True)]:
                heard = fed_three_ways(
                    greeting + OUTSIDE + flag + b"\2", partial(talk, whole(let_in, inside_tls=False))
                )
                result = Viewer("alice", TICKET, version), ClientInit(shared, version)
                self.assertEqual(heard, Talk(TO_OUTSIDE + OK, result, b"\2"))

    def test_turned_down(self) -> None:
        """A viewer that is refused learns why in 3.8, and that it is in 3.7."""
        steps = whole(lambda viewer: "No such ticket.", inside_tls=True)
        for greeting, sent in [(V38, FAILED + b"\0\0\0\x0fNo such ticket."), (V37, FAILED)]:
            self.assertEqual(fed_three_ways(greeting + INSIDE, partial(talk, steps)).sent, TO_INSIDE + sent)

    def test_accept_and_finish_alone(self) -> None:
        """The two last pieces stand by themselves too."""
        self.assertEqual([accept(version) for version in (Version.V3_7, Version.V3_8)], [OK, OK])
        self.assertEqual(talk(finish, [b"\1+"]), Talk(b"", ClientInit(True, Version.V3_8), b"+"))
