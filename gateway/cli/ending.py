"""
``consolegw kill`` and ``consolegw revoke``: end a session; withdraw tickets and end theirs.
"""

from __future__ import annotations

import argparse

from gateway.cli.answers import Commands, client_for, segment
from gateway.cli.exits import Exit
from gateway.cli.tables import printable


def register(commands: Commands, connection: argparse.ArgumentParser) -> None:
    """Add the commands."""
    killing = commands.add_parser("kill", parents=[connection], help="end a session")
    killing.add_argument("id", type=_named, metavar="ID", help="the session's id, as “sessions” lists it")
    killing.set_defaults(run=kill)
    revoking = commands.add_parser("revoke", parents=[connection], help="withdraw tickets, and end their sessions")
    which = revoking.add_mutually_exclusive_group(required=True)
    which.add_argument("--id", type=_named, metavar="TICKET-ID", help="one ticket, by its id")
    which.add_argument("--console", type=_named, metavar="CONSOLE", help="all tickets of a console")
    which.add_argument("--user", type=_named, metavar="USER", help="all tickets of a user")
    revoking.set_defaults(run=revoke)


def kill(options: argparse.Namespace) -> Exit:
    """End one session."""
    client_for(options).call("DELETE", f"/sessions/{segment(options.id)}")
    return _done(options, f"session {printable(options.id)} was ended")


def revoke(options: argparse.Namespace) -> Exit:
    """Withdraw one ticket, or all of a console or user."""
    client = client_for(options)
    if options.id is not None:
        client.call("DELETE", f"/tickets/{segment(options.id)}")
        return _done(options, f"ticket {printable(options.id)} was revoked")
    name, value = ("console", options.console) if options.console is not None else ("user", options.user)
    client.call("DELETE", f"/tickets?{name}={segment(value)}")
    return _done(options, f"the tickets of {name} {printable(value)} were revoked")


def _named(text: str) -> str:
    """An empty name would name all of them, or none."""
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def _done(options: argparse.Namespace, words: str) -> Exit:
    """These calls have no answer: with ``--json`` there is nothing to print."""
    if not options.json:
        print(words)
    return Exit.OK
