"""The list of every key, and that the shipped example has each."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.settings import markdown, settings
from tests.config.test_load import uncommented

EXAMPLE = Path(__file__).parents[2] / "docs" / "consolegw.toml"


def keys(table: dict[str, Any], prefix: str = "") -> set[str]:
    """The dotted keys of a parsed text, as ``settings`` writes them."""
    found: set[str] = set()
    for key, value in table.items():
        dotted = f"{prefix}.{key}" if prefix else key
        found.add(dotted)
        if key in ("console", "driver") and not prefix:
            for inner in value.values():
                found |= keys(inner, f"{dotted}.NAME")
        elif isinstance(value, dict):
            found |= keys(value, dotted)
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            for inner in value:
                found |= keys(inner, f"{dotted}[]")
    return found


class SettingsTests(SynchronousTestCase):
    """What the documentation is checked against."""

    def test_each_key_once_and_described(self) -> None:
        """No key is listed twice; each has one line that says what it is."""
        listed = list(settings())
        self.assertEqual(len({one.dotted for one in listed}), len(listed))
        for one in listed:
            self.assertRegex(one.description, r"\A[^|\n]{10,140}\.\Z", one.dotted)

    def test_tables_of_the_contract(self) -> None:
        """Every table of contract section 2 is there, those of later versions marked."""
        tables = {one.dotted.partition(".")[0] for one in settings()}
        self.assertEqual(
            tables,
            {"gateway", "listen[]", "tls", "tickets", "redis", "api", "admin", "browser", "limits", "resume", "audit",
             "console", "driver"},
        )  # fmt: skip
        later = {one.dotted for one in settings() if one.later}
        self.assertTrue({"redis", "redis.url", "driver.NAME.kind"} <= later)
        self.assertFalse({"gateway.public_url", "console.NAME.kind"} & later)

    def test_example_has_every_key(self) -> None:
        """The example shows every key of this version, at least in a comment or as a choice."""
        text = EXAMPLE.read_text()
        shown = keys(tomllib.loads("\n".join(uncommented(text))))
        in_words = {"console.NAME.security.password_env"}
        in_words |= {f"console.NAME.tls.{key}" for key in ("ca", "client_cert", "client_key")}
        self.assertEqual({one.dotted for one in settings() if not one.later} - shown, in_words)
        for dotted in in_words:
            self.assertIn(f"{dotted.rpartition('.')[2]} = ", text)

    def test_markdown(self) -> None:
        """The table for the documentation has a row for each key."""
        rows = markdown().splitlines()
        self.assertEqual(len(rows), 2 + len(list(settings())))
        self.assertIn('| `tickets.store` | "sqlite" | Where tickets and sessions are kept', "\n".join(rows))
        self.assertIn("| `redis.url` | (not in this version) | ", "\n".join(rows))
