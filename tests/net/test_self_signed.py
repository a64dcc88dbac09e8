"""Tests of the certificate that the gateway makes for itself."""

from __future__ import annotations

import ipaddress
import stat
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.self_signed import make_self_signed


class MakeTests(SynchronousTestCase):
    """One file with key and certificate."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.path = self.directory / "default.pem"

    def test_key_and_certificate_fit(self) -> None:
        """The file holds a P-256 key and its certificate, which bears every name and address."""
        make_self_signed(["gw.example.com", "localhost"], ["127.0.0.1", "::1"], self.path)
        pile = self.path.read_bytes()
        key, certificate = load_pem_private_key(pile, None), x509.load_pem_x509_certificate(pile)
        self.assertIsInstance(key.curve, ec.SECP256R1)
        self.assertEqual(key.public_key(), certificate.public_key())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(names.get_values_for_type(x509.DNSName), ["gw.example.com", "localhost"])
        self.assertEqual(
            names.get_values_for_type(x509.IPAddress),
            [ipaddress.ip_address("127.0.0.1"), ipaddress.ip_address("::1")],
        )
        self.assertFalse(certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)

    def test_only_the_owner_can_read_it(self) -> None:
        """The file's mode is 0600, and nothing else is left in the directory."""
        make_self_signed(["a"], [], self.path)
        self.assertEqual(stat.S_IMODE(self.path.stat().st_mode), 0o600)
        self.assertEqual(list(self.directory.iterdir()), [self.path])

    def test_a_failure_changes_nothing(self) -> None:
        """When the file cannot be put in place the old one stays and no temporary one is left."""
        self.path.mkdir()
        self.assertRaises(OSError, make_self_signed, ["a"], [], self.path)
        self.assertEqual(list(self.directory.iterdir()), [self.path])
        self.assertTrue(self.path.is_dir())
