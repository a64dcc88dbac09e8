"""
What commands share: how they find the gateway, print an answer, and take it apart.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from gateway.cli.access import find_access
from gateway.cli.client import Client
from gateway.cli.exits import Failed

Commands = Any
"""argparse's collection of sub-commands, whose class has no public name."""


def client_for(options: argparse.Namespace) -> Client:
    """The client for the gateway that the options or the environment name."""
    return Client(find_access(options))


def print_json(answer: object) -> None:
    """Print an answer as the gateway gave it; everything but ASCII is escaped, so a terminal obeys nothing."""
    print(json.dumps(answer, indent=2))


def rows(answer: object, name: str) -> Sequence[Mapping[str, Any]]:
    """The list called ``name`` of an answer."""
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise Failed("the gateway's answer is not understood; is this tool of the same version?")
    return found


def segment(name: str) -> str:
    """A name as one segment of a path, or as a value of a query."""
    return quote(name, safe="")
