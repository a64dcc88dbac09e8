"""
Pictures of text: the demo console's screen, and notices over somebody's screen.

Pillow draws them, with its built-in font; import this module where a picture
is first wanted, not before.  Who is shown them, and when, is ``slate``'s and
the sessions' business.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

Area = tuple[int, int, int, int]
"""Left, top, width, height."""

Rectangle = tuple[int, int, int, int, bytes]
"""An area and its pixels, three bytes (RGB) each."""

WIDTH, HEIGHT = 800, 600

AREAS_MAX = 16
"""Changed areas that are kept apart; more become one that holds them all."""

LINE_MAX = 200
"""Characters of a notice's line that are drawn: more would not be legible."""

TOP, BOTTOM = (13, 20, 30), (21, 31, 46)
PANEL, BORDER = (24, 35, 51), (44, 61, 84)
BRIGHT, PLAIN, DIM, ACCENT = (236, 242, 248), (190, 203, 217), (122, 139, 158), (61, 205, 178)

MARGIN = 48
CLOCK = (MARGIN, 144, WIDTH - 2 * MARGIN, 124)
TEXT = (MARGIN, 290, WIDTH - 2 * MARGIN, 220)
STATUS = (MARGIN, 532, WIDTH - 2 * MARGIN, 32)
PADDING = 24
LINES, LINE_HEIGHT, TEXT_SIZE = 5, 31, 22
ARM = 9
"""Pixels from the middle of the pointer's cross to its ends."""


Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@functools.lru_cache(maxsize=32)
def _font(size: int) -> Font:
    return ImageFont.load_default(size)


@functools.cache
def _typed_font() -> Font:
    """A font for whatever people type: the built-in one has little more than ASCII."""
    try:
        return ImageFont.truetype("DejaVuSans.ttf", TEXT_SIZE - 2)
    except OSError:
        return _font(TEXT_SIZE)


