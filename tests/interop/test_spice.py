"""
Stock SPICE viewers at a real gateway, with real QEMUs behind it: through CONNECT, and straight to the port.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from PIL import Image
from twisted.trial.unittest import SynchronousTestCase

from tests.support.running import DEADLINE, Gateway, Program, Qemu, consolegw, free_port, need, until
from tests.support.sharing import shared

PASSWORD = "s3rver-Secret"
CHANNELS = 4  # main, display, inputs, cursor
NO_LIMITS = "[limits]\nfailed_tickets_per_address = 0\nconnections_per_address = 0\n"


class Machine:
    """A QEMU with a SPICE server, with or without a password."""

    def __init__(self, directory: Path, password: str = "") -> None:
        self.directory, self.password, self.port = directory, password, free_port()
        self.start()

    def start(self) -> None:
        """Power on."""
        ticketing, secret = "disable-ticketing=on", []
        if self.password:
            file = self.directory / "spice.pw"
            file.touch(0o600)
            file.write_text(self.password)
            ticketing, secret = "password-secret=pw", ["-object", f"secret,id=pw,file={file}"]
        self.qemu = Qemu(self.directory, *secret, "-spice", f"port={self.port},addr=127.0.0.1,{ticketing}")

    def console(self, name: str) -> str:
        """Its console, for a configuration."""
        log_in = 'security = { password_file = "spice.pw" }\n' if self.password else ""
        return f'[console.{name}]\nkind = "spice"\naddress = "127.0.0.1:{self.port}"\n{log_in}'


class Screen:
    """An X display for viewers."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        number = next(n for n in range(600, 700) if not Path(f"/tmp/.X11-unix/X{n}").exists())
        self.name = f":{number}"
        argv = [need("Xvfb"), self.name, "-screen", "0", "1024x768x24", "-nolisten", "tcp"]
        self.program = Program(directory, f"xvfb{number}", argv)
        self.program.wait_for(lambda: Path(f"/tmp/.X11-unix/X{number}").exists(), "has a socket")

    def run(self, *argv: str, **environment: str) -> Program:
        """Start a viewer on it, with a home of its own."""
        need(argv[0])
        home = tempfile.mkdtemp(dir=self.directory)
        more = {
            "DISPLAY": self.name,
            "HOME": home,
            "XDG_RUNTIME_DIR": home,
            "NO_AT_BRIDGE": "1",
            "G_MESSAGES_DEBUG": "",
        }
        return Program(self.directory, f"{argv[0]}-{os.path.basename(home)}", argv, env=os.environ | more | environment)

    def picture(self) -> Image.Image:
        """What is to be seen."""
        path = self.directory / "screen.png"
        argv = [need("import"), "-display", self.name, "-window", "root", str(path)]
        subprocess.run(argv, check=True, timeout=DEADLINE, capture_output=True)
        return Image.open(path).convert("RGB")

    def type(self, text: str) -> None:
        """Type into whatever has the focus, and press Enter."""
        do = [need("xdotool")]
        environment = os.environ | {"DISPLAY": self.name}
        for words in (["type", "--delay", "20", text], ["key", "Return"]):
            subprocess.run([*do, *words], check=True, timeout=DEADLINE, env=environment)

    def titles(self) -> str:
        """The names of the windows."""
        argv = [need("xwininfo"), "-display", self.name, "-root", "-tree"]
        return subprocess.run(argv, check=True, timeout=DEADLINE, capture_output=True, text=True).stdout


def shows(screen: Image.Image, machine: Image.Image) -> bool:
    """Whether the machine's text is somewhere on a screen, pixel by pixel; shades do not matter."""
    found = machine.getbbox()
    assert found is not None, "the machine shows nothing"
    text, rows = _rows(machine.crop(found)), _rows(screen)
    for top in range(len(rows) - len(text)):
        left = rows[top].find(text[0])
        if left >= 0 and all(row[left:].startswith(line) for row, line in zip(rows[top:], text, strict=False)):
            return True
    return False


def _rows(picture: Image.Image) -> list[bytes]:
    bits = picture.convert("L").point(lambda shade: 255 * (shade > 80)).tobytes()
    return [bits[at : at + picture.width] for at in range(0, len(bits), picture.width)]


