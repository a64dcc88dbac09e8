"""
Certificates for tests, made at run time: none is ever in git.
"""

from __future__ import annotations

import datetime
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A certificate authority that lives as long as the test; ``pem`` is what clients trust."""

    def __init__(self, name: str = "Test CA") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _name(name)
        self._certificate = self._sign(self._name, self._key.public_key(), [], ca=True)
        self.pem = self._certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, *names: str, ips: tuple[str, ...] = ()) -> bytes:
        """A fresh key and a certificate for these names, as one PEM pile."""
        key, certificate = self._issue(names, ips)
        return _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)

    def issue_der(self, *names: str, ips: tuple[str, ...] = (), days: float = 30) -> tuple[bytes, bytes]:
        """The same pile, and the certificate as DER (for pins); with negative days it has expired."""
        key, certificate = self._issue(names, ips, days)
        pile = _pem(key) + certificate.public_bytes(serialization.Encoding.PEM)
        return pile, certificate.public_bytes(serialization.Encoding.DER)

    def client_context(self) -> ssl.SSLContext:
        """What a client that trusts this authority uses."""
        return ssl.create_default_context(cadata=self.pem.decode("ascii"))

    def self_signed(self, *names: str) -> bytes:
        """A pile of a server that is its own authority: this one's key, for these names."""
        certificate = self._sign(self._name, self._key.public_key(), [x509.DNSName(name) for name in names], ca=False)
        return _pem(self._key) + certificate.public_bytes(serialization.Encoding.PEM)

    def _issue(self, names: tuple[str, ...], ips: tuple[str, ...], days: float = 30):
        key = ec.generate_private_key(ec.SECP256R1())
        alternatives: list[x509.GeneralName] = [x509.DNSName(name) for name in names]
        alternatives += [x509.IPAddress(ipaddress.ip_address(ip)) for ip in ips]
        return key, self._sign(_name(names[0] if names else "leaf"), key.public_key(), alternatives, False, days)

    def _sign(self, subject: x509.Name, public_key, alternatives: list[x509.GeneralName], ca: bool, days: float = 30):
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=30))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        )
        if alternatives:
            builder = builder.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        return builder.sign(self._key, hashes.SHA256())


def write_pile(path: Path, pile: bytes, mode: int = 0o600) -> Path:
    """Put a pile where a server reads it, readable by its owner only."""
    path.write_bytes(pile)
    path.chmod(mode)
    return path
