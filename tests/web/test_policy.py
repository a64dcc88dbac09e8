"""The security headers."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival
from gateway.web.policy import Policy

URL = "https://c.example"


def headers(urls=(URL,), allowed=(), secure=True, public_url=URL):
    """The headers of an answer, by name."""
    arrival = Arrival("192.0.2.1", secure=secure, public_url=public_url)
    return {name.decode(): value.decode() for name, value in Policy(urls, allowed).headers(arrival)}


class PolicyTests(SynchronousTestCase):
    def test_content(self):
        """Only our own scripts and styles run, pictures may be data, and sockets lead here only."""
        policy = headers(urls=(URL, "https://in.example:8443/"))["Content-Security-Policy"]
        self.assertEqual(
            policy.split("; "),
            [
                "default-src 'none'",
                "script-src 'self'",
                "style-src 'self'",
                "img-src 'self' data: blob:",
                "connect-src 'self' wss://c.example wss://in.example:8443",
                "font-src 'self'",
                "base-uri 'none'",
                "form-action 'self'",
                "frame-ancestors 'self'",
            ],
        )

    def test_framing(self):
        """Allowed origins may frame the page, and nothing that would keep them from it is said."""
        framed = headers(allowed=("https://p.example",))
        self.assertTrue(framed["Content-Security-Policy"].endswith("frame-ancestors 'self' https://p.example"))
        self.assertEqual(framed["Cross-Origin-Resource-Policy"], "cross-origin")
        self.assertNotIn("Cross-Origin-Opener-Policy", framed)
        alone = headers()
        self.assertEqual(alone["Cross-Origin-Resource-Policy"], "same-origin")
        self.assertEqual(alone["Cross-Origin-Opener-Policy"], "same-origin")

    def test_always(self):
        """Nothing is sniffed and no referrer sent."""
        for shown in (headers(), headers(secure=False)):
            self.assertEqual((shown["X-Content-Type-Options"], shown["Referrer-Policy"]), ("nosniff", "no-referrer"))
            self.assertIn("camera=()", shown["Permissions-Policy"])

    def test_strict_transport(self):
        """HTTPS is demanded over TLS, and only of a host whose usual port is ours."""
        self.assertIn("Strict-Transport-Security", headers())
        self.assertNotIn("Strict-Transport-Security", headers(secure=False))
        for url in ("https://c.example:8443", "https://localhost", "http://c.example"):
            self.assertNotIn("Strict-Transport-Security", headers(urls=(url,), public_url=url), url)
