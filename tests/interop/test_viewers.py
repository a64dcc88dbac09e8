"""
Stock VNC viewers at a real gateway's port: TigerVNC's, gtk-vnc's, and those that start with TLS.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SkipTest, SynchronousTestCase

from gateway.net.viewer import NOT_THIS_TICKET
from tests.support.browser import BrowserCase, World, difference, picture_of, until_canvas_shows
from tests.support.clients import tls_socket
from tests.support.machines import Machine, rfb_open
from tests.support.running import DEADLINE, ROOT, Gateway, Program, Xvnc, answers, free_port, need, until
from tests.support.viewers import (
    BareViewer,
    Refusal,
    Screen,
    SlowRoad,
    answer_gvncviewer,
    gvncviewer,
    remote_viewer,
    vncviewer,
)
from tests.support.wires import Wire

SIZE = (640, 480)


class _Case(SynchronousTestCase):
    """A machine, a gateway whose listener greets viewers, and a screen for their windows."""

    silent_after = 0.5
    more = ""

    def setUp(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="consolegw-viewers-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)

    def furnish(self) -> None:
        """Start everything; the machine has a terminal that writes what is typed to a file."""
        self.machine = Xvnc(self.directory)
        self.addCleanup(lambda: self.machine.stop())
        self.machine.do("xsetroot", "-mod", "9", "5", "-fg", "navy", "-bg", "wheat")
        self.typed = self.directory / "typed"
        terminal = ("xterm", "-geometry", "50x16+0+0", "-e", "sh", "-c", f"echo Ready; cat > {self.typed}")
        self.machine.run("env", "LC_ALL=C.UTF-8", *terminal)
        self.machine.wait_for_window("sh")
        self.gateway = self.start(f'[console.lab]\nkind = "vnc"\naddress = "127.0.0.1:{self.machine.port}"\n')
        self.screen = Screen(self.directory)
        self.addCleanup(self.screen.stop)

    def start(self, consoles: str, listen: str = 'silent = "rfb"\n') -> Gateway:
        """A gateway."""
        gateway = Gateway(consoles, listen=f"{listen}silent_after = {self.silent_after}\n", more=self.more)
        self.addCleanup(gateway.clean)
        return gateway.start()

    def ticket(self, **wish: Any) -> str:
        """For the lab."""
        return str(self.gateway.mint("lab", **wish)["ticket"])

    def until_shown(self, window: str) -> None:
        """Wait until a viewer's window shows what the machine shows."""

        def shown() -> bool:
            return difference(self.screen.shown(window, SIZE), picture_of(self.machine)) < 0.002

        until("the machine's picture", shown)

    def until_typed(self, window: str, text: str) -> None:
        """Type a line in a viewer's window, and wait until the machine has it."""
        self.screen.point(window, 100, 120)
        self.screen.do("xdotool", "click", "1", "windowfocus", window)
        self.screen.type(text)
        self.screen.keys("Return")
        until(f"{text!r} arrives", lambda: self.typed.exists() and text in self.typed.read_text())

    def until_state(self, state: str) -> None:
        """Wait until the only session is in this state."""
        until(f"the session is {state}", lambda: [one["state"] for one in self.gateway.sessions()] == [state])

    def until_ended(self, program: Program) -> int:
        """Wait until a viewer has gone; its status."""
        until(f"{program.name} ends", lambda: program.process.poll() is not None)
        return program.process.wait()


