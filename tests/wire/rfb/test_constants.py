"""The numbers of RFB."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.wire.rfb.constants import SECURITY_NAMES, SETTINGS, Encoding, Pseudo, SecurityType, SubType, named


class ConstantsTests(SynchronousTestCase):
    """No number has two meanings, and each is a signed 32-bit one."""

    def test_encodings_are_distinct(self) -> None:
        """Encodings, pseudo-encodings and settings share no number."""
        numbers = [int(each) for each in (*Encoding, *Pseudo)] + [number for span in SETTINGS for number in span]
        self.assertEqual(len(numbers), len(set(numbers)))

    def test_encodings_are_signed(self) -> None:
        """Every encoding fits the S32 of the wire; the extended clipboard is a negative one."""
        self.assertTrue(all(-(2**31) <= each < 2**31 for each in (*Encoding, *Pseudo)))
        self.assertEqual(int(Pseudo.EXTENDED_CLIPBOARD).to_bytes(4, "big", signed=True), bytes.fromhex("c0a1e5ce"))

    def test_ranges_end_where_the_registry_ends_them(self) -> None:
        """The settings are the registry's ranges, both ends included."""
        self.assertEqual(
            [(span[0], span[-1]) for span in SETTINGS], [(-32, -23), (-256, -247), (-512, -412), (-768, -763)]
        )

    def test_security_names(self) -> None:
        """Every type and sub-type has a name for the operator, and a stranger at least its number."""
        self.assertLessEqual({*SecurityType, *SubType}, set(SECURITY_NAMES))
        self.assertEqual([named(number) for number in (19, 262, 200)], ["VeNCrypt", "X509Plain", "type 200"])
