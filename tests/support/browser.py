"""
A real Chromium, headless, for pages that the gateway serves.

Playwright's synchronous API; pictures of canvases come back as Pillow images.
"""

from __future__ import annotations

import base64
import io
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image, ImageChops
from twisted.trial.unittest import SynchronousTestCase

from tests.support.running import Gateway, Qemu, Xvnc, need, until
from tests.support.sharing import end_all, shared

T = TypeVar("T")

CANVAS = "#screens canvas"
VIEWPORT = {"width": 1024, "height": 768}
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser; each of its contexts is like a new profile."""
    from playwright.sync_api import sync_playwright

    path = need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


class World:
    """What the tests of one class share: a directory, a browser, and what the class puts there."""

    gateway: Gateway

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.directory = Path(tempfile.mkdtemp(prefix="consolegw-browser-"))
        self._stack.callback(shutil.rmtree, self.directory, ignore_errors=True)
        self.browser = self._stack.enter_context(chromium())

    def keep(self, thing: T, end: Callable[[T], object]) -> T:
        """Have something ended with the class."""
        self._stack.callback(end, thing)
        return thing

    def close(self) -> None:
        """End everything, the latest first."""
        self._stack.close()


class Watch:
    """Sees what the pages of a context ask for, and what the browser and they complain about."""

    def __init__(self, context: Any) -> None:
        self.requests: list[str] = []
        self.sockets: list[Any] = []
        self.frames: list[bytes] = []
        self.sent: list[bytes] = []
        self.complaints: list[str] = []
        context.on("request", lambda request: self.requests.append(request.url))
        context.on("weberror", lambda error: self.complaints.append(str(error.error)))
        context.on("console", self._said)
        context.on("page", lambda page: page.on("websocket", self._socket))

    def _said(self, message: Any) -> None:
        if "Content Security Policy" in message.text:
            self.complaints.append(message.text)

    def _socket(self, socket: Any) -> None:
        self.sockets.append(socket)
        self.requests.append(socket.url.replace("ws", "http", 1))
        socket.on("framereceived", lambda frame: self.frames.append(frame if isinstance(frame, bytes) else b""))
        socket.on("framesent", lambda frame: self.sent.append(frame if isinstance(frame, bytes) else b""))

    def strangers(self, *origins: str) -> list[str]:
        """The requests that went to none of these origins."""
        fine = (*(f"{origin}/" for origin in origins), "data:", "blob:", "about:")
        return [url for url in self.requests if not url.startswith(fine)]


class BrowserCase(SynchronousTestCase):
    """
    One gateway and one Chromium for each class, a new profile for each test.

    Every test ends with two assertions of its own: no page complained (errors,
    Content-Security-Policy), and none asked anybody but ``origins()``.  What
    the pages looked like at the end lies in trial's directory.
    """

    timeout = 120

    def furnish(self, world: World) -> None:
        """Start what the class needs; a gateway at least."""
        raise NotImplementedError

    def origins(self) -> list[str]:
        """Whom pages may speak to."""
        return [self.gateway.url]

    def setUp(self) -> None:
        self.world = shared(self, self._make_world, World.close)
        if self._testMethodName == max(name for name in dir(self) if name.startswith("test_")):
            self.addCleanup(end_all)  # trial runs tests in the order of their names
        self.gateway = self.world.gateway
        self.context = self.world.browser.new_context(ignore_https_errors=True, viewport=VIEWPORT)
        self.addCleanup(self.context.close)
        self.watch = Watch(self.context)
        self.addCleanup(self._look_back)

    def _look_back(self) -> None:
        for number, page in enumerate(self.context.pages):
            page.screenshot(path=f"pictures/{self.id().rpartition('.')[2]}-{number}.png")
        self.assertEqual(self.watch.complaints, [])
        self.assertEqual(self.watch.strangers(*self.origins()), [])

    def _make_world(self) -> World:
        world = World()
        try:
            self.furnish(world)
        except BaseException:
            world.close()
            raise
        return world

    def open(self, console: str = "lab", state: str = "Connected", **wish: Any) -> Any:
        """A new tab on a console, from a ticket of its own."""
        return self.visit(self.gateway.mint(console, **wish)["urls"]["page"], state)

    def visit(self, url: str, state: str) -> Any:
        """A new tab at an address of the gateway's page."""
        page = self.context.new_page()
        page.goto(url)
        until_state(page, state)
        return page

    def sessions_of(self, ticket_id: str) -> list[Any]:
        """The live sessions that a ticket opened, as the API lists them."""
        return [session for session in self.gateway.sessions() if session["ticket_id"] == ticket_id]


