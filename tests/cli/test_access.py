"""Where the tool looks for the gateway and its key."""

from __future__ import annotations

import argparse
import os

from gateway.cli.access import KEY_FILE_LIMIT, Access, find_access, read_key, read_url
from gateway.cli.exits import Exit, Failed
from gateway.model.secret import Secret
from tests.cli.fake_gateway import KEY, ToolCase


def options(url: str | None = None, key_file: str | None = None, ca: str | None = None) -> argparse.Namespace:
    return argparse.Namespace(url=url, key_file=key_file, ca=ca)


class FindTests(ToolCase):
    def setUp(self) -> None:
        super().setUp()
        os.mkdir("keys")
        for path, text in (
            ("keys/demo-api-key", "demo"),
            ("keys/default.pem", "x"),
            ("mine", KEY),
            ("theirs", "other"),
        ):
            with open(path, "w") as file:
                file.write(text + "\n")

    def test_demo(self) -> None:
        """Without any setting the demo's address, key and certificate are taken."""
        access = find_access(options(), {})
        self.assertEqual(access, Access(True, "localhost", 8443, Secret("demo"), "keys/default.pem"))

    def test_environment(self) -> None:
        """A gateway in the environment gets its own key, and the demo's certificate is not trusted for it."""
        access = find_access(options(), {"CONSOLEGW_URL": "https://gw.example.com", "CONSOLEGW_KEY_FILE": "mine"})
        self.assertEqual(access, Access(True, "gw.example.com", 443, Secret(KEY), None))

    def test_options_win(self) -> None:
        """Options come before the environment."""
        environ = {"CONSOLEGW_URL": "https://a", "CONSOLEGW_KEY_FILE": "theirs", "CONSOLEGW_CA": "a.pem"}
        access = find_access(options("https://b:1/", "mine", "b.pem"), environ)
        self.assertEqual(access, Access(True, "b", 1, Secret(KEY), "b.pem"))

    def test_demo_key_goes_nowhere_else(self) -> None:
        """The demo's key is not sent to a gateway that was named."""
        with self.assertRaises(Failed) as caught:
            find_access(options("https://gw.example.com"), {})
        self.assertEqual(caught.exception.status, Exit.USAGE)


class UrlTests(ToolCase):
    def test_good(self) -> None:
        """A URL is a scheme, a host and perhaps a port; plain HTTP only goes to this machine."""
        self.assertEqual(read_url("https://gw.example.com/"), (True, "gw.example.com", 443))
        self.assertEqual(read_url("https://[fd00::1]:8443"), (True, "fd00::1", 8443))
        self.assertEqual(read_url("http://127.0.0.1:8080"), (False, "127.0.0.1", 8080))
        self.assertEqual(read_url("http://localhost"), (False, "localhost", 80))

    def test_bad(self) -> None:
        """Anything else is an error of usage that repeats no user info."""
        bad = ["gw", "ftp://gw", "https://", "https://u:pass@gw", "https://gw/path", "https://gw/?a", "https://gw:x"]
        for text in [*bad, "http://gw.example.com", "http://10.0.0.1", "https://a b", "https://[::"]:
            with self.assertRaises(Failed) as caught:
                read_url(text)
            self.assertEqual(caught.exception.status, Exit.USAGE, text)
            self.assertNotIn("pass", str(caught.exception))

    def test_shown(self) -> None:
        """The address is shown as one would write it, and a key never is."""
        access = Access(True, "fd00::1", 8443, Secret(KEY))
        self.assertEqual(access.url, "https://[fd00::1]:8443")
        self.assertNotIn(KEY, repr(access))


class KeyTests(ToolCase):
    def test_bad_files(self) -> None:
        """A file that holds no single printable word is no key file, and its content is not repeated."""
        for content in (b"", b"secret one", b"secret\nsecret\n", b"secr\xffet", b"secret\x00", b"s " * KEY_FILE_LIMIT):
            with open("key", "wb") as file:
                file.write(content)
            with self.assertRaises(Failed) as caught:
                read_key("key")
            self.assertEqual(caught.exception.status, Exit.USAGE)
            self.assertNotIn("sec", str(caught.exception))

    def test_missing(self) -> None:
        """A missing file is named."""
        with self.assertRaises(Failed) as caught:
            read_key("nowhere")
        self.assertIn("nowhere cannot be read: No such file", str(caught.exception))
