"""
Starts, good and bad: how fast, how large, what is made, and what is said when it cannot be.
"""

from __future__ import annotations

import re
import socket
import ssl
import stat
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from tests.support.clients import WebClient, tls_socket
from tests.support.running import ROOT, Demo, Gateway, free_port

DEMO_CONSOLE = '[console.demo]\nkind = "demo"\n'
MOST_SECONDS = 3.0
"""For a start on a busy machine; on an idle one it is below one."""

MOST_MEMORY = 120_000_000
"""Bytes of an idle gateway; it takes about half of this."""


def modes(directory: Path) -> dict[str, int]:
    """The mode of every file below a directory."""
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.rglob("*") if path.is_file()}


class Starting(SynchronousTestCase):
    """Tests that start gateways."""

    timeout = 60

    def gateway(self, consoles: str = DEMO_CONSOLE, **more: Any) -> Gateway:
        gateway = Gateway(consoles, **more)
        self.addCleanup(gateway.clean)
        return gateway


class GoodTests(Starting):
    """A start that works."""

    def test_speed_and_size(self) -> None:
        """From the command to the open port it takes about a second, and then the memory that is reported."""
        gateway = self.gateway()
        seconds = []
        for _ in range(3):
            began = time.monotonic()
            gateway.start()
            seconds.append(time.monotonic() - began)
            memory = gateway.rss()
            gateway.stop()
        median = statistics.median(seconds)
        print(f"\n(start-up: {median:.2f} s, idle: {memory / 1e6:.0f} MB) ", end="")
        self.assertLess(median, MOST_SECONDS)
        self.assertLess(memory, MOST_MEMORY)

    def test_first_and_second_start(self) -> None:
        """The first start makes keys and a database that only their owner reads; a second one leaves them."""
        gateway = self.gateway().start()
        keys, state = gateway.directory / "keys", gateway.directory / "state"
        self.assertEqual({0o600}, set(modes(keys).values()) | set(modes(state).values()))
        self.assertEqual({"default.pem", "api-keys", "first-api-key", "sealed-keys"}, set(modes(keys)))
        self.assertEqual({0o700}, {stat.S_IMODE(path.stat().st_mode) for path in (keys, state)})
        self.assertEqual(201, gateway.call("POST", "/api/v1/tickets", {"console": "demo"}).status)
        before = {path.name: path.read_bytes() for path in keys.iterdir()}
        gateway.stop()
        gateway.start()
        self.assertEqual(before, {path.name: path.read_bytes() for path in keys.iterdir()})
        self.assertEqual(1, gateway.log.count("first-api-key"))

    def test_certificate(self) -> None:
        """The first certificate is ECDSA P-256, for the public URL's host and for this machine's."""
        gateway = self.gateway(gateway='node = "gw-7"').start()
        certificate = x509.load_pem_x509_certificate(gateway.certificate.read_bytes())
        key = certificate.public_key()
        self.assertIsInstance(key, ec.EllipticCurvePublicKey)
        self.assertEqual("secp256r1", key.curve.name)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        self.assertTrue({"localhost", "gw-7"} <= set(names.get_values_for_type(x509.DNSName)))
        self.assertEqual({"127.0.0.1", "::1"}, set(map(str, names.get_values_for_type(x509.IPAddress))))
        with tls_socket(gateway) as client:
            self.assertIn(client.version(), ("TLSv1.2", "TLSv1.3"))

    def test_minimum(self) -> None:
        """``tls.minimum`` is kept to."""
        gateway = self.gateway(more='[tls]\nminimum = "1.3"\n').start()
        context = gateway.tls()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("127.0.0.1", gateway.port), 10) as bare, self.assertRaises(OSError):
            context.wrap_socket(bare, server_hostname="localhost").recv(1)
        with tls_socket(gateway) as client:
            self.assertEqual("TLSv1.3", client.version())

    def test_several_ports(self) -> None:
        """Each ``[[listen]]`` table is a port; a ticket is good on any of them."""
        other = free_port()
        listen = f'[[listen]]\nendpoint = "tcp:{other}:interface=127.0.0.1"\n'
        gateway = self.gateway(listen=listen).start()
        ticket = gateway.mint("demo")["ticket"]
        gateway.port = other
        self.assertEqual(101, WebClient(gateway, f"/?token={ticket}").status)

    def test_nothing_secret_in_git(self) -> None:
        """Of the keys' directory only the page about it is in git, and nothing else can get there by accident."""
        if not (ROOT / ".git").exists():
            raise SkipTest("this is no checkout")
        listed = subprocess.run(["git", "ls-files", "keys"], cwd=ROOT, capture_output=True, text=True, check=True)
        self.assertEqual(["keys/README.md"], listed.stdout.split())
        for path in ("keys/default.pem", "keys/demo-api-key", "state/consolegw.sqlite"):
            self.assertEqual(0, subprocess.run(["git", "check-ignore", "-q", path], cwd=ROOT).returncode, path)


