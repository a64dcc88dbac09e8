"""Readers of single values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.config import values
from gateway.config.place import ConfigError, Place
from gateway.config.tables import Read


class ValuesCase(SynchronousTestCase):
    """Has a place, and a directory beside it."""

    def setUp(self) -> None:
        self.base = Path(self.mktemp()).absolute()
        self.base.mkdir(parents=True)
        self.place = Place("f", self.base, "key")

    def accepts(self, read: Read[Any], *pairs: tuple[object, object]) -> None:
        for given, wanted in pairs:
            self.assertEqual(read(self.place, given), wanted)

    def refusal(self, read: Read[Any], value: object) -> str:
        return str(self.assertRaises(ConfigError, read, self.place, value))

    def refuses(self, read: Read[Any], accepted: str, *wrong: object) -> None:
        for value in wrong:
            self.assertIn(f"accepted: {accepted}", self.refusal(read, value), repr(value))

    def file(self, name: str, content: bytes, mode: int = 0o600) -> str:
        path = self.base / name
        path.write_bytes(content)
        path.chmod(mode)
        return name


class PlainTests(ValuesCase):
    """Numbers, words, lists and paths."""

    def test_whole(self) -> None:
        """Whole numbers have both ends; booleans and fractions are none."""
        self.accepts(values.whole(1, 9), (1, 1), (9, 9))
        self.refuses(values.whole(1, 9), "a whole number from 1 to 9", 0, 10, True, 1.0, "1", None, float("nan"))

    def test_seconds(self) -> None:
        """Durations may be fractions, and are finite."""
        self.accepts(values.seconds(0.5, 9), (0.5, 0.5), (9, 9))
        wrong = (0.4, 9.1, True, "1", float("nan"), float("inf"), -float("inf"), [])
        self.refuses(values.seconds(0.5, 9), "seconds, from 0.5 to 9", *wrong)

    def test_text(self) -> None:
        """A text is one printable line."""
        self.accepts(values.text, ("Lab ü", "Lab ü"), ("", ""))
        self.refuses(values.text, "a text of at most", "a\nb", "\x1b[2J", "x" * 201, 1)

    def test_boolean(self) -> None:
        """True and false, and no number."""
        self.accepts(values.boolean, (True, True), (False, False))
        self.refuses(values.boolean, "true or false", 1, "true")

    def test_choice(self) -> None:
        """One of a few words; one of a later version is said to be that."""
        read = values.choice("a", "b", later=("c",))
        self.accepts(read, ("a", "a"))
        self.refuses(read, '"a" or "b"', "A", 1, ["a"], "c")
        self.assertIn('found "c", which is not in this version', self.refusal(read, "c"))
        self.assertNotIn("version", self.refusal(read, "d"))

    def test_only(self) -> None:
        """One value is known; false is not 0 and 1 is not true."""
        read = values.only(1, lambda value: value in (2, "auto"))
        self.accepts(read, (1, 1))
        for value in (2, "auto"):
            self.assertIn("not in this version; accepted: 1", self.refusal(read, value))
        for value in (True, 0, "1"):
            self.assertRegex(self.refusal(read, value), r"found [^ ]+; accepted: 1\Z")

    def test_lists(self) -> None:
        """An item's error names its number."""
        self.accepts(values.subset("a", "b"), ([], frozenset()), (["a", "a"], frozenset("a")))
        self.assertIn('key[1]: found "x"', self.refusal(values.subset("a"), ["a", "x"]))
        self.refuses(values.subset("a"), 'a list of "a"', "a", {})
        self.accepts(values.list_of(values.text, "texts"), (["a", "b"], ("a", "b")))
        self.refuses(values.list_of(values.text, "texts"), "a list of texts", "a", ["a"] * 1001)

    def test_optional(self) -> None:
        """What need not be given is None or empty then."""
        self.accepts(values.optional(values.text), (None, None), ("a", "a"))
        self.accepts(values.or_empty(values.text), (None, ""), ("a", "a"))

    def test_paths(self) -> None:
        """Relative paths are relative to the file, absolute ones stay."""
        self.accepts(values.path, ("keys", self.base / "keys"), ("/etc/x", Path("/etc/x")))
        self.refuses(values.path, "a path", "", "a\0b", 1)
        self.accepts(values.path_or("stdout"), ("stdout", None), ("a", self.base / "a"))

    def test_names(self) -> None:
        """Names are by the contract's rule; a node without one has the host's."""
        self.accepts(values.name, ("a.B-1_", "a.B-1_"), ("x" * 64, "x" * 64))
        self.refuses(values.name, "1 to 64", "", "a/b", "x" * 65, "ü", "a\n", 1)
        self.accepts(values.node_name, ("gw-1", "gw-1"))
        self.assertRegex(values.node_name(self.place, None), r"\A[A-Za-z0-9._-]{1,64}\Z")


