"""
HTTP CONNECT, both roles: what a client presents and is answered, and a tunnel through somebody else's proxy.

A client's head is read by ``gateway.wire.http1``; its authority is never
looked at, since a ticket alone says which console is meant.  Whether what is
presented lets anybody in is decided elsewhere.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Iterator
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.wire.errors import LocalError, PeerError
from gateway.wire.http1 import MAX_HEAD, MAX_HEADERS, MAX_LINE, BadRequest, Head, simple_response
from gateway.wire.reader import Need, Reader, Steps

MAX_TICKET: Final = 4096
"""Longest ticket in bytes, a sealed one included: that of ``gateway.model.ticket``, which is not known here."""

MAX_BASIC: Final = 7 * 1024
"""Longest credentials: such a ticket and a user name of a KiB, in base64."""

MAX_FIELDS: Final = 32
"""Fields of a query that are looked at: old viewers send one."""

REALM: Final = "consolegw"

_QUERY: Final = frozenset({b"ticket", b"token"})
_BAD_ESCAPE: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[0-9] ([1-5][0-9]{2})(?: .*)?")
_TARGET: Final = re.compile(r"[\x21-\x7e]+")
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class TunnelRefused(PeerError):
    """The proxy, or the console's own server, answered CONNECT with something else than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"CONNECT was answered with status {status}")
        self.status = status


# The server's role.


def presented(head: Head) -> str | None:
    """
    Find the ticket that a CONNECT presents; ``None`` calls for :func:`challenge`.

    It stands in the query of a path, or is the password of
    ``Proxy-Authorization: Basic``.  An empty one is none, and so is any other
    scheme than Basic.

    :raises BadRequest: it is malformed, or there are two that differ.
    """
    if head.method != "CONNECT":
        raise LocalError("this is no CONNECT")
    found = {ticket for ticket in (*_in_query(head.target), *_in_credentials(head)) if ticket}
    if len(found) > 1:
        raise BadRequest(400, "two different tickets were presented")
    return found.pop() if found else None


def _in_query(target: str) -> Iterator[str]:
    if not target.startswith("/"):
        return  # an authority, whatever it is
    if " " in target:
        raise BadRequest(400, "the target of a CONNECT is a path with spaces")
    fields = target.partition("?")[2].encode("ascii").split(b"&")
    if len(fields) > MAX_FIELDS:
        raise BadRequest(400, "the query has too many fields")
    for field in fields:
        name, _, value = field.partition(b"=")
        if name in _QUERY:
            if _BAD_ESCAPE.search(value):
                raise BadRequest(400, "a ticket is badly escaped")
            yield _text(unquote_to_bytes(value))


def _in_credentials(head: Head) -> Iterator[str]:
    for value in head.all("proxy-authorization"):
        scheme, _, credentials = value.partition(" ")
        if scheme.lower() == "basic":
            yield _password(credentials.strip(" "))


def _password(credentials: str) -> str:
    """Take the password out of a user's Basic credentials (RFC 7617 §2); the user may have any name, or none."""
    if len(credentials) > MAX_BASIC:
        raise BadRequest(400, "the credentials are too long")
    try:
        pair = base64.b64decode(credentials, validate=True)
    except (binascii.Error, ValueError):
        raise BadRequest(400, "the credentials are no base64") from None
    _, colon, password = pair.partition(b":")
    if not colon:
        raise BadRequest(400, "the credentials hold no password")
    return _text(password)


def _text(ticket: bytes) -> str:
    if len(ticket) > MAX_TICKET:
        raise BadRequest(400, "a ticket is too long")
    try:
        text = ticket.decode()
    except UnicodeDecodeError:
        text = ticket.decode("latin-1")  # RFC 7617 leaves the encoding open
    if _CONTROL.search(text):
        raise BadRequest(400, "a ticket holds control characters")
    return text


def established() -> bytes:
    """Say yes: what follows is the console's."""
    return b"HTTP/1.1 200 Connection established\r\n\r\n"  # a length would be wrong (RFC 9110 §9.3.6)


def challenge() -> bytes:
    """Ask for the ticket, or refuse the one presented; the connection stays open for another request."""
    ask = ("Proxy-Authenticate", f'Basic realm="{REALM}"')
    return simple_response(407, headers=(ask, ("Connection", "keep-alive")), close=False)


# The client's role.


def tunnel(reader: Reader, target: str, headers: Iterable[tuple[str, str]] = ()) -> Steps[None]:
    """
    Ask a proxy for ``target``, a path or an authority; what follows its 200 is left unread.

    Without a ``Host`` among the headers an authority is one; with a path none
    is sent.

    :raises TunnelRefused: it answered anything else.
    """
    yield _request(target, tuple(headers))
    status = yield from _answer(reader)
    if status != 200:
        raise TunnelRefused(status)


def _request(target: str, headers: tuple[tuple[str, str], ...]) -> bytes:
    if not target.startswith("/") and all(name.lower() != "host" for name, _ in headers):
        headers = (("Host", target), *headers)
    if not _TARGET.fullmatch(target):
        raise LocalError("the target of a CONNECT of ours is ill-formed")
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in headers):
        raise LocalError("a header of ours is ill-formed")
    lines = [f"CONNECT {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "", ""]
    return "\r\n".join(lines).encode("latin-1")


def _answer(reader: Reader) -> Need[int]:
    """Read a whole head and return its status; nothing else in it is of interest."""
    line = yield from reader.line(MAX_LINE)
    found = _STATUS_LINE.fullmatch(line)
    if found is None:
        raise PeerError("CONNECT was not answered in HTTP/1")
    size = 0
    for _ in range(MAX_HEADERS + 1):
        size += len(line)
        if size > MAX_HEAD:
            break
        line = yield from reader.line(MAX_LINE)
        if not line:
            return int(found[1])
    raise PeerError("the head of the answer to CONNECT is too large")
