"""Targets: addresses and pins as texts, and which kinds are screens."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret
from gateway.model.target import (
    ClientCertificate,
    ConsoleKind,
    Lack,
    LogIn,
    Pin,
    Security,
    SecurityType,
    Target,
    TcpAddress,
    TlsPolicy,
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
        client = ClientCertificate(b"canary", Secret("canary"))
        security = Security(SecurityType.VENCRYPT, Secret("canary"), tls=TlsPolicy(b"canary", client=client))
        self.assertNotIn("canary", repr(security))


PASSWORD = Secret("pw")
CA = TlsPolicy(b"ca")


def vencrypt(**settings) -> Security:
    return Security(SecurityType.VENCRYPT, **settings)


class SecurityTests(SynchronousTestCase):
    """Which ways in follow from the settings, and which settings need which."""

    def test_a_way_has_a_cover_and_a_proof(self) -> None:
        """Nine ways: three covers by three proofs."""
        covers = {(way.cover, way.proof) for way in LogIn}
        self.assertEqual(covers, {(c, p) for c in ("x509", "tls", "") for p in ("plain", "vnc", "none")})
        self.assertEqual((LogIn.X509_VNC.cover, LogIn.TLS_NONE.proof, LogIn.PLAIN.cover), ("x509", "none", ""))

    def test_ways(self) -> None:
        """The proof follows from what there is to prove with, the cover from what is trusted and allowed."""
        for security, ways in (
            (Security(), "none"),
            (Security(SecurityType.VNC, PASSWORD), "vnc"),
            (vencrypt(), "x509none"),
            (vencrypt(tls=CA), "x509none"),
            (vencrypt(tls=CA, password=PASSWORD), "x509vnc"),
            (vencrypt(tls=CA, password=PASSWORD, username="u"), "x509plain"),
            (vencrypt(anonymous=True), "tlsnone"),
            (vencrypt(anonymous=True, tls=CA, password=PASSWORD), "x509vnc tlsvnc"),
            (vencrypt(clear=True, password=PASSWORD), "vnc"),
            (vencrypt(clear=True, password=PASSWORD, username="u"), "plain"),
            (vencrypt(clear=True, anonymous=True, tls=CA, password=PASSWORD, username="u"), "x509plain tlsplain plain"),
            (vencrypt(tls=CA, password=PASSWORD, subtypes=(LogIn.X509_NONE,)), "x509none"),
        ):
            self.assertEqual(" ".join(way.value for way in security.ways), ways)
            self.assertIsNone(security.lack, ways)

    def test_never_less_than_was_asked_for(self) -> None:
        """Whoever names a CA gets TLS with certificates or nothing, unless less is allowed in so many words."""
        for security in (vencrypt(tls=CA), vencrypt(tls=CA, password=PASSWORD), vencrypt(password=PASSWORD)):
            self.assertEqual({way.cover for way in security.ways}, {"x509"})

    def test_lacks(self) -> None:
        """A password, a user name, and leave for less than certificates must be there where they are needed."""
        for security, lack in (
            (Security(SecurityType.VNC), Lack("password", "vnc")),
            (vencrypt(username="u"), Lack("password", "a user name")),
            (vencrypt(subtypes=(LogIn.X509_VNC,)), Lack("password", "x509vnc")),
            (vencrypt(subtypes=(LogIn.X509_PLAIN,), password=PASSWORD), Lack("username", "x509plain")),
            (vencrypt(subtypes=(LogIn.X509_NONE, LogIn.TLS_NONE)), Lack("anonymous", "tlsnone")),
            (vencrypt(subtypes=(LogIn.PLAIN,), password=PASSWORD, username="u"), Lack("clear", "plain")),
            (vencrypt(subtypes=(LogIn.VNC,), password=PASSWORD), Lack("clear", "vnc")),
            (vencrypt(subtypes=(LogIn.NONE,)), Lack("clear", "none")),
        ):
            self.assertEqual(security.lack, lack)
        self.assertEqual(Lack("anonymous", "tlsnone").accepted, "true beside tlsnone")

    def test_a_path_is_no_name(self) -> None:
        """A certificate cannot be compared with a socket's path: that takes a name or a pin."""
        path, pin = UnixAddress("/run/x"), Pin("sha256", "ab" * 32)
        kind, named = ConsoleKind.VNC, TlsPolicy(server_name="lab")
        for target, nameless in (
            (Target(kind, (path,), vencrypt(tls=CA)), "security"),
            (Target(kind, (TcpAddress("h", 1), path), tls=CA), "tls"),
            (Target(kind, (path,), vencrypt(tls=named)), None),
            (Target(kind, (path,), tls=TlsPolicy(pins=(pin,))), None),
            (Target(kind, (path,), vencrypt(anonymous=True)), None),
            (Target(kind, (TcpAddress("h", 1),), vencrypt(tls=CA), tls=CA), None),
        ):
            self.assertEqual(target.nameless, nameless)

    def test_tls_inside_tls(self) -> None:
        """VeNCrypt's TLS and TLS around it are one too many; its plain types are not."""
        address = (TcpAddress("h", 1),)
        for security, twice in ((vencrypt(), True), (vencrypt(clear=True), False), (Security(), False)):
            self.assertIs(Target(ConsoleKind.VNC, address, security, CA).covered_twice, twice)
            self.assertFalse(Target(ConsoleKind.VNC, address, security).covered_twice)
