"""From a file to a configuration."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.load import CONFIG_MAX, SEALED_TTL, demo, load, parse
from gateway.config.place import ConfigError
from gateway.model.target import ConsoleKind
from tests.support.certs import Authority, write_pile
from tests.support.configs import LEAST, read, refusal

DOCS = Path(__file__).parents[2] / "docs"
SERVE = '[[listen]]\nendpoint = "tcp:80"\nplaintext = "serve"\n'
HTTP = '[gateway]\npublic_url = "http://h"\n'


class FileTests(SynchronousTestCase):
    """Files that can and cannot be read."""

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir(parents=True)
        self.path = self.base / "gw.toml"

    def refusal(self, content: bytes) -> str:
        self.path.write_bytes(content)
        message = str(self.assertRaises(ConfigError, load, str(self.path)))
        self.assertTrue(message.startswith(f"{self.path}: "), message)
        self.assertNotIn("\n", message)
        return message

    def test_relative_to_the_file(self) -> None:
        """Relative paths are relative to the file, however it was named."""
        self.path.write_text(LEAST)
        here = os.getcwd()
        self.addCleanup(os.chdir, here)
        os.chdir(self.base)
        self.assertEqual(load("gw.toml").tls.keys, self.base / "keys")
        self.assertEqual(load("gw.toml").file, "gw.toml")

    def test_missing(self) -> None:
        """A file that is not there, or a directory, is one line."""
        for path in (self.path, self.base):
            message = str(self.assertRaises(ConfigError, load, str(path)))
            self.assertRegex(message, r": cannot be read: \w")

    def test_no_text(self) -> None:
        """A file that is no UTF-8 is refused by its line."""
        self.assertIn("line 2: not UTF-8", self.refusal(b"# x\n# \xff"))

    def test_too_long(self) -> None:
        """A file over the bound is refused."""
        self.assertIn("longer than ", self.refusal(b"#" * (CONFIG_MAX + 1)))

    def test_no_toml(self) -> None:
        """Errors of the syntax name the line; the end of the file is a line too."""
        self.assertIn("no TOML: ", self.refusal(b"[gateway]\npublic_url = hunter2"))
        self.assertIn("line 2", self.refusal(b"[gateway]\npublic_url = hunter2"))
        self.assertNotIn("hunter2", self.refusal(b"[gateway]\npassword = hunter2"))
        self.assertIn("line 3", self.refusal(b"[gateway]\n\nx = "))
        self.assertIn("line 2", self.refusal(b"[gateway]\n[gateway]\n"))
        self.assertIn("nested too deeply", self.refusal(b"a = " + b"[" * 10000 + b"]" * 10000))


class RulesTests(SynchronousTestCase):
    """Rules between tables."""

    def test_public_url_of_each_listener(self) -> None:
        """A listener has its own URL or the gateway's, and a name."""
        config = read('[[listen]]\n[[listen]]\nname = "in"\nendpoint = "tcp:1"\npublic_url = "https://inside/"\n')
        self.assertEqual(
            [(one.name, one.public_url) for one in config.listen],
            [("listen-1", "https://gw.example"), ("in", "https://inside")],
        )

    def test_plain_http(self) -> None:
        """A URL with http is accepted only where a balancer ends TLS, and the key that says it is named."""
        self.assertEqual(read(HTTP + SERVE).listen[0].public_url, "http://h")
        for text, key in (
            (HTTP, "gateway.public_url"),
            (HTTP + SERVE + '[[listen]]\nendpoint = "tcp:443"', "gateway.public_url"),
            (LEAST + '[[listen]]\npublic_url = "http://h"', "listen[0].public_url"),
        ):
            message = refusal(text)
            self.assertIn(f'gw.toml: {key}: found "http://h"; accepted: https://…', message)
            self.assertIn('plaintext = "serve"', message)

    def test_trusted_proxies(self) -> None:
        """A required header needs somebody who may send it, and nobody is trusted for nothing."""
        listen = '[[listen]]\nendpoint = "tcp:1"\n'
        trusted = 'trusted_proxies = ["10.0.0.5", "unix"]\n'
        for more in ("proxy_protocol = true", 'plaintext = "serve"', 'proxy_protocol = true\nplaintext = "serve"'):
            (one,) = read(listen + trusted + more).listen
            self.assertTrue("10.0.0.5" in one.trusted_proxies and "unix" in one.trusted_proxies)
        self.assertIn(
            "gw.toml: listen[0].proxy_protocol: found true without trusted_proxies; accepted: the balancers' addresses",
            refusal(listen + "proxy_protocol = true"),
        )
        for more in ("", "proxy_protocol = false", 'plaintext = "refuse"'):
            self.assertIn(
                "gw.toml: listen[0].trusted_proxies: found addresses whose word is not read here; "
                'accepted: proxy_protocol = true with them, or plaintext = "serve"',
                refusal(listen + trusted + more),
            )

    def test_listeners_differ(self) -> None:
        """No two listeners have one endpoint or one name."""
        two = '[[listen]]\nname = "a"\nendpoint = "tcp:1"\n[[listen]]\n'
        self.assertIn('listen[1].endpoint: found "tcp:1" a second time', refusal(two + 'endpoint = "tcp:1"'))
        self.assertIn('listen[1].name: found "a" a second time', refusal(two + 'name = "a"'))
        self.assertIn("admin.endpoint: found the endpoint of", refusal(two + '[admin]\nendpoint = "tcp:1"'))

    def test_api_without_a_place(self) -> None:
        """An API on an admin endpoint that there is not is refused; no API at all is not."""
        off = '[admin]\nendpoint = "off"\n[api]\n'
        self.assertIn('api.on: found ["admin"] without', refusal(off + 'on = ["admin"]'))
        self.assertEqual(read(off + "on = []").api.on, frozenset())
        self.assertEqual(read(off).admin.endpoint, "")

    def test_admin_for_everybody(self) -> None:
        """An admin endpoint that other hosts reach is used, and warned about."""
        (warning,) = read('[admin]\nendpoint = "tcp:9443"').warnings
        self.assertIn("gw.toml: admin.endpoint: plain HTTP", warning)
        for text in ("tcp:9443:interface=127.0.0.1", "unix:/run/admin", "off"):
            self.assertEqual(read(f'[admin]\nendpoint = "{text}"').warnings, ())

    def test_sealed_alone(self) -> None:
        """Sealed tickets without a store are good for 15 minutes, and the operator is told what they are."""
        config = read('[tickets]\nstore = "sealed"')
        self.assertEqual(config.tickets.ttl, SEALED_TTL)
        self.assertEqual(len(config.warnings), 1)
        self.assertIn("gw.toml: tickets.store: ", config.warnings[0])
        self.assertIn("bearer token", config.warnings[0])
        self.assertEqual(read('[tickets]\nstore = "sealed"\nttl = 60').tickets.ttl, 60)
        self.assertEqual(read('[tickets]\nstore = "sealed+sqlite"').warnings, ())

    def test_warnings_do_not_stay(self) -> None:
        """A second reading starts without the first one's warnings."""
        read('[tickets]\nstore = "sealed"')
        self.assertEqual(read(LEAST).warnings, ())


