"""How an error names its place and what was found."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.place import SHOWN, ConfigError, Place, show


class ShowTests(SynchronousTestCase):
    """Values as errors repeat them."""

    def test_as_in_toml(self) -> None:
        """Values are written as TOML writes them; a table only by its kind."""
        for value, text in (
            (True, "true"),
            (-1, "-1"),
            ('a"b', '"a\\"b"'),
            (["a", 1], '["a", 1]'),
            ({"k": "v"}, "a table"),
        ):
            self.assertEqual(show(value), text)

    def test_bounded_and_printable(self) -> None:
        """Long values are cut, control characters do not pass."""
        self.assertEqual(len(show("x" * 1000)), SHOWN)
        self.assertNotIn("\x9b", show("\x9b31m\n"))
        self.assertNotIn("\n", show("\x9b31m\n"))

    def test_user_info(self) -> None:
        """What stands before an @ is not shown: it may be a password."""
        for value in ("https://alice:hunter2@host/", "alice:hunter2@host", ["rediss://:hunter2@r1"]):
            self.assertNotIn("hunter2", show(value))


class PlaceTests(SynchronousTestCase):
    """Places and their messages."""

    def setUp(self) -> None:
        self.root = Place("gw.toml", Path("/etc"))

    def test_dotted(self) -> None:
        """A place is a dotted key; keys that need quotes have them, lists have numbers."""
        place = self.root.at("listen").index(1).at("host.name")
        self.assertEqual(place.dotted, 'listen[1]."host.name"')

    def test_messages(self) -> None:
        """A message is the file, the key, what was found and what would be accepted."""
        place = self.root.at("tickets").at("ttl")
        for error, text in (
            (place.wrong("0", "more"), "gw.toml: tickets.ttl: found 0; accepted: more"),
            (place.missing("some"), "gw.toml: tickets.ttl: missing; accepted: some"),
            (place.later("2", "1"), "gw.toml: tickets.ttl: found 2, which is not in this version; accepted: 1"),
            (place.later(), "gw.toml: tickets.ttl: not in this version"),
            (self.root.error("empty"), "gw.toml: empty"),
        ):
            self.assertIsInstance(error, ConfigError)
            self.assertEqual(str(error), text)

    def test_unknown_with_a_guess(self) -> None:
        """An unknown key is answered with the known ones, and with a near one first."""
        self.assertEqual(
            str(self.root.at("tickets").at("tll").unknown(["ttl", "store"])),
            "gw.toml: tickets.tll: unknown key; did you mean ttl? known here: store, ttl",
        )
        self.assertNotIn("did you mean", str(self.root.at("zzz").unknown(["ttl"])))

    def test_warnings_are_collected(self) -> None:
        """Warnings of every place of a file come together."""
        self.root.at("tickets").at("store").warn("careful")
        self.assertEqual(self.root.warnings, ["gw.toml: tickets.store: careful"])
