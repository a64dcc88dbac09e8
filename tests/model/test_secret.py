"""Secrets: hidden, compared, digested."""

from __future__ import annotations

import hashlib

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret, base64url


class SecretTests(SynchronousTestCase):
    def test_no_way_of_showing_it_shows_it(self) -> None:
        """repr, str and formats of a secret, and of what holds it, say only that there is one."""
        secret = Secret("canary")
        for shown in (repr(secret), str(secret), f"{secret}", f"{secret!r}", "%s" % secret, repr([secret])):  # noqa: UP031
            self.assertNotIn("canary", shown)
        self.assertEqual(secret.reveal(), "canary")

    def test_equal_secrets_are_equal_and_nothing_else_is(self) -> None:
        """A secret equals a secret of the same text, and never a text."""
        self.assertEqual(Secret("a"), Secret("a"))
        self.assertEqual(len({Secret("a"), Secret("a"), Secret("b")}), 2)
        self.assertNotEqual(Secret("a"), Secret("b"))
        self.assertNotEqual(Secret("a"), "a")

    def test_texts_outside_ascii_can_be_compared(self) -> None:
        """Somebody's password with an umlaut is no error."""
        self.assertEqual(Secret("pässword"), Secret("pässword"))
        self.assertNotEqual(Secret("pässword"), Secret("password"))

    def test_a_digest_is_base64url_of_sha256(self) -> None:
        """As a page computes its holder: 43 characters, no padding."""
        digest = Secret("S").digest()
        self.assertEqual(digest, base64url(hashlib.sha256(b"S").digest()))
        self.assertEqual(len(digest), 43)

    def test_random_ones_have_256_bits_and_differ(self) -> None:
        """43 characters that stand in a URL as they are."""
        texts = {Secret.random().reveal() for _ in range(100)}
        self.assertEqual(len(texts), 100)
        for text in texts:
            self.assertRegex(text, r"^[A-Za-z0-9_-]{43}$")
