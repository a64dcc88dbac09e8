"""``security = {…}`` and ``tls = {…}`` of a console."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret
from gateway.model.target import ClientCertificate, LogIn, Security, SecurityType, TlsPolicy, parse_pin
from tests.support.certs import Authority
from tests.support.configs import read, refusal

PEM = "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"
VNC = '[console.lab]\nkind = "vnc"\naddress = "10.0.0.7:5901"\n'
PASSWORD = Secret("hunter2")


def split(pile: bytes) -> tuple[bytes, bytes]:
    """A pile's key and its certificate."""
    middle = pile.index(b"-----BEGIN CERTIFICATE")
    return pile[:middle], pile[middle:]


class SecurityCase(SynchronousTestCase):
    """Has a directory with a password, a CA and a client's certificate."""

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir(parents=True)
        self.key, self.chain = split(Authority().issue("gateway"))
        self.put("pw", b"hunter2\n")
        self.put("key.pem", self.key)
        self.put("cert.pem", self.chain, 0o644)
        self.put("ca.pem", PEM.encode(), 0o644)
        self.patch(os, "environ", {"PW": "hunter2"})

    def put(self, name: str, content: bytes, mode: int = 0o600) -> None:
        (self.base / name).write_bytes(content)
        (self.base / name).chmod(mode)

    def security(self, keys: str) -> Security:
        (console,) = read(VNC + f"security = {{ {keys} }}", str(self.base)).consoles
        self.assertNotIn("hunter2", repr(console))
        return console.to_target().security

    def vencrypt(self, keys: str) -> Security:
        return self.security('type = "vencrypt", ' + keys if keys else 'type = "vencrypt"')

    def assert_refused(self, text: str, message: str) -> None:
        found = refusal(f'{VNC}{text}\n[gateway]\npublic_url = "https://h"', str(self.base))
        self.assertIn(f"gw.toml: console.lab.{message}", found)
        self.assertNotIn("hunter2", found)


class SecurityTests(SecurityCase):
    """How the gateway logs in."""

    def test_passwords(self) -> None:
        """A password comes from a file or the environment; alone it means type vnc."""
        wanted = Security(SecurityType.VNC, PASSWORD)
        for keys in ('password_file = "pw"', 'password_env = "PW"', 'type = "vnc", password_file = "pw"'):
            self.assertEqual(self.security(keys), wanted)
        self.assertEqual(self.security('type = "none"'), Security())

    def test_vencrypt(self) -> None:
        """Every key of VeNCrypt arrives."""
        self.assertEqual(self.vencrypt(""), Security(SecurityType.VENCRYPT))
        found = self.vencrypt(
            'username = "u", password_file = "pw", subtypes = ["tlsplain", "x509plain", "x509plain"], '
            f'anonymous = true, clear = true, ca = "ca.pem", pin = "sha256:{"ab" * 32}", server_name = "lab", '
            'client_cert = "cert.pem", client_key = "key.pem"'
        )
        client = ClientCertificate(self.chain, Secret(self.key.decode()))
        tls = TlsPolicy(PEM.encode(), (parse_pin("sha256:" + "ab" * 32),), "lab", client)
        ways = (LogIn.TLS_PLAIN, LogIn.X509_PLAIN)
        self.assertEqual(found, Security(SecurityType.VENCRYPT, PASSWORD, "u", tls, ways, True, True))

    def test_the_contracts_example(self) -> None:
        """A CA and a password: VNC's log-in inside TLS with a certificate, and nothing less."""
        found = self.vencrypt('ca = "ca.pem", password_file = "pw"')
        self.assertEqual(found.ways, (LogIn.X509_VNC,))

    def test_refused(self) -> None:
        """What does not fit is refused by its key."""
        for keys, message in (
            ('type = "vnc"', 'type: found "vnc" without a password'),
            ('type = "tn"', 'type: found "tn"; accepted: "" or "none" or "vnc" or "vencrypt"'),
            (
                'type = "none", password_env = "PW"',
                'type: found "none" beside a password; accepted: "vnc", or no password',
            ),
            ('password = "hunter2"', "password: a secret is never in the configuration; accepted: password_env or"),
            ('ca = "ca.pem"', 'ca: found it with type "none"; accepted: it with type "vencrypt" only'),
            ('username = "u", password_file = "pw"', 'username: found it with type "vnc"; accepted: it with type "ven'),
            ('type = "vencrypt", subtypes = []', "subtypes: found an empty list; accepted: at least one of x509plain"),
            ('type = "vencrypt", subtypes = ["ident"]', 'subtypes[0]: found "ident"; accepted: "x509plain" or "x509v'),
            ('type = "vencrypt", username = "u"', "password_file: missing; accepted: a password beside a user name"),
            (
                'type = "vencrypt", subtypes = ["x509plain"], password_file = "pw"',
                "username: missing; accepted: a user name beside x509plain",
            ),
            ('type = "vencrypt", subtypes = ["tlsnone"]', "anonymous: missing; accepted: true beside tlsnone"),
            ('type = "vencrypt", subtypes = ["none"]', "clear: missing; accepted: true beside none"),
            ('type = "vencrypt", anonymous = 1', "anonymous: found 1; accepted: true or false"),
            ('type = "vencrypt", client_cert = "cert.pem"', "client_key: missing; accepted: a file with its private"),
            ('type = "vencrypt", client_key = "key.pem"', "client_cert: missing; accepted: a file of PEM certificates"),
        ):
            self.assert_refused(f"security = {{ {keys} }}", f"security.{message}")
        self.assert_refused('security = "none"', "security: found a string; accepted: a table")
        self.assert_refused(
            'security = { password_file = "pw", password_env = "PW" }',
            "security: found both password_file and password_env; accepted: one of them",
        )


