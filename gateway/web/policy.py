"""
The security headers of every answer.

Made once from the public URLs and the origins that may frame the console;
reasons stand beside the lines.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gateway.model.client import Arrival
from gateway.web.origin import parse_origin
from gateway.web.urls import socket_base

Headers = tuple[tuple[bytes, bytes], ...]

HSTS_SECONDS: Final = 31_536_000

_LOCAL: Final = "localhost"


class Policy:
    """
    :param public_urls: the gateway's and those of its listeners.
    :param allowed: the origins whose pages may frame ours.
    """

    def __init__(self, public_urls: Iterable[str], allowed: Iterable[str] = ()) -> None:
        urls = tuple(dict.fromkeys(url.removesuffix("/") for url in public_urls))
        framing = tuple(allowed)
        common = {
            "Content-Security-Policy": _csp(urls, framing),
            "X-Content-Type-Options": "nosniff",
            # A ticket may stand in the query of a page that somebody else wrote.
            "Referrer-Policy": "no-referrer",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
            # Pages that embed ours may themselves be isolated, and then embed only what allows it.
            "Cross-Origin-Resource-Policy": "cross-origin" if framing else "same-origin",
        }
        if not framing:  # a portal that opens the console in a window may want to see when that is closed
            common["Cross-Origin-Opener-Policy"] = "same-origin"
        self._common = _encoded(common)
        self._strict = _encoded({"Strict-Transport-Security": f"max-age={HSTS_SECONDS}"})
        self._strict_for = frozenset(url for url in urls if _owns_its_host(url))

    def headers(self, arrival: Arrival) -> Headers:
        """The headers of an answer to this client."""
        strict = arrival.secure and arrival.public_url.removesuffix("/") in self._strict_for
        return self._common + self._strict if strict else self._common


def _csp(public_urls: Iterable[str], framing: Iterable[str]) -> str:
    sockets = " ".join(map(socket_base, public_urls))  # not every browser counts wss: among 'self'
    frames = " ".join(framing)
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data: blob:",  # noVNC shows JPEG rectangles as data: images
            f"connect-src 'self' {sockets}".rstrip(),
            "font-src 'self'",
            "base-uri 'none'",
            "form-action 'self'",
            f"frame-ancestors 'self' {frames}".rstrip(),
        )
    )


def _owns_its_host(url: str) -> bool:
    """Whether HTTPS may be demanded of the host: that is for all of its ports, so only where ours is the usual one."""
    origin = parse_origin(url)
    return origin is not None and (origin.scheme, origin.port) == ("https", 443) and origin.host != _LOCAL


def _encoded(headers: dict[str, str]) -> Headers:
    return tuple((name.encode("ascii"), value.encode("ascii")) for name, value in headers.items())