class TigerVncTests(_Case):
    """TigerVNC's viewer, with user and ticket in its environment."""

    def setUp(self) -> None:
        super().setUp()
        for program in ("vncviewer", "Xvfb", "xterm", "import", "xdotool"):
            need(program)
        self.furnish()

    def answer_yes(self) -> None:
        """Click “Yes” in the dialog that is there."""
        dialog = self.screen.window("TigerVNC Viewer")
        time.sleep(0.3)
        lines = self.screen.do("xdotool", "getwindowgeometry", "--shell", dialog).split()
        size = dict(line.split("=") for line in lines)
        self.screen.point(dialog, int(size["WIDTH"]) - 50, int(size["HEIGHT"]) - 24)
        self.screen.do("xdotool", "click", "1")

    def test_picture_and_keys(self) -> None:
        """The picture is the machine's, the name the console's, keys arrive, and leaving ends the session."""
        viewer = vncviewer(self.screen, self.gateway, self.ticket())
        window = self.screen.window("lab - TigerVNC")
        self.until_shown(window)
        self.until_typed(window, "hello from tiger")
        self.screen.keys("F8")
        time.sleep(0.5)
        self.screen.keys("c")  # “Disconnect”
        self.assertEqual(0, self.until_ended(viewer))
        until("the audit's line", self.gateway.audit)
        (line,) = self.gateway.audit()
        self.assertEqual(("viewer", "finished"), (line["way"], line["ending"]))

    def test_it_never_hangs(self) -> None:
        """Five of five sessions start: the viewer is not spoken TLS 1.3 to, whose tickets make it wait for ever."""
        for _ in range(5):
            viewer = vncviewer(self.screen, self.gateway, self.ticket(), user="lab")
            self.screen.window("lab - TigerVNC")
            viewer.stop()
            self.assertNotIn("TLS1.3", viewer.output)

    def test_wrong_ticket(self) -> None:
        """The viewer shows the reason, as often as it is told to try again, and the right ticket opens after that."""
        viewer = vncviewer(self.screen, self.gateway, "wrong")
        for tries in (1, 2, 3):
            until("the refusal", lambda tries=tries: viewer.output.count(NOT_THIS_TICKET) == tries)
            self.answer_yes()
        viewer.stop()
        vncviewer(self.screen, self.gateway, self.ticket())
        self.screen.window("lab - TigerVNC")

    def test_ended_by_an_operator(self) -> None:
        """An ended session is a good-bye: the viewer leaves without a question, and the ticket opens no more."""
        viewer = vncviewer(self.screen, self.gateway, self.ticket())
        self.screen.window("lab - TigerVNC")
        (session,) = self.gateway.sessions()
        self.gateway.call("DELETE", f"/api/v1/sessions/{session['id']}")
        self.assertEqual(0, self.until_ended(viewer))
        self.assertNotIn("non-properly", viewer.output)

    def test_lost_machine(self) -> None:
        """When the machine is lost the viewer offers to connect again, and continues with the same ticket."""
        viewer = vncviewer(self.screen, self.gateway, self.ticket())
        self.until_shown(self.screen.window("lab - TigerVNC"))
        self.machine.stop()
        until("the question", lambda: "non-properly terminated" in viewer.output)
        self.machine = Xvnc(self.directory, port=self.machine.port)
        self.machine.do("xsetroot", "-solid", "seagreen")
        self.answer_yes()
        self.until_shown(self.screen.window("lab - TigerVNC"))
        (session,) = self.gateway.sessions()
        self.assertEqual(2, session["generation"])


class NewestTlsTests(_Case):
    """A gateway that speaks nothing but TLS 1.3."""

    more = '[tls]\nminimum = "1.3"\n'

    def test_tigervnc_with_tls_1_3(self) -> None:
        """The answer keeps its distance from the session tickets, so that the viewer hears it; the log warns."""
        for program in ("vncviewer", "Xvfb", "xterm", "xdotool"):
            need(program)
        self.furnish()
        self.assertIn("Remmina cannot connect", self.gateway.log)
        for _ in range(3):
            viewer = vncviewer(self.screen, self.gateway, self.ticket())
            self.screen.window("lab - TigerVNC")
            viewer.stop()
        viewer = vncviewer(self.screen, self.gateway, "wrong")
        until("the refusal", lambda: NOT_THIS_TICKET in viewer.output)


