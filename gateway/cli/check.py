"""
``consolegw check``: read a configuration as the service would, and say what is wrong with it.
"""

from __future__ import annotations

import argparse
import sys

from gateway.cli.answers import Commands, print_json
from gateway.cli.exits import Exit, Failed
from gateway.cli.tables import printable

LINE_LIMIT = 2000


def register(commands: Commands, connection: argparse.ArgumentParser) -> None:
    """Add the command; it asks no gateway, so the connection's options do not belong to it."""
    parser = commands.add_parser("check", help="check a configuration file")
    parser.add_argument("config", metavar="CONFIG", help="usually consolegw.toml")
    parser.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Exit:
    """Read it."""
    # Here, and not above: the other commands start faster without.
    from gateway.config.load import load
    from gateway.config.place import ConfigError

    try:
        config = load(options.config)
    except ConfigError as problem:
        if options.json:
            print_json({"ok": False, "error": str(problem), "warnings": []})
        raise Failed(printable(problem, LINE_LIMIT)) from problem
    if options.json:
        print_json({"ok": True, "error": None, "warnings": list(config.warnings)})
        return Exit.OK
    for warning in config.warnings:
        print(f"warning: {printable(warning, LINE_LIMIT)}", file=sys.stderr)
    print(f"{options.config}: good")
    return Exit.OK