class ShippedTests(SynchronousTestCase):
    """What is shipped can be used."""

    def test_demo(self) -> None:
        """Without a configuration: port 8443, a demo console, everything below the directory."""
        config = demo("/srv/gw")
        self.assertIn("8443", config.listen[0].endpoint)
        self.assertEqual(config.listen[0].public_url, "https://localhost:8443")
        self.assertEqual([(c.name, c.kind) for c in config.consoles], [("demo", ConsoleKind.DEMO)])
        paths = (config.gateway.state_dir, config.tls.keys, config.api.keys_file, config.audit.file)
        self.assertEqual(
            [str(p) for p in paths], [f"/srv/gw/{p}" for p in ("state", "keys", "keys/api-keys", "state/audit.jsonl")]
        )
        self.assertEqual((config.tickets.store, config.admin.endpoint, config.warnings), ("sqlite", "", ()))

    def test_viewers_and_the_newest_tls(self) -> None:
        """Viewers on TLS 1.3 alone are warned of, and only they."""
        for listen, minimum, warned in (("rfb", "1.3", True), ("rfb", "1.2", False), ("close", "1.3", False)):
            text = (
                f'[gateway]\npublic_url = "https://c"\n[[listen]]\nsilent = "{listen}"\n[tls]\nminimum = "{minimum}"\n'
            )
            warnings = parse(text, file="gw.toml", base_dir="/").warnings
            self.assertEqual(
                warned, any("tls.minimum" in one and "Remmina" in one for one in warnings), (listen, minimum)
            )

    def test_examples_load(self) -> None:
        """Every shipped example loads without a warning."""
        examples = [DOCS / "consolegw.toml", *sorted((DOCS / "examples").glob("*.toml"))]
        self.assertGreater(len(examples), 2)
        for path in examples:
            self.assertEqual(load(str(path)).warnings, (), path)

    def test_example_with_everything(self) -> None:
        """The lines that the example has in comments are right too, and show the defaults."""
        base = Path(self.mktemp()).absolute()
        (base / "keys").mkdir(parents=True)
        key, middle, chain = Authority().issue("gateway").partition(b"-----BEGIN CERTIFICATE-----")
        for name in ("kvm-ca.pem", "kvm-client.pem"):
            (base / "keys" / name).write_bytes(middle + chain)
        for name, content in (
            ("lab.pw", b"hunter2"),
            ("desktop.pw", b"hunter2"),
            ("kvm.pw", b"hunter2"),
            ("kvm-client-key.pem", key),
        ):
            write_pile(base / "keys" / name, content)
        text = (DOCS / "consolegw.toml").read_text()
        plain = parse(text, file="plain", base_dir=str(base))
        full = parse("\n".join(uncommented(text)), file="full", base_dir=str(base))
        for table in ("tls", "tickets", "api", "admin", "browser", "limits", "resume", "audit"):
            self.assertEqual(getattr(full, table), getattr(plain, table))
        self.assertEqual(full.listen, plain.listen)
        self.assertNotIn("hunter2", repr(full))


def uncommented(text: str) -> list[str]:
    """The lines of an example with its “#key = value” lines in force."""
    return [line[1:] if line.startswith("#") and line[1:2].isalpha() else line for line in text.splitlines()]
