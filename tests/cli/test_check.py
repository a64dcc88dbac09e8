"""Checking a configuration."""

from __future__ import annotations

import json

from tests.cli.fake_gateway import ToolCase, run

GOOD = '[gateway]\npublic_url = "https://console.example.com"\n'
WARNED = GOOD + '[tickets]\nstore = "sealed"\nsealed_keys_file = "keys/sealed"\n'


class CheckTests(ToolCase):
    def check(self, text: str, *options: str) -> tuple[int, str, str]:
        (self.directory / "consolegw.toml").write_text(text)
        outcome = run("check", "consolegw.toml", *options)
        return outcome.status, outcome.out, outcome.err

    def test_good(self) -> None:
        """A good file is called good."""
        self.assertEqual(self.check(GOOD), (0, "consolegw.toml: good\n", ""))
        status, out, _ = self.check(GOOD, "--json")
        self.assertEqual((status, json.loads(out)), (0, {"ok": True, "error": None, "warnings": []}))

    def test_warnings(self) -> None:
        """A file that works but may surprise says so on the standard error."""
        status, out, err = self.check(WARNED)
        self.assertEqual((status, out), (0, "consolegw.toml: good\n"))
        self.assertRegex(err, "^warning: consolegw.toml: .*bearer token")
        self.assertEqual(len(json.loads(self.check(WARNED, "--json")[1])["warnings"]), 1)

    def test_wrong(self) -> None:
        """A wrong file is one line that names file and key, and status 1."""
        status, out, err = self.check(GOOD + "[tickets]\nttl = true\n")
        self.assertEqual((status, out, err.count("\n")), (1, "", 1))
        self.assertRegex(err, r"^consolegw: consolegw\.toml: .*tickets\.ttl")

    def test_wrong_as_json(self) -> None:
        """With --json the error is in the answer too."""
        status, out, _ = self.check("no toml", "--json")
        self.assertEqual((status, json.loads(out)["ok"]), (1, False))

    def test_missing(self) -> None:
        """A missing file is named."""
        self.assert_fails(run("check", "nowhere.toml"), 1, "nowhere.toml")
