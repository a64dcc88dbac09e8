"""
HTTP/1.x requests as a strict server must see them: whole, bounded, unambiguous heads.

What two parsers could read differently (RFC 9112 §11.2) is refused here, so
that whatever stands behind this module may be any HTTP server.  Routes,
tickets and answers to requests are decided elsewhere; nothing is decoded.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable
from http import HTTPStatus
from typing import Final

import attrs

from gateway.wire.errors import LocalError, PeerError
from gateway.wire.reader import Need

MAX_LINE: Final = 8 * 1024  # a sealed ticket in a target is at most 4 KiB, and so, as a rule, are a site's cookies
MAX_HEAD: Final = 16 * 1024  # twisted.web, which may read the same head again, stops there too
MAX_HEADERS: Final = 100  # a browser behind two proxies sends about thirty
MAX_BODY: Final = 64 * 1024  # the bodies of our API are below one KiB
MAX_TRAILING: Final = 64 * 1024  # a viewer's first words, until the next protocol takes them
_STRAY_LINES: Final = 2  # empty lines tolerated before a request (RFC 9112 §2.2)

_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_VERSION: Final = re.compile(rb"HTTP/[0-9]\.[0-9]")
_PATH_OR_URL: Final = re.compile(rb"(?:/|[A-Za-z][A-Za-z0-9+.-]*://)[\x21-\x7e]*")
# What a CONNECT names is never resolved here, and SPICE viewers put the machine's title there, spaces and all.
_AUTHORITY: Final = re.compile(rb"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
_HOST: Final = re.compile(r"[A-Za-z0-9._~%!$&'()*+,;=:\[\]-]*")


class BadRequest(PeerError):
    """
    A request that is refused for its form; the connection cannot be read any further.

    :param status: what to answer before closing.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


@attrs.frozen
class Head:
    """
    One request head.

    Its repr shows the method only: a ticket may stand in the path, in the
    query, in a cookie or in the authorisation.
    """

    method: str
    target: str = attrs.field(repr=False)
    """As it came, undecoded."""
    version: int
    """The minor one: 0 or 1."""
    headers: tuple[tuple[str, str], ...] = attrs.field(repr=False)
    """Lower-case names, and values as latin-1 without outer white space."""
    raw: bytes = attrs.field(repr=False, default=b"")
    """The bytes as received, from the request line to the empty line."""

    def all(self, name: str) -> tuple[str, ...]:
        """The value of each header line of this name."""
        wanted = name.lower()
        return tuple(value for each, value in self.headers if each == wanted)

    def get(self, name: str) -> str | None:
        """The header's value, those of several lines joined by commas; ``None`` when absent."""
        values = self.all(name)
        return ", ".join(values) if values else None

    def tokens(self, name: str) -> tuple[str, ...]:
        """The members of a comma-separated header, in lower case."""
        members = (member.strip(" \t") for member in (self.get(name) or "").lower().split(","))
        return tuple(member for member in members if member)

    @property
    def content_length(self) -> int:
        """How long the body is."""
        return int(self.get("content-length") or 0)

    @property
    def upgrade(self) -> bool:
        """Whether this asks for a WebSocket (RFC 6455 §4.1)."""
        return (
            self.method == "GET"
            and self.version == 1
            and "upgrade" in self.tokens("connection")
            and "websocket" in self.tokens("upgrade")
        )

    @property
    def switches(self) -> bool:
        """Whether what follows is no longer HTTP, should the answer be yes."""
        return self.upgrade or self.method == "CONNECT"


@attrs.frozen
class Body:
    """A piece of a request's body."""

    data: bytes = attrs.field(repr=False)


@attrs.frozen
class End:
    """The request is complete; another may follow."""


Event = Head | Body | End


