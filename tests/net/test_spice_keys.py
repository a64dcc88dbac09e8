"""Tests of the RSA keys of SPICE."""

from __future__ import annotations

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.net.spice_keys import LIFETIME, SpiceKey, SpiceKeys, encrypt
from gateway.wire.errors import PeerError
from gateway.wire.spice import MAX_PASSWORD, PUBLIC_KEY_LENGTH, TICKET_LENGTH


def der(key) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class SpiceKeyTests(SynchronousTestCase):
    """One key, and a stranger's."""

    def test_there_and_back(self) -> None:
        """What is encrypted under a key is read by it, up to the longest password and its zero."""
        key = SpiceKey()
        self.assertEqual(PUBLIC_KEY_LENGTH, len(key.public))
        for text in (b"\0", b"x" * MAX_PASSWORD + b"\0"):
            sealed = encrypt(key.public, text)
            self.assertEqual((TICKET_LENGTH, text), (len(sealed), key.decrypt(sealed)))

    def test_not_encrypted_under_it(self) -> None:
        """Anything else is nothing."""
        key = SpiceKey()
        for data in (bytes(128), b"\xff" * 128, encrypt(SpiceKey().public, b"x"), b"", bytes(500)):
            self.assertIsNone(key.decrypt(data))

    def test_strange_keys(self) -> None:
        """A server's key may be anything: what cannot be used is the server's fault."""
        strange = (
            der(ec.generate_private_key(ec.SECP256R1())),
            der(ed25519.Ed25519PrivateKey.generate()),
            b"",
            bytes(162),
        )
        for public in strange:
            self.assertRaises(PeerError, encrypt, public, b"x")
        self.assertRaises(PeerError, encrypt, SpiceKey().public, b"x" * 200)

    def test_larger_keys(self) -> None:
        """A key of other than 1024 bits is used; the protocol has no room for what comes of it."""
        large = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.assertEqual(256, len(encrypt(der(large), b"x")))


class SpiceKeysTests(SynchronousTestCase):
    """The keys of one process."""

    def test_renewal(self) -> None:
        """One key serves for a while, then comes another; who has the old one keeps it."""
        clock = Clock()
        keys = SpiceKeys(clock.seconds)
        first = keys.current()
        clock.advance(LIFETIME - 1)
        self.assertIs(first, keys.current())
        clock.advance(1)
        second = keys.current()
        self.assertNotEqual(first.public, second.public)
        self.assertEqual(b"x", first.decrypt(encrypt(first.public, b"x")))
