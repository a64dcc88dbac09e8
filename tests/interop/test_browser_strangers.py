"""
The page among strangers, in a real Chromium: in other sites' frames, with parameters that would lead it astray.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from PIL import Image

from tests.support.browser import (
    CANVAS,
    BrowserCase,
    World,
    canvas_picture,
    canvas_point,
    picture_of,
    until_canvas_shows,
    until_state,
)
from tests.support.running import Gateway, Xvnc, answers, need, until
from tests.support.static_site import StaticSite

PAGES = Path(__file__).parent / "pages"

OPEN_SOCKET = """url => new Promise((resolve) => {
    const socket = new WebSocket(url, ["binary"]);
    socket.onmessage = async (event) => resolve(await event.data.slice(0, 12).text());
    socket.onclose = (event) => resolve(event.code);
})"""


REDEEM = """([url, ticket]) => fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ ticket, holder: "h".repeat(43) }),
}).then(() => "answered", () => "failed")"""

ATTEMPTS = (
    "document.body.append(Object.assign(new Image(), { src: `http://${stranger}/portal.html` }))",
    "document.body.append(Object.assign(document.createElement('script'), { src: `http://${stranger}/x.js` }))",
    "document.body.append(Object.assign(document.createElement('script'), { textContent: 'ran = 1' }))",
    "document.body.setAttribute('style', 'opacity: 0')",
    "new WebSocket(`ws://${stranger}/`)",
    "fetch(`http://${stranger}/portal.html`)",
)
"""What the policy forbids, in JavaScript; ``stranger`` is a host and port where somebody answers."""


class StrangerTests(BrowserCase):
    """One gateway that allows a portal, and one that allows nobody."""

    def furnish(self, world: World) -> None:
        need("import")
        world.portal = world.keep(StaticSite(world.directory, PAGES), StaticSite.stop)
        world.lab = world.keep(Xvnc(world.directory, geometry="320x240"), Xvnc.stop)
        world.lab.do("xsetroot", "-mod", "7", "3", "-fg", "gold", "-bg", "navy")
        consoles = (
            f'[console.lab]\nkind = "vnc"\naddress = "127.0.0.1:{world.lab.port}"\n[console.demo]\nkind = "demo"\n'
        )
        allowed = f'[browser]\nallowed_origins = ["{world.portal.url}"]\n'
        world.gateway = world.keep(Gateway(consoles, more=allowed), Gateway.clean).start()
        world.closed = world.keep(Gateway(consoles), Gateway.clean).start()

    def setUp(self) -> None:
        super().setUp()
        self.portal, self.closed = self.world.portal, self.world.closed

    def origins(self) -> list[str]:
        return [self.gateway.url, self.portal.url, self.closed.url]

    def embedded(self, url: str) -> tuple[Any, Any]:
        """The portal with a console in its frame: the page, and the frame."""
        page = self.context.new_page()
        page.goto(f"{self.portal.url}/portal.html#{quote(url)}")
        return page, page.frame_locator("#console")

    def frame(self, page: Any) -> Any:
        return until("the frame", lambda: page.frames[1:])[0]

    # Frames.

    def test_framed_by_an_allowed_site(self) -> None:
        """In the frame of an allowed site the console opens, takes keys, and continues when the portal is reloaded."""
        made = self.gateway.mint("demo")
        page, frame = self.embedded(made["urls"]["page"])
        until("connected", lambda: "Connected" in frame.locator("#state").inner_text())
        until("a picture", lambda: canvas_picture(self.frame(page)))
        before = canvas_picture(self.frame(page)).crop((48, 330, 700, 360))
        frame.locator(CANVAS).click()
        page.keyboard.type("from inside")
        until(
            "the typed text",
            lambda: canvas_picture(self.frame(page)).crop((48, 330, 700, 360)).tobytes() != before.tobytes(),
        )
        self.frame(page).evaluate("location.reload()")
        until("a second connection", lambda: [s["generation"] for s in self.sessions_of(made["id"])] == [2])
        until("connected", lambda: "Connected" in frame.locator("#state").inner_text())

    def test_framed_by_anybody_else(self) -> None:
        """A gateway that allows no site is not shown in a frame, and the ticket is not spent."""
        made = self.closed.mint("demo")
        page, _ = self.embedded(made["urls"]["page"])
        until("the refusal", lambda: page.evaluate("1") and any("frame-ancestors" in c for c in self.watch.complaints))
        self.watch.complaints.clear()
        self.assertEqual([frame.query_selector("#state") for frame in page.frames[1:]], [None])
        self.assertEqual(self.closed.sessions(), [])
        self.visit(made["urls"]["page"], "Connected")

    # Other sites' scripts.

    def test_sockets_of_an_allowed_site(self) -> None:
        """A page of an allowed site opens a socket with a ticket and reads RFB."""
        page = self.context.new_page()
        page.goto(f"{self.portal.url}/portal.html")
        self.assertEqual(page.evaluate(OPEN_SOCKET, self.gateway.mint("demo")["urls"]["websocket"]), "RFB 003.008\n")

    def test_sockets_of_anybody_else(self) -> None:
        """A page of another site is refused, and the ticket is not spent by that."""
        made = self.closed.mint("demo")
        page = self.context.new_page()
        page.goto(f"{self.portal.url}/portal.html")
        self.assertEqual(page.evaluate(OPEN_SOCKET, made["urls"]["websocket"]), 1006)
        self.visit(made["urls"]["page"], "Connected")

    def test_api_of_anybody_else(self) -> None:
        """A page of another site cannot redeem a ticket."""
        made = self.closed.mint("demo")
        page = self.context.new_page()
        page.goto(f"{self.portal.url}/portal.html")
        self.assertEqual(page.evaluate(REDEEM, [f"{self.closed.url}/api/v1/redeem", made["ticket"]]), "failed")
        self.assertEqual(self.closed.sessions(), [])

    # Parameters.

    def test_parameters_lead_nowhere(self) -> None:
        """Nothing in the address makes the page speak to another host, port or path."""
        astray = f"host=127.0.0.1&port={self.portal.port}&path=evil&encrypt=0&url=ws://127.0.0.1:{self.portal.port}/"
        made = self.gateway.mint("lab", uses=9)
        base = f"{self.gateway.url}/console/"
        for url in (f"{base}?{astray}#{made['ticket']}", f"{base}?token=x&{astray}#{made['ticket']}"):
            page = self.visit(url, "Connected")
            until_canvas_shows(page, self.shown)
            page.close()
        for url in (f"{base}#{made['ticket']}?{astray}", f"{base}#{astray}", f"{base}?{astray}"):
            self.visit(url, "Closed").close()
        self.assertEqual(self.watch.strangers(self.gateway.url), [])
        sockets = {socket.url for socket in self.watch.sockets}
        self.assertEqual(sockets, {f"wss://localhost:{self.gateway.port}/console/socket"})

    def test_policy(self) -> None:
        """The policy is in force: strangers' images, scripts and sockets, and inline code, are refused and noticed."""
        page = self.open("lab")
        stranger = f"127.0.0.1:{self.portal.port}"
        self.assertTrue(answers(self.portal.port))
        for number, attempt in enumerate(ATTEMPTS):
            page.evaluate(f"stranger => {{ try {{ {attempt} }} catch {{ }} }}", stranger)
            refused = lambda most=number: page.evaluate("1") and len(self.watch.complaints) > most  # noqa: E731
            until(f"attempt {number} is refused", refused)
        self.assertIsNone(page.evaluate("window.ran ?? null"))
        self.watch.complaints.clear()
        self.watch.requests.clear()
        page.mouse.move(*canvas_point(page, 10, 10))
        until_canvas_shows(page, self.shown)
        until_state(page, "Connected")

    def shown(self) -> Image.Image:
        return picture_of(self.world.lab)
