"""
Stock VNC viewers: real ones on a screen without a monitor, and one that does what a test says, byte for byte.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path
from unittest import SkipTest

from PIL import Image

from tests.support.running import DEADLINE, Gateway, Program, Xvnc, need, until

SHARED = b"\x01"


class Screen(Xvnc):
    """An X server that nobody looks at, for the viewers' windows."""

    def __init__(self, directory: Path, geometry: str = "1024x768") -> None:
        xvfb = need("Xvfb")
        self.directory = directory
        number = next(n for n in range(600, 900) if not Path(f"/tmp/.X11-unix/X{n}").exists())
        self.display_name = f":{number}"
        argv = [xvfb, self.display_name, "-screen", "0", f"{geometry}x24", "-nolisten", "tcp", "-ac"]
        self.program = Program(directory, f"xvfb{number}", argv)
        self.clients = []
        self.program.wait_for(self._answers, "takes clients")

    def _answers(self) -> bool:
        with contextlib.suppress(subprocess.CalledProcessError):
            return bool(self.do("xdpyinfo"))
        return False

    def window(self, title: str) -> str:
        """The window with this title, as soon as it is there."""

        def find() -> str:
            found = subprocess.run(
                [need("xdotool"), "search", "--onlyvisible", "--name", title],
                env=os.environ | {"DISPLAY": self.display_name},
                capture_output=True,
                text=True,
                timeout=DEADLINE,
            )
            return found.stdout.split("\n")[0]

        try:
            return str(until(f"a window called {title!r}", find))
        except AssertionError as error:
            said = [(one.name, one.process.poll(), one.output[-600:]) for one in self.clients]
            raise AssertionError(f"{error}; {said}") from None

    def shown(self, window: str, size: tuple[int, int]) -> Image.Image:
        """What a window shows in its lower right corner: above may be a menu."""
        path = self.directory / "window.png"
        self.do("import", "-window", window, str(path))
        with Image.open(path) as image:
            picture = image.convert("RGB")
        left, top = picture.width - size[0], picture.height - size[1]
        return picture.crop((left, top, picture.width, picture.height))

    def point(self, window: str, x: int, y: int) -> None:
        """Put the pointer there: without a window manager the keys go where it is."""
        self.do("xdotool", "mousemove", "--window", window, str(x), str(y))

    def keys(self, *names: str) -> None:
        """Press keys."""
        self.do("xdotool", "key", "--delay", "50", *names)

    def type(self, text: str) -> None:
        """Type a text."""
        self.do("xdotool", "type", "--delay", "20", "--", text)


def authority(gateway: Gateway, directory: Path) -> Path:
    """What a viewer has to trust, without the key that lies beside it."""
    path = directory / f"ca-{gateway.port}.pem"
    argv = [need("openssl"), "x509", "-in", str(gateway.certificate), "-out", str(path)]
    subprocess.run(argv, check=True, capture_output=True, timeout=DEADLINE)
    return path


def vncviewer(screen: Screen, gateway: Gateway, ticket: str, *options: str, user: str = "") -> Program:
    """TigerVNC's viewer with its log-in in the environment."""
    ca = authority(gateway, screen.directory)
    argv = [need("vncviewer"), f"-X509CA={ca}", *options, f"localhost::{gateway.port}"]
    log_in = {"DISPLAY": screen.display_name, "HOME": str(screen.directory)}
    log_in |= {"VNC_USERNAME": user, "VNC_PASSWORD": ticket}
    program = Program(screen.directory, f"vncviewer-{len(screen.clients)}", argv, env=os.environ | log_in)
    screen.clients.append(program)
    return program


_WITH_CA = """
ca=$(cat "$1"); shift
mount -t tmpfs none "$HOME_OF_ROOT" && mkdir -p "$HOME_OF_ROOT/.pki/CA" || exit 99
printf '%s\\n' "$ca" > "$HOME_OF_ROOT/.pki/CA/cacert.pem"
exec "$@"
"""


def gvncviewer(screen: Screen, gateway: Gateway) -> Program:
    """gtk-vnc's viewer, which asks for its log-in; see :func:`answer_gvncviewer`."""
    return _with_ca(screen, gateway, need("gvncviewer"), f"localhost:{gateway.port - 5900}")


def remote_viewer(screen: Screen, gateway: Gateway, ticket: str) -> Program:
    """virt-viewer's viewer, which is gtk-vnc too, with a file."""
    lines = ("type=vnc", "host=localhost", f"port={gateway.port}", "username=", f"password={ticket}")
    file = screen.directory / "lab.vv"
    file.write_text("\n".join(["[virt-viewer]", *lines, ""]))
    return _with_ca(screen, gateway, need("remote-viewer"), str(file))