def _background() -> Image.Image:
    """A dark blue that lightens downwards."""
    column = Image.new("RGB", (1, HEIGHT))
    for y in range(HEIGHT):
        column.putpixel((0, y), tuple(a + (b - a) * y // HEIGHT for a, b in zip(TOP, BOTTOM, strict=True)))
    return column.resize((WIDTH, HEIGHT))


class DemoScreen:
    """The demo console's bitmap, and which parts of it changed."""

    def __init__(self) -> None:
        self._image = _background()
        self._draw = ImageDraw.Draw(self._image)
        self._changed: list[Area] = []
        self._pointer: tuple[int, int] | None = None
        self._ground = self._image.crop(_box(STATUS))
        self._static()

    def show_time(self, time: str, date: str) -> None:
        """Draw the clock."""
        left, top, width, height = CLOCK
        inside = (left + PADDING, top + 14, width - 2 * PADDING, height - 28)
        self._draw.rectangle(_corners(inside), fill=PANEL)
        middle = top + height // 2
        self._draw.text((left + PADDING, middle), time, BRIGHT, _font(76), anchor="lm")
        self._draw.text((left + width - PADDING, middle - 14), date, PLAIN, _font(22), anchor="rm")
        self._draw.text((left + width - PADDING, middle + 16), "UTC", DIM, _font(17), anchor="rm")
        self._touch(inside)

    def show_lines(self, lines: Sequence[str], first: int = 0) -> None:
        """Draw what was typed, with the cursor at the end of the last line; lines before ``first`` are as they were."""
        for number in range(first, LINES):
            area = _line(number)
            x, y, _, height = area
            self._draw.rectangle(_corners(area), fill=PANEL)
            if number < len(lines):
                self._draw.text((x, y + height // 2), lines[number], BRIGHT, _typed_font(), anchor="lm")
            if number == len(lines) - 1:
                end = x + text_width(lines[number]) + 3
                self._draw.rectangle((end, y + 5, end + 10, y + height - 6), fill=ACCENT)
            self._touch(area)

    def show_pointer(self, x: int, y: int, buttons: int) -> None:
        """Move the cross and say where it is and which buttons are down."""
        if self._pointer is not None:
            self._touch(_cross(*self._pointer))
        self._pointer = (x, y)
        self._touch(_cross(x, y))
        held = [str(number + 1) for number in range(8) if buttons >> number & 1]
        words = f"Pointer at {x}, {y}" + (f"   ·   button {' + '.join(held)}" if held else "")
        self._image.paste(self._ground, STATUS[:2])
        self._draw.text((STATUS[0], STATUS[1] + STATUS[3] // 2), words, PLAIN, _font(17), anchor="lm")
        self._touch(STATUS)

    def changes(self) -> list[Rectangle]:
        """What changed since the last call."""
        changed, self._changed = self._changed, []
        return [self.part(area) for area in changed]

    def part(self, area: Area) -> Rectangle:
        """One part of the screen, the pointer's cross over it; changes inside it need not be sent again."""
        self._changed = [changed for changed in self._changed if _union(changed, area) != area]
        x, y, width, height = area
        image = self._image.crop(_box(area))
        if self._pointer is not None:
            draw = ImageDraw.Draw(image)
            middle_x, middle_y = self._pointer[0] - x, self._pointer[1] - y
            for wide, colour in ((3, TOP), (1, ACCENT)):
                half = wide // 2
                reach = ARM - 1 + half
                draw.rectangle((middle_x - reach, middle_y - half, middle_x + reach, middle_y + half), fill=colour)
                draw.rectangle((middle_x - half, middle_y - reach, middle_x + half, middle_y + reach), fill=colour)
        return x, y, width, height, image.tobytes()

    def _static(self) -> None:
        draw = self._draw
        draw.rounded_rectangle((MARGIN, 52, MARGIN + 5, 106), 2, fill=ACCENT)
        draw.text((MARGIN + 22, 66), "consolegw demo", BRIGHT, _font(36), anchor="lm")
        draw.text(
            (MARGIN + 22, 99),
            "Drawn by the gateway itself: no machine is behind it.",
            DIM,
            _font(17),
            anchor="lm",
        )
        for area in (CLOCK, TEXT):
            draw.rounded_rectangle(_corners(area), 10, fill=PANEL, outline=BORDER)
        draw.text((TEXT[0] + PADDING, TEXT[1] + 26), "Type something", DIM, _font(17), anchor="lm")
        draw.text((STATUS[0], STATUS[1] + STATUS[3] // 2), "Move the pointer", DIM, _font(17), anchor="lm")

    def _touch(self, area: Area) -> None:
        area = _clipped(area)
        if area in self._changed or not (area[2] and area[3]):
            return
        self._changed.append(area)
        if len(self._changed) > AREAS_MAX:
            self._changed = [functools.reduce(_union, self._changed)]


def text_width(text: str) -> int:
    """How many pixels a typed line is wide."""
    return round(_typed_font().getlength(text))


TEXT_WIDTH = TEXT[2] - 2 * PADDING - 16
"""How wide a typed line may be, the cursor left out."""


def notice(lines: Sequence[str], width: int, height: int) -> Rectangle:
    """
    Draw a few lines as a panel for the middle of a screen of this size; the first line is its heading.

    The letters shrink with the screen; what still does not fit is cut off.
    """
    size = max(10, min(28, width // 26, height // 12))
    texts = [
        (line[:LINE_MAX], _font(size if number == 0 else max(9, size * 3 // 4))) for number, line in enumerate(lines)
    ]
    step, edge = size * 3 // 2, size
    widest = max((font.getlength(text) for text, font in texts), default=0)
    panel_width = min(width, round(widest) + 2 * edge)
    panel_height = min(height, step * len(texts) + edge)
    image = Image.new("RGB", (panel_width, panel_height), PANEL)
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, panel_width - 1, panel_height - 1), outline=BORDER)
    draw.rectangle((0, 0, 3, panel_height - 1), fill=ACCENT)
    for number, (text, font) in enumerate(texts):
        where = (panel_width // 2, (edge + step * (2 * number + 1)) // 2)
        draw.text(where, text, BRIGHT if number == 0 else PLAIN, font, anchor="mm")
    return (width - panel_width) // 2, (height - panel_height) // 2, panel_width, panel_height, image.tobytes()


def _line(number: int) -> Area:
    return TEXT[0] + PADDING, TEXT[1] + 50 + number * LINE_HEIGHT, TEXT[2] - 2 * PADDING, LINE_HEIGHT


def _cross(x: int, y: int) -> Area:
    return x - ARM, y - ARM, 2 * ARM + 1, 2 * ARM + 1


def _box(area: Area) -> tuple[int, int, int, int]:
    x, y, width, height = area
    return x, y, x + width, y + height


def _corners(area: Area) -> tuple[int, int, int, int]:
    x, y, width, height = area
    return x, y, x + width - 1, y + height - 1


def _clipped(area: Area) -> Area:
    left, top, right, bottom = _box(area)
    left, top, right, bottom = max(0, left), max(0, top), min(WIDTH, right), min(HEIGHT, bottom)
    return left, top, max(0, right - left), max(0, bottom - top)


def _union(one: Area, other: Area) -> Area:
    (a, b, c, d), (e, f, g, h) = _box(one), _box(other)
    left, top = min(a, e), min(b, f)
    return left, top, max(c, g) - left, max(d, h) - top
