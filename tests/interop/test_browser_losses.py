"""
The page in a real Chromium when something is lost: the gateway, its answers, the machine. It comes back by itself.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from PIL import Image

from tests.support.browser import BrowserCase, World, canvas_point, picture_of, until_canvas_shows, until_state
from tests.support.running import DEADLINE, Gateway, Xvnc, need, until

SHOWN = "() => [...document.querySelectorAll('#still:not([hidden])')].map((still) => still.width)"

ONE_PIXEL = bytes([3, 0, 0, 0, 0, 0, 0, 1, 0, 1])
"""FramebufferUpdateRequest for one pixel: how the page asks whether anybody is there."""


class LossTests(BrowserCase):
    """An Xvnc and a gateway, either of which may die."""

    def furnish(self, world: World) -> None:
        for program in ("import", "xsetroot", "xev"):
            need(program)
        self.start_machine(world, "orchid")
        world.keep(world, lambda world: world.lab.stop())
        consoles = f'[console.lab]\nkind = "vnc"\naddress = "127.0.0.1:{world.lab.port}"\n'
        world.gateway = world.keep(Gateway(consoles), Gateway.clean).start()

    @staticmethod
    def start_machine(world: World, colour: str, port: int = 0) -> None:
        world.lab = Xvnc(world.directory, geometry="320x240", port=port)
        world.lab.do("xsetroot", "-mod", "7", "3", "-fg", colour, "-bg", "black")
        world.lab.run("xev", "-geometry", "100x100+50+50", "-event", "keyboard")
        world.lab.wait_for_window("Event Tester")

    def shown(self) -> Image.Image:
        return picture_of(self.world.lab)

    def connected(self) -> tuple[Any, Any]:
        """A page that shows the machine, and its ticket."""
        made = self.gateway.mint("lab")
        page = self.visit(made["urls"]["page"], "Connected")
        until_canvas_shows(page, self.shown)
        return page, made

    def until_lost(self, page: Any) -> None:
        """The page says that it has lost the connection, and keeps the picture, dimmed."""
        until_state(page, "Connection lost — reconnecting")
        self.assertEqual(page.evaluate(SHOWN), [320])
        until("dimmed", lambda: "brightness(0.45)" in page.evaluate("getComputedStyle(still).filter"))
        page.screenshot(path=f"pictures/lost-{self._testMethodName}.png")

    def until_back(self, page: Any, made: Any, session: str) -> None:
        """The same session shows the machine again; no further ticket, and nobody had to do anything."""
        until_state(page, "Connected")
        until("the kept picture is gone", lambda: page.evaluate(SHOWN) == [])
        until_canvas_shows(page, self.shown)
        self.assertEqual([one["id"] for one in self.sessions_of(made["id"])], [session])

    def test_killed_gateway(self) -> None:
        """The gateway is killed and started again: the picture stays, and the session continues."""
        page, made = self.connected()
        (before,) = self.sessions_of(made["id"])
        self.gateway.program.stop(signal.SIGKILL)
        self.until_lost(page)
        self.gateway.start()
        self.until_back(page, made, before["id"])

    def test_stopped_gateway(self) -> None:
        """The gateway is shut down and started again: told to come back, the page does."""
        page, made = self.connected()
        (before,) = self.sessions_of(made["id"])
        self.assertEqual(self.gateway.stop(), 0)
        self.until_lost(page)
        self.gateway.start()
        self.until_back(page, made, before["id"])

    def test_frozen_gateway(self) -> None:
        """The gateway freezes, which closes no socket: the page notices, and continues when it runs again."""
        page, made = self.connected()
        (before,) = self.sessions_of(made["id"])
        os.kill(self.gateway.pid, signal.SIGSTOP)
        try:
            self.until_lost(page)
        finally:
            os.kill(self.gateway.pid, signal.SIGCONT)
        self.until_back(page, made, before["id"])
        self.assertGreater(self.sessions_of(made["id"])[0]["generation"], before["generation"])

    def test_quiet_machine(self) -> None:
        """A machine on which nothing moves is no loss: the probe is answered, and the connection stays."""
        page, made = self.connected()
        until("two probes", lambda: page.evaluate("1") and self.watch.sent.count(ONE_PIXEL) >= 2)
        frames = len(self.watch.frames)
        until("the answer", lambda: page.evaluate("1") and len(self.watch.frames) > frames)
        self.assertEqual([one["generation"] for one in self.sessions_of(made["id"])], [1])
        self.assertEqual(len(self.watch.sockets), 1)

    def test_restarted_machine(self) -> None:
        """The machine dies and comes back with another screen: the page shows that, and keys reach it."""
        page, made = self.connected()
        (before,) = self.sessions_of(made["id"])
        self.world.lab.stop()
        self.until_lost(page)
        self.start_machine(self.world, "palegreen", self.world.lab.port)
        self.until_back(page, made, before["id"])
        page.mouse.move(*self.middle(page))
        page.keyboard.press("k")
        until("the key", lambda: "keysym 0x6b, k" in self.world.lab.clients[0].output)

    def test_cut_network(self) -> None:
        """The browser's network goes and returns: the page does not wait out its delay then."""
        page, made = self.connected()
        (before,) = self.sessions_of(made["id"])
        self.context.set_offline(True)
        self.gateway.program.stop(signal.SIGKILL)
        self.until_lost(page)
        self.gateway.start()
        self.context.set_offline(False)
        self.until_back(page, made, before["id"])

    def test_ended_meanwhile(self) -> None:
        """A session that an operator ends while the page is away is not there any more when it comes back: in words."""
        page, made = self.connected()
        self.context.set_offline(True)
        os.kill(self.gateway.pid, signal.SIGSTOP)
        try:
            self.until_lost(page)
        finally:
            os.kill(self.gateway.pid, signal.SIGCONT)
        self.assertEqual(self.gateway.call("DELETE", f"/api/v1/tickets/{made['id']}").status, 204)
        self.context.set_offline(False)
        until("words", lambda: "ithdrawn" in page.inner_text("#card") or "ended" in page.inner_text("#card"), DEADLINE)
        page.screenshot(path="pictures/ended-meanwhile.png")

    @staticmethod
    def middle(page: Any) -> tuple[int, int]:
        return canvas_point(page, 100, 100)