class RequestStream:
    """
    The requests of one connection.

    One that switches protocols is the last event (:attr:`switched`); what came
    behind it is :meth:`trailing`.  Once refused, the stream stays so.
    """

    def __init__(self) -> None:
        self.switched = False
        self._upgrading = False
        self._buffer = bytearray()
        self._events: list[Event] = []
        self._refusal: tuple[int, str] | None = None
        self._requests = self._read_requests()

    def receive(self, data: bytes) -> list[Event]:
        """
        Take in bytes and return what they complete.

        :raises BadRequest: when the next request is ill-formed.  If good ones
            came before it in the same bytes these are returned first, and the
            next call raises: when they are answered, ``receive(b"")`` tells.
        """
        if self._refusal is None:
            self._take(data)
        events, self._events = self._events, []
        if self._refusal and not events:
            raise BadRequest(*self._refusal)
        return events

    @property
    def spoke_early(self) -> bool:
        """Whether the client went on after asking for a WebSocket without waiting for the answer (RFC 6455 §4.1)."""
        return self._upgrading and bool(self._buffer)

    def trailing(self) -> bytes:
        """What came behind the request that switches (and forget it)."""
        if not self.switched:
            raise LocalError("the stream is still HTTP")
        data, self._buffer = bytes(self._buffer), bytearray()
        return data

    def _take(self, data: bytes) -> None:
        self._buffer += data
        try:
            if not self.switched:
                next(self._requests, None)
            if self.switched and len(self._buffer) > MAX_TRAILING:
                raise BadRequest(400, "too much came before the protocol was switched")
        except BadRequest as bad:
            self._refusal = bad.status, bad.reason
            self._buffer.clear()

    def _read_requests(self) -> Generator[None, None, None]:
        while not self.switched:
            head = yield from self._head()
            self._events.append(head)
            self.switched, self._upgrading = head.switches, head.upgrade
            if not self.switched:
                yield from self._body(head.content_length)
                self._events.append(End())

    def _head(self) -> Need[Head]:
        line = yield from self._request_line()
        method, target, version = _parse_request_line(line)
        lines, size = [line], len(line) + 2
        headers: list[tuple[str, str]] = []
        while line:
            line = yield from self._line(431)
            lines.append(line)
            size += len(line) + 2
            if size > MAX_HEAD or len(headers) == MAX_HEADERS and line:
                raise BadRequest(431, "the head of the request is too large")
            if line:
                headers.append(_parse_header(line))
        head = Head(method, target, version, tuple(headers), b"\r\n".join([*lines, b""]))
        _check(head)
        return head

    def _request_line(self) -> Need[bytes]:
        for _ in range(_STRAY_LINES + 1):
            line = yield from self._line(414)
            if line:
                return line
        raise BadRequest(400, "empty lines instead of a request")

    def _line(self, too_long: int) -> Need[bytes]:
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0 and len(self._buffer) <= MAX_LINE + 1:
            searched = len(self._buffer)
            yield
        if not 0 <= end <= MAX_LINE + 1:  # its carriage return is not counted
            raise BadRequest(too_long, "a line of the request is too long")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        if not line.endswith(b"\r"):
            raise BadRequest(400, "a line of the request ends without a carriage return")
        return line[:-1]

    def _body(self, length: int) -> Need[None]:
        while length:
            if not self._buffer:
                yield
            data = bytes(self._buffer[:length])
            del self._buffer[:length]
            length -= len(data)
            if data:
                self._events.append(Body(data))


def _parse_request_line(line: bytes) -> tuple[str, str, int]:
    method, _, rest = line.partition(b" ")
    target, _, version = rest.rpartition(b" ")
    if not _TOKEN.fullmatch(method) or not _VERSION.fullmatch(version):
        raise BadRequest(400, "no HTTP request line")
    if version not in (b"HTTP/1.0", b"HTTP/1.1"):
        raise BadRequest(505, "not HTTP/1.0 or 1.1")
    if not _target_fits(method, target):
        raise BadRequest(400, "the request's target has the wrong form")
    return method.decode("ascii"), target.decode("ascii"), version[-1] - ord("0")


def _target_fits(method: bytes, target: bytes) -> bool:
    """RFC 9112 §3.2; CONNECT may also name a path, as the clients of other pools' consoles do."""
    if method == b"CONNECT":
        return bool(_AUTHORITY.fullmatch(target))
    if target == b"*":
        return method == b"OPTIONS"
    return bool(_PATH_OR_URL.fullmatch(target))


def _parse_header(line: bytes) -> tuple[str, str]:
    """One header line; a folded one, or one with a space before its colon, has no name that is a token."""
    name, colon, value = line.partition(b":")
    if not colon or not _TOKEN.fullmatch(name):
        raise BadRequest(400, "a header's name is ill-formed")
    if not _VALUE.fullmatch(value):
        raise BadRequest(400, "a header's value holds control characters")
    return name.decode("ascii").lower(), value.strip(b" \t").decode("latin-1")


def _check(head: Head) -> None:
    """Refuse what would leave in doubt whom a request is for (RFC 9112 §3.2) or where it ends (§6.3)."""
    hosts = head.all("host")
    if len(hosts) > 1 or not hosts and head.version == 1:
        raise BadRequest(400, "exactly one Host is needed")
    if hosts and head.method != "CONNECT" and not _HOST.fullmatch(hosts[0]):
        raise BadRequest(400, "the Host is ill-formed")
    lengths, coding = head.all("content-length"), head.get("transfer-encoding")
    if len(lengths) > 1 or lengths and coding is not None:
        raise BadRequest(400, "the body's length is given more than once")
    if coding is not None:
        raise BadRequest(411 if coding.lower() == "chunked" else 501, "a body needs a Content-Length")
    for length in lengths:
        if not (length.isascii() and length.isdigit()):
            raise BadRequest(400, "the Content-Length is no number")
        if len(length) > len(str(MAX_BODY)) or int(length) > MAX_BODY:
            raise BadRequest(413, "the body is too large")
    if head.switches and head.content_length:
        raise BadRequest(400, "a request that switches protocols has a body")


def simple_response(
    status: int, body: bytes = b"", *, headers: Iterable[tuple[str, str]] = (), close: bool = True
) -> bytes:
    """
    Build a small and complete answer, plain text unless ``headers`` say otherwise.

    :param close: say that the connection ends with it.
    """
    fields = {"Content-Type": "text/plain; charset=utf-8", "Content-Length": str(len(body))}
    fields |= {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    fields |= {"Connection": "close"} if close else {}
    fields |= dict(headers)
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode("ascii")]
    for name, value in fields.items():
        line = f"{name}: {value}".encode("latin-1")
        if not _VALUE.fullmatch(line) or not _TOKEN.fullmatch(name.encode("latin-1")):
            raise LocalError("a header of ours is ill-formed")
        lines.append(line)
    return b"\r\n".join([*lines, b"", body])
