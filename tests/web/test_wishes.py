"""What somebody wants a ticket for, read from JSON."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret
from gateway.model.target import (
    ConsoleKind,
    LogIn,
    Pin,
    Security,
    SecurityType,
    Target,
    TcpAddress,
    TlsPolicy,
    UnixAddress,
)
from gateway.model.ticket import DEFAULT_RIGHTS, Right
from gateway.sessions.desk import Wish
from gateway.web.fields import Fields
from gateway.web.problems import BadField
from gateway.web.wishes import read_wish

PEM = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"
TARGET = {"kind": "vnc", "address": "10.9.0.1:5900"}


def read(**body):
    return read_wish(Fields(body), ["inside", "outside"])


class Reading(SynchronousTestCase):
    def assert_bad(self, named, **body):
        with self.assertRaises(BadField) as caught:
            read(**body)
        self.assertIn(named, str(caught.exception))
        self.assertNotIn("s3cret", str(caught.exception))


class ConsoleTests(Reading):
    def test_least(self):
        """A console's name is enough."""
        self.assertEqual(read(console="lab"), Wish("lab"))
        self.assertEqual(read(console="vc1/Größe 5").console, "vc1/Größe 5")
        self.assertEqual(read(console="lab").rights, DEFAULT_RIGHTS)

    def test_all(self):
        """Every field of the contract is read."""
        wish = read(
            console="lab", user="alice", rights=["view", "power"], ttl=60, uses=3, roaming=True, listener="outside"
        )
        self.assertEqual(
            wish,
            Wish(
                "lab",
                user="alice",
                rights=frozenset({Right.VIEW, Right.POWER}),
                ttl=60,
                uses=3,
                roaming=True,
                listener="outside",
            ),
        )
        self.assertTrue(read(console="lab", one_shot=True, uses=1).one_shot)

    def test_bounds(self):
        """What is at a bound is taken, and what is beyond it refused by its name."""
        for good in ({"ttl": 0}, {"ttl": 1}, {"ttl": 86400}, {"uses": 0}, {"uses": 1_000_000}, {"user": "u" * 256}):
            read(console="lab", **good)
        for name, *values in (
            ("console", None, "", "a b", "x" * 65, "a/", "a/\n", "lab/" + "x" * 257, 1),
            ("ttl", -1, 0.5, 86401, "60", True),
            ("uses", -1, 1_000_001, 1.5, True),
            ("user", "u" * 257, "a\nb", 1),
            ("rights", [], "view", ["see"], ["media"], ["control"]),
            ("one_shot", 1, "yes"),
            ("roaming", 0),
            ("listener", "elsewhere", 1),
        ):
            for value in values:
                self.assert_bad(f'"{name}"', **{"console": "lab", name: value})

    def test_contradictions(self):
        """A one-shot ticket of several uses, and a console beside a target, are refused."""
        self.assert_bad("uses", console="lab", one_shot=True, uses=2)
        self.assert_bad("console", console="lab", target=TARGET)

    def test_unknown(self):
        """A field that is not known is refused."""
        self.assert_bad('"conosle"', console="lab", conosle="s3cret")


