"""
The demo console: an upstream that the gateway paints by itself.

A clock, an echo of what is typed, the pointer.  It is an RFB server on one
end of a pipe in memory; pixels are made in ``painting``, messages in
``wire.rfb.slate``.  Without somebody who asks for updates it does nothing,
and has no timer.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall, IReactorTime

from gateway.model.seams import Pipe
from gateway.model.session import Closing, Ending
from gateway.net.memory_pipe import MemoryPipe, pipe_pair
from gateway.wire.errors import PeerError
from gateway.wire.rfb.slate import Area, Key, Pointer, Slate, Wanted

if TYPE_CHECKING:
    from gateway.net.painting import DemoScreen

NAME = "consolegw demo"

BACKSPACE, RETURN, KEYPAD_ENTER = 0xFF08, 0xFF0D, 0xFF8D
KEYPAD_DIGITS = range(0xFFB0, 0xFFBA)
UNICODE_KEYSYMS = range(0x01000100, 0x01110000)


def demo_console(clock: IReactorTime, now: Callable[[], float] = time.time) -> tuple[Pipe, bytes]:
    """Make a demo console; return its pipe and its ServerInit."""
    near, far = pipe_pair(clock)
    console = _Console(far, clock, now)
    far.start(console)
    return near, console.slate.init.pack()


class _Console:
    """The server's end: answers requests, and ticks while it is asked."""

    def __init__(self, pipe: MemoryPipe, clock: IReactorTime, now: Callable[[], float]) -> None:
        # Pillow costs 20 ms and some megabytes: only a gateway that shows a demo console pays.
        from gateway.net import painting

        self._pipe = pipe
        self._clock = clock
        self._now = now
        self._screen: DemoScreen = painting.DemoScreen()
        self._typed = Typed(painting.LINES, painting.TEXT_WIDTH, painting.text_width)
        self._screen.show_lines(self._typed.lines)
        self._tick: IDelayedCall | None = None
        self._whole: Area | None = None
        self._is_full = False
        self.slate = Slate(painting.WIDTH, painting.HEIGHT, NAME)

    def pipe_data(self, data: bytes) -> None:
        try:
            events = self.slate.receive(data)
        except PeerError:
            self._pipe.close(Closing.of(Ending.CLIENT_ERROR))
            return
        for event in events:
            if isinstance(event, Wanted):
                self._wanted(event)
            elif isinstance(event, Key):
                self._key(event)
            else:
                self._pointer(event)
        self._answer()

    def pipe_ended(self) -> None:
        self._pipe.close(Closing.of(Ending.FINISHED))

    def pipe_lost(self, goodbye: bool) -> None:
        if self._tick is not None:
            self._tick.cancel()

    def pipe_full(self) -> None:
        self._is_full = True

    def pipe_drained(self) -> None:
        self._is_full = False
        if self.slate.asked and self._tick is None:
            self._show_time()
        self._answer()

    def _wanted(self, wanted: Wanted) -> None:
        if not wanted.incremental:
            area = (wanted.x, wanted.y, wanted.width, wanted.height)
            everything = (0, 0, self.slate.init.width, self.slate.init.height)
            self._whole = area if self._whole is None else everything
        if self._tick is None:
            self._show_time()

    def _key(self, key: Key) -> None:
        if key.down and (first := self._typed.press(key.keysym)) is not None:
            self._screen.show_lines(self._typed.lines, first)

    def _pointer(self, pointer: Pointer) -> None:
        right, bottom = self.slate.init.width - 1, self.slate.init.height - 1
        self._screen.show_pointer(min(pointer.x, right), min(pointer.y, bottom), pointer.buttons)

    def _answer(self) -> None:
        """Send what changed, if the client waits for it and takes it."""
        if not self.slate.asked or self._is_full:
            return
        rectangles = []
        if self._whole is not None:
            whole, self._whole = self._whole, None
            rectangles.append(self._screen.part(whole))
        rectangles += self._screen.changes()
        if rectangles := [rectangle for rectangle in rectangles if rectangle[4]]:
            self._pipe.send(self.slate.update(rectangles))

    def _show_time(self) -> None:
        """Draw the time, and do it again at the next full second if somebody waits then."""
        moment = datetime.datetime.fromtimestamp(self._now(), datetime.UTC)
        self._screen.show_time(f"{moment:%H:%M:%S}", f"{moment:%A}, {moment.day} {moment:%B %Y}")
        self._tick = self._clock.callLater(1 - moment.microsecond / 1e6, self._ticked)

    def _ticked(self) -> None:
        self._tick = None
        if self.slate.asked and not self._is_full:
            self._show_time()
            self._answer()


class Typed:
    """
    The last few lines that were typed.

    :param room: how wide a line may be, as ``measure`` measures it.
    """

    def __init__(self, most: int, room: int, measure: Callable[[str], int]) -> None:
        self.lines = [""]
        self._most = most
        self._room = room
        self._measure = measure

    def press(self, keysym: int) -> int | None:
        """Take a key; return the first line that changed, if any did."""
        if keysym in (RETURN, KEYPAD_ENTER):
            return self._new_line("")
        if keysym == BACKSPACE:
            return self._erase()
        character = character_of(keysym)
        if not character:
            return None
        if self._measure(self.lines[-1] + character) > self._room:
            return self._new_line(character)
        self.lines[-1] += character
        return len(self.lines) - 1

    def _new_line(self, text: str) -> int:
        self.lines.append(text)
        if len(self.lines) > self._most:
            del self.lines[0]
            return 0
        return len(self.lines) - 2

    def _erase(self) -> int | None:
        if self.lines[-1]:
            self.lines[-1] = self.lines[-1][:-1]
        elif len(self.lines) > 1:
            del self.lines[-1]
        else:
            return None
        return len(self.lines) - 1


def character_of(keysym: int) -> str:
    """The character that a key types, or nothing (X11 keysyms, appendix A of its protocol)."""
    if keysym in KEYPAD_DIGITS:
        return str(keysym - KEYPAD_DIGITS.start)
    code = keysym - 0x01000000 if keysym in UNICODE_KEYSYMS else keysym
    character = chr(code) if code < 0x100 or code != keysym else ""
    return character if character.isprintable() else ""
