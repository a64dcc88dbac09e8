"""
Tests of ``gateway.net.painting``: what changes where; how it looks is for the eye.
"""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.net.painting import (
    ACCENT,
    AREAS_MAX,
    CLOCK,
    HEIGHT,
    LINES,
    PANEL,
    STATUS,
    TEXT,
    WIDTH,
    Area,
    DemoScreen,
    Rectangle,
    notice,
    text_width,
)

WHOLE = (0, 0, WIDTH, HEIGHT)


def pixel(rectangle: Rectangle, x: int, y: int) -> tuple[int, int, int]:
    left, top, width, _, rgb = rectangle
    start = 3 * ((y - top) * width + x - left)
    return tuple(rgb[start : start + 3])


def inside(rectangle: Rectangle, area: Area) -> bool:
    x, y, width, height, _ = rectangle
    left, top, wide, high = area
    return left <= x and top <= y and x + width <= left + wide and y + height <= top + high


class DemoScreenTests(SynchronousTestCase):
    """The demo console's bitmap."""

    def setUp(self) -> None:
        self.screen = DemoScreen()
        self.before = self.screen.part(WHOLE)

    def check(self, *areas: Area) -> list[Rectangle]:
        """Every change lies in one of these areas, and together they make the old picture the new one."""
        changes = self.screen.changes()
        self.assertTrue(changes)
        picture = bytearray(self.before[4])
        for change in changes:
            self.assertTrue(any(inside(change, area) for area in areas), change[:4])
            x, y, width, height, rgb = change
            self.assertEqual(3 * width * height, len(rgb))
            for row in range(height):
                start = 3 * ((y + row) * WIDTH + x)
                picture[start : start + 3 * width] = rgb[3 * width * row : 3 * width * (row + 1)]
        self.assertTrue(self.screen.part(WHOLE)[4] == picture)  # a diff of pictures takes minutes
        self.assertFalse(self.before[4] == picture)
        self.assertEqual([], self.screen.changes())
        self.before = self.screen.part(WHOLE)
        return changes

    def test_time(self) -> None:
        """The clock changes nothing but its panel."""
        self.screen.show_time("23:59:59", "Wednesday, 30 September 2026")
        self.check(CLOCK)
        self.screen.show_time("00:00:00", "Thursday, 1 October 2026")
        self.check(CLOCK)

    def test_lines(self) -> None:
        """Typing changes only the lines that it touched."""
        self.screen.show_lines(["one", "two"])
        self.check(TEXT)
        self.screen.show_lines(["one", "twoo"], first=LINES - 1)
        self.assertEqual(1, len(self.screen.changes()))

    def test_pointer(self) -> None:
        """The cross is drawn where the pointer is, gone where it was, and the rest is as before."""
        self.screen.show_pointer(400, 560, 0b101)
        changes = self.check((390, 550, 21, 21), STATUS)
        self.assertEqual(ACCENT, pixel(changes[0], 400, 560))
        self.screen.show_pointer(20, 20, 0)
        self.check((390, 550, 21, 21), (10, 10, 21, 21), STATUS)

    def test_nothing_of_the_old_stays(self) -> None:
        """A screen that showed something else before looks like one that did not."""
        other = DemoScreen()
        self.screen.show_pointer(777, 444, 255)
        self.screen.show_lines(["a long line", "and another"])
        self.screen.show_time("00:00:00", "Wednesday, 30 September 2026")
        for screen in (self.screen, other):
            screen.show_pointer(1, 2, 0)
            screen.show_lines(["i"])
            screen.show_time("11:11:11", "Friday, 1 May 2026")
        self.assertTrue(other.part(WHOLE) == self.screen.part(WHOLE))  # a diff of pictures takes minutes

    def test_pointer_at_the_edges(self) -> None:
        """Nothing outside the screen is ever sent."""
        for x, y in ((0, 0), (WIDTH - 1, HEIGHT - 1), (0, HEIGHT - 1)):
            self.screen.show_pointer(x, y, 0)
            self.check(WHOLE)

    def test_changes_are_bounded(self) -> None:
        """A pointer that wanders unseen leaves a bounded list of changes, and none is lost."""
        for x in range(0, 600, 30):
            self.screen.show_pointer(x, 20, 0)
        self.assertLessEqual(len(self.screen._changed), AREAS_MAX + 1)
        self.check(WHOLE)

    def test_a_part_settles_its_changes(self) -> None:
        """What was sent as part of the whole is not sent as a change again."""
        self.screen.show_time("12:00:00", "")
        self.screen.part((0, 0, WIDTH, 20))
        self.assertNotEqual([], self.screen._changed)
        self.screen.part(WHOLE)
        self.assertEqual([], self.screen.changes())


class NoticeTests(SynchronousTestCase):
    """A panel over somebody's screen."""

    def test_it_is_in_the_middle(self) -> None:
        """The panel lies centred on the screen, and only as large as its lines."""
        x, y, width, height, rgb = notice(["Starting vm-42 …", "This can take a minute."], 1280, 800)
        self.assertEqual(3 * width * height, len(rgb))
        self.assertLessEqual(abs(2 * x + width - 1280), 1)
        self.assertLessEqual(abs(2 * y + height - 800), 1)
        self.assertLess(width, 800)
        self.assertGreater(len(set(zip(rgb[0::3], rgb[1::3], rgb[2::3], strict=True))), 3)

    def test_any_screen_and_any_text(self) -> None:
        """It never reaches over the edges, however small the screen and however long the text."""
        for screen_width, screen_height in ((1, 1), (40, 30), (320, 200), (16384, 100)):
            for lines in ([], [""], ["x" * 100_000], ["many"] * 50):
                x, y, width, height, rgb = notice(lines, screen_width, screen_height)
                self.assertTrue(x >= 0 and y >= 0 and x + width <= screen_width and y + height <= screen_height)
                self.assertEqual(3 * width * height, len(rgb))

    def test_ground(self) -> None:
        """The panel has a ground of its own: the letters are legible over anything."""
        rectangle = notice(["Hello"], 640, 480)
        self.assertEqual(PANEL, pixel(rectangle, rectangle[0] + 8, rectangle[1] + 2))

    def test_width(self) -> None:
        """A longer text is wider."""
        self.assertLess(text_width("i"), text_width("im"))
