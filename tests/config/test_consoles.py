"""``[console.NAME]`` and ``[driver.NAME]``."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.consoles import Console
from gateway.model.secret import Secret
from gateway.model.target import (
    ConsoleInfo,
    ConsoleKind,
    Security,
    Target,
    TcpAddress,
    TlsPolicy,
    UnixAddress,
    parse_pin,
)
from tests.support.configs import read, refusal

PEM = "-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"
VNC = '[console.lab]\nkind = "vnc"\naddress = "10.0.0.7:5901"\n'


class ConsolesCase(SynchronousTestCase):
    """Has a directory with a password and a CA."""

    def setUp(self) -> None:
        base = Path(self.mktemp()).absolute()
        base.mkdir(parents=True)
        (base / "pw").write_text("hunter2\n")
        (base / "pw").chmod(0o600)
        (base / "ca.pem").write_text(PEM)
        self.base = str(base)
        self.patch(os, "environ", {"PW": "hunter2"})

    def console(self, text: str) -> Console:
        (console,) = read(text, self.base).consoles
        return console


class ConsoleTests(ConsolesCase):
    """Consoles given by hand."""

    def test_least(self) -> None:
        """A kind and an address are enough."""
        lab = TcpAddress("10.0.0.7", 5901)
        console = self.console(VNC)
        self.assertEqual(console.to_target(), Target(ConsoleKind.VNC, (lab,), identity="lab"))
        self.assertEqual(console.to_info(), ConsoleInfo("lab", ConsoleKind.VNC))

    def test_whole(self) -> None:
        """Every key arrives in the target or in the list's line."""
        console = self.console(
            '[console."r.1"]\nkind = "raw"\naddress = ["[fd00::7]:7000", "unix:/run/r"]\ntitle = "Router"\n'
            f'connections = 4\ntls = {{ ca = "ca.pem", pin = "sha256:{"ab" * 32}", server_name = "r" }}\n'
        )
        tls = TlsPolicy(PEM.encode(), (parse_pin("sha256:" + "ab" * 32),), "r")
        addresses = (TcpAddress("fd00::7", 7000), UnixAddress("/run/r"))
        self.assertEqual(console.to_target(), Target(ConsoleKind.RAW, addresses, Security(), tls, "r.1"))
        self.assertEqual(console.to_info(), ConsoleInfo("r.1", ConsoleKind.RAW, title="Router", connections=4))

    def test_spice(self) -> None:
        """A SPICE console has a socket for each channel and perhaps a password; how many sockets may be said."""
        spice = '[console.lab]\nkind = "spice"\naddress = "h:5930"\n'
        self.assertEqual(self.console(spice).to_info(), ConsoleInfo("lab", ConsoleKind.SPICE, connections=16))
        self.assertEqual(self.console(spice + "connections = 1").to_info().connections, 1)
        target = self.console(spice + 'security = { password_file = "pw" }').to_target()
        self.assertEqual(target.security.password, Secret("hunter2"))

    def test_demo(self) -> None:
        """The demo needs no address and has none."""
        console = self.console('[console.demo]\nkind = "demo"')
        self.assertEqual(console.to_target(), Target(ConsoleKind.DEMO, identity="demo"))

    def test_refused(self) -> None:
        """What does not fit is refused by its key."""
        serial = '[console.lab]\nkind = "serial"\naddress = "h:1"\n'
        for text, message in (
            ('[console.lab]\naddress = "h:1"', "console.lab.kind: missing; accepted: "),
            (
                '[console.lab]\nkind = "ssh"',
                'console.lab.kind: found "ssh"; accepted: "vnc" or "serial" or "raw" or "spice" or "demo"',
            ),
            ('[console.lab]\nkind = "vnc"', "console.lab.address: missing; accepted: host:port"),
            ('[console.lab]\nkind = "vnc"\naddress = []', "console.lab.address: found 0 addresses"),
            ('[console.demo]\nkind = "demo"\naddress = "h:1"', "console.demo: found an address or tls with kind demo"),
            ('[console.demo]\nkind = "demo"\ntls = true', "console.demo: found an address or tls with kind demo"),
            (VNC + "port = 3", "console.lab.port: unknown key; known here: address, connections, kind"),
            (VNC + "connections = 65", "console.lab.connections: found 65; accepted: a whole number from 1 to 64"),
            (VNC + "connections = 2", 'console.lab.connections: found 2 with kind "vnc"; accepted: 1, or more'),
            (
                serial + 'security = { password_file = "pw" }',
                'console.lab.security: found this log-in with kind "serial"; accepted: it with kind "vnc"',
            ),
            (
                '[console.lab]\nkind = "raw"\naddress = ["h:1", "unix:/run/r"]\ntls = true',
                "console.lab.tls: found a unix socket, which has no name to compare; accepted: server_name or pin",
            ),
            (
                '[console.lab]\nkind = "vnc"\naddress = "unix:/run/r"\nsecurity.type = "vencrypt"',
                "console.lab.security: found a unix socket, which has no name to compare; accepted: server_name or pin",
            ),
            (
                VNC + 'tls = true\nsecurity.type = "vencrypt"',
                "console.lab.tls: found it beside TLS of vencrypt; accepted: one of them",
            ),
            ('[console."a/b"]\nkind = "demo"', 'console."a/b": found this name; accepted: 1 to 64 of'),
            ("console = 3", "console: found a number; accepted: [console.NAME] tables"),
        ):
            found = refusal(
                text + "\n" if text.startswith("[") else f'{text}\n[gateway]\npublic_url = "https://h"', self.base
            )
            self.assertIn(f"gw.toml: {message}", found)
            self.assertNotIn("hunter2", found)

    def test_later(self) -> None:
        """Kinds, log-ins and ways that come later say so."""
        for text, key in (
            *((f'[console.lab]\nkind = "{kind}"\naddress = "h:1"', "kind") for kind in ("mks", "webmks")),
            *((VNC + f'security = {{ type = "{t}" }}', "security.type") for t in ("ard", "ra2", "sasl")),
            (VNC + 'via = ["proxy-a:443"]', "via"),
            ('[console.lab]\nkind = "raw"\naddress = "wss://h/x"', "address"),
            ('[console.lab]\nkind = "raw"\naddress = ["h:1", "wss://h/x"]', "address[1]"),
        ):
            message = refusal(text, self.base)
            self.assertIn(f"gw.toml: console.lab.{key}: ", message)
            self.assertIn("not in this version", message)


class DriverTests(ConsolesCase):
    """Drivers come later."""

    def test_every_kind(self) -> None:
        """Each kind of the contract is named as one of a later version, whatever else the table has."""
        for kind in ("vsphere", "nova", "proxmox", "libvirt", "qemu", "http"):
            self.assertEqual(
                refusal(f'[driver.vc1]\nkind = "{kind}"\nurl = "https://u:hunter2@vc"\npower_on = "never"'),
                f'gw.toml: driver.vc1: found a driver of kind "{kind}", which is not in this version; '
                "accepted: [console.NAME] tables",
            )

    def test_others(self) -> None:
        """A kind that nobody plans is wrong, a table without one is still too early."""
        self.assertIn('driver.x.kind: found "xen"; accepted: [console.NAME]', refusal('[driver.x]\nkind = "xen"'))
        self.assertIn("driver.x: not in this version", refusal("[driver.x]"))
        self.assertEqual(read("[driver]").drivers, ())
