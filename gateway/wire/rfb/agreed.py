"""
What the two ends of a live session agreed on, as both directions see it.

Values and small bookkeeping; the streams themselves are walked elsewhere.
"""

from __future__ import annotations

from typing import Final

import attrs

from gateway.wire.errors import PeerError
from gateway.wire.rfb.constants import MAX_SIDE, Encoding
from gateway.wire.rfb.formats import Formats

MAX_HELD: Final = 256
"""Keys remembered as held: a keyboard has fewer.  More are passed on, but not remembered."""


@attrs.frozen
class Rights:
    """What the client may do besides looking."""

    control: bool = False
    clipboard: bool = False
    power: bool = False


class Held:
    """Keys and buttons that are down, for whoever has to let them up."""

    def __init__(self) -> None:
        self._keys: dict[tuple[str, int], tuple[int, int]] = {}
        self.buttons = 0
        self.pointer = (0, 0)
        self.events = 0
        """How often there was input: whoever watches it sees whether the user is there."""

    @property
    def keys(self) -> list[tuple[int, int]]:
        """Pairs of keysym and keycode (0 where the client gave none), the oldest first."""
        return list(self._keys.values())

    def key(self, down: bool, keysym: int, keycode: int = 0) -> None:
        """A key went down or up; a keycode names it better, since Shift may change the keysym between."""
        self.events += 1
        name = ("code", keycode) if keycode else ("symbol", keysym)
        if not down:
            self._keys.pop(name, None)
        elif len(self._keys) < MAX_HELD:
            self._keys.setdefault(name, (keysym, keycode))

    def point(self, buttons: int, x: int, y: int) -> None:
        """The pointer moved, or a button did."""
        self.events += 1
        self.buttons = buttons
        self.pointer = (x, y)


@attrs.define
class Agreed:
    """
    Everything that one direction's walk must know of the other.

    :param name: how the client sees the desktop named, in UTF-8.
    """

    width: int
    height: int
    formats: Formats
    rights: Rights
    name: bytes
    encodings: tuple[int, ...] = ()
    """What the server was last told that the client takes."""
    family: Encoding | None = None
    """Zlib or ZRLE, whichever was offered first: some viewers use one inflater for both."""
    announced: set[int] = attrs.Factory(set)
    """Pseudo-encodings that the server showed it knows: what needs them is passed on only then."""
    rectangles_owed: int = 0
    """Rectangles of the update under way whose headers have not come."""
    fence_open: bool = False
    """Whether the client's last message was a fence that waits for the next one."""
    held: Held = attrs.Factory(Held)

    def resize(self, width: int, height: int) -> None:
        """The server's screen has a new size."""
        if max(width, height) > MAX_SIDE:
            raise PeerError(f"a screen of {width}×{height} is too big")
        self.width, self.height = width, height