class GtkVncTests(_Case):
    """gtk-vnc's viewer, on a listener so patient that the viewer speaks first."""

    silent_after = 5

    def setUp(self) -> None:
        super().setUp()
        for program in ("gvncviewer", "Xvfb", "xterm", "import", "xdotool", "unshare", "openssl"):
            need(program)
        self.furnish()

    def test_picture_and_keys(self) -> None:
        """It sends “RFB ” by itself and is greeted then; the picture is the machine's, and keys arrive."""
        begun = time.monotonic()
        gvncviewer(self.screen, self.gateway)
        self.screen.window("Authentication required")
        self.assertLess(time.monotonic() - begun, self.silent_after)
        answer_gvncviewer(self.screen, self.ticket(), user="anybody")
        self.until_state("relaying")
        window = self.screen.window("lab - GVncViewer")
        self.screen.do("xdotool", "mousemove", "1000", "760")  # the machine's pointer is in the picture otherwise
        self.until_shown(window)
        self.until_typed(window, "hello from gtk")

    def test_remote_viewer(self) -> None:
        """virt-viewer's viewer logs in by itself with a file."""
        remote_viewer(self.screen, self.gateway, self.ticket())
        self.until_state("relaying")
        self.until_typed(self.screen.window("lab"), "hello from virt")

    def test_wrong_ticket(self) -> None:
        """The reason is what it prints."""
        viewer = gvncviewer(self.screen, self.gateway)
        answer_gvncviewer(self.screen, "wrong")
        self.until_ended(viewer)
        self.assertIn(f"Authentication failed '{NOT_THIS_TICKET}'", viewer.output)


class _BareCase(_Case):
    """A machine of a few lines, and viewers that do what the test says."""

    listen = 'silent = "rfb"\n'

    def setUp(self) -> None:
        super().setUp()
        self.server = Machine(rfb_open)
        self.addCleanup(self.server.close)
        address = f'address = "{self.server.address}"\n'
        consoles = f'[console.lab]\nkind = "vnc"\n{address}[console.line]\nkind = "serial"\n{address}'
        self.gateway = self.start(consoles, self.listen)

    def viewer(self, **more: Any) -> BareViewer:
        """A viewer."""
        viewer = BareViewer(more.pop("port", self.gateway.port), **more)
        self.addCleanup(lambda: viewer.socket.close())  # it may be another one by then
        return viewer


