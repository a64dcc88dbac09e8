"""
The last line of defence: masks whatever looks like a secret of ours in a text.

Nobody should log a secret in the first place (``model.secret`` hides itself);
this is for tracebacks, for other people's messages and for our mistakes.  It
may mask too much.  Every pattern is linear in the length of the text.
"""

from __future__ import annotations

import re

MASK = "[masked]"

SECRET_NAMES = frozenset(
    {"ticket", "token", "grant", "holder", "key", "api_key", "password", "secret", "authorization", "cookie"}
)
"""A field of an event with one of these names is masked whatever it holds (ids are called ``ticket_id`` and so on)."""

# Each keeps its first group and masks the rest.
_PATTERNS = tuple(
    re.compile(pattern, flags)
    for pattern, flags in (
        # Headers, raw or in the repr of a dict: the rest of the line is theirs.
        (r"((?:authorization|cookie)['\"]?\s*[:=,]\s*)[^\r\n]+", re.IGNORECASE),
        # A “bearer token” is a word of ours.
        (r"(\bBearer\s+)(?!tokens?\b)[^\s'\",]{4,}", re.IGNORECASE),
        (r"(\b(?:Basic|Grant)\s+)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE),
        # Where a ticket may stand in a URL, a cookie or a configuration.
        (r"((?:ticket|token|password|passwd|secret)(?:=|%3D))[^\s&;#'\"<>]+", re.IGNORECASE),
        (r"(/ticket/)[^\s/?#'\"<>]+", re.IGNORECASE),
        (r"(/console/#)[^\s'\"<>]+", re.IGNORECASE),
        # Long enough not to mask the attribute of an object called grant in a traceback.
        (r"(\bgrant\.)[A-Za-z0-9._-]{16,}", re.IGNORECASE),
        (r"(-----BEGIN [A-Z ]{0,32}PRIVATE KEY-----)[^-]+", 0),
        # A sealed ticket: a compact JOSE token, whose header begins {".
        (r"()eyJ[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]*){1,4}", 0),
        # 256 random bits.  They practically always have letters of both cases, which hex digests and long
        # names in tracebacks have not; our ids are shorter.
        (r"()(?<![A-Za-z0-9_-])(?=[a-z0-9_-]*[A-Z])(?=[A-Z0-9_-]*[a-z])[A-Za-z0-9_-]{43,}", 0),
    )
)


def redact(text: str) -> str:
    """Mask everything in ``text`` that looks like a ticket, a grant, a key or a password."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{MASK}", text)
    return text
