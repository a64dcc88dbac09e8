"""The beginning of an RFB connection: both roles against each other."""

from __future__ import annotations

from functools import partial

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue
from gateway.wire.rfb import handshake
from gateway.wire.rfb.constants import SecurityType, SubType, Version
from gateway.wire.rfb.handshake import ClientInit, Security, UpstreamRefused, Viewer, connect, greet_viewer, serve
from gateway.wire.rfb.pixels import BGRX, ServerInit
from tests.wire.rfb.talking import Judge, bridge, let_in, whole

SCREEN = ServerInit(640, 480, BGRX, b"inside")
TICKET = "t" * 43
VIEWER = Security(
    frozenset({SubType.X509_PLAIN, SubType.PLAIN, SecurityType.VNC}),
    respond=lambda challenge: challenge,
    credentials=lambda: (b"alice", TICKET.encode()),
    in_clear=True,
)


class BothRolesTests(SynchronousTestCase):
    """The two roles understand each other."""

    def test_admitted_client(self) -> None:
        """A client of ours gets through a server of ours, and reads the screen that follows."""
        ours, theirs = Dialogue(serve), Dialogue(partial(connect, security=Security()))
        self.assertEqual(bridge(ours, theirs), [])
        self.assertEqual(ours.result, ClientInit(shared=True, version=Version.V3_8))
        theirs.receive(SCREEN.pack("shown"))
        self.assertEqual(theirs.result, ServerInit(640, 480, BGRX, b"shown"))

    def test_viewer(self) -> None:
        """A viewer shows its ticket inside TLS, ours or the one around it, is let in, and reads the screen."""
        for inside_tls, begun in [(False, [False]), (True, [])]:
            ours = Dialogue(whole(let_in, inside_tls=inside_tls))
            theirs = Dialogue(partial(connect, security=VIEWER, shared=False))
            self.assertEqual(bridge(ours, theirs), begun)
            version = Version.V3_8
            self.assertEqual(ours.result, (Viewer("alice", TICKET, version), ClientInit(False, version)))
            theirs.receive(SCREEN.pack())
            self.assertEqual(theirs.result, SCREEN)

    def test_viewer_in_two_parts(self) -> None:
        """The ticket stays unanswered until somebody decides; then the rest is a dialogue of its own."""
        first, theirs = Dialogue(partial(greet_viewer, inside_tls=False)), Dialogue(partial(connect, security=VIEWER))
        bridge(first, theirs)
        self.assertEqual((first.done, theirs.done), (True, False))
        second = Dialogue(partial(handshake.finish, version=first.result.version))
        self.assertEqual(bridge(second, theirs), [])
        self.assertFalse(second.done)
        theirs.receive(handshake.accept(first.result.version))
        bridge(second, theirs)
        self.assertEqual(second.result, ClientInit(True, Version.V3_8))

    def talk_in_vain(self, security: Security, judge: Judge = let_in) -> tuple[Dialogue[object], PeerError]:
        """Let a viewer try; return its side, and why it failed."""
        theirs: Dialogue[object] = Dialogue(partial(connect, security=security))
        with self.assertRaises(PeerError) as caught:
            bridge(Dialogue(whole(judge, inside_tls=False)), theirs)
        return theirs, caught.exception

    def test_viewer_turned_down(self) -> None:
        """A viewer whose ticket is no good reads why."""
        _, error = self.talk_in_vain(VIEWER, lambda viewer: "This ticket is not valid (any more).")
        assert isinstance(error, UpstreamRefused)
        self.assertEqual(str(error), "the server refused the log-in")
        self.assertEqual(error.reason, "This ticket is not valid (any more).")

    def test_viewers_without_vencrypt(self) -> None:
        """A viewer that knows no VeNCrypt, or only another sort, finds that we offer nothing else."""
        for types, configured in [
            ({SecurityType.VNC}, "VNC"),
            ({SubType.X509_NONE, SubType.TLS_PLAIN}, "X509None, TLSPlain"),
        ]:
            security = Security(frozenset(types), VIEWER.respond, VIEWER.credentials, anonymous=True)
            _, error = self.talk_in_vain(security)
            self.assertRegex(str(error), rf"the server offers VeNCrypt(\(X509Plain\))?; configured: {configured}$")


class NamesTests(SynchronousTestCase):
    """The names under which the rest of the gateway knows this."""

    def test_names(self) -> None:
        """Everything that is named is there."""
        for name in handshake.__all__:
            self.assertTrue(hasattr(handshake, name), name)