class _Case(SynchronousTestCase):
    timeout = 150

    def setUp(self) -> None:
        for program in ("qemu-system-x86_64", "spicy", "remote-viewer", "Xvfb"):
            need(program)

        def start() -> SimpleNamespace:
            plain = free_port()
            listen = f"[[listen]]\nendpoint = 'tcp:{plain}:interface=127.0.0.1'\nplaintext = \"serve\"\n"
            gateway = Gateway(listen=listen, more=NO_LIMITS + "[tickets]\nresume_window = 60\n")
            machines = Machine(gateway.directory), Machine(gateway.directory, PASSWORD)
            with gateway.config.open("a") as config:
                config.write(machines[0].console("open") + machines[1].console("locked"))
                config.write('[console.line]\nkind = "raw"\naddress = "127.0.0.1:9"\n')
                config.write('[console.away]\nkind = "spice"\naddress = "127.0.0.1:9"\n')
            gateway.start()
            screen = Screen(gateway.directory)
            return SimpleNamespace(gateway=gateway, plain=plain, machines=machines, screen=screen)

        def end(rig: SimpleNamespace) -> None:
            for machine in rig.machines:
                machine.qemu.stop()
            rig.screen.program.stop()
            rig.gateway.clean()

        rig = shared(self, start, end)
        self.gateway, self.plain, self.screen = rig.gateway, rig.plain, rig.screen
        self.open, self.locked = rig.machines

    def view(self, *argv: str, **environment: str) -> Program:
        viewer = self.screen.run(*argv, **environment)
        self.addCleanup(viewer.stop, signal.SIGKILL)
        return viewer

    def channels(self, made: Any) -> int:
        """How many connections to the machine a ticket has come to."""
        live = self.session(made)
        return self.gateway.log.count(f"upstream_dialled session={live['id']}") if live else 0

    def session(self, made: Any) -> Any:
        """The one session of a ticket, live or ended."""
        live = [one for one in self.gateway.sessions() if one["ticket_id"] == made["id"]]
        self.assertLessEqual(len(live), 1)
        return live[0] if live else None

    def ended(self, made: Any) -> Any:
        """The audit's only line of a ticket's session, once there is one."""

        def found() -> list[Any]:
            return [one for one in self.gateway.audit() if one["ticket_id"] == made["id"]]

        until("the session ends", found)
        (line,) = found()
        return line

    def assert_shown(self, machine: Machine) -> None:
        """The machine's screen is in front of the viewer's user."""
        until("the viewer shows it", lambda: shows(self.screen.picture(), self.drawn(machine)))

    def drawn(self, machine: Machine) -> Image.Image:
        """The machine's screen once it has booted, without the line where a cursor blinks."""

        def words() -> Image.Image | None:
            picture = Image.open(machine.qemu.picture(self.gateway.directory / "machine.png")).convert("RGB")
            box = picture.getbbox()
            return picture.crop((0, 0, picture.width, 128)) if box and box[3] > 128 else None

        return until("the machine has booted", words)

    def photographed(self, uri: str, *options: str, **environment: str) -> Image.Image:
        """What ``spicy-screenshot`` sees: nothing on the way is lossy."""
        path = self.gateway.directory / "seen.ppm"
        argv = [need("spicy-screenshot"), f"--uri={uri}", f"--out-file={path}", *options]
        done = subprocess.run(argv, timeout=DEADLINE, capture_output=True, env=os.environ | environment)
        self.assertEqual(0, done.returncode, done.stderr)
        return Image.open(path).convert("RGB")


class ConnectTests(_Case):
    """Through CONNECT: the machine's own bytes."""

    def proxy(self, ticket: str) -> str:
        return f"http://console:{ticket}@127.0.0.1:{self.plain}"

    def test_spicy(self) -> None:
        """One ticket, a connection for each channel, one session."""
        made = self.gateway.mint("open")
        viewer = self.view("spicy", "--uri=spice://console:5900", SPICE_PROXY=self.proxy(made["ticket"]))
        until("all channels are there", lambda: self.channels(made) >= CHANNELS)
        viewer.stop()
        self.gateway.call("DELETE", f"/api/v1/tickets/{made['id']}")
        line = self.ended(made)
        self.assertEqual(("connect", CHANNELS), (line["way"], line["generations"]))

    def test_remote_viewer(self) -> None:
        """With the proxy in its file it shows what the machine shows."""
        made = self.gateway.mint("open")
        file = self.gateway.directory / "proxy.vv"
        lines = ["[virt-viewer]", "type=spice", "host=console", "port=1", f"proxy={self.proxy(made['ticket'])}", ""]
        file.write_text("\n".join(lines))
        self.view("remote-viewer", str(file))
        self.assert_shown(self.open)
        self.assertEqual(CHANNELS, self.channels(made))

    def test_screenshot(self) -> None:
        """The picture is the machine's, bit by bit."""
        machine = self.drawn(self.open)
        proxy = self.proxy(self.gateway.mint("open")["ticket"])
        seen = self.photographed("spice://lab-console:5900", SPICE_PROXY=proxy)
        self.assertTrue(shows(seen, machine))

    def test_refused(self) -> None:
        """With a wrong ticket the viewer says that the proxy wants another."""
        viewer = self.view("spicy", "--uri=spice://console:5900", SPICE_PROXY=self.proxy("x" * 43))
        until("the viewer says so", lambda: "HTTP proxy authentication failed" in viewer.output)