def _with_ca(screen: Screen, gateway: Gateway, *viewer: str) -> Program:
    """
    A viewer that trusts the gateway.

    gtk-vnc looks for a CA in the home directory of the password database
    alone, so it gets one of its own, in a namespace where it is root.
    """
    namespace = [need("unshare"), "--map-root-user", "--mount", "sh", "-c"]
    if subprocess.run([*namespace, "mount -t tmpfs none /root"], capture_output=True).returncode:
        raise SkipTest("unshare may not make namespaces here")
    ca = authority(gateway, screen.directory)
    argv = [*namespace, _WITH_CA, "sh", str(ca), *viewer]
    environment = os.environ | {"DISPLAY": screen.display_name, "HOME_OF_ROOT": "/root", "HOME": "/root"}
    program = Program(screen.directory, f"{Path(viewer[0]).name}-{len(screen.clients)}", argv, env=environment)
    screen.clients.append(program)
    return program


def answer_gvncviewer(screen: Screen, ticket: str, user: str = "") -> None:
    """Fill in its dialog."""
    dialog = screen.window("Authentication required")
    screen.point(dialog, 20, 60)
    if user:
        screen.type(user)
    screen.keys("Tab")
    screen.type(ticket)
    screen.keys("Tab", "Tab", "Return")


class Refusal(Exception):
    """The gateway said no, and this is its reason."""


class BareViewer:
    """
    A viewer over real sockets.

    :param tls_first: speak RFB inside TLS from the start; ``alpn`` are the protocols offered there.
    """

    def __init__(
        self,
        port: int,
        *,
        tls_first: bool = False,
        alpn: tuple[str, ...] = (),
        server_name: str = "localhost",
        early: bytes = b"",
        version: bytes = b"RFB 003.008\n",
        host: str = "127.0.0.1",
    ) -> None:
        self.socket: socket.socket = socket.create_connection((host, port), DEADLINE)
        self._alpn, self._name, self._version = alpn, server_name, version
        self.tls_first = tls_first
        if tls_first:
            self.start_tls()
        if early:
            self.socket.sendall(early)
            self._version = version[len(early) :]

    @property
    def tls_version(self) -> str | None:
        """Which TLS was agreed on."""
        return self.socket.version() if isinstance(self.socket, ssl.SSLSocket) else None

    def start_tls(self) -> None:
        """Begin with TLS; the certificate is not looked at here."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        if self._alpn:
            context.set_alpn_protocols(list(self._alpn))
        self.socket = context.wrap_socket(self.socket, server_hostname=self._name)

    def take(self, size: int) -> bytes:
        """The next so many bytes."""
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError(f"the gateway closed after {data!r}")
            data += more
        return data

    def log_in(self, ticket: str, user: str = "") -> BareViewer:
        """Up to the SecurityResult.  :raises Refusal:"""
        assert self.take(12) == b"RFB 003.008\n"
        self.socket.sendall(self._version)
        assert self.take(2) == b"\x01\x13"
        self.socket.sendall(b"\x13")
        assert self.take(2) == b"\x00\x02"
        self.socket.sendall(b"\x00\x02")
        assert self.take(2) == b"\x00\x01"
        (offered,) = struct.unpack("!I", self.take(4))
        assert offered == (256 if self.tls_first else 262)
        self.socket.sendall(struct.pack("!I", offered))
        if not self.tls_first:
            assert self.take(1) == b"\x01"
            self.start_tls()
        name, password = user.encode(), ticket.encode()
        self.socket.sendall(struct.pack("!II", len(name), len(password)) + name + password)
        (result,) = struct.unpack("!I", self.take(4))
        if result:
            raise Refusal(self.take(struct.unpack("!I", self.take(4))[0]).decode())
        return self

    def meet(self) -> str:
        """ClientInit and ServerInit: the desktop's name."""
        self.socket.sendall(SHARED)
        head = self.take(24)
        return self.take(struct.unpack("!I", head[20:])[0]).decode()

    def ending(self) -> str:
        """How the gateway ends the connection: ``goodbye`` (close_notify), ``cut``."""
        assert isinstance(self.socket, ssl.SSLSocket)
        self.socket.suppress_ragged_eofs = False
        try:
            while self.socket.recv(65536):
                pass
        except (ssl.SSLEOFError, ConnectionError):
            return "cut"
        return "goodbye"

    def close(self) -> None:
        """Leave with a close_notify."""
        with contextlib.suppress(OSError, ValueError):
            if isinstance(self.socket, ssl.SSLSocket):
                self.socket.settimeout(1)
                self.socket.unwrap()
        self.socket.close()

    def cut(self) -> None:
        """Be gone without a word."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


class SlowRoad:
    """A relay on loopback that connects at once and delivers everything so many seconds late, both ways."""

    def __init__(self, port: int, seconds: float) -> None:
        self._target, self._seconds = port, seconds
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.create_connection(("127.0.0.1", self._target), DEADLINE)
                for one, other in ((near, far), (far, near)):
                    one.settimeout(None)
                    threading.Thread(target=self._carry, args=(one, other), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        road: queue.Queue[tuple[float, bytes]] = queue.Queue()
        threading.Thread(target=self._deliver, args=(road, sink), daemon=True).start()
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                road.put((time.monotonic() + self._seconds, data))
        road.put((time.monotonic() + self._seconds, b""))

    @staticmethod
    def _deliver(road: queue.Queue[tuple[float, bytes]], sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                at, data = road.get()
                time.sleep(max(0.0, at - time.monotonic()))
                if not data:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(data)

    def close(self) -> None:
        """Take no more."""
        self._listening.close()
