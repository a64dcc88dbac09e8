"""
Tells from its first bytes what a client speaks.

One small probe per protocol, in a table; a verdict is one of three values and
never an exception.  Silence, deadlines and refusing are the mux's business, and
a PROXY header is never guessed here: it is expected where configured, or not at all.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final

import attrs

SNIFF_LIMIT: Final = 16
"""
With so many bytes :func:`identify` has always decided.

The longest question is two stray line ends and ``OPTIONS`` with its space: 12 bytes.
"""


class Kind(enum.Enum):
    """What a client can open a connection with."""

    TLS = "tls"
    HTTP = "http"
    RFB = "rfb"
    SPICE = "spice"


@attrs.frozen
class Match:
    """The bytes begin this protocol."""

    kind: Kind


@attrs.frozen
class NoMatch:
    """The bytes begin nothing that is known here, whatever may follow."""


@attrs.frozen
class NeedMore:
    """The bytes so far could still become something."""


Verdict = Match | NoMatch | NeedMore


def identify(prefix: bytes) -> Verdict:
    """Say what a connection that starts with ``prefix`` speaks."""
    verdicts = [probe(prefix[:SNIFF_LIMIT]) for probe in _PROBES]
    for verdict in verdicts:
        if isinstance(verdict, Match):
            return verdict
    return NeedMore() if NeedMore() in verdicts else NoMatch()


def _one_of(kind: Kind, openings: tuple[bytes, ...], prefix: bytes) -> Verdict:
    if prefix.startswith(openings):
        return Match(kind)
    if any(opening.startswith(prefix) for opening in openings):
        return NeedMore()
    return NoMatch()


# A handshake record (RFC 8446 §5.1) of any version that has existed; the whole hello is read elsewhere.
_TLS: Final = tuple(b"\x16\x03" + bytes([minor]) for minor in range(5))

_METHODS: Final = tuple(
    method + b" "
    for method in (b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"PATCH", b"CONNECT", b"TRACE")
)
# RFC 9112 §2.2: a server should ignore at least one empty line before a request line.
_HTTP: Final = tuple(stray + method for stray in (b"", b"\r\n", b"\r\n\r\n") for method in _METHODS)


def _tls(prefix: bytes) -> Verdict:
    return _one_of(Kind.TLS, _TLS, prefix)


def _http(prefix: bytes) -> Verdict:
    return _one_of(Kind.HTTP, _HTTP, prefix)


def _rfb(prefix: bytes) -> Verdict:
    # gtk-vnc sends these four bytes by themselves and then waits for the greeting.
    return _one_of(Kind.RFB, (b"RFB ",), prefix)


def _spice(prefix: bytes) -> Verdict:
    return _one_of(Kind.SPICE, (b"REDQ",), prefix)


_PROBES: Final[tuple[Callable[[bytes], Verdict], ...]] = (_tls, _http, _rfb, _spice)
