"""
Which pages may open consoles here: the rules about ``Origin``.

Pure: an origin goes in, and nothing or the one rule that it breaks comes out.
Who must send one at all is decided by whoever asks.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from attrs import frozen

MAX_SHOWN: Final = 200  # characters of a stranger's origin that go into a log line or an answer
PUBLIC_URL: Final = "gateway.public_url"
ALLOWED_ORIGINS: Final = "browser.allowed_origins"

_LISTED: Final = f"the public URL, or from a site among {ALLOWED_ORIGINS}"
_ORIGIN: Final = re.compile(
    r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
)
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@frozen
class Origin:
    """Scheme, host and port, as they are compared."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        usual = self.port == _DEFAULT_PORTS[self.scheme]
        return f"{self.scheme}://{self.host}" + ("" if usual else f":{self.port}")


def parse_origin(text: str) -> Origin | None:
    """Read an origin or a public URL (one slash at its end does not matter); ``None`` when it is neither."""
    match = _ORIGIN.fullmatch(text.removesuffix("/"))
    if match is None:
        return None
    scheme = match["scheme"]
    return Origin(scheme, match["host"].lower(), int(match["port"] or _DEFAULT_PORTS[scheme]))


@frozen
class OriginFault:
    """The rule that an origin breaks, in a word and in a sentence, and the setting that mends it (if one does)."""

    rule: str
    origin: str
    expected: tuple[str, ...]
    setting: str
    sentence: str


class OriginRules:
    """
    :param public_urls: the gateway's and those of its listeners.
    :param allowed: ``browser.allowed_origins``.
    """

    def __init__(self, public_urls: Iterable[str], allowed: Iterable[str] = ()) -> None:
        self._public = tuple(dict.fromkeys(filter(None, map(parse_origin, public_urls))))
        self._allowed = frozenset((*self._public, *filter(None, map(parse_origin, allowed))))

    def judge(self, values: tuple[str, ...], *, required: bool) -> OriginFault | None:
        """
        The rule that a request breaks, if any.

        :param values: the request's ``Origin`` headers.
        """
        if not values and not required:
            return None
        if not values:
            return self._fault("absent", "", "This request has no Origin, which every page's has.", "")
        text = values[0]
        origin = parse_origin(text) if len(values) == 1 and not text.endswith("/") else None
        if text == "null":
            sentence = f"The page has no origin of its own (a sandboxed frame, a file): serve it from {_LISTED}."
            return self._fault("null", text, sentence, ALLOWED_ORIGINS)
        if origin is None:
            return self._fault(
                "malformed", text, f"The page's origin is ill-formed: serve it from {_LISTED}.", ALLOWED_ORIGINS
            )
        return None if origin in self._allowed else self._stranger(origin)

    def _stranger(self, origin: Origin) -> OriginFault:
        """An origin that is none of ours: say what it differs in from the public URL that it is nearest to."""
        ours = next((one for one in self._public if one.host == origin.host), None)
        if ours is not None and ours.scheme != origin.scheme:
            sentence = f"The page came over {origin.scheme}, but the public URL is {ours}: set {PUBLIC_URL}."
            return self._fault("scheme", str(origin), sentence, PUBLIC_URL)
        if ours is not None:
            sentence = f"The page came from port {origin.port}, but the public URL is {ours}: set {PUBLIC_URL}."
            return self._fault("port", str(origin), sentence, PUBLIC_URL)
        known = ", ".join(map(str, self._public)) or "(none)"
        sentence = f"The page's origin {origin} is not among the public URLs {known}: add it to {ALLOWED_ORIGINS}."
        return self._fault("host", str(origin), sentence, ALLOWED_ORIGINS)

    def _fault(self, rule: str, origin: str, sentence: str, setting: str) -> OriginFault:
        return OriginFault(rule, origin[:MAX_SHOWN], tuple(map(str, self._public)), setting, sentence)
