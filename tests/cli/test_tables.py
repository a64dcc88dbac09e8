"""What people read."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.cli.tables import CELL_LIMIT, moment, printable, size, span, table


class TableTests(SynchronousTestCase):
    def test_aligned(self) -> None:
        """Columns are as wide as their widest cell, wide characters counted; empty cells read ``-``."""
        self.assertEqual(
            table(("NAME", ">N", "T"), [("lab", 5, "x"), ("画面", 12345, ""), ("", None, None)]).splitlines(),
            ["NAME      N  T", "lab       5  x", "画面  12345  -", "-         -  -"],
        )

    def test_no_rows(self) -> None:
        """Without rows the header stands alone."""
        self.assertEqual(table(("A", "B"), []), "A  B")

    def test_terminal_obeys_nothing(self) -> None:
        """Control characters and direction marks of others do not reach the terminal; long cells are cut."""
        self.assertEqual(printable("a\x1b[2Jb\nc\u202ed"), "a?[2Jb?c?d")
        self.assertEqual(len(printable("x" * 1000)), CELL_LIMIT)
        self.assertEqual(printable("x" * CELL_LIMIT), "x" * CELL_LIMIT)


class NumberTests(SynchronousTestCase):
    def test_spans(self) -> None:
        """A length of time shows its two largest units."""
        cases = {-5: "0s", 0: "0s", 59.9: "59s", 60: "1m", 725: "12m 5s", 3 * 3600 + 59: "3h", 90000: "1d 1h"}
        self.assertEqual({seconds: span(seconds) for seconds in cases}, cases)

    def test_sizes(self) -> None:
        """A number of bytes shows three digits at most before its unit."""
        cases = {0: "0 B", 999: "999 B", 1000: "1.0 kB", 99_940: "99.9 kB", 123_456: "123 kB", 999_600: "1.0 MB"}
        self.assertEqual({count: size(count) for count in cases}, cases)
        self.assertEqual(size(None), "-")
        self.assertEqual(size(5e18), "5000 PB")

    def test_moments(self) -> None:
        """Moments are understood as numbers and as RFC 3339."""
        self.assertEqual(moment(5), 5.0)
        self.assertEqual(moment("2023-11-14T22:13:20.250Z"), 1_700_000_000.25)
        self.assertIsNone(moment(None))
        self.assertIsNone(moment("soon"))
