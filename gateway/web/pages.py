"""
The browser client's files, by their path.

All are read once, at start: what is not among them does not exist, however a
path is written.  They are the same for everybody, and nothing is rendered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from attrs import field, frozen
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET

from gateway.model.secret import base64url
from gateway.web.requests import answer, header

_TYPES: Final[Mapping[str, str]] = {
    "css": "text/css; charset=utf-8",
    "html": "text/html; charset=utf-8",
    "ico": "image/x-icon",
    "js": "text/javascript; charset=utf-8",
    "json": "application/json",
    "map": "application/json",
    "mjs": "text/javascript; charset=utf-8",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "mp3": "audio/mpeg",
    "png": "image/png",
    "svg": "image/svg+xml",
    "ttf": "font/ttf",
    "wasm": "application/wasm",
    "webp": "image/webp",
    "woff": "font/woff",
    "woff2": "font/woff2",
}
_OTHER: Final = "text/plain; charset=utf-8"  # licences and lists of authors

_PAGES: Final = {"home.html": b"/", "console.html": b"/console/"}
_DIRECTORIES: Final = ("assets", "vendor")
_MOVED: Final = {b"/console": "/console/"}
_ALLOW: Final = {"Allow": "GET, HEAD, OPTIONS"}


@frozen
class File:
    """One file: its content, type and tag."""

    content: bytes = field(repr=False)
    kind: str
    tag: str


def client_files(root: Traversable | None = None) -> dict[bytes, File]:
    """
    Every file of the browser client, by its path.

    :param root: where they are; without it, those of this package.
    """
    root = files("gateway.web") / "client" if root is None else root
    found = {}
    for name, path in _PAGES.items():
        if (root / name).is_file():
            found[path] = _load(root / name)
    for directory in _DIRECTORIES:
        if (root / directory).is_dir():
            found |= dict(_below(root / directory, f"/console/{directory}"))
    return found


def _below(directory: Traversable, path: str) -> Iterator[tuple[bytes, File]]:
    for entry in directory.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{path}/{entry.name}")
        elif entry.is_file():
            yield f"{path}/{entry.name}".encode(), _load(entry)


def _load(entry: Traversable) -> File:
    content = entry.read_bytes()
    kind = _TYPES.get(entry.name.rpartition(".")[2].lower(), _OTHER)
    return File(content, kind, f'"{base64url(hashlib.sha256(content).digest())[:22]}"')


class Pages(Resource):
    """Answers every path that nothing else answers."""

    isLeaf = True

    def __init__(self, found: Mapping[bytes, File]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._files = found

    def render(self, request: Request) -> int:
        """Answer with a file, or with what is wrong."""
        file, moved = self._files.get(request.path), _MOVED.get(request.path)
        if file is None and moved is None:
            answer(request, 404, b"There is nothing here.\n")
        elif request.method == b"OPTIONS":
            answer(request, 204, headers=_ALLOW)
        elif request.method not in (b"GET", b"HEAD"):
            answer(request, 405, b"This can only be read.\n", headers=_ALLOW)
        elif file is not None:
            _send(request, file)
        elif moved is not None:
            answer(request, 308, headers={"Location": moved})
        return NOT_DONE_YET


def _send(request: Request, file: File) -> None:
    known = [tag.strip() for line in header(request, "if-none-match") for tag in line.split(",")]
    # A proxy that compresses weakens the tag; the content is the same.
    fresh = any(tag == "*" or tag.removeprefix("W/") == file.tag for tag in known)
    headers = {"ETag": file.tag, "Cache-Control": "no-cache"}
    if fresh:
        answer(request, 304, headers=headers)
    else:
        answer(request, 200, file.content, file.kind, headers)