def canvas_picture(page: Any, selector: str = CANVAS) -> Image.Image | None:
    """What the last canvas of the page shows, in its own pixels; ``None`` when there is none yet."""
    url = page.evaluate(
        "selector => { const all = document.querySelectorAll(selector); const c = all[all.length - 1];"
        " return c && c.width > 1 ? c.toDataURL('image/png') : null; }",
        selector,
    )
    if url is None:
        return None
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))).convert("RGB")


def difference(one: Image.Image, other: Image.Image) -> float:
    """Which part of the pixels differs noticeably; 1.0 for pictures of different sizes."""
    if one.size != other.size:
        return 1.0
    worst = ImageChops.difference(one.convert("RGB"), other.convert("RGB")).convert("L").point(lambda v: 255 * (v > 24))
    return sum(worst.histogram()[255:]) / (one.width * one.height)


def until_canvas_shows(
    page: Any, picture: Callable[[], Image.Image], *, most: float = 0.002, selector: str = CANVAS
) -> None:
    """
    Wait until the canvas shows what the machine shows, but for a few pixels.

    :param picture: takes a picture straight from the machine.
    """
    seen: list[float] = []

    def shows() -> bool:
        canvas = canvas_picture(page, selector)
        seen.append(1.0 if canvas is None else difference(canvas, picture()))
        return seen[-1] <= most

    try:
        until("the machine's picture", shows)
    except AssertionError as error:
        raise AssertionError(f"{error}; the last difference was {seen[-1]:.4f}") from None


def picture_of(machine: Xvnc | Qemu) -> Image.Image:
    """A picture taken straight from the server."""
    with tempfile.TemporaryDirectory() as directory, Image.open(machine.picture(Path(directory) / "it.png")) as image:
        return image.convert("RGB")


def until_state(page: Any, text: str, selector: str = "#state") -> None:
    """Wait until the page says so."""
    seen = [""]

    def says() -> bool:
        seen[0] = page.text_content(selector) or ""
        return text in seen[0]

    try:
        until(f"the page says {text!r}", says)
    except AssertionError as error:
        card = page.text_content("#card") if page.query_selector("#card:not([hidden])") else ""
        raise AssertionError(f"{error}; it says {seen[0]!r} and {' '.join((card or '').split())!r}") from None


def until_card(page: Any, *texts: str) -> None:
    """Wait until the card in front of the screen says all of this."""
    until_shown = "#card:not([hidden])"
    until(
        f"the card says {texts}",
        lambda: page.query_selector(until_shown) and all(text in page.inner_text("#card") for text in texts),
    )


def canvas_point(page: Any, x: int, y: int, selector: str = CANVAS) -> tuple[int, int]:
    """The whole point of the page at which a pixel of the machine's screen is."""
    box = page.locator(selector).last.bounding_box()
    width, height = page.evaluate(
        "selector => { const c = document.querySelector(selector); return [c.width, c.height]; }", selector
    )
    return math.ceil(box["x"] + x * box["width"] / width), math.ceil(box["y"] + y * box["height"] / height)


def press_foreign_key(page: Any, key: str, code: str) -> None:
    """Press and release a key whose character no US keyboard has (playwright would paste it)."""
    devtools = page.context.new_cdp_session(page)
    for kind, text in (("keyDown", key), ("keyUp", "")):
        devtools.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code, "text": text})
    devtools.detach()