class BadTests(Starting):
    """A start that cannot work: one line, status 1."""

    def refusal(self, gateway: Gateway) -> str:
        """The one line with which it does not start."""
        twistd = Path(sys.executable).with_name("twistd")
        done = subprocess.run(
            [str(twistd), "-n", "--pidfile=", "consolegw", "--config", str(gateway.config)],
            cwd=gateway.directory, capture_output=True, text=True, timeout=30, env={"PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        self.assertEqual(1, done.returncode, done.stdout + done.stderr)
        lines = [line for line in (done.stdout + done.stderr).splitlines() if " info " not in line]
        self.assertEqual(1, len(lines), done.stdout + done.stderr)
        self.assertIn("consolegw: ", lines[0])
        return lines[0]

    def test_wrong_configurations(self) -> None:
        """The line names the file, the key and what would be accepted; what belongs to a later version is told so."""
        later = "not in this version"
        for more, *words in (
            ('[tickets]\nttl = "soon"\n', "tickets.ttl", "seconds"),
            ("[ticket]\nttl = 5\n", "ticket", "tickets"),
            ('[console.x]\nkind = "mks"\naddress = "h:1"\n', "console.x.kind", later),
            ('[console.x]\nkind = "vnc"\naddress = "h:1"\nsecurity = { password_file = "no" }\n', "password_file"),
        ):
            gateway = self.gateway(more=more)
            line = self.refusal(gateway)
            for word in (str(gateway.config), *words):
                self.assertIn(word, line)
            self.assertFalse((gateway.directory / "keys").exists())

    def test_taken_port(self) -> None:
        """A port that somebody has is named, public or the operator's."""
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as taken:
            port = taken.getsockname()[1]
            self.assertIn(str(port), self.refusal(self.gateway(port=port)))
            other = self.gateway()
            text = other.config.read_text().replace(str(other.admin_port), str(port))
            other.config.write_text(text)
            self.assertIn(str(port), self.refusal(other))

    def test_broken_files(self) -> None:
        """A certificate, keys file or database that is none is named."""
        for name in ("keys/default.pem", "keys/api-keys", "keys/sealed-keys", "state/consolegw.sqlite"):
            gateway = self.gateway()
            path = gateway.directory / name
            path.parent.mkdir(mode=0o700)
            path.write_text("nonsense\n")
            path.chmod(0o600)
            self.assertIn(name, self.refusal(gateway))


class DemoTests(SynchronousTestCase):
    """A start without a configuration."""

    timeout = 60

    def test_one_url(self) -> None:
        """It says one URL, which opens the demo again and again, and where the key lies; a restart keeps the key."""
        demo = Demo()
        self.addCleanup(demo.clean)
        demo.start()
        urls = re.findall(r"https://\S+", demo.said)
        self.assertEqual(1, len(urls), demo.said)
        self.assertRegex(urls[0], r"\Ahttps://localhost:8443/console/#[A-Za-z0-9_-]{43}\Z")
        key = demo.directory / "keys" / "demo-api-key"
        self.assertIn(str(key), demo.said)
        self.assertEqual(0o600, stat.S_IMODE(key.stat().st_mode))
        gateway = Gateway(port=8443)
        self.addCleanup(gateway.clean)
        gateway.directory.joinpath("keys").symlink_to(demo.directory / "keys")
        for holder in ("one", "two", "three"):
            self.assertEqual("demo", gateway.redeem(urls[0].partition("#")[2], holder).json["console"])
        before = key.read_bytes()
        demo.program.stop()
        demo.program.log.unlink()
        demo.start()
        self.assertEqual(before, key.read_bytes())
        self.assertEqual(200, gateway.call("GET", "/api/v1/consoles").status)
        self.assertNotIn(urls[0].partition("#")[2], demo.program.output)
