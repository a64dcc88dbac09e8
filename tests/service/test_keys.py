"""What a first start makes, and a second one leaves alone."""

from __future__ import annotations

import hashlib
import stat
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SynchronousTestCase

from gateway.service.keys import FirstKeys, ensure_keys


class FirstStartTests(SynchronousTestCase):
    """Certificates and keys from nothing."""

    def ensure(self, directory: Path) -> FirstKeys:
        """A start of a gateway with two public names."""
        return ensure_keys(
            keys=directory / "keys",
            api_keys=directory / "keys" / "api-keys",
            name="demo",
            public_urls=["https://console.example.com", "https://192.0.2.1:8443"],
            node="gw-1",
        )

    def test_certificate(self) -> None:
        """It is ECDSA P-256 and carries the public names, this machine's, and the loopback's."""
        keys = self.ensure(Path(self.mktemp()))
        certificate = x509.load_pem_x509_certificate(
            keys.certificate.read_bytes().split(b"-----END PRIVATE KEY-----")[1]
        )
        self.assertIsInstance(certificate.public_key().curve, ec.SECP256R1)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertEqual(["console.example.com", "localhost", "gw-1"], names.get_values_for_type(x509.DNSName))
        ips = [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
        self.assertEqual(["192.0.2.1", "127.0.0.1", "::1"], ips)

    def test_modes(self) -> None:
        """Every file is for its owner alone."""
        directory = Path(self.mktemp())
        for path in self.ensure(directory).made:
            self.assertEqual(0o600, stat.S_IMODE(path.stat().st_mode), path)
        self.assertEqual(0o700, stat.S_IMODE((directory / "keys").stat().st_mode))

    def test_api_key(self) -> None:
        """The key's digest stands in the keys file, as an admin's."""
        directory = Path(self.mktemp())
        key = self.ensure(directory).api_key.read_text().strip()
        line = (directory / "keys" / "api-keys").read_text().splitlines()[-1]
        self.assertEqual(f"demo:{hashlib.sha256(key.encode()).hexdigest()}:admin", line)

    def test_second_start(self) -> None:
        """What is there stays as it is."""
        directory = Path(self.mktemp())
        before = {path: path.read_bytes() for path in self.ensure(directory).made}
        self.assertEqual((), self.ensure(directory).made)
        self.assertEqual(before, {path: path.read_bytes() for path in before})
