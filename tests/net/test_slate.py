"""
Tests of ``gateway.net.slate``: the demo console as a client meets it.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from struct import Struct

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

import gateway
from gateway.net.painting import CLOCK, HEIGHT, TEXT, WIDTH, DemoScreen
from gateway.net.slate import BACKSPACE, RETURN, Typed, character_of, demo_console
from gateway.wire.rfb.pixels import PixelFormat, ServerInit
from tests.support.pipe_contract import FINISHED
from tests.support.pipes import RecordingReceiver, turn

ROOT = Path(gateway.__file__).parent.parent

REQUEST = Struct("!BBHHHH")
KEY = Struct("!BBxxI")
POINTER = Struct("!BBHH")
UPDATE = Struct("!BxH")
RECT = Struct("!HHHHi")


class DemoConsoleTests(SynchronousTestCase):
    """Rung by rung, with the clock in our hands."""

    def setUp(self) -> None:
        self.clock = Clock()
        self.clock.rightNow = 1_000_000_000.25
        self.pipe, self.greeting = demo_console(self.clock, self.clock.seconds)
        self.receiver = RecordingReceiver()
        self.pipe.start(self.receiver)
        self.depth = 4

    def send(self, *messages: bytes) -> list[tuple[int, int, int, int]]:
        """Say something; return the areas of the updates that come."""
        self.pipe.send(b"".join(messages))
        turn(self.clock)
        return self.updates()

    def updates(self) -> list[tuple[int, int, int, int]]:
        data, self.receiver.data = self.receiver.data, b""
        areas = []
        while data:
            kind, count = UPDATE.unpack_from(data)
            self.assertEqual(0, kind)
            data = data[4:]
            for _ in range(count):
                x, y, width, height, encoding = RECT.unpack_from(data)
                self.assertEqual(0, encoding)
                self.pixels = data[12 : 12 + width * height * self.depth]
                data = data[12 + width * height * self.depth :]
                areas.append((x, y, width, height))
        return areas

    def ask(self, incremental: bool = True) -> bytes:
        return REQUEST.pack(3, incremental, 0, 0, WIDTH, HEIGHT)

    def key(self, keysym: int, down: bool = True) -> bytes:
        return KEY.pack(4, down, keysym)

    def inside(self, area, outer) -> bool:
        x, y, width, height = area
        left, top, wide, high = outer
        return left <= x and top <= y and x + width <= left + wide and y + height <= top + high

    def test_introduction(self) -> None:
        """It introduces itself as a screen of 800 by 600."""
        init = ServerInit.parse(self.greeting)
        self.assertEqual((WIDTH, HEIGHT, b"consolegw demo"), (init.width, init.height, init.name))

    def test_nothing_unasked(self) -> None:
        """Until somebody asks it sends nothing and has no timer, whatever is typed."""
        self.assertEqual([], self.send(self.key(0x61), POINTER.pack(5, 1, 10, 10)))
        self.assertEqual([], self.clock.getDelayedCalls())

    def test_the_whole_screen(self) -> None:
        """A first request is answered with the whole picture, as it is painted, in the pixels that it announced."""
        self.assertEqual([(0, 0, WIDTH, HEIGHT)], self.send(self.ask(incremental=False)))
        screen = DemoScreen()
        screen.show_lines([""])
        screen.show_time("01:46:40", "Sunday, 9 September 2001")
        rgb = screen.part((0, 0, WIDTH, HEIGHT))[4]
        blue_first = self.pixels
        for channel in range(3):  # a diff of pictures takes minutes
            self.assertTrue(rgb[channel::3] == blue_first[2 - channel :: 4])

    def test_the_clock_ticks(self) -> None:
        """Each full second the clock's panel comes, to a client that waits; and nothing else."""
        self.send(self.ask(incremental=False))
        self.assertEqual([], self.send(self.ask()))
        self.clock.advance(0.74)
        turn(self.clock)
        self.assertEqual([], self.updates())
        self.clock.advance(0.01)
        turn(self.clock)
        (area,) = self.updates()
        self.assertTrue(self.inside(area, CLOCK))
        self.assertEqual([], self.send(self.ask()))
        self.clock.advance(1)
        turn(self.clock)
        self.assertEqual([area], self.updates())

    def test_no_timer_without_a_request(self) -> None:
        """A client that stops asking stops the clock; one that asks again gets the time at once."""
        self.send(self.ask(incremental=False))
        self.clock.advance(1)
        self.assertEqual([], self.clock.getDelayedCalls())
        (area,) = self.send(self.ask())
        self.assertTrue(self.inside(area, CLOCK))

    def test_typing(self) -> None:
        """A typed character shows in the text panel alone; its release and other keys show nothing."""
        self.send(self.ask(incremental=False))
        areas = self.send(self.key(0x41), self.ask())
        self.assertTrue(areas)
        self.assertTrue(all(self.inside(area, TEXT) for area in areas))
        self.assertEqual([], self.send(self.key(0x41, down=False), self.key(0xFFE1), self.ask()))

    def test_pointer(self) -> None:
        """A pointer beyond the screen is shown at its edge; the cross comes to a client that waits already."""
        self.send(self.ask(incremental=False))
        self.assertEqual([], self.send(self.ask()))
        areas = self.send(POINTER.pack(5, 1, 0xFFFF, 0xFFFF))
        self.assertTrue(any(x + width == WIDTH and y + height == HEIGHT for x, y, width, height in areas))

    def test_the_clients_pixels(self) -> None:
        """A client that wants one byte a pixel gets one byte a pixel."""
        self.depth = 1
        pixels = PixelFormat(8, 8, False, True, (7, 7, 3), (5, 2, 0))
        self.assertEqual([(0, 0, WIDTH, HEIGHT)], self.send(b"\0\0\0\0" + pixels.pack(), self.ask(incremental=False)))

    def test_a_part_of_the_screen(self) -> None:
        """Asked for a part it sends that part, and what had changed elsewhere."""
        self.send(self.ask(incremental=False))
        self.assertEqual([(5, 6, 7, 8)], self.send(REQUEST.pack(3, 0, 5, 6, 7, 8)))

    def test_two_parts_at_once(self) -> None:
        """Two parts asked for in one breath are both sent."""
        self.send(self.ask(incremental=False))
        areas = self.send(REQUEST.pack(3, 0, 0, 0, 5, 5), REQUEST.pack(3, 0, 700, 500, 5, 5))
        for part in ((0, 0, 5, 5), (700, 500, 5, 5)):
            self.assertTrue(any(self.inside(part, area) for area in areas))

    def test_a_client_that_does_not_read(self) -> None:
        """However much a client asks without reading, one update waits for it; what it missed comes later."""
        self.pipe.pause()
        for number in range(20):
            self.pipe.send(self.ask(incremental=False) + self.key(0x61 + number))
            turn(self.clock)
        self.assertLess(self.pipe._inbox.kept, 1.1 * WIDTH * HEIGHT * 4)
        self.clock.advance(5)
        self.pipe.resume()
        turn(self.clock)
        self.assertEqual(2, len([area for area in self.updates() if area == (0, 0, WIDTH, HEIGHT)]))

    def test_the_clock_goes_on_after_a_stall(self) -> None:
        """A client that did not read for a while, and waits, gets the time again without asking again."""
        self.pipe.pause()
        self.send(self.ask(incremental=False))
        self.send(self.ask())
        self.clock.advance(3)
        turn(self.clock)
        self.pipe.resume()
        turn(self.clock)
        areas = self.updates()
        self.assertEqual(2, len(areas))
        self.assertTrue(self.inside(areas[1], CLOCK))

    def test_the_client_leaves(self) -> None:
        """Nothing is left behind when the client goes, in whatever way."""
        for leave in (lambda: self.pipe.close(FINISHED), lambda: self.pipe.abort(), lambda: self.pipe.half_close()):
            self.setUp()
            self.send(self.ask(incremental=False), self.ask())
            self.assertNotEqual([], self.clock.getDelayedCalls())
            leave()
            turn(self.clock)
            self.assertEqual([], self.clock.getDelayedCalls())

    def test_nonsense(self) -> None:
        """A message that is none ends the console."""
        self.send(self.ask(incremental=False))
        self.send(b"\xee")
        self.assertEqual((["goodbye"], []), (self.receiver.events[-1:], self.clock.getDelayedCalls()))

    def test_pillow_waits(self) -> None:
        """A gateway without a demo console does not load Pillow."""
        program = "import gateway.net.dial, sys; sys.exit('PIL' in sys.modules)"
        self.assertEqual(0, subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False).returncode)


