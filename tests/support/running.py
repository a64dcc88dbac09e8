"""
Real programs for the interop tests: a gateway, VNC servers, a browser, a balancer.

Everything listens on loopback, lives in a directory of its own, and is ended
by the test that started it.  A program that is not installed skips the test,
by name.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import SkipTest

ROOT = Path(__file__).parents[2]
DEADLINE = 60.0
"""Seconds that anything may take to come up, on a slow and busy machine."""


def need(program: str) -> str:
    """The path of a program, or the test is skipped, naming it."""
    path = shutil.which(program)
    if path is None:
        raise SkipTest(f"{program} is not installed")
    return path


PORTS = range(10_000, 32_768)
"""Below those of outgoing connections: one of these could take a port before whoever it was meant for."""


def free_port() -> int:
    """A port that nobody has just now."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("", port))
            return port


def until(what: str, check: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """Ask ``check`` until it gives something true; fail naming ``what`` after the deadline."""
    began = time.monotonic()
    while True:
        if found := check():
            return found
        waited = time.monotonic() - began
        if waited > seconds:
            raise AssertionError(f"{what} did not happen within {seconds:g} s")
        time.sleep(min(max(0.02, waited / 10), 0.2))  # asking costs time that the other side needs


def answers(port: int) -> bool:
    """Whether somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


class Program:
    """One started program; its output goes to a file that can be read back."""

    def __init__(self, directory: Path, name: str, argv: Sequence[str], **more: Any) -> None:
        self.log = directory / f"{name}.log"
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                argv, stdout=out, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, cwd=directory, **more
            )
        self.name = name

    @property
    def output(self) -> str:
        """What it printed so far."""
        return self.log.read_text(errors="replace")

    def wait_for(self, check: Callable[[], Any], what: str) -> None:
        """Wait for it to come up; its output is in the failure when it ends instead."""

        def alive() -> Any:
            if self.process.poll() is not None:
                raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{self.output[-4000:]}")
            return check()

        until(f"{self.name}: {what}", alive)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End it, and say how it ended."""
        if self.process.poll() is None:
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self.process.wait(10)


class Answer:
    """An HTTP answer: status, headers, body, and the body as JSON."""

    def __init__(self, status: int, headers: Any, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)


def fetch(request: urllib.request.Request, context: ssl.SSLContext | None = None) -> Answer:
    """The answer to a request, whatever its status."""
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE, context=context) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as error:
        return Answer(error.code, error.headers, error.read())