class SecretTests(ValuesCase):
    """Secrets come from files and the environment, and are seen nowhere."""

    def test_file(self) -> None:
        """One newline at the end does not count; other whitespace does."""
        for content, secret in ((b"pw", "pw"), (b"pw\n", "pw"), (b"pw\r\n", "pw"), (b" pw \n\n", " pw \n")):
            found = values.secret_file(self.place, self.file("pw", content))
            self.assertEqual(found.reveal(), secret)
            self.assertNotIn("pw", repr(found))
        self.assertEqual(self.place.warnings, [])

    def test_open_file(self) -> None:
        """A file that others can read is a warning without the secret."""
        for mode in (0o640, 0o604):
            values.secret_file(self.place, self.file("secret", b"hunter2", mode))
        self.assertEqual(len(self.place.warnings), 2)
        self.assertIn("f: key: ", self.place.warnings[0])
        self.assertIn("chmod 600", self.place.warnings[0])
        self.assertNotIn("hunter2", "".join(self.place.warnings))

    def test_bad_files(self) -> None:
        """A file that is missing, empty, too long, no text or a directory is refused."""
        for name, accepted in (
            ("missing", "a file that can be read"),
            (".", "a file that can be read"),
            (self.file("empty", b"\n"), "a secret of at least one character"),
            (self.file("long", b"hunter2" * 1000), "a file of at most 4096 bytes"),
            (self.file("binary", b"hunter2\xff"), "a file with the secret in it"),
        ):
            message = self.refusal(values.secret_file, name)
            self.assertIn(f"accepted: {accepted}", message)
            self.assertNotIn("hunter2", message)

    def test_private_key(self) -> None:
        """A key's file is read as it is, of any usual length; one that others can read is a warning."""
        pem = b"-----BEGIN PRIVATE KEY-----\n" + b"hunter2\n" * 1000 + b"-----END PRIVATE KEY-----\n"
        found = values.private_key(self.place, self.file("key.pem", pem))
        self.assertEqual((found.reveal(), self.place.warnings), (pem.decode(), []))
        values.private_key(self.place, self.file("open.pem", pem, 0o640))
        self.assertIn("chmod 600", self.place.warnings[0])
        for content in (b"hunter2", b"-----BEGIN PRIVATE KEY-----\xff"):
            self.refuses(values.private_key, "a file with a PEM private key", self.file("x", content))

    def test_environment(self) -> None:
        """A variable that is set and not empty is the secret."""
        self.patch(os, "environ", {"LAB_PW": "hunter2", "EMPTY": ""})
        self.assertEqual(values.secret_env(self.place, "LAB_PW").reveal(), "hunter2")
        self.assertIn("found MISSING, which is not set", self.refusal(values.secret_env, "MISSING"))
        self.assertIn("found EMPTY, which is not set", self.refusal(values.secret_env, "EMPTY"))
        self.assertNotIn("hunter2!", self.refusal(values.secret_env, "hunter2!"))

    def test_certificates(self) -> None:
        """A CA file is read at load and holds a certificate."""
        pem = b"-----BEGIN CERTIFICATE-----\nxx\n-----END CERTIFICATE-----\n"
        self.assertEqual(values.certificates(self.place, self.file("ca.pem", pem, 0o644)), pem)
        self.assertEqual(self.place.warnings, [])
        self.refuses(values.certificates, "a file of PEM certificates", self.file("x", b"-----BEGIN PRIVATE KEY-----"))
        self.refuses(values.certificates, "a file that can be read", "missing")
