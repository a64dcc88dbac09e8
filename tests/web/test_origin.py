"""The rules about ``Origin``: which are allowed, and what is said of the others."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.web.origin import MAX_SHOWN, OriginRules

RULES = OriginRules(
    ["https://console.example.com/", "https://inside.example.com:8443"],
    ["https://portal.example.org", "http://dev:3000"],
)


class AllowedTests(SynchronousTestCase):
    def test_allowed(self):
        """Public URLs and allowed origins pass, whatever their case and with the usual port written out or not."""
        for origin in (
            "https://console.example.com",
            "https://console.example.com:443",
            "https://CONSOLE.example.com",
            "https://inside.example.com:8443",
            "https://portal.example.org",
            "http://dev:3000",
        ):
            self.assertIsNone(RULES.judge((origin,), required=True), origin)

    def test_absent(self):
        """No Origin passes where a stock client may come, and only there."""
        self.assertIsNone(RULES.judge((), required=False))
        self.assertEqual(RULES.judge((), required=True).rule, "absent")


class FaultTests(SynchronousTestCase):
    def fault(self, *origins):
        """The fault of an origin, which is the same whether or not one is required."""
        fault = RULES.judge(origins, required=False)
        self.assertEqual(fault, RULES.judge(origins, required=True))
        return fault

    def test_rules_and_settings(self):
        """Each fault names its rule and the setting that mends it."""
        for origin, rule, setting in (
            ("http://console.example.com", "scheme", "gateway.public_url"),
            ("http://console.example.com:8080", "scheme", "gateway.public_url"),
            ("https://console.example.com:8443", "port", "gateway.public_url"),
            ("https://inside.example.com", "port", "gateway.public_url"),
            ("https://evil.example", "host", "browser.allowed_origins"),
            ("https://console.example.com.evil.example", "host", "browser.allowed_origins"),
            ("https://evilconsole.example.com", "host", "browser.allowed_origins"),
            ("https://portal.example.org:444", "host", "browser.allowed_origins"),
            ("https://[::1]:8443", "host", "browser.allowed_origins"),
            ("null", "null", "browser.allowed_origins"),
            ("", "malformed", "browser.allowed_origins"),
            ("https://console.example.com/", "malformed", "browser.allowed_origins"),
            ("https://console.example.com/path", "malformed", "browser.allowed_origins"),
            ("https://user@console.example.com", "malformed", "browser.allowed_origins"),
            ("https://console.example.com https://evil.example", "malformed", "browser.allowed_origins"),
            ("wss://console.example.com", "malformed", "browser.allowed_origins"),
        ):
            fault = self.fault(origin)
            self.assertEqual((fault.rule, fault.setting), (rule, setting), origin)

    def test_two_headers(self):
        """Two Origin headers are no origin, even if both are allowed."""
        self.assertEqual(self.fault("https://console.example.com", "https://console.example.com").rule, "malformed")

    def test_sentences(self):
        """The sentence says what came, what was expected, and what to set; never the other allowed origins."""
        scheme = self.fault("http://console.example.com").sentence
        self.assertIn("came over http, but the public URL is https://console.example.com", scheme)
        self.assertIn("set gateway.public_url", scheme)
        host = self.fault("https://evil.example").sentence
        self.assertIn("https://evil.example is not among the public URLs https://console.example.com", host)
        self.assertIn("add it to browser.allowed_origins", host)
        self.assertNotIn("portal", host)

    def test_bounded(self):
        """Of a huge origin only the beginning is repeated."""
        fault = self.fault("https://" + "a" * 5000)
        self.assertEqual(len(fault.origin), MAX_SHOWN)
        self.assertLess(len(fault.sentence), MAX_SHOWN)

    def test_no_public_url(self):
        """Without any public URL nothing is allowed, and the sentence still reads."""
        fault = OriginRules([]).judge(("https://a.example",), required=True)
        self.assertIn("(none)", fault.sentence)
