"""
Answers for people: aligned tables, sizes and times they can take in at once.

Whatever a table shows came from somebody else: it is made printable first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from datetime import datetime

CELL_LIMIT = 64
"""Characters of one cell; a longer one would push the rest off any screen."""

GAP = "  "
RIGHT = ">"
"""A column whose title begins with this is aligned to the right."""

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")
_SPANS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))


def printable(text: object, limit: int = CELL_LIMIT) -> str:
    """A text without control characters (a terminal would obey them), cut to ``limit`` characters."""
    clean = "".join(c if c.isprintable() else "?" for c in str(text)[: limit + 1])
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A header and rows in columns; an empty cell reads ``-``."""
    cells = [[printable("-" if cell in (None, "") else cell) for cell in row] for row in rows]
    lines = [[title.removeprefix(RIGHT) for title in titles], *cells]
    widths = [max(_width(line[i]) for line in lines) for i in range(len(titles))]
    return "\n".join(
        GAP.join(
            _padded(cell, width, title.startswith(RIGHT))
            for cell, width, title in zip(line, widths, titles, strict=True)
        ).rstrip()
        for line in lines
    )


def span(seconds: float) -> str:
    """A length of time in its two largest units: ``45s``, ``12m 5s``, ``3h``, ``2d 1h``."""
    left = max(0, int(seconds))
    parts: list[tuple[int, str]] = []
    for size, unit in _SPANS:
        count, rest = divmod(left, size)
        if count or (parts and len(parts) < 2):
            parts.append((count, unit))
            left = rest
    shown = [f"{count}{unit}" for count, unit in parts[:2] if count]
    return " ".join(shown) or "0s"


def size(count: object) -> str:
    """A number of bytes with three digits and a unit."""
    if not isinstance(count, int | float):
        return "-"
    value = float(count)
    for unit in _UNITS:
        if value < 999.5 or unit == _UNITS[-1]:
            break
        value /= 1000
    return f"{value:.0f} {unit}" if unit == "B" or value >= 99.95 else f"{value:.1f} {unit}"


def moment(value: object) -> float | None:
    """A moment of an answer, which is Unix seconds or RFC 3339, as Unix seconds."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return None


def _width(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in text)


def _padded(text: str, width: int, right: bool) -> str:
    padding = " " * (width - _width(text))
    return padding + text if right else text + padding
