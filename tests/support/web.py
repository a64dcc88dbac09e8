"""What the tests of the web floor share."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from email.message import Message
from http.client import HTTPResponse
from io import BytesIO
from pathlib import Path
from typing import Any

from attrs import frozen
from twisted.internet.testing import StringTransport
from twisted.logger import globalLogPublisher

from gateway.model.client import Arrival
from gateway.sessions.limits import Rate
from gateway.web.access import Access, ApiKeys, Role
from gateway.web.api import Api, Route
from gateway.web.api_holder import HolderCalls
from gateway.web.api_lists import ListCalls
from gateway.web.api_tickets import TicketCalls
from gateway.web.origin import OriginRules
from gateway.web.pages import File
from gateway.web.policy import Policy
from gateway.web.requests import GatewaySite
from gateway.web.site import public_tree
from tests.support.bench import Bench


@contextmanager
def logged() -> Iterator[list[dict[str, Any]]]:
    """The events that are logged meanwhile."""
    events: list[dict[str, Any]] = []
    globalLogPublisher.addObserver(events.append)
    try:
        yield events
    finally:
        globalLogPublisher.removeObserver(events.append)


@frozen
class Reply:
    """One answer, as a client reads it."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        """The body, decoded."""
        return json.loads(self.body)

    @property
    def problem(self) -> str:
        """The last segment of a problem's type."""
        assert self.headers["Content-Type"] == "application/problem+json"
        assert self.json["status"] == self.status
        return self.json["type"].rpartition(":")[2]


class _Bytes:
    """As much of a socket as ``http.client`` needs to read an answer."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, mode: str) -> BytesIO:
        return BytesIO(self._data)


def read_reply(method: str, data: bytes) -> Reply:
    """Read one whole answer."""
    response = HTTPResponse(_Bytes(data), method=method)
    response.begin()
    body = response.read()
    assert response.isclosed(), "the answer is not complete"
    return Reply(response.status, response.headers, body)


PUBLIC_URL = "https://console.example.com"
ARRIVAL = Arrival("192.0.2.1", 4711, listener="outside", public_url=PUBLIC_URL, secure=True)


class WebBench(Bench):
    """A bench with the public site in front; keys are named as their roles."""

    def __init__(self, directory: Path, **more: Any) -> None:
        super().__init__(**more)
        lines = [f"{role.name.lower()}:{digest(role.name.lower())}:{role.name.lower()}" for role in Role]
        lines += [f"limited:{digest('limited')}:broker:l*"]
        self.keys_file = directory / "api-keys"
        self.keys_file.write_text("\n".join(lines))
        self.access = Access(ApiKeys(self.keys_file), Rate(1.0), self.clock)
        self.origins = OriginRules([PUBLIC_URL], ["https://portal.example.org"])
        self.holder_calls = HolderCalls(self.broker, self.origins)
        self.operator_routes = (
            *TicketCalls(self.desk, self.consoles, PUBLIC_URL, {"inside": "https://in.example.com"}).routes(),
            *ListCalls(self.desk, self.consoles).routes(),
        )
        self.policy = Policy([PUBLIC_URL, "https://in.example.com"], ["https://portal.example.org"])
        self.files = {b"/": File(b"home", "text/html", '"h"')}
        self.serve((*self.holder_calls.routes(), *self.operator_routes))

    def serve(self, routes: Iterable[Route]) -> None:
        """Let the API be these calls."""
        self.site = GatewaySite(public_tree(self.files, Api(routes, self.access, self.clock)), self.policy, self.clock)

    def send(self, raw: bytes, arrival: Arrival = ARRIVAL) -> StringTransport:
        """Say something on a new connection."""
        channel, transport = self.site.channel_for(arrival), StringTransport()
        channel.makeConnection(transport)
        channel.dataReceived(raw)
        transport.channel = channel
        return transport

    def ask(
        self, method: str, path: str, body: Any = None, *, key: str = "", arrival: Arrival = ARRIVAL, **headers: str
    ) -> Reply:
        """Ask, and read the answer."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        lines = {"Host": "console.example.com"}
        if body is not None:
            lines |= {"Content-Type": "application/json", "Content-Length": str(len(data))}
        if key:
            lines["Authorization"] = f"Bearer {key}"
        lines |= {name.replace("_", "-"): value for name, value in headers.items()}
        head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in lines.items()), "", ""]
        transport = self.send("\r\n".join(head).encode("latin-1") + data, arrival)
        for _ in range(50):
            if transport.value():
                break
            self.turn(0.25)
        return read_reply(method, transport.value())

    def api(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        """Call the API, as an admin unless the test says otherwise."""
        return self.ask(method, "/api/v1/" + path, body, **{"key": "admin", **more})

    def page(self, method: str, path: str, body: Any = None, **headers: str) -> Reply:
        """Call the API as the console page does."""
        return self.ask(method, "/api/v1/" + path, body, **{"Origin": PUBLIC_URL, **headers})


def digest(key: str) -> str:
    """What stands in the keys file for a key."""
    return hashlib.sha256(key.encode()).hexdigest()