class TargetTests(Reading):
    def target(self, **more):
        return read(target={**TARGET, **more}).target

    def test_least(self):
        """Kind and address are enough; the console then has a name that says nothing of the inside."""
        wish = read(target=TARGET)
        self.assertEqual(wish.target, Target(ConsoleKind.VNC, (TcpAddress("10.9.0.1", 5900),)))
        self.assertRegex(wish.console, r"^target-[0-9a-f]{8}$")
        self.assertNotEqual(wish.console, read(target=TARGET).console)

    def test_all(self):
        """Addresses, log-in, TLS, identity and a name are read."""
        wish = read(
            target={
                "kind": "vnc",
                "address": ["[fd00::1]:5900", "unix:/run/x"],
                "security": {"type": "vnc", "password": "s3cret"},
                "tls": {"ca": PEM, "pin": "sha256:" + "AB" * 32, "server_name": "vm"},
                "identity": "vm-7",
                "name": "seven",
            }
        )
        self.assertEqual(wish.console, "seven")
        self.assertEqual(
            wish.target,
            Target(
                ConsoleKind.VNC,
                (TcpAddress("fd00::1", 5900), UnixAddress("/run/x")),
                Security(SecurityType.VNC, Secret("s3cret")),
                TlsPolicy(PEM.encode(), (Pin("sha256", "ab" * 32),), "vm"),
                "vm-7",
            ),
        )

    def test_security(self):
        """A password alone means type vnc; either without the other is refused."""
        self.assertEqual(self.target(security={"password": "p"}).security.type, SecurityType.VNC)
        self.assertEqual(self.target(security={"type": "none"}).security, Security())
        for security in ({"type": "vnc"}, {"type": "none", "password": "s3cret"}, {"type": "ard"}, {"user": "x"}):
            self.assert_bad("", target={**TARGET, "security": security})
        self.assert_bad(
            '"target.security.password"', target={**TARGET, "security": {"type": "none", "password": "s3cret"}}
        )
        self.assert_bad(
            '"target.security.type"', target={"kind": "raw", "address": "h:1", "security": {"password": "s3cret"}}
        )

    def test_vencrypt(self):
        """VeNCrypt is read with whom to trust and what to take; a client's key is not among it."""
        security = {
            "type": "vencrypt",
            "username": "u",
            "password": "s3cret",
            "subtypes": ["tlsplain", "x509plain"],
            "anonymous": True,
            "clear": True,
            "ca": PEM,
            "pin": "sha256:" + "AB" * 32,
            "server_name": "vm",
        }
        policy = TlsPolicy(PEM.encode(), (Pin("sha256", "ab" * 32),), "vm")
        ways = (LogIn.TLS_PLAIN, LogIn.X509_PLAIN)
        self.assertEqual(
            self.target(security=security).security,
            Security(SecurityType.VENCRYPT, Secret("s3cret"), "u", policy, ways, True, True),
        )
        self.assertEqual(self.target(security={"type": "vencrypt"}).security, Security(SecurityType.VENCRYPT))
        self.assert_bad(
            '"client_key" is not known', target={**TARGET, "security": {"type": "vencrypt", "client_key": "s3cret"}}
        )

    def test_vencrypt_that_does_not_fit(self):
        """What lacks something, or stands beside another type, is refused by its name."""
        for named, more in (
            ('"target.security.username" must be there with type vencrypt', {"username": "s3cret", "password": "p"}),
            ('"target.security.ca" must be there with type vencrypt', {"ca": PEM}),
            ('"target.security.subtypes" must be a list of some of', {"type": "vencrypt", "subtypes": ["s3cret"]}),
            ('"target.security.subtypes"', {"type": "vencrypt", "subtypes": []}),
            ('"target.security.anonymous" must be true beside tlsnone', {"type": "vencrypt", "subtypes": ["tlsnone"]}),
            ('"target.security.password" must be a password beside', {"type": "vencrypt", "username": "s3cret"}),
            ('"target.security.clear" must be true or false', {"type": "vencrypt", "clear": "s3cret"}),
        ):
            self.assert_bad(named, target={**TARGET, "security": more})
        vencrypt = {"kind": "vnc", "address": "h:1", "security": {"type": "vencrypt"}}
        self.assert_bad('"target.tls" must be absent beside TLS of vencrypt', target={**vencrypt, "tls": True})
        self.assert_bad('"target.security" must be with server_name', target={**vencrypt, "address": "unix:/run/x"})
        self.assert_bad('"target.tls" must be with', target={"kind": "raw", "address": "unix:/run/x", "tls": True})

    def test_tls(self):
        """TLS is on, off, or judged by what is given."""
        self.assertEqual([self.target(tls=value).tls for value in (True, False, None)], [TlsPolicy(), None, None])
        for tls in (1, "yes", {"ca": "s3cret"}, {"pin": "s3cret"}, {"pin": []}, {"verify": False}):
            self.assert_bad("", target={**TARGET, "tls": tls})

    def test_refused(self):
        """What is ill-formed or of a later version is refused by its name; never shown."""
        for named, more in (
            ('"target.kind"', {"kind": "mks"}),
            ('"target.kind"', {"kind": None}),
            ('"target.address"', {"address": "s3cret"}),
            ('"target.address"', {"address": []}),
            ('"target.address"', {"address": ["h:1"] * 17}),
            ('"target.address"', {"address": "wss://h/s3cret"}),
            ('"target.address"', {"address": "[zz]:1"}),
            ('"target.via" is not in this version', {"via": ["p:1"]}),
            ('"target.name"', {"name": "a b"}),
            ('"target.identity"', {"identity": 1}),
            ('"adress" is not known in "target"', {"adress": "x"}),
        ):
            self.assert_bad(named, target={**TARGET, **more})
        self.assert_bad('"target"', target="s3cret")
