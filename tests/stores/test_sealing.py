"""Sealing small objects."""

from __future__ import annotations

import base64
import json
import warnings
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwe
from joserfc.jwk import OctKey
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import NotSupported
from gateway.stores.sealing import MAX_STORED, BadSeal, Sealer, SealingKey, create_keys, make_key, read_keys

OLD, NEW = SealingKey("old", b"o" * 32), SealingKey("new", b"n" * 32)
CLAIMS = {"exp": 1.5, "grant": {"user": "älice"}}


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class SealerTests(SynchronousTestCase):
    def setUp(self):
        self.sealer = Sealer([NEW, OLD])

    def seal(self, claims=CLAIMS, typ="t", aud="a"):
        return self.sealer.seal(claims, typ=typ, aud=aud)

    def open(self, text, typ="t", aud="a", **more):
        return self.sealer.open(text, typ=typ, aud=aud, **more)

    def assert_bad(self, text, **more):
        self.assertRaises(BadSeal, self.open, text, **more)

    def test_round_trip(self):
        """What was sealed opens as it was, and two sealings of it differ."""
        first, second = self.seal(), self.seal()
        self.assertEqual(self.open(first), CLAIMS)
        self.assertNotEqual(first, second)

    def test_header(self):
        """The header names algorithm, key and purpose, and nothing of what is inside."""
        header = json.loads(base64.urlsafe_b64decode(self.seal().split(".")[0] + "=="))
        self.assertEqual(header, {"alg": "dir", "enc": "A256GCM", "kid": "new", "typ": "t"})

    def test_purpose_and_audience(self):
        """What was sealed for something or somebody else does not open."""
        self.assert_bad(self.seal(typ="u"))
        self.assert_bad(self.seal(aud="b"))
        self.assert_bad(Sealer([SealingKey("new", b"x" * 32)]).seal(CLAIMS, typ="t", aud="a"))

    def test_rotation(self):
        """The first key seals, all open; a key that was dropped opens nothing more."""
        old = Sealer([OLD]).seal(CLAIMS, typ="t", aud="a")
        self.assertEqual(self.open(old), CLAIMS)
        self.assertRaises(BadSeal, Sealer([NEW]).open, old, typ="t", aud="a")
        self.assertEqual(Sealer([OLD, NEW]).open(self.seal(), typ="t", aud="a"), CLAIMS)

    def test_every_character_counts(self):
        """With any one character changed, dropped or doubled it does not open."""
        text = self.seal()
        for i, character in enumerate(text):
            changed = "B" if character == "A" else "A"
            for near in (text[:i] + changed + text[i + 1 :], text[:i] + text[i + 1 :], text[: i + 1] + text[i:]):
                if near != text:
                    self.assert_bad(near)

    def test_foreign_headers(self):
        """Any header but ours is refused before its algorithm is looked at."""
        _, _, *rest = self.seal().split(".")
        plain = {"alg": "dir", "enc": "A256GCM", "kid": "new", "typ": "t"}
        changes = [
            {"alg": "none"},
            {"zip": "DEF"},
            {"crit": ["x"], "x": 1},
            {"kid": "?"},
            {"kid": ["new"]},
            {"typ": None},
        ]
        headers = [json.dumps({**plain, **change}).encode() for change in changes]
        for header in [*headers, b"", b"1", b"[]", b'"alg enc"', b"[" * 180, b"\xff", b"{" + b" " * 300 + b"}"]:
            self.assert_bad(".".join([b64(header), "", *rest]))

    def test_compressed(self):
        """Something compressed is refused, though our own key sealed it."""
        key = OctKey.import_key(NEW.secret)
        header = {"alg": "dir", "enc": "A256GCM", "kid": "new", "typ": "t", "zip": "DEF"}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            bomb = jwe.encrypt_compact(header, b" " * 10**6, key, algorithms=["dir", "A256GCM", "DEF"])
        self.assert_bad(bomb)

    def test_sealed_but_no_object(self):
        """A text sealed with our key that holds no object for us is refused."""
        key = OctKey.import_key(NEW.secret)
        header = {"alg": "dir", "enc": "A256GCM", "kid": "new", "typ": "t"}
        for plain in (b"", b"1", b"[]", b"\xff", b"{", b"{}", b'{"aud": ["a"]}'):
            self.assert_bad(jwe.encrypt_compact(header, plain, key))

    @settings(max_examples=100, deadline=None)
    @given(st.text(max_size=60) | st.text("Aa-_.", max_size=200))
    def test_junk(self, text):
        """Any text is refused, and in no other way."""
        self.assert_bad(text)

    def test_bounds(self):
        """What is too long is neither sealed nor opened; a stored grant may be larger than a ticket."""
        text = self.seal()
        self.assertEqual(self.open(text, limit=len(text)), CLAIMS)
        self.assert_bad(text, limit=len(text) - 1)
        for size in (100, len(text)):
            with self.assertRaises(NotSupported):
                self.sealer.seal({"x": "y" * size}, typ="t", aud="a", limit=len(text))
        large = {"x": "y" * (MAX_STORED // 2)}
        self.assertEqual(self.open(self.seal(large)), large)

    def test_shy(self):
        """No key is shown by its repr, and no plain text by an error."""
        self.assertNotIn("oooo", repr(OLD))
        self.assertRaises(ValueError, Sealer, [])


class KeysFileTests(SynchronousTestCase):
    def setUp(self):
        self.path = Path(self.mktemp())

    def test_make_and_read(self):
        """A keys file that was missing is made once, for the owner alone."""
        self.assertTrue(create_keys(self.path))
        (key,) = read_keys(self.path)
        self.assertEqual(len(key.secret), 32)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)
        self.assertFalse(create_keys(self.path))
        self.assertEqual(read_keys(self.path), (key,))

    def test_order_and_comments(self):
        """Keys come in the file's order; comments and empty lines do not count."""
        lines = [make_key() for _ in range(3)]
        self.path.write_text("# ours\n\n" + "\r\n".join(lines) + "\n")
        self.assertEqual([key.kid for key in read_keys(self.path)], [line.split(":")[0] for line in lines])

    def test_errors(self):
        """A wrong file is named with the line, without what stands there."""
        line = make_key()
        for text, where in {
            "": "between 1 and 16",
            "\n".join(make_key() for _ in range(17)): "between 1 and 16",
            f"{line}\nsecretish": "line 2: not a key",
            f"a:{'A' * 42}": "line 1: not a key",
            f"{line}\n{line}": "line 2: a second key",
            "x" * 5000: "larger than",
        }.items():
            self.path.write_text(text)
            error = self.assertRaises(ValueError, read_keys, self.path)
            self.assertIn(where, str(error))
            self.assertIn(str(self.path), str(error))
            self.assertNotIn("secretish", str(error))

    def test_missing(self):
        """A file that is not there is the caller's matter."""
        self.assertRaises(OSError, read_keys, self.path)