class DirectTests(_Case):
    """Straight to the port, with the ticket as the password."""

    def file(self, console: str) -> tuple[Path, dict[str, str]]:
        """A ticket, and the viewer's file as the operator's tool writes it."""
        path = self.gateway.directory / f"{console}.vv"
        (key,) = (self.gateway.directory / "keys").glob("*-api-key")
        where = {"CONSOLEGW_URL": self.gateway.url, "CONSOLEGW_KEY_FILE": str(key)}
        done = consolegw("ticket", console, "--vv", str(path), **where, CONSOLEGW_CA=str(self.gateway.certificate))
        self.assertEqual((0, ""), (done.returncode, done.stdout), done.stderr)
        ticket = next(line for line in path.read_text().splitlines() if line.startswith("password="))
        return path, {"id": done.stderr.split()[1], "ticket": ticket.removeprefix("password=")}

    def test_remote_viewer(self) -> None:
        """The gateway logs in to servers with and without a password; every channel belongs to one session."""
        for machine, console in ((self.open, "open"), (self.locked, "locked")):
            file, made = self.file(console)
            viewer = self.view("remote-viewer", str(file))
            self.assert_shown(machine)
            self.assertFalse(file.exists(), "the viewer deletes its file")
            self.assertEqual(CHANNELS, self.channels(made))
            viewer.stop(signal.SIGKILL)
            self.gateway.call("DELETE", f"/api/v1/tickets/{made['id']}")
            line = self.ended(made)
            self.assertEqual(("spice", CHANNELS), (line["way"], line["generations"]))
            self.assertNotIn(made["ticket"], self.gateway.log)
        self.assertNotIn(PASSWORD, self.gateway.log)

    def uri(self) -> tuple[str, str]:
        """Where the port is, and whom to trust there, for viewers that take no file."""
        return f"spice://localhost?tls-port={self.gateway.port}", f"--spice-ca-file={self.gateway.certificate}"

    def test_screenshot(self) -> None:
        """The picture is the machine's, bit by bit."""
        machine, made = self.drawn(self.locked), self.gateway.mint("locked")
        trusted = str(self.gateway.certificate)  # as the system trusts a public certificate
        seen = self.photographed(self.uri()[0], f"--password={made['ticket']}", SSL_CERT_FILE=trusted)
        self.assertTrue(shows(seen, machine))

    def test_coming_back(self) -> None:
        """Viewers that vanished, or whose user left a moment ago without a word, come back with the same ticket."""
        made = self.gateway.mint("locked")
        uri, trust = self.uri()
        for times in (1, 2):
            viewer = self.view("spicy", f"--uri={uri}", trust, f"--password={made['ticket']}")
            until("all channels are there", lambda times=times: self.channels(made) >= times * CHANNELS)
            viewer.stop(signal.SIGKILL)
            until("it is missed", lambda: self.session(made)["state"] == "parked")
        self.gateway.call("DELETE", f"/api/v1/tickets/{made['id']}")
        line = self.ended(made)
        self.assertEqual((2 * CHANNELS, True), (line["generations"], line["returned_by_ticket"]))

    def test_wrong_ticket(self) -> None:
        """A viewer asks for the password again, and the right one lets it in."""
        made = self.gateway.mint("locked")
        uri, trust = self.uri()
        viewer = self.view("remote-viewer", uri, trust)
        until("it asks", lambda: "Authentication" in self.screen.titles() or "password" in self.screen.titles().lower())
        self.assertIsNone(viewer.process.poll())
        self.assertIsNone(self.session(made))
        self.screen.type(made["ticket"])
        self.assert_shown(self.locked)

    def test_a_machine_that_is_away(self) -> None:
        """The viewer says that it cannot connect, and does not ask for a password."""
        made = self.gateway.mint("away")
        uri, trust = self.uri()
        viewer = self.view("spicy", f"--uri={uri}", trust, f"--password={made['ticket']}")
        self.assertEqual("unreachable", self.ended(made)["ending"])
        until("the viewer says so", lambda: "main channel: failed to connect" in viewer.output)

    def test_other_kinds(self) -> None:
        """A ticket for something else is none here, but may still be used where it fits."""
        made = self.gateway.mint("line")
        uri, trust = self.uri()
        viewer = self.view("spicy", f"--uri={uri}", trust, f"--password={made['ticket']}")
        until("it is turned away", lambda: "wrong password" in viewer.output)
        self.assertEqual([], [one for one in self.gateway.audit() if one["ticket_id"] == made["id"]])

    def test_outside_tls(self) -> None:
        """In the clear SPICE is not spoken, whatever is served there."""
        for port in (self.plain, self.gateway.port):
            with socket.create_connection(("127.0.0.1", port), DEADLINE) as client:
                client.settimeout(DEADLINE)
                client.sendall(b"REDQ")
                self.assertEqual(b"", client.recv(100))
