"""JSON bodies, read field by field."""

from __future__ import annotations

import re

from twisted.trial.unittest import SynchronousTestCase

from gateway.web.fields import MAX_LIST, Fields, parse_object
from gateway.web.problems import BadField

WORD = re.compile("[a-z]+")


class ParsingTests(SynchronousTestCase):
    def test_object(self):
        """One JSON object is read."""
        self.assertEqual(parse_object(b' {"a": [1, "\xc3\xa4"]} '), {"a": [1, "ä"]})

    def test_no_object(self):
        """Anything else is refused, without a word of what it was."""
        for body in (
            b"",
            b"[]",
            b'"s3cret"',
            b"null",
            b'{"a": 1',
            b'{"a": 1} x',
            b'{"a": "\xff"}',
            b'{"a": NaN}',
            b'{"a": 1, "a": 1}',
            b'{"x": {"a": 1, "a": 1}}',
            b'{"a":' * 9000,
            b"[" * 60000,
            b'{"a":' + b"9" * 60000 + b"}",
        ):
            with self.assertRaises(BadField) as caught:
                parse_object(body)
            self.assertNotIn("s3cret", str(caught.exception))


class FieldsTests(SynchronousTestCase):
    def assert_bad(self, name, method, value, *arguments):
        """The value is refused, and the error names the field and not the value."""
        with self.assertRaises(BadField) as caught:
            getattr(Fields({name: value}, "at."), method)(name, *arguments)
        self.assertIn(f'"at.{name}" must be', str(caught.exception))
        self.assertNotIn("s3cret", str(caught.exception))

    def test_text(self):
        """A text has its form and is printable; without a default it must be there."""
        fields = Fields({"a": "word", "n": None})
        self.assertEqual(fields.text("a", "a word", WORD), "word")
        self.assertEqual(fields.text("n", "a word", WORD, ""), "")
        for value in (1, "S3CRET s3cret", "", "word\n", ["a"], None):
            self.assert_bad("a", "text", value, "a word", WORD)
        for value in ("\x00", "a\nb", "\ud800", "\u202e"):
            self.assert_bad("a", "text", value, "a text", re.compile(".*", re.DOTALL))

    def test_number(self):
        """A number is within its bounds, and no boolean or text."""
        self.assertEqual(Fields({"a": 5}).number("a", 1, 5, 0), 5)
        self.assertEqual(Fields({"a": 1.5}).number("a", 1, 5, 0, whole=False), 1.5)
        self.assertEqual(Fields({}).number("a", 1, 5, 7), 7)
        for value in (0, 6, True, "5", 1.5, [1], 10**400, -(10**400)):
            self.assert_bad("a", "number", value, 1, 5, 0)

    def test_flag(self):
        """A flag is true or false, and nothing that only counts as such."""
        self.assertEqual([Fields({"a": value}).flag("a") for value in (True, False, None)], [True, False, False])
        for value in (0, 1, "true", 0.0, [], {}):
            self.assert_bad("a", "flag", value)

    def test_choices(self):
        """One word, or some, of a list."""
        words = {"a": 1, "b": 2}
        self.assertEqual(Fields({"x": "b"}).choice("x", words), 2)
        self.assertEqual(Fields({}).choice("x", words, 9), 9)
        self.assertEqual(Fields({"x": ["b", "b", "a"]}).choices("x", words, frozenset()), frozenset({1, 2}))
        self.assertEqual(Fields({}).choices("x", words, frozenset({9})), frozenset({9}))
        self.assertEqual(Fields({"x": ["b", "a"]}).ordered_choices("x", words), (2, 1))
        self.assertEqual(Fields({}).ordered_choices("x", words), ())
        for value in ("c", 1, None, ["a"], {}):
            self.assert_bad("x", "choice", value, words)
        for value in ("a", [], ["c"], [["a"]], ["a"] * (MAX_LIST + 1), {"a": 1}):
            self.assert_bad("x", "choices", value, words, frozenset())

    def test_texts(self):
        """One text or a list of them."""
        self.assertEqual(Fields({"x": "a"}).texts("x", "texts"), ("a",))
        self.assertEqual(Fields({"x": ["a", "b"]}).texts("x", "texts"), ("a", "b"))
        for value in (None, [], [1], {}, ["a"] * (MAX_LIST + 1)):
            self.assert_bad("x", "texts", value, "texts")

    def test_inner(self):
        """An object within is read the same way, and its fields are named with where they are."""
        inner = Fields({"x": {"y": 1}}).table("x")
        with self.assertRaises(BadField) as caught:
            inner.text("y", "a word", WORD)
        self.assertIn('"x.y" must be a word', str(caught.exception))
        self.assertIsNone(Fields({}).table("x"))
        self.assert_bad("x", "table", [1])

    def test_later(self):
        """A field of a later version is refused as such; its absence is nothing."""
        with self.assertRaises(BadField) as caught:
            Fields({"via": []}).later("via")
        self.assertIn("not in this version", str(caught.exception))
        Fields({}).later("via")

    def test_done(self):
        """A field that nobody reads is refused, and the known ones are named."""
        fields = Fields({"a": "x", "sectet": "s3cret"})
        fields.text("a", "a word", WORD)
        with self.assertRaises(BadField) as caught:
            fields.done()
        self.assertEqual(str(caught.exception), '"sectet" is not known here; known are a.')
        Fields({"null": None}).done()