class BareTests(_BareCase):
    """What only bytes show."""

    def test_outside_tls(self) -> None:
        """3.8 and 3.7, also with the version in two pieces; at most TLS 1.2, and the ticket's URL names no ticket."""
        for more in ({}, {"version": b"RFB 003.007\n"}, {"early": b"RFB "}):
            minted = self.gateway.mint("lab")
            self.assertEqual(f"vnc://localhost:{self.gateway.port}", minted["urls"]["vnc"])
            viewer = self.viewer(**more).log_in(minted["ticket"], user="x" * 1024)
            self.assertEqual(("lab", "TLSv1.2"), (viewer.meet(), viewer.tls_version))

    def test_inside_tls(self) -> None:
        """Inside TLS a client without ALPN is greeted and shows its ticket in Plain; any TLS will do there."""
        viewer = self.viewer(tls_first=True).log_in(self.ticket())
        self.assertEqual(("lab", "TLSv1.3"), (viewer.meet(), viewer.tls_version))

    def test_openssl_sees_the_greeting(self) -> None:
        """What docs/clients.md tells an operator to look for is there."""
        command = (
            f"sleep 2 | {need('openssl')} s_client -quiet -connect localhost:{self.gateway.port}"
            f" -CAfile {self.gateway.certificate} -verify_return_error | head -c 12"
        )
        shown = subprocess.run(["sh", "-c", command], capture_output=True, timeout=DEADLINE)
        self.assertEqual(b"RFB 003.008\n", shown.stdout)

    def test_refusals_look_alike(self) -> None:
        """An unknown ticket, a spent one, one that is open and one for a serial line hear the same, once."""
        spent, busy = self.ticket(), self.ticket()
        one = self.viewer().log_in(spent)
        one.meet()
        one.close()
        until("the session ends", self.gateway.audit)
        other = self.viewer().log_in(busy)
        other.meet()
        for ticket in ("", "unknown", spent, busy, "x" * 4096, self.gateway.mint("line")["ticket"]):
            viewer = self.viewer()
            with self.assertRaises(Refusal) as caught:
                viewer.log_in(ticket)
            self.assertEqual((NOT_THIS_TICKET, "goodbye"), (str(caught.exception), viewer.ending()))

    def test_no_lock_out(self) -> None:
        """After ten wrong tickets in a row the right one is taken a second later."""
        for _ in range(10):
            with self.assertRaises(Refusal):
                self.viewer().log_in("wrong")
        time.sleep(1)
        self.assertEqual("lab", self.viewer().log_in(self.ticket()).meet())

    def test_sent_away(self) -> None:
        """A gateway that goes down cuts its viewers; with the same ticket they continue where they can."""
        ticket = self.ticket()
        viewer = self.viewer().log_in(ticket)
        viewer.meet()
        self.server.newest.send(bytes(2))  # half a message: what was sent gets out before the cut
        assert self.gateway.program is not None
        self.gateway.program.process.terminate()
        self.assertEqual("cut", viewer.ending())
        self.gateway.stop()
        self.gateway.start()
        self.assertEqual("lab", self.viewer().log_in(ticket).meet())

    def test_vanished_and_back(self) -> None:
        """A viewer that was cut off comes back to its session with the same ticket."""
        ticket = self.ticket()
        viewer = self.viewer().log_in(ticket)
        viewer.meet()
        viewer.cut()
        self.until_state("parked")
        self.assertEqual("lab", self.viewer().log_in(ticket).meet())
        self.until_state("relaying")

    def test_alpn_is_not_greeted(self) -> None:
        """A browser's idle connection offers ALPN and is left in peace; HTTP works on it afterwards."""
        idle = self.viewer(tls_first=True, alpn=("http/1.1",))
        idle.socket.settimeout(1.5)
        self.assertRaises(TimeoutError, idle.socket.recv, 1)
        idle.socket.settimeout(DEADLINE)
        idle.socket.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertEqual(b"HTTP/1.1 200", idle.take(12))


class VanishedTests(_BareCase):
    """A viewer on another machine (a network of its own), whose cable is cut."""

    HERE, THERE = "10.213.7.1", "10.213.7.2"

    def setUp(self) -> None:
        if os.geteuid():
            raise SkipTest("a network of its own needs root")
        super().setUp()
        self.space = f"consolegw-{os.getpid()}"
        inner, self.cable = f"vb{os.getpid()}", f"va{os.getpid()}"
        self.ip("netns", "add", self.space)
        self.addCleanup(self.ip, "netns", "del", self.space)
        self.ip("link", "add", self.cable, "type", "veth", "peer", "name", inner, "netns", self.space)
        self.ip("addr", "add", f"{self.HERE}/24", "dev", self.cable)
        self.ip("link", "set", self.cable, "up")
        self.ip("-n", self.space, "addr", "add", f"{self.THERE}/24", "dev", inner)
        self.ip("-n", self.space, "link", "set", inner, "up")

    def ip(self, *arguments: str) -> None:
        """Set up a network, or skip."""
        done = subprocess.run([need("ip"), *arguments], capture_output=True, text=True)
        if done.returncode:
            raise SkipTest(f"ip {' '.join(arguments)}: {done.stderr}")

    def far_viewer(self, ticket: str) -> Program:
        """A viewer over there that has come in, and does nothing."""
        script = (
            "import time; from tests.support.viewers import BareViewer;"
            f" viewer = BareViewer({self.gateway.port}, host={self.HERE!r}).log_in({ticket!r});"
            " print(viewer.meet(), flush=True); time.sleep(600)"
        )
        argv = [need("ip"), "netns", "exec", self.space, sys.executable, "-c", script]
        program = Program(self.directory, "far-viewer", argv, env=os.environ | {"PYTHONPATH": str(ROOT)})
        self.addCleanup(program.stop, signal.SIGKILL)
        program.wait_for(lambda: "lab" in program.output, "is let in")
        return program

    def test_cut_cable(self) -> None:
        """While its machine lives a viewer keeps its session, hanging or not; without it another one continues."""
        ticket = self.ticket(roaming=True)
        program = self.far_viewer(ticket)
        self.until_state("relaying")
        for stopped in (False, True):
            if stopped:
                program.process.send_signal(signal.SIGSTOP)
            time.sleep(2)
            with self.assertRaises(Refusal):
                self.viewer().log_in(ticket)
        self.ip("link", "set", self.cable, "down")
        time.sleep(2)
        begun = time.monotonic()
        self.assertEqual("lab", self.viewer().log_in(ticket).meet())
        self.assertLess(time.monotonic() - begun, 6)
        (session,) = self.gateway.sessions()
        self.assertEqual(2, session["generation"])


