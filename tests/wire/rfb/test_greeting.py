"""The version, as either side sends it."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.errors import PeerError
from gateway.wire.rfb.constants import Version
from gateway.wire.rfb.greeting import GREETINGS, VERSION_LENGTH, version_of


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

    def test_our_greetings(self) -> None:
        """What we send is understood as what it means."""
        for version, greeting in GREETINGS.items():
            self.assertEqual((version_of(greeting), len(greeting)), (version, VERSION_LENGTH))
