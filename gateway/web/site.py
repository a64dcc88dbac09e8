"""
What is at which path: on the public listeners, and on the admin endpoint.

This page is a table of contents; health on public listeners is answered
before a request gets here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from twisted.web.http import Request
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET

from gateway.observe.metrics import CONTENT_TYPE
from gateway.web.api import Api
from gateway.web.pages import File, Pages
from gateway.web.requests import answer

Report = Callable[[], tuple[int, bytes]]
"""What a path of the operator's answers: a status and a text."""


class Branch(Resource):
    """
    A path below which some names are known.

    :param otherwise: what answers the others.
    """

    def __init__(self, known: Mapping[str, IResource], otherwise: Pages) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._known = {name.encode("ascii"): resource for name, resource in known.items()}
        self._otherwise = otherwise

    def getChild(self, path: bytes, request: Request) -> IResource:
        """What answers a name."""
        return self._known.get(path, self._otherwise)

    def render(self, request: Request) -> int:
        """Answer the path itself, which is none of the names."""
        return self._otherwise.render(request)


class Reporting(Resource):
    """A text for the operator, made at each request."""

    isLeaf = True

    def __init__(self, report: Report, kind: str = "text/plain; charset=utf-8") -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._report = report
        self._kind = kind

    def render(self, request: Request) -> int:
        """Answer with the text."""
        if request.method in (b"GET", b"HEAD"):
            status, text = self._report()
            answer(request, status, text, self._kind, {"Cache-Control": "no-store"})
        else:
            answer(request, 405, b"This can only be read.\n", headers={"Allow": "GET, HEAD"})
        return NOT_DONE_YET


def public_tree(found: Mapping[bytes, File], api: Api) -> IResource:
    """The pages, and the API as far as it answers there (the page's own calls always do)."""
    pages = Pages(found)
    return Branch({"api": Branch({"v1": api}, pages)}, pages)


def admin_tree(*, api: Api | None, metrics: Callable[[], bytes], ready: Callable[[], bool]) -> IResource:
    """What an operator's machines ask."""
    nothing = Pages({})
    reports: dict[str, IResource] = {
        "metrics": Reporting(lambda: (200, metrics()), CONTENT_TYPE),
        "healthz": Reporting(lambda: (200, b"ok\n")),
        "readyz": Reporting(lambda: (200, b"ready\n") if ready() else (503, b"not ready\n")),
    }
    return Branch(reports | ({"api": Branch({"v1": api}, nothing)} if api else {}), nothing)
