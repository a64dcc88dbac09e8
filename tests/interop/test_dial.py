"""
Dialling real servers: Xvnc and QEMU as subprocesses, and TLS over loopback.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.ssl import PrivateCertificate
from twisted.internet.task import deferLater
from twisted.trial.unittest import SkipTest, TestCase

from gateway.model.errors import Unreachable
from gateway.model.secret import Secret
from gateway.model.session import Closing, Ending
from gateway.model.target import (
    Address,
    ConsoleKind,
    Pin,
    Security,
    SecurityType,
    Target,
    TcpAddress,
    TlsPolicy,
    UnixAddress,
)
from gateway.net.dial import Dialer
from gateway.wire.rfb.pixels import ServerInit
from tests.support.certs import Authority
from tests.support.pipes import RecordingReceiver

START_SECONDS = 20.0
PASSWORD = Secret("s3cret!")
BY_PASSWORD = Security(SecurityType.VNC, PASSWORD)
FULL_REQUEST = b"\x03\x00" + b"\0\0\0\0" + b"\0\x10\0\x10"
"""FramebufferUpdateRequest: not incremental, 16 by 16 pixels."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def sleep(seconds: float) -> None:
    await deferLater(reactor, seconds, lambda: None)


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    end = reactor.seconds() + seconds
    while not condition():
        if reactor.seconds() > end:
            raise AssertionError("it did not happen in time")
        await sleep(0.02)


async def read_all(peer: socket.socket) -> bytes:
    """Everything until the FIN, from a socket that does not block."""
    received = bytearray()

    def ended() -> bool:
        try:
            while data := peer.recv(1 << 16):
                received.extend(data)
        except BlockingIOError:
            return False
        return True

    await eventually(ended)
    return bytes(received)


class RealServers(TestCase):
    """Starts programs, and ends them with the test."""

    timeout = 60

    def start(self, *command: str) -> None:
        if shutil.which(command[0]) is None:
            raise SkipTest(f"{command[0]} is not installed")
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def directory(self) -> Path:
        path = Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, path)
        return path

    async def dial(self, address: Address, security: Security = Security()):  # noqa: B008 - a frozen value
        """Dial until the server is up; a final refusal is told at once."""
        end = reactor.seconds() + START_SECONDS
        while True:
            try:
                return await Dialer(reactor)(Target(ConsoleKind.VNC, (address,), security))
            except Unreachable as error:
                if error.final or reactor.seconds() > end:
                    raise
            await sleep(0.1)

    async def see_pixels(self, upstream) -> ServerInit:
        """Ask for a part of the screen and get it."""
        receiver = RecordingReceiver()
        upstream.pipe.start(receiver)
        upstream.pipe.send(FULL_REQUEST)
        await eventually(lambda: len(receiver.data) >= 4 + 12 + 16 * 16 * 4)
        self.assertEqual(0, receiver.data[0])
        upstream.pipe.close(Closing.of(Ending.FINISHED))
        await eventually(lambda: receiver.events != [])
        return ServerInit.parse(upstream.greeting)


class XvncTests(RealServers):
    """TigerVNC's server."""

    def start_xvnc(self, *options: str) -> Address:
        port = free_port()
        number = 100 + os.getpid() % 400 + port % 97
        self.start(
            "Xvnc", f":{number}", "-rfbport", str(port), "-localhost", "-geometry", "320x200", "-depth", "24", *options
        )
        return TcpAddress("127.0.0.1", port)

    async def test_without_a_password(self) -> None:
        """Xvnc without a log-in shows its screen; its name arrives."""
        address = self.start_xvnc("-SecurityTypes", "None", "-desktop", "lab")
        init = await self.see_pixels(await self.dial(address))
        self.assertEqual((320, 200), (init.width, init.height))
        self.assertIn(b"lab", init.name)

    async def test_with_a_password(self) -> None:
        """The password opens it; a wrong one, and none, are final refusals."""
        file = self.directory() / "passwd"
        made = subprocess.run(["vncpasswd", "-f"], input=PASSWORD.reveal().encode(), capture_output=True, check=True)
        file.write_bytes(made.stdout)
        file.chmod(0o600)
        address = self.start_xvnc("-SecurityTypes", "VncAuth", "-PasswordFile", str(file))
        await self.see_pixels(await self.dial(address, BY_PASSWORD))
        for security in (Security(SecurityType.VNC, Secret("wrong")), Security()):
            with self.assertRaises(Unreachable) as refused:
                await self.dial(address, security)
            self.assertTrue(refused.exception.final)


class QemuTests(RealServers):
    """QEMU's own VNC server, over TCP and over a unix socket."""

    def start_qemu(self, display: str) -> None:
        self.start(
            "qemu-system-x86_64", "-display", "none", "-accel", "tcg", "-m", "64", "-nodefaults", "-vga", "std",
            "-S", "-vnc", display,
        )  # fmt: skip

    async def test_tcp(self) -> None:
        """A machine's screen arrives."""
        number = free_port() - 5900
        self.start_qemu(f"127.0.0.1:{number}")
        await self.see_pixels(await self.dial(TcpAddress("127.0.0.1", 5900 + number)))

    async def test_unix(self) -> None:
        """The same over a socket in the file system."""
        path = str(self.directory() / "vnc.sock")
        self.start_qemu(f"unix:{path}")
        await self.see_pixels(await self.dial(UnixAddress(path)))


