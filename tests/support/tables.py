"""
The tables of the documentation that the code knows better: made from it, put between their markers.

``python -m tests.support.tables`` rewrites them in place; ``tests.test_docs`` fails while one is out of date.  A
table stands between ``<!-- table: NAME -->`` and ``<!-- end -->``; what a column says is taken from the code.
"""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from twisted.python.failure import Failure

from gateway.cli.exits import MEANINGS
from gateway.config import settings
from gateway.model.audit import AUDIT_FIELDS
from gateway.model.errors import Reason, Refused
from gateway.model.events import Event
from gateway.model.session import Ending, State
from gateway.observe.metrics import METRICS
from gateway.sessions.machine import TABLE, Cell, Input
from gateway.web.api_holder import HolderCalls
from gateway.web.api_lists import ListCalls
from gateway.web.api_tickets import TicketCalls
from gateway.web.problems import problem_of

ROOT = Path(__file__).parents[2]
DIAGRAM = ROOT / "docs/states/session.dot"

_MARKED = re.compile(r"(<!-- table: ([a-z]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_BOUND = re.compile(r"`(gateway(?:\.[a-z0-9_]+)+\.[A-Z0-9_]+)`")
_LIVING = [state for state in State if state is not State.CLOSED]
_DIAGRAM_HEAD = (
    "// Made from gateway/sessions/machine.py by python -m tests.support.tables.",
    "// Inputs that change nothing are left out; bold in the table, a word after a colon here: how the session ends.",
    "digraph session {",
)


def rows(head: Iterable[str], body: Iterable[Iterable[object]]) -> str:
    """A table of Markdown."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0])]
    lines += [[str(cell).replace("|", "\\|") for cell in row] for row in body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def code(text: object) -> str:
    """A word as it is in the code."""
    return f"`{text}`" if text else ""


def metrics() -> str:
    """What /metrics shows."""
    found = ((code(row.name), row.type, ", ".join(map(code, row.labels)), row.help) for row in METRICS)
    return rows(("metric", "type", "labels", "meaning"), found)


def events() -> str:
    """What the log says."""
    found = ((code(one.word), one.level, one.a_second or "all", one.sentence) for one in Event)
    return rows(("event", "level", "lines a second", "meaning"), found)


def audit() -> str:
    """What one line of the audit says."""
    return rows(("field", "meaning"), ((code(name), meaning) for name, meaning in AUDIT_FIELDS))


def endings() -> str:
    """How sessions end."""
    found = ((code(one.word), int(one.code), one.sentence) for one in Ending)
    return rows(("ending", "close code", "what the user reads"), found)


def reasons() -> str:
    """Why somebody is not let in."""
    statuses = {reason: problem_of(Failure(Refused(reason))).status for reason in Reason}
    found = ((code(one.word), statuses[one], one.sentence) for one in Reason)
    return rows(("reason", "status", "what the page says"), found)


def exits() -> str:
    """The exit statuses of the operator's tool."""
    return rows(("status", "meaning"), ((status.value, meaning) for status, meaning in MEANINGS.items()))


def calls() -> str:
    """Every call of the API."""
    nothing = cast(Any, None)  # routes are told without anybody to answer them
    several = (TicketCalls(nothing, nothing, "", {}), ListCalls(nothing, nothing), HolderCalls(nothing, nothing))
    routes = [route for one in several for route in one.routes()]
    found = (
        (
            code(f"{route.method} /" + "/".join(route.path)),
            route.role.name.lower() if route.role else "none",
            (inspect.getdoc(route.handler) or "").partition("\n")[0],
        )
        for route in routes
    )
    return rows(("call", "role", "what it does"), found)


def states() -> str:
    """What each input does in each state of a session."""

    def show(cell: Cell) -> str:
        return "–" if cell is None else cell.value if isinstance(cell, State) else f"**{cell.word}**"

    found = ([what.name.lower(), *(show(TABLE[state][what]) for state in _LIVING)] for what in Input)
    return rows(("input", *(state.value for state in _LIVING)), found)


def diagram() -> str:
    """The same as a graph; what ends a session in the same way wherever it stands is drawn once."""
    always = [what for what in Input if len({TABLE[state][what] for state in _LIVING}) == 1]
    edges: dict[tuple[str, str], list[str]] = {}
    for state in _LIVING:
        for what, cell in TABLE[state].items():
            if cell is None or cell is state or what in always:
                continue
            label = what.name.lower() if isinstance(cell, State) else f"{what.name.lower()}: {cell.word}"
            edges.setdefault((state.value, cell.value if isinstance(cell, State) else "closed"), []).append(label)
    for what in always:
        if isinstance(cell := TABLE[_LIVING[0]][what], Ending):
            edges.setdefault(("any state", "closed"), []).append(f"{what.name.lower()}: {cell.word}")
    drawn = [_edge(*ends, labels) for ends, labels in edges.items()]
    style = ["    node [shape=box, style=rounded];", '    "any state" [style=dashed];']
    return "\n".join([*_DIAGRAM_HEAD, *style, *drawn, "}", ""])


def _edge(start: str, end: str, labels: Iterable[str]) -> str:
    label = "\\n".join(labels)
    return f'    "{start}" -> "{end}" [label="{label}"];'


def bounds(before: str) -> str:
    """The named constants that a table lists, each with its value as it is now; the list itself is written by hand."""

    def current(line: str) -> str:
        match = _BOUND.search(line)
        if match is None:
            return line
        cells = line.split(" | ")
        module, _, name = match[1].rpartition(".")
        cells[1] = f"{getattr(importlib.import_module(module), name):,}".removesuffix(".0")
        return " | ".join(cells)

    return "".join(current(line) for line in before.splitlines(keepends=True))


MADE: dict[str, Callable[[], str]] = {
    "settings": settings.markdown,
    "metrics": metrics,
    "events": events,
    "audit": audit,
    "endings": endings,
    "reasons": reasons,
    "exits": exits,
    "calls": calls,
    "states": states,
}


def pages() -> Iterator[Path]:
    """Every page of the documentation."""
    yield from (ROOT / "README.md", ROOT / "keys/README.md", *sorted((ROOT / "docs").rglob("*.md")))


def renewed(text: str) -> str:
    """A page with its tables as they must be now.  :raises KeyError: a marker names no table."""

    def table(match: re.Match[str]) -> str:
        inside = match[0][len(match[1]) : -len(match[3])]
        made = bounds(inside) if match[2] == "bounds" else MADE[match[2]]()
        return match[1] + made + match[3]

    return _MARKED.sub(table, text)


if __name__ == "__main__":
    for page in pages():
        page.write_text(renewed(page.read_text("utf-8")), "utf-8")
    DIAGRAM.write_text(diagram(), "utf-8")
