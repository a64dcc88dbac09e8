"""Targets: addresses and pins as texts, and which kinds are screens."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret
from gateway.model.target import (
    ConsoleKind,
    Pin,
    Security,
    SecurityType,
    TcpAddress,
    UnixAddress,
    parse_address,
    parse_pin,
)


class AddressTests(SynchronousTestCase):
    def test_addresses_are_read_and_written_alike(self) -> None:
        """Names, IPv4, bracketed IPv6 and socket paths survive the way there and back."""
        for text, address in (
            ("lab.example.com:5901", TcpAddress("lab.example.com", 5901)),
            ("10.0.0.7:1", TcpAddress("10.0.0.7", 1)),
            ("[fd00::7]:65535", TcpAddress("fd00::7", 65535)),
            ("unix:/run/a b.sock", UnixAddress("/run/a b.sock")),
        ):
            self.assertEqual(parse_address(text), address)
            self.assertEqual(str(address), text)

    def test_what_is_no_address_is_refused(self) -> None:
        """No port, no host, a port out of range, a bare IPv6 address, a relative path, a NUL."""
        for text in (
            *("lab", "lab:", ":5900", "lab:0", "lab:65536", "lab:x", "fd00::7:5900", "[fd00::7]", "[lab]:1", "[::g]:1"),
            *("unix:run/a", "unix:", "unix:/a\0b", "lab:5900\n", " lab:5900", "http://lab:80", ""),
        ):
            with self.assertRaises(ValueError, msg=repr(text)):
                parse_address(text)


class PinTests(SynchronousTestCase):
    def test_pins_are_read_as_tools_print_them(self) -> None:
        """Colons and capitals, as openssl prints fingerprints, do not matter."""
        self.assertEqual(parse_pin("sha256:" + "Ab" * 32), Pin("sha256", "ab" * 32))
        self.assertEqual(parse_pin("SHA1:" + ":".join(["0F"] * 20)), Pin("sha1", "0f" * 20))

    def test_what_is_no_pin_is_refused(self) -> None:
        """The wrong length, the wrong digits, another algorithm."""
        wrong = ("ab" * 32, "sha256:" + "ab" * 20, "sha1:" + "ab" * 32, "md5:" + "ab" * 16, "sha256:" + "gg" * 32, "")
        for text in wrong:
            with self.assertRaises(ValueError, msg=text):
                parse_pin(text)


class KindTests(SynchronousTestCase):
    def test_screens_speak_rfb_and_lines_do_not(self) -> None:
        """Kinds with a screen are given to viewers, the others as bytes."""
        screens = {kind for kind in ConsoleKind if kind.speaks_rfb}
        self.assertEqual(screens, {ConsoleKind.VNC, ConsoleKind.MKS, ConsoleKind.WEBMKS, ConsoleKind.DEMO})

    def test_a_log_in_shows_no_password(self) -> None:
        """Whoever logs a target logs no password."""
        self.assertNotIn("canary", repr(Security(SecurityType.VNC, Secret("canary"))))