class Gateway:
    """A real ``twistd -n consolegw`` with a configuration of its own, in a directory of its own."""

    def __init__(
        self, consoles: str = "", *, gateway: str = "", listen: str = "", more: str = "", port: int = 0
    ) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="consolegw-test-"))
        self.port = port or free_port()
        self.admin_port = free_port()
        self.url = f"https://localhost:{self.port}"
        self.config = self.directory / "consolegw.toml"
        self.config.write_text(
            f'[gateway]\npublic_url = "{self.url}"\n{gateway}\n'
            f"[[listen]]\nendpoint = 'tcp6:{self.port}:interface=\\:\\:'\n{listen}\n"
            f'[admin]\nendpoint = "tcp:{self.admin_port}:interface=127.0.0.1"\n{more}\n{consoles}\n'
        )
        self.program: Program | None = None

    def start(self, *arguments: str) -> Gateway:
        """Start it and wait until it takes clients."""
        twistd = Path(sys.executable).with_name("twistd")
        argv = [str(twistd), "-n", "--pidfile=", "consolegw", "--config", str(self.config), *arguments]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        self.program = Program(self.directory, "gateway", argv, env=environment)
        self.program.wait_for(lambda: answers(self.port) and answers(self.admin_port), "takes connections")
        return self

    def stop(self) -> int:
        """End it; its exit status."""
        return self.program.stop() if self.program else 0

    def clean(self) -> None:
        """Leave nothing behind."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self.program is not None
        return self.program.process.pid

    @property
    def log(self) -> str:
        """What it logged."""
        assert self.program is not None
        return self.program.output

    @property
    def key(self) -> str:
        """The API key of the first start."""
        return next((self.directory / "keys").glob("*-api-key")).read_text().strip()

    @property
    def certificate(self) -> Path:
        """What a client has to trust."""
        return self.directory / "keys" / "default.pem"

    def tls(self) -> ssl.SSLContext:
        """A client's context that trusts this gateway."""
        return ssl.create_default_context(cafile=str(self.certificate))

    def rss(self) -> int:
        """Resident memory, bytes."""
        pages = Path(f"/proc/{self.pid}/statm").read_text().split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Call the API (with its key unless ``Authorization`` is given; an empty one is left out)."""
        headers.setdefault("Authorization", f"Bearer {self.key}")
        if not headers["Authorization"]:
            del headers["Authorization"]
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        return fetch(urllib.request.Request(self.url + path, data, headers, method=method), self.tls())

    def ask_admin(self, path: str, body: Any = None, **headers: str) -> Answer:
        """What the operator's endpoint answers; with a body it is a POST."""
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        return fetch(urllib.request.Request(f"http://127.0.0.1:{self.admin_port}{path}", data, headers))

    def add_key(self, name: str, role: str, consoles: str = "") -> str:
        """Give out another API key; what a call's ``Authorization`` is with it."""
        key = secrets.token_urlsafe(32)
        line = ":".join([name, hashlib.sha256(key.encode()).hexdigest(), role, *([consoles] if consoles else [])])
        with (self.directory / "keys" / "api-keys").open("a") as file:
            file.write(line + "\n")
        return f"Bearer {key}"

    def mint(self, console: str, **wish: Any) -> Any:
        """A ticket: the API's answer."""
        answer = self.call("POST", "/api/v1/tickets", {"console": console, **wish})
        assert answer.status == 201, answer.body
        return answer.json

    def redeem(self, ticket: str, secret: str, **headers: str) -> Answer:
        """Redeem a ticket as the page does, for the holder of this secret."""
        holder = base64.urlsafe_b64encode(hashlib.sha256(secret.encode()).digest()).rstrip(b"=").decode()
        headers.setdefault("Origin", self.url)
        body = {"ticket": ticket, "holder": holder}
        return self.call("POST", "/api/v1/redeem", body, Authorization="", **headers)

    def sessions(self) -> list[Any]:
        """The live sessions, as the API lists them."""
        found: list[Any] = self.call("GET", "/api/v1/sessions").json["sessions"]
        return found

    def audit(self) -> list[Any]:
        """The audit's lines."""
        path = self.directory / "audit.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


DEMO_PORTS = (8443, 9443)
"""Where the demo listens: it has no configuration that could say otherwise."""


class Demo:
    """A real ``twistd -n consolegw`` without a configuration, in a directory of its own."""

    def __init__(self) -> None:
        if any(answers(port) for port in DEMO_PORTS):
            raise SkipTest(f"a port of the demo ({DEMO_PORTS}) is in use here")
        self.directory = Path(tempfile.mkdtemp(prefix="consolegw-demo-"))
        self.program: Program | None = None

    def start(self) -> Demo:
        """Start it and wait until it has said where it is."""
        argv = [str(Path(sys.executable).with_name("twistd")), "-n", "--pidfile=", "consolegw"]
        self.program = Program(self.directory, "demo", argv, env=os.environ | {"PYTHONPATH": str(ROOT)})
        self.program.wait_for(lambda: "demo-api-key" in self.said, "says where it is")
        return self

    @property
    def said(self) -> str:
        """What it told whoever started it: what is no line of the log."""
        assert self.program is not None
        return "\n".join(line for line in self.program.output.splitlines() if not line.startswith("20"))

    def clean(self) -> None:
        """End it, and leave nothing behind."""
        if self.program is not None:
            self.program.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


