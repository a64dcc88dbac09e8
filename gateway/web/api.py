"""
The frame of ``/api/v1``: routes, keys, deadlines, answers.

What the calls do stands in the ``api_….py`` beside this; every one of them is
a small coroutine from a :class:`Call` to an :class:`Answer`.  Nothing here
knows what a ticket is.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final
from urllib.parse import unquote_to_bytes

from attrs import field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from gateway.model.client import Arrival
from gateway.web.access import Access, Key, Role
from gateway.web.fields import Fields, parse_object
from gateway.web.problems import CONTENT_TYPE, BadField, Problem, Trouble, problem_of
from gateway.web.requests import answer, arrival_of, body_of, header

ROOT: Final = b"/api/v1/"
DEADLINE: Final = 30.0  # seconds for one call: some ask a hypervisor first
MAX_VALUE: Final = 512  # characters of a path's segment or of a query's value: a driver and a machine's name

MAX_FIELDS: Final = 8  # of a query; no call has more than two

ANY: Final = "*"
"""In a route's path: any one segment."""


@frozen
class Answer:
    """What a call is answered with; without a document there is no body."""

    status: int = 200
    document: object = None
    headers: tuple[tuple[str, str], ...] = ()


NO_CONTENT: Final = Answer(204)


@frozen
class Call:
    """One call, its key checked; secrets may stand in the body and the authorisation."""

    arrival: Arrival
    parts: tuple[str, ...] = ()
    """What stands where the route says ``ANY``, decoded."""
    body: bytes = field(repr=False, default=b"")
    media_type: str = ""
    query: tuple[tuple[str, str], ...] = ()
    authorization: tuple[str, ...] = field(repr=False, default=())
    origin: tuple[str, ...] = ()
    user: Key | None = None

    @property
    def key(self) -> Key:
        """The key that the call came with; only routes with a role have one."""
        assert self.user is not None
        return self.user

    def fields(self) -> Fields:
        """The body, a JSON object.  :raises BadField, Trouble:"""
        if self.media_type != "application/json":
            detail = "The body must be JSON, with Content-Type: application/json."
            raise Trouble(Problem(415, "unsupported-media-type", "Not JSON", detail))
        return Fields(parse_object(self.body))


Handler = Callable[[Call], Awaitable[Answer]]


@frozen
class Route:
    """One call of the API; without a role it needs no key."""

    method: str
    path: tuple[str, ...]
    handler: Handler
    role: Role | None = None

    def match(self, segments: Sequence[str]) -> tuple[str, ...] | None:
        """The segments that stand for ``ANY``, or ``None`` when the path is another."""
        if len(segments) != len(self.path):
            return None
        pairs = list(zip(self.path, segments, strict=True))
        if any(part not in (ANY, segment) for part, segment in pairs):
            return None
        return tuple(segment for part, segment in pairs if part == ANY)


class Api(Resource):
    """
    Everything under ``/api/v1/``.

    :param clock: of the deadlines.
    """

    isLeaf = True

    def __init__(self, routes: Iterable[Route], access: Access, clock: IReactorTime) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._routes = tuple(routes)
        self._access = access
        self._clock = clock

    def render(self, request: Request) -> int:
        """Answer, now or later; who leaves before ends what was begun for it."""
        running = Deferred.fromCoroutine(self._answer(request))
        running.addTimeout(DEADLINE, self._clock)
        left: list[Failure] = []

        def leave(reason: Failure) -> None:
            left.append(reason)
            running.cancel()

        def finish(outcome: Answer | Failure) -> None:
            if not left:
                _send(request, outcome)

        request.notifyFinish().addErrback(leave)
        running.addBoth(finish)
        return NOT_DONE_YET

    async def _answer(self, request: Request) -> Answer:
        route, parts = self._find(request)
        arrival = arrival_of(request)
        authorization = header(request, "authorization")
        user = None if route.role is None else self._access.key_for(authorization, route.role, arrival)
        call = Call(
            arrival=arrival,
            parts=parts,
            body=body_of(request),
            media_type=(header(request, "content-type") or ("",))[0].partition(";")[0].strip().lower(),
            query=_query(request),
            authorization=authorization,
            origin=header(request, "origin"),
            user=user,
        )
        return await route.handler(call)

    def _find(self, request: Request) -> tuple[Route, tuple[str, ...]]:
        segments = _segments(request.path)
        found = [(route, parts) for route in self._routes if (parts := route.match(segments)) is not None]
        if not found:
            raise Trouble(Problem(404, "not-found", "No such call", "There is nothing at this path."))
        method = request.method.decode("ascii", "replace")
        for route, parts in found:
            if route.method == ("GET" if method == "HEAD" else method):
                return route, parts
        methods = [route.method for route, _ in found]
        allow = ", ".join([*methods, *(["HEAD"] if "GET" in methods else [])])
        raise Trouble(
            Problem(405, "method-not-allowed", "No such call", f"This path knows {allow}.", (("Allow", allow),))
        )


def only(call: Call, *names: str) -> dict[str, str]:
    """The call's query, of which these names are known, each once.  :raises BadField:"""
    found = dict(call.query)
    if len(found) != len(call.query) or not found.keys() <= set(names):
        known = ", ".join(names)
        raise BadField(f"The query may hold each of these once: {known}." if names else "This call has no query.")
    return found


def _segments(path: bytes) -> list[str]:
    """The decoded segments below the root; an encoded slash stays within its segment."""
    return [_decoded(segment) for segment in path.removeprefix(ROOT).split(b"/")]


def _query(request: Request) -> tuple[tuple[str, str], ...]:
    fields = request.uri.partition(b"?")[2].replace(b"+", b" ").split(b"&", MAX_FIELDS)[:MAX_FIELDS]
    pairs = (field.partition(b"=") for field in fields if field)
    return tuple((_decoded(name), _decoded(value)) for name, _, value in pairs)


def _decoded(raw: bytes) -> str:
    try:
        text = unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        text = ""
    if len(text) > MAX_VALUE or (raw and not text) or not text.isprintable():
        raise BadField("A part of the path or query is too long, or not printable UTF-8.")
    return text


def _send(request: Request, outcome: Answer | Failure) -> None:
    if isinstance(outcome, Failure):
        problem = problem_of(outcome)
        status, headers, kind, body = problem.status, problem.headers, CONTENT_TYPE, problem.document()
    else:
        status, headers, kind = outcome.status, outcome.headers, "application/json"
        body = b"" if outcome.document is None else json.dumps(outcome.document).encode()
    answer(request, status, body, kind, {"Cache-Control": "no-store", **dict(headers)})
