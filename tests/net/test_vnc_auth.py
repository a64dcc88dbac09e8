"""
Tests of ``gateway.net.vnc_auth``.
"""

from __future__ import annotations

import warnings

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret
from gateway.net.vnc_auth import response


class ResponseTests(SynchronousTestCase):
    """DES as VNC does it."""

    def test_against_another_implementation(self) -> None:
        """
        The answer is what TigerVNC's tools compute.

        ``vncpasswd -f`` encrypts a password under a key that is known to all
        (RealVNC's source of 1998): there the roles are only swapped.
        """
        known = Secret("\x17\x52\x6b\x06\x23\x4e\x58\x07")
        for password, encrypted in ((b"secret12", "24b5ae4ce15503c6"), (b"a".ljust(8, b"\0"), "d8d1e367e1d17646")):
            self.assertEqual(bytes.fromhex(encrypted * 2), response(known)(password * 2))

    def test_only_eight_bytes_count(self) -> None:
        """VNC cuts a longer password, and fills a shorter one with zeros."""
        challenge = bytes(range(16))
        self.assertEqual(response(Secret("12345678"))(challenge), response(Secret("123456789"))(challenge))
        self.assertEqual(response(Secret("abc"))(challenge), response(Secret("abc\0"))(challenge))
        self.assertNotEqual(response(Secret("abc"))(challenge), response(Secret("abd"))(challenge))

    def test_without_warnings(self) -> None:
        """The way through the library is one that it does not warn of."""
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            response(Secret("x"))(bytes(16))