def consolegw(*argv: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the operator's tool to its end, as it is installed (in a bare checkout: as it would be)."""
    script = Path(sys.executable).with_name("consolegw")
    bare = [sys.executable, "-c", "import sys; from gateway.cli import main; sys.exit(main())"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONSOLEGW_")}
    return subprocess.run(
        [*([str(script)] if script.exists() else bare), *argv],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        cwd=cwd or tempfile.gettempdir(),
        env=inherited | {"PYTHONPATH": str(ROOT)} | environment,
    )


class Xvnc:
    """A real TigerVNC server, with whatever X programs are wanted on it."""

    def __init__(
        self,
        directory: Path,
        *,
        password: str = "",
        geometry: str = "640x480",
        options: Sequence[str] = (),
        port: int = 0,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        xvnc = need("Xvnc")
        self.directory = directory
        self.port = port or free_port()
        self.display = self.port - 5900 if self.port >= 5900 else self.port
        number = next(n for n in range(100, 600) if not Path(f"/tmp/.X11-unix/X{n}").exists())
        self.display_name = f":{number}"
        security = ["-SecurityTypes", "None"]
        if password:
            secret = directory / f"xvnc-{number}.passwd"
            made = subprocess.run([need("vncpasswd"), "-f"], input=password.encode(), capture_output=True, check=True)
            secret.write_bytes(made.stdout)
            security = ["-SecurityTypes", "VncAuth", "-PasswordFile", str(secret)]
        argv = [
            xvnc,
            self.display_name,
            "-rfbport",
            str(self.port),
            "-localhost",
            "-geometry",
            geometry,
            "-depth",
            "24",
        ]
        argv += [
            "-UseBlacklist=0",
            "-AlwaysShared=1",
            "-AcceptSetDesktopSize=0",
            "-desktop",
            "inside.example",
            *security,
        ]
        argv += options
        self.program = Program(directory, f"xvnc{number}", argv, env=os.environ | dict(environment or {}))
        self.program.wait_for(lambda: answers(self.port), "takes connections")
        self.clients: list[Program] = []

    def run(self, *argv: str) -> Program:
        """Start an X program on it."""
        need(argv[0])
        environment = os.environ | {"DISPLAY": self.display_name}
        program = Program(self.directory, f"{argv[0]}-{len(self.clients)}", argv, env=environment)
        self.clients.append(program)
        return program

    def do(self, *argv: str) -> str:
        """Run an X program on it to its end; its output."""
        environment = os.environ | {"DISPLAY": self.display_name}
        done = subprocess.run(
            [need(argv[0]), *argv[1:]], env=environment, capture_output=True, check=True, timeout=DEADLINE
        )
        return done.stdout.decode(errors="replace")

    def wait_for_window(self, title: str) -> None:
        """Wait until a window of this title is on the screen."""

        def shown() -> bool:
            with contextlib.suppress(subprocess.CalledProcessError):  # there is none of that title
                return "IsViewable" in self.do("xwininfo", "-name", title)
            return False

        until(f"the window {title!r}", shown)

    def picture(self, path: Path) -> Path:
        """A picture of the screen, taken by X itself."""
        self.do("import", "-window", "root", str(path))
        return path

    def stop(self) -> None:
        """End it and what runs on it."""
        for client in self.clients:
            client.stop(signal.SIGKILL)
        self.program.stop()


class Qemu:
    """
    A real QEMU without a disk: it shows “No bootable device” and stands still.

    :param display: what follows the address of its VNC server.
    """

    def __init__(self, directory: Path, *options: str, display: str = "", port: int = 0) -> None:
        qemu = need("qemu-system-x86_64")
        self.port = port or free_port()
        while self.port < 5900:
            self.port = free_port()
        self.monitor = directory / f"qemu-{self.port}.sock"
        argv = [qemu, "-machine", "accel=tcg", "-m", "64", "-display", "none", "-nodefaults", "-vga", "std"]
        argv += [
            "-vnc",
            f"127.0.0.1:{self.port - 5900}{display}",
            "-qmp",
            f"unix:{self.monitor},server=on,wait=off",
            *options,
        ]
        self.program = Program(directory, f"qemu-{self.port}", argv)
        self.program.wait_for(lambda: answers(self.port), "takes connections")

    def picture(self, path: Path) -> Path:
        """A picture of the screen, taken by QEMU itself (PNG)."""
        with socket.socket(socket.AF_UNIX) as monitor:
            monitor.settimeout(DEADLINE)
            monitor.connect(str(self.monitor))
            stream = monitor.makefile("rw")
            stream.readline()
            for command in (
                {"execute": "qmp_capabilities"},
                {"execute": "screendump", "arguments": {"filename": str(path), "format": "png"}},
            ):
                stream.write(json.dumps(command) + "\n")
                stream.flush()
                while "return" not in json.loads(stream.readline()):
                    pass
        return path

    def stop(self) -> None:
        """End it."""
        self.program.stop()
