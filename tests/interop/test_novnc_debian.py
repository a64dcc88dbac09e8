"""
Debian's noVNC 1.3 pages, served by somebody else, as clients of the gateway: the ticket stands in the socket's path.
"""

from __future__ import annotations

from typing import Any
from unittest import SkipTest
from urllib.parse import quote

from PIL import Image

from tests.support.browser import BrowserCase, World, picture_of, until_canvas_shows
from tests.support.running import ROOT, Gateway, Xvnc, need, until
from tests.support.static_site import StaticSite

NOVNC = ROOT / ".work/novnc/usr/share/novnc"
FULL, LITE = "#noVNC_container canvas", "#screen canvas"


class DebianPageTests(BrowserCase):
    """vnc.html from an HTTP server, vnc_lite.html from an HTTPS server (it takes the socket's scheme from the page)."""

    def furnish(self, world: World) -> None:
        for program in ("import", "xterm"):
            need(program)
        if not NOVNC.is_dir():
            raise SkipTest("Debian's novnc is not unpacked in .work/novnc (tests/support/packages.sh)")
        world.lab = world.keep(Xvnc(world.directory, geometry="640x400"), Xvnc.stop)
        world.lab.do("xsetroot", "-mod", "7", "3", "-fg", "gold", "-bg", "navy")
        script = f"cat > {world.directory}/typed"
        world.lab.run("xterm", "-geometry", "60x10+0+0", "-e", "sh", "-c", script)
        consoles = f'[console.lab]\nkind = "vnc"\naddress = "127.0.0.1:{world.lab.port}"\n'
        stranger = Gateway(consoles)
        world.stranger = world.keep(stranger, Gateway.clean).start()
        world.plain = world.keep(StaticSite(world.directory, NOVNC), StaticSite.stop)
        world.secure = world.keep(StaticSite(world.directory, NOVNC, stranger.certificate), StaticSite.stop)
        allowed = f'[browser]\nallowed_origins = ["{world.plain.url}", "{world.secure.url}"]\n'
        world.gateway = world.keep(Gateway(consoles, more=allowed), Gateway.clean).start()

    def origins(self) -> list[str]:
        return [self.gateway.url, self.world.plain.url, self.world.secure.url, self.world.stranger.url]

    def at(self, url: str, **parameters: Any) -> Any:
        """A tab at one of Debian's pages."""
        page = self.context.new_page()
        page.goto(url + "?" + "&".join(f"{name}={quote(str(value), safe='')}" for name, value in parameters.items()))
        return page

    def shown(self) -> Image.Image:
        return picture_of(self.world.lab)

    def full(self, path: str, gateway: Gateway | None = None) -> Any:
        port = (gateway or self.gateway).port
        where = {"host": "localhost", "port": port, "encrypt": 1, "path": path}
        return self.at(f"{self.world.plain.url}/vnc.html", autoconnect=1, **where)

    def test_full_page(self) -> None:
        """vnc.html shows the console, with the ticket in the query or in the path."""
        for form in ("?token={}", "websockify?token={}", "ticket/{}"):
            page = self.full(form.format(self.gateway.mint("lab")["ticket"]))
            until_canvas_shows(page, self.shown, selector=FULL)
            page.close()

    def test_full_page_names_the_console(self) -> None:
        """What vnc.html shows as the desktop's name is the console's."""
        page = self.full(f"?token={self.gateway.mint('lab')['ticket']}")
        until("the title", lambda: page.title().startswith("lab "))
        self.assertNotIn("inside.example", page.content())

    def test_typing(self) -> None:
        """Keys typed into vnc.html arrive."""
        page = self.full(f"?token={self.gateway.mint('lab')['ticket']}")
        until_canvas_shows(page, self.shown, selector=FULL)
        page.locator(FULL).click(position={"x": 40, "y": 40})
        page.keyboard.type("From Debian\n")
        typed = self.world.directory / "typed"
        until("the line", lambda: "From Debian\n" in typed.read_text())

    def test_lite_page(self) -> None:
        """vnc_lite.html shows the console."""
        path = f"websockify?token={self.gateway.mint('lab')['ticket']}"
        where = {"host": "localhost", "port": self.gateway.port, "path": path}
        page = self.at(f"{self.world.secure.url}/vnc_lite.html", **where)
        until_canvas_shows(page, self.shown, selector=LITE)
        self.assertEqual(page.inner_text("#status"), "Connected to lab")

    def test_site_that_is_not_allowed(self) -> None:
        """The same page is refused by a gateway that does not allow its site, and the ticket keeps its use."""
        made = self.world.stranger.mint("lab")
        page = self.full(f"?token={made['ticket']}", self.world.stranger)
        until("the failure", lambda: "Failed to connect" in page.inner_text("#noVNC_status"))
        self.visit(made["urls"]["page"], "Connected")