class Echo(Protocol):
    """Sends back what it receives, and closes on request."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)
        if data.endswith(b"bye"):
            self.transport.loseConnection()


class TcpTests(TestCase):
    """A raw console over plain loopback TCP: what a transport in memory cannot show."""

    timeout = 30

    async def meet(self):
        """Listen, dial, accept: the pipe, and the peer's plain socket."""
        listening = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listening.close)
        upstream = await Dialer(reactor)(
            Target(ConsoleKind.RAW, (TcpAddress("127.0.0.1", listening.getsockname()[1]),))
        )
        peer, _ = listening.accept()
        self.addCleanup(peer.close)
        peer.setblocking(False)
        receiver = RecordingReceiver()
        upstream.pipe.start(receiver)
        return upstream.pipe, peer, receiver

    async def test_half_closes(self) -> None:
        """The peer's FIN is told once and leaves our way open; ours ends the rest, with a goodbye."""
        pipe, peer, receiver = await self.meet()
        peer.sendall(b"last")
        peer.shutdown(socket.SHUT_WR)
        await eventually(lambda: receiver.events == ["ended"])
        pipe.pause()
        pipe.resume()
        await sleep(0.05)
        pipe.send(b"answer")
        pipe.half_close()
        await eventually(lambda: receiver.events == ["ended", "goodbye"])
        self.assertEqual((b"last", b"answer"), (receiver.data, await read_all(peer)))

    async def test_ours_first(self) -> None:
        """After our FIN the peer's bytes still come."""
        pipe, peer, receiver = await self.meet()
        pipe.half_close()
        self.assertEqual(b"", await read_all(peer))
        peer.sendall(b"the rest")
        await eventually(lambda: receiver.data == b"the rest")
        peer.close()
        await eventually(lambda: "goodbye" in receiver.events)

    async def test_reset(self) -> None:
        """A reset is a loss, not a goodbye."""
        _, peer, receiver = await self.meet()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        await eventually(lambda: receiver.events == ["lost"])

    async def test_a_peer_that_does_not_read(self) -> None:
        """It makes the pipe full; closing then flushes once it reads again, half-closing too."""
        for act, events in (("close", ["full", "goodbye"]), ("half_close", ["full", "drained"])):
            pipe, peer, receiver = await self.meet()
            sent = await self.fill(pipe, receiver)
            if act == "close":
                pipe.close(Closing.of(Ending.FINISHED))
            else:
                pipe.half_close()
            self.assertEqual(sent, len(await read_all(peer)))
            await eventually(lambda receiver=receiver, events=events: receiver.events == events)
            pipe.abort()
            await eventually(lambda receiver=receiver: receiver.events[-1] in ("goodbye", "lost"))

    async def fill(self, pipe, receiver) -> int:
        """Send until the pipe is full; how much that was."""
        sent = 0
        while "full" not in receiver.events and sent < 1 << 26:
            pipe.send(bytes(1 << 16))
            sent += 1 << 16
            await sleep(0)
        self.assertEqual(["full"], receiver.events)
        return sent


class TlsTests(TestCase):
    """A raw console behind TLS, over loopback."""

    timeout = 30

    def setUp(self) -> None:
        self.authority = Authority()
        pile, self.der = self.authority.issue_der("localhost", ips=("127.0.0.1",))
        options = PrivateCertificate.loadPEM(pile).options()
        port = reactor.listenSSL(0, Factory.forProtocol(Echo), options, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.port = port.getHost().port

    def dial(self, policy: TlsPolicy, host: str = "127.0.0.1"):
        target = Target(ConsoleKind.RAW, (TcpAddress(host, self.port),), tls=policy)
        return Deferred.fromCoroutine(Dialer(reactor)(target))

    async def test_bytes_both_ways(self) -> None:
        """By CA and by pin, by address and by name: a megabyte comes back whole, then a goodbye."""
        pin = Pin("sha256", hashlib.sha256(self.der).hexdigest())
        for policy, host in (
            (TlsPolicy(ca=self.authority.pem), "127.0.0.1"),
            (TlsPolicy(ca=self.authority.pem), "localhost"),
            (TlsPolicy(pins=(pin,)), "127.0.0.1"),
        ):
            receiver = RecordingReceiver()
            pipe = (await self.dial(policy, host)).pipe
            pipe.start(receiver)
            sent = os.urandom(1 << 20) + b"bye"
            pipe.send(sent)
            await eventually(lambda receiver=receiver: "goodbye" in receiver.events)
            self.assertEqual(sent, receiver.data)

    async def test_a_pause_holds_under_tls(self) -> None:
        """A paused pipe delivers nothing, not even what TLS had decrypted, and everything once resumed."""
        receiver = RecordingReceiver()
        pipe = (await self.dial(TlsPolicy(ca=self.authority.pem))).pipe

        class PausesOnce(RecordingReceiver):
            def pipe_data(self, data: bytes) -> None:
                super().pipe_data(data)
                pipe.pause()

        receiver = PausesOnce()
        pipe.start(receiver)
        pipe.send(bytes(1 << 18))
        await eventually(lambda: receiver.data != b"")
        before = len(receiver.data)
        await sleep(0.1)
        self.assertEqual(before, len(receiver.data))
        second = RecordingReceiver()
        pipe.start(second)
        await eventually(lambda: before + len(second.data) == 1 << 18)
        pipe.close(Closing.of(Ending.FINISHED))
        await eventually(lambda: second.events[-1:] == ["goodbye"])

    async def test_a_wrong_certificate(self) -> None:
        """A certificate that does not fit is a final refusal in words, and nothing of ours is sent."""
        for policy, words in (
            (TlsPolicy(ca=Authority("another").pem), "not signed by the configured CA"),
            (TlsPolicy(ca=self.authority.pem, server_name="lab.example.com"), "is for localhost, 127.0.0.1, not lab"),
            (TlsPolicy(pins=(Pin("sha1", "00" * 20),)), "does not match the pin"),
        ):
            with self.assertRaises(Unreachable) as refused:
                await self.dial(policy)
            self.assertTrue(refused.exception.final)
            self.assertIn(words, str(refused.exception))
