"""
``consolegw ticket``: make a ticket and print, or open, the page it opens.

The ticket is printed, and handed to a browser, in the page's URL: nowhere
else, and never in the arguments of a process.
"""

from __future__ import annotations

import argparse
import html
import os
import re
import sys
import tempfile
import time
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from gateway.cli.access import find_access
from gateway.cli.answers import Commands, client_for, print_json
from gateway.cli.exits import Exit, Failed
from gateway.cli.tables import moment, printable, span

BROWSER_SECONDS = 10.0
"""How long a browser that just starts has time to read the page that sends it on."""

CA_LIMIT = 256 * 1024
"""Characters of a file of certificates that are looked at."""

_CERTIFICATE = re.compile("-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----")

_SENDING_ON = (
    '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">'
    '<meta http-equiv="refresh" content="0;url={url}"><title>console</title>\n'
)


def register(commands: Commands, connection: argparse.ArgumentParser) -> None:
    """Add the command."""
    parser = commands.add_parser("ticket", parents=[connection], help="make a ticket and print its URL")
    parser.add_argument("console", metavar="CONSOLE", help="a console's name, or DRIVER/VM")
    parser.add_argument("--open", action="store_true", help="open it in a browser")
    parser.add_argument("--user", help="whom it is for, as the audit shall say")
    parser.add_argument("--ttl", type=_count(1), metavar="SECONDS", help="how long it may wait for its first use")
    parser.add_argument("--uses", type=_count(0), metavar="N", help="how many sessions it opens; 0: any number")
    parser.add_argument("--view-only", action="store_true", help="no keys, no pointer, no clipboard")
    parser.add_argument("--one-shot", action="store_true", help="no coming back with the same ticket")
    parser.add_argument("--vv", metavar="FILE", help="write the file of a SPICE viewer; “-”: the standard output")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> Exit:
    """Make the ticket."""
    answer = client_for(options).call("POST", "/tickets", _wish(options))
    if not isinstance(answer, dict) or not isinstance(answer.get("urls"), dict):
        raise Failed("the gateway's answer is not understood; is this tool of the same version?")
    page = answer["urls"].get("page")
    if options.vv:
        _write_viewer_file(options, answer.get("vv"))
        _tell(answer)
    elif options.json:
        print_json(answer)
    else:
        _print(answer, page)
    if options.open:
        _open(page)
    return Exit.OK


def _wish(options: argparse.Namespace) -> dict[str, Any]:
    wish: dict[str, Any] = {"console": options.console}
    for name in ("user", "ttl", "uses"):
        if getattr(options, name) is not None:
            wish[name] = getattr(options, name)
    if options.view_only:
        wish["rights"] = ["view"]
    if options.one_shot:
        wish["one_shot"] = True
    return wish


def _print(answer: Mapping[str, Any], page: object) -> None:
    """The page alone on the standard output, so that scripts can take it; the rest is for the reader."""
    if isinstance(page, str):
        print(printable(page, len(page)))
    else:
        for name, url in answer["urls"].items():
            print(f"{printable(name)}: {printable(url, len(str(url)))}")
    _tell(answer)


def _tell(answer: Mapping[str, Any]) -> None:
    left = moment(answer.get("expires_at"))
    until = "" if left is None else f", to be used within {span(left - time.time() + 0.5)}"
    print(f"ticket {printable(answer.get('id'))} for {printable(answer.get('console'))}{until}", file=sys.stderr)


def _write_viewer_file(options: argparse.Namespace, text: object) -> None:
    """A viewer's file, readable by us alone, since the ticket is in it; it trusts whom we trust."""
    if not isinstance(text, str):
        raise Failed("this console has no viewer's file; only those of kind spice have")
    if (ca := find_access(options).ca) is not None:
        text += "ca=" + _certificates(ca).replace("\n", "\\n") + "\n"
    if options.vv == "-":
        sys.stdout.write(text)
        return
    try:
        with suppress(FileNotFoundError):
            os.unlink(options.vv)  # whoever could read the one before shall not read this one
        with open(os.open(options.vv, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as problem:
        raise Failed(f"{options.vv} cannot be written: {problem.strerror}") from problem


def _certificates(path: str) -> str:
    """The certificates in a file of ours, which may hold a key as well."""
    with open(path, encoding="ascii", errors="replace") as file:
        return "".join(match + "\n" for match in _CERTIFICATE.findall(file.read(CA_LIMIT)))


def _open(page: object) -> None:
    if not isinstance(page, str) or not page.startswith(("https://", "http://")):
        raise Failed("this console has no page to open in a browser")
    with _sending_on(page) as url:
        if not webbrowser.open(url):
            raise Failed("there is no browser here; open the URL above in one")
        time.sleep(BROWSER_SECONDS)


@contextmanager
def _sending_on(page: str) -> Iterator[str]:
    """
    A file of ours that only we can read and that sends a browser on to the page.

    Browsers are started with the URL among their arguments, which every user
    of the machine can read; the file's name tells nobody anything.
    """
    directory = os.environ.get("XDG_RUNTIME_DIR")
    usable = directory if directory and os.access(directory, os.W_OK) else None
    with tempfile.NamedTemporaryFile("w", suffix=".html", prefix="consolegw-", dir=usable, encoding="utf-8") as file:
        file.write(_SENDING_ON.format(url=html.escape(page, quote=True)))
        file.flush()
        yield f"file://{file.name}"


def _count(least: int) -> Any:
    def count(text: str) -> int:
        number = int(text)
        if number < least:
            raise ValueError
        return number

    count.__name__ = "number"  # argparse says “invalid number value”
    return count
