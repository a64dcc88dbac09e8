"""
Floor 7: ``consolegw``, the operator's tool.

One module for each subject, each with ``register`` and its commands; they
talk to the gateway through its REST API like anybody else's program.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from gateway import __version__
from gateway.cli import check, ending, key, lists, ticket
from gateway.cli.exits import MEANINGS, Exit, Failed

_SUBJECTS = (ticket, lists, ending, check, key)

_INTERRUPTED = 130
"""What shells use for a command that was ended by ^C."""

_EPILOG = """\
The gateway is the one at --url or CONSOLEGW_URL; without either it is the demo's,
https://localhost:8443, with keys/demo-api-key and keys/default.pem where they are there.

exit status:
""" + "\n".join(f"  {status.value}  {meaning}" for status, meaning in MEANINGS.items())


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status."""
    options = _parser().parse_args(argv)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        status = int(run(options))
        sys.stdout.flush()
    except Failed as failure:
        print(f"consolegw: {failure}", file=sys.stderr)
        return failure.status
    except BrokenPipeError:
        # Whoever read our output has enough; Python would complain once more while it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.FAILED
    except KeyboardInterrupt:
        return _INTERRUPTED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="consolegw",
        description="Consoles, tickets and sessions of a console gateway.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[_connection(None, json=False)],
    )
    parser.add_argument("--version", action="version", version=f"consolegw {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    # The same options are taken before and after the command; what stands after it wins.
    after = _connection(argparse.SUPPRESS, json=argparse.SUPPRESS)
    for subject in _SUBJECTS:
        subject.register(commands, after)
    return parser


def _connection(default: str | None, *, json: bool | str) -> argparse.ArgumentParser:
    """The options of every command that asks a gateway."""
    options = argparse.ArgumentParser(add_help=False)
    options.add_argument("--url", default=default, help="the gateway: https://HOST[:PORT] (CONSOLEGW_URL)")
    options.add_argument("--key-file", default=default, metavar="FILE", help="its API key (CONSOLEGW_KEY_FILE)")
    options.add_argument("--ca", default=default, metavar="FILE", help="trust these certificates (CONSOLEGW_CA)")
    options.add_argument("--json", action="store_true", default=json, help="print JSON")
    return options
