"""
The URLs that a fresh ticket is answered with.

Only those that fit the console's kind.  A ticket stands in the fragment where
the page is meant, so that no server and no log ever sees it.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

from gateway.sessions.desk import Made


def socket_base(public_url: str) -> str:
    """A public URL with the scheme of WebSockets."""
    return "ws" + public_url.removesuffix("/").removeprefix("http")


def viewer_url(public_url: str) -> str:
    """Where a stock viewer finds us; the ticket is its password, and never stands in it: viewers show it as a title."""
    return f"vnc://{_place(public_url)}"


def proxy_url(public_url: str, ticket: str) -> str:
    """A public URL as a proxy's, the ticket being the password; where no port is said clients guess different ones."""
    return f"{urlsplit(public_url).scheme}://console:{ticket}@{_place(public_url)}"


def _place(public_url: str) -> str:
    parts = urlsplit(public_url)
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{host}:{parts.port or (443 if parts.scheme == 'https' else 80)}"


def urls_for(made: Made, public_url: str, *, viewers: bool = False) -> Mapping[str, str]:
    """Every way in that fits the kind, by its name in contract section 3; ``viewers``: those are greeted here."""
    ticket, base, sockets = made.minted.ticket.reveal(), public_url.removesuffix("/"), socket_base(public_url)
    socket, connect = {"websocket": f"{sockets}/?ticket={ticket}"}, {"connect": proxy_url(public_url, ticket)}
    if not made.kind.speaks_rfb:
        return socket | connect
    viewer = {"vnc": viewer_url(public_url)} if viewers else {}
    return {"page": f"{base}/console/#{ticket}", **socket, "webmks": f"{sockets}/ticket/{ticket}", **connect, **viewer}
