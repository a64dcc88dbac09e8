"""What of a client's encodings a server is told."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.rfb.agreed import Agreed, Rights
from gateway.wire.rfb.constants import Encoding, Pseudo
from gateway.wire.rfb.encodings import FRAMED, permitted
from gateway.wire.rfb.formats import Formats
from gateway.wire.rfb.pixels import BGRX

# What noVNC 1.7 offers in a browser with WebCodecs (protocols.md §5.6), and what of it remains.
NOVNC = [1, 50, 7, -260, 16, 21, 5, 2, 6, 0, -23, -247, -223, -224, -258, -261, -308, -309, -312, -313, -307, -316]
NOVNC += [0xC0A1E5CE - 2**32, 0x574D5664, -239]
NOVNC_KEPT = [number for number in NOVNC if number not in (50, 21, 6)]


def fresh(rights: Rights) -> Agreed:
    """Agree on nothing but the rights."""
    return Agreed(64, 48, Formats(BGRX), rights, b"")


class PermittedTests(SynchronousTestCase):
    """``permitted`` leaves what can be framed and is covered."""

    def test_full_rights(self) -> None:
        """The order stays; what nobody frames goes, and Zlib beside ZRLE."""
        kept = permitted(NOVNC, fresh(Rights(True, True, True)))
        self.assertEqual(list(kept), NOVNC_KEPT)

    def test_without_rights(self) -> None:
        """The extended clipboard and xvp need their rights."""
        kept = permitted(NOVNC, fresh(Rights(control=True)))
        self.assertEqual(
            list(kept), [each for each in NOVNC_KEPT if each not in (Pseudo.EXTENDED_CLIPBOARD, Pseudo.XVP)]
        )

    def test_family_stays(self) -> None:
        """Whichever of Zlib and ZRLE came first is the only one for the session."""
        agreed = fresh(Rights())
        self.assertEqual(permitted([0], agreed), (0,))
        self.assertEqual(permitted([6, 0], agreed), (6, 0))
        self.assertEqual(permitted([16, 6, 0], agreed), (6, 0))
        self.assertEqual(permitted([16, 0], agreed), (0,))
        agreed = fresh(Rights())
        self.assertEqual(permitted([6, 16], agreed), (16,))
        self.assertEqual(permitted([6], agreed), ())

    def test_settings(self) -> None:
        """Quality, compression and subsampling pass, their neighbours do not."""
        edges = [-22, -23, -32, -33, -246, -247, -256, -257, -411, -412, -512, -513, -762, -763, -768, -769]
        wanted = [-23, -32, -247, -256, -257, -412, -512, -763, -768]
        self.assertEqual(list(permitted(edges, fresh(Rights()))), wanted)

    def test_everything_named_is_framed(self) -> None:
        """Each encoding that has a name here can be offered."""
        self.assertEqual({*Encoding, *Pseudo} - FRAMED, set())
