"""
The file that a SPICE viewer is opened with (``.vv``): where to connect, and with what.

It holds the ticket, so whoever writes it keeps it from others; the viewer
deletes it when it has read it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from gateway.sessions.desk import Made
from gateway.web.urls import proxy_url

MAX_PASSWORD: Final = 60
"""Longest ticket that viewers send as a password; a sealed one goes by a proxy's URL."""


def spice_file(made: Made, public_url: str) -> str:
    """A viewer's file for a fresh ticket."""
    return "\n".join(["[virt-viewer]", "type=spice", *_places(made, public_url), "delete-this-file=1", ""])


def _places(made: Made, public_url: str) -> Iterator[str]:
    ticket, parts = made.minted.ticket.reveal(), urlsplit(public_url)
    yield f"title={''.join(filter(str.isprintable, made.console))}"
    if parts.scheme == "https" and len(ticket) <= MAX_PASSWORD:
        yield f"host={parts.hostname}"
        yield f"tls-port={parts.port or 443}"
        yield f"password={ticket}"
    else:
        yield "host=console"
        yield "port=1"
        yield f"proxy={proxy_url(public_url, ticket)}"