class TypedTests(SynchronousTestCase):
    """The lines that people type: three lines, four letters wide."""

    def type(self, *keys: str | int) -> tuple[list[str], int | None]:
        typed = Typed(3, 4, len)
        first = None
        for key in keys:
            for keysym in [key] if isinstance(key, int) else map(ord, key):
                first = typed.press(keysym)
        return typed.lines, first

    def test_characters_and_lines(self) -> None:
        """Characters follow each other; Return begins a line; a full line goes on in the next."""
        self.assertEqual((["ab"], 0), self.type("ab"))
        self.assertEqual((["ab", ""], 0), self.type("ab", RETURN))
        self.assertEqual((["abcd", "e"], 0), self.type("abcde"))
        self.assertEqual((["abcd", "ef"], 1), self.type("abcdef"))

    def test_scrolling(self) -> None:
        """The oldest line goes when there are too many."""
        self.assertEqual((["b", "c", "d"], 2), self.type("a", RETURN, "b", RETURN, "c", RETURN, "d"))
        self.assertEqual((["b", "c", ""], 0), self.type("a", RETURN, "b", RETURN, "c", RETURN))

    def test_backspace(self) -> None:
        """Backspace takes a character, then the line, then nothing."""
        self.assertEqual((["a"], 0), self.type("ab", BACKSPACE))
        self.assertEqual((["ab"], 0), self.type("ab", RETURN, BACKSPACE))
        self.assertEqual(([""], None), self.type(BACKSPACE))

    def test_keysyms(self) -> None:
        """Latin-1, Unicode and the keypad type characters; control characters and function keys none."""
        expected = {0x20: " ", 0x7E: "~", 0xF6: "ö", 0x010020AC: "€", 0xFFB7: "7", 0x0101F600: "😀"}
        self.assertEqual(expected, {keysym: character_of(keysym) for keysym in expected})
        for keysym in (0, 0x1B, 0x7F, 0x85, 0xFF1B, 0xFFBE, 0x0100D800, 0x01000009, 0x01110000, 0xFFFFFFFF):
            self.assertEqual("", character_of(keysym), hex(keysym))
