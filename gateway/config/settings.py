"""
Every key of the configuration, for the documentation and the test that compares them.

``python -m gateway.config.settings`` prints the table of ``docs/operations.md``.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config.place import NOT_YET
from gateway.config.schema import Config
from gateway.config.tables import Setting, settings_of


def settings() -> Iterator[Setting]:
    """Every key, in the order of the schema."""
    return settings_of(Config)


def markdown() -> str:
    """The keys as a table of Markdown."""
    rows = ["| key | default | meaning |", "|---|---|---|"]
    for one in settings():
        default = f"({NOT_YET})" if one.later else one.default
        rows.append(f"| `{one.dotted}` | {default} | {one.description} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    print(markdown(), end="")
