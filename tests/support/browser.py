"""
A real Chromium, headless, for pages that the gateway serves.

Playwright's synchronous API; pictures of canvases come back as Pillow images.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from PIL import Image, ImageChops

from tests.support.running import need, until

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
    """A browser context that accepts the test's own certificates."""
    from playwright.sync_api import sync_playwright

    path = need("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        try:
            yield browser.new_context(ignore_https_errors=True, viewport={"width": 1024, "height": 768})
        finally:
            browser.close()


def canvas_picture(page: Any, selector: str = "#screens canvas") -> Image.Image | None:
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
    page: Any, expected: Image.Image, *, most: float = 0.002, selector: str = "#screens canvas"
) -> None:
    """Wait until the canvas shows this picture, but for a few pixels."""
    seen: list[float] = []

    def shows() -> bool:
        picture = canvas_picture(page, selector)
        seen.append(1.0 if picture is None else difference(picture, expected))
        return seen[-1] <= most

    try:
        until("the expected picture", shows)
    except AssertionError as error:
        raise AssertionError(f"{error}; the last difference was {seen[-1]:.4f}") from None


def until_state(page: Any, text: str, selector: str = "#state") -> None:
    """Wait until the page says so."""
    until(f"the page says {text!r}", lambda: text in (page.text_content(selector) or ""))
