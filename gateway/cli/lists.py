"""
``consolegw consoles`` and ``consolegw sessions``: what there is, and who works on it.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from gateway.cli.answers import Commands, client_for, print_json, rows
from gateway.cli.exits import Exit
from gateway.cli.tables import moment, size, span, table


def register(commands: Commands, connection: argparse.ArgumentParser) -> None:
    """Add the commands."""
    listing = commands.add_parser("consoles", parents=[connection], help="list the consoles")
    listing.set_defaults(run=consoles)
    live = commands.add_parser("sessions", parents=[connection], help="list the live sessions")
    live.set_defaults(run=sessions)


def consoles(options: argparse.Namespace) -> Exit:
    """Every console that the gateway knows."""
    answer = client_for(options).call("GET", "/consoles")
    if options.json:
        print_json(answer)
        return Exit.OK
    columns = ("name", "kind", "driver", "power", "title")
    found = rows(answer, "consoles")
    print(table([name.upper() for name in columns], [[row.get(name) for name in columns] for row in found]))
    return Exit.OK


def sessions(options: argparse.Namespace) -> Exit:
    """Every session that lives."""
    answer = client_for(options).call("GET", "/sessions")
    if options.json:
        print_json(answer)
        return Exit.OK
    titles = ("ID", "CONSOLE", "KIND", "USER", "FROM", "BY", "NODE", "STATE", ">AGE", ">GEN", ">IN", ">OUT")
    now = time.time()
    print(table(titles, [_session(row, now) for row in rows(answer, "sessions")]))
    return Exit.OK


def _session(row: Mapping[str, Any], now: float) -> list[object]:
    opened_at = moment(row.get("opened_at"))
    return [
        *(row.get(name) for name in ("id", "console", "kind", "user", "address")),
        "page" if row.get("held") else "viewer",
        *(row.get(name) for name in ("node", "state")),
        None if opened_at is None else span(now - opened_at),
        row.get("generation"),
        size(row.get("bytes_in")),
        size(row.get("bytes_out")),
    ]
