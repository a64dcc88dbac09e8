"""TOML tables as classes."""

from __future__ import annotations

from pathlib import Path

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from gateway.config.place import ConfigError, Place
from gateway.config.tables import ListOfTables, NamedTables, Setting, Table, read_table, setting, settings_of
from gateway.config.values import optional, path, secret_file, text, whole
from gateway.model.secret import Secret


@frozen(kw_only=True)
class Inner:
    """A table with a name of its own."""

    name: str
    size: int = setting(whole(1, 9), "how big", 3)
    password_file: Secret | None = setting(optional(secret_file), "the password", None)


@frozen(kw_only=True)
class Leaf:
    """A table in a list."""

    word: str = setting(text, "a word")


@frozen(kw_only=True)
class Outer:
    """A table of tables."""

    for_: int = setting(whole(1, 9), "what for", 1, name="for")
    where: Path = setting(path, "a place", "here", shown="nearby")
    soon: str = setting(text, "comes later", "", later=True)
    leaves: tuple[Leaf, ...] = setting(ListOfTables(Leaf), "", [{"word": "default"}])
    inner: tuple[Inner, ...] = setting(NamedTables(Inner), "", {}, table=Inner)


class ReadTableTests(SynchronousTestCase):
    """A table becomes its class."""

    def read(self, value: object) -> Outer:
        return Table(Outer)(Place("f", Path("/base")), value)

    def refusal(self, value: object) -> str:
        return str(self.assertRaises(ConfigError, self.read, value))

    def test_defaults(self) -> None:
        """Keys that are not given have their defaults, read like given ones."""
        outer = self.read({})
        self.assertEqual((outer.for_, outer.where, outer.soon), (1, Path("/base/here"), ""))
        self.assertEqual(outer.leaves, (Leaf(word="default"),))

    def test_made_directly(self) -> None:
        """A class made without a file has the same defaults, relative to where the process is."""
        self.assertEqual(Outer().where, Path("here"))

    def test_given(self) -> None:
        """Given keys are read; a key may be called otherwise than the attribute."""
        outer = self.read({"for": 5, "leaves": [{"word": "a"}, {"word": "b"}], "inner": {"x.1": {"size": 4}}})
        self.assertEqual(outer.for_, 5)
        self.assertEqual([leaf.word for leaf in outer.leaves], ["a", "b"])
        self.assertEqual(outer.inner, (Inner(name="x.1", size=4),))

    def test_refused(self) -> None:
        """Wrong shapes, unknown, missing and later keys are refused where they stand."""
        for value, message in (
            ([], "f: found a list; accepted: a table"),
            ({"soon": "x"}, "f: soon: not in this version"),
            ({"for_": 1}, "f: for_: unknown key; did you mean for? known here: for, inner, leaves, soon, where"),
            ({"leaves": [{}]}, "f: leaves[0].word: missing; accepted: a word"),
            ({"leaves": []}, "f: leaves: found a list; accepted: [[leaves]] tables"),
            ({"leaves": [{"word": "a"}, 3]}, "f: leaves[1]: found a number; accepted: a table"),
            ({"inner": {"a b": {}}}, 'f: inner."a b": found this name; accepted: 1 to 64 of A-Z a-z 0-9 . _ -'),
            ({"inner": {"a" * 65: {}}}, f"f: inner.{'a' * 60}"),
            ({"inner": {"a": {"size": 0}}}, "f: inner.a.size: found 0; accepted: a whole number from 1 to 9"),
            ({"inner": {"a": "hunter2"}}, "f: inner.a: found a string; accepted: a table"),
            ({"inner": {"a": {"name": "b"}}}, "f: inner.a.name: unknown key"),
        ):
            self.assertIn(message, self.refusal(value))

    def test_literal_secret(self) -> None:
        """A secret that stands in the file is refused with the keys that take one, and is not repeated."""
        message = self.refusal({"inner": {"a": {"password": "hunter2"}}})
        self.assertEqual(
            message, "f: inner.a.password: a secret is never in the configuration; accepted: password_file"
        )

    def test_extra_attributes(self) -> None:
        """Attributes that do not stand in the table are passed along."""
        self.assertEqual(read_table(Inner, Place("f", Path()), {}, name="n").name, "n")


class SettingsTests(SynchronousTestCase):
    """The list of keys."""

    def test_walks_tables(self) -> None:
        """Every key is listed once, by its place, with its default as TOML writes it."""
        self.assertEqual(
            list(settings_of(Outer)),
            [
                Setting("for", "1", "what for"),
                Setting("where", "nearby", "a place"),
                Setting("soon", '""', "comes later", later=True),
                Setting("leaves[].word", "required", "a word"),
                Setting("inner.NAME.size", "3", "how big"),
                Setting("inner.NAME.password_file", "", "the password"),
            ],
        )