class TlsTests(SecurityCase):
    """Whom the gateway trusts, and what it shows."""

    def test_words(self) -> None:
        """TLS may be one word: the system's CAs, or none."""
        for text, tls in (("true", TlsPolicy()), ("{}", TlsPolicy()), ("false", None)):
            (console,) = read(VNC + f"tls = {text}", str(self.base)).consoles
            self.assertEqual(console.tls, tls)

    def test_client_certificate(self) -> None:
        """It belongs to TLS around a connection too; a key that others can read is a warning."""
        self.put("key.pem", self.key, 0o640)
        config = read(VNC + 'tls = { client_cert = "cert.pem", client_key = "key.pem" }', str(self.base))
        client = ClientCertificate(self.chain, Secret(self.key.decode()))
        self.assertEqual(config.consoles[0].tls, TlsPolicy(client=client))
        self.assertIn("console.lab.tls.client_key: ", config.warnings[0])
        self.assertIn("chmod 600", config.warnings[0])

    def test_refused(self) -> None:
        """What does not fit is refused by its key."""
        for text, message in (
            ("tls = 1", "tls: found 1; accepted: true, false or a table"),
            ('tls = { pin = "x" }', 'tls.pin: found "x"; accepted: a pin is'),
            ('tls = { ca = "none.pem" }', "tls.ca: found "),
            (
                'tls = { cert = "x" }',
                "tls.cert: unknown key; known here: ca, client_cert, client_key, pin, server",
            ),
        ):
            self.assert_refused(text, message)

    def test_keys_that_open_nothing(self) -> None:
        """A key of another certificate, a locked one and damaged files are found at the start, not at a dial."""
        key = serialization.load_pem_private_key(self.key, None)
        pkcs8, locked = serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hunter2")
        self.put("other.pem", split(Authority().issue("gateway"))[0])
        self.put("locked.pem", key.private_bytes(serialization.Encoding.PEM, pkcs8, locked))
        self.put("damaged.pem", self.key.replace(b"M", b"hunter2"))
        for files, message in (
            ('client_cert = "cert.pem", client_key = "other.pem"', "client_key: found another certificate's key"),
            ('client_cert = "cert.pem", client_key = "locked.pem"', "client_key: found a damaged or locked key"),
            ('client_cert = "cert.pem", client_key = "damaged.pem"', "client_key: found a damaged or locked key"),
            ('client_cert = "ca.pem", client_key = "key.pem"', "client_cert: found a damaged certificate"),
        ):
            self.assert_refused(f"tls = {{ {files} }}", f"tls.{message}")