class QuietTests(_BareCase):
    """Listeners and names that greet nobody."""

    listen = 'silent_by_name = { "Web.example.com" = "close" }\n'

    def test_no_viewers_outside(self) -> None:
        """“RFB ” outside TLS is junk, silence is not answered, and tickets have no URL for it; inside is as ever."""
        wire = Wire(self.gateway.port)
        wire.send(b"RFB ")
        self.assertEqual(b"", wire.rest())
        self.assertTrue(Wire(self.gateway.port).quiet(1.5))
        self.assertNotIn("vnc", self.gateway.mint("lab")["urls"])
        self.assertEqual("lab", self.viewer(tls_first=True).log_in(self.ticket()).meet())

    def test_a_name_without_viewers(self) -> None:
        """Under a name that closes neither silence nor “RFB ” is answered inside TLS."""
        bare = tls_socket(self.gateway, server_name="web.example.com")
        self.addCleanup(bare.close)
        bare.settimeout(1.5)
        self.assertRaises(TimeoutError, bare.recv, 1)
        bare.settimeout(DEADLINE)
        bare.sendall(b"RFB 003.008\n")
        self.assertEqual(b"", bare.recv(100))


class SlowRoadTests(BrowserCase):
    """A browser on a listener that greets viewers, behind a road of 600 ms there and back."""

    def furnish(self, world: World) -> None:
        world.lab = world.keep(Xvnc(world.directory), Xvnc.stop)
        world.lab.do("xsetroot", "-mod", "9", "5", "-fg", "navy", "-bg", "wheat")
        port = free_port()
        world.road = world.keep(SlowRoad(port, 0.3), SlowRoad.close)
        url = f"https://localhost:{world.road.port}"
        gateway = Gateway(
            f'[console.lab]\nkind = "vnc"\naddress = "127.0.0.1:{world.lab.port}"\n',
            listen=f'silent = "rfb"\nsilent_after = 2.0\npublic_url = "{url}"\n',
            port=port,
        )
        world.gateway = world.keep(gateway.start(), Gateway.clean)

    def test_browser_and_viewer(self) -> None:
        """Browser and viewer come through the same slow road to the same port, and neither is taken for the other."""
        self.assertTrue(answers(self.world.road.port))
        page = self.open("lab")
        until_canvas_shows(page, lambda: picture_of(self.world.lab))
        viewer = BareViewer(self.world.road.port)
        self.addCleanup(viewer.socket.close)
        self.assertEqual("lab", viewer.log_in(self.gateway.mint("lab")["ticket"]).meet())
