"""
Ports: opened so that a failure is an error, ruled by the gate, closed first.

What is spoken on them is put together in ``tree.py``.
"""

from __future__ import annotations

from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IProtocolFactory
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.events import Event, tell
from gateway.net.connection import Gate

_log = Logger()


class CannotListen(Exception):
    """A port could not be opened; the text names the endpoint and the reason."""


class Listener(Service):
    """
    One listening port.

    It is opened by ``privilegedStartService``, before twistd gives up its
    privileges, and a port that cannot be opened stops the start.

    :param endpoint: any Twisted server endpoint string.
    """

    def __init__(self, reactor: object, endpoint: str, factory: IProtocolFactory, gate: Gate | None, name: str) -> None:
        self._reactor = reactor
        self._endpoint = endpoint
        self._factory = factory
        self._gate = gate
        self._called = name
        self._port: Any = None

    def privilegedStartService(self) -> None:
        """
        Open the port.

        :raises CannotListen: it is taken, or the endpoint makes no sense.
        """
        if self._port is not None:
            return
        try:
            opening = serverFromString(self._reactor, self._endpoint).listen(self._factory)
        except Exception as error:
            raise CannotListen(f"{self._called}: {self._endpoint}: {error}") from error
        failed: list[Failure] = []
        opening.addCallbacks(self._opened, failed.append)
        if failed:
            raise CannotListen(f"{self._called}: {self._endpoint}: {failed[0].value}") from failed[0].value

    def startService(self) -> None:
        """Open the port, unless it was opened with privileges."""
        super().startService()  # type: ignore[no-untyped-call]
        self.privilegedStartService()

    def stopService(self) -> Deferred[None] | None:
        """Close the port; connections live on."""
        super().stopService()  # type: ignore[no-untyped-call]
        port, self._port = self._port, None
        if port is None:
            return None
        if self._gate is not None:
            self._gate.remove_port(port)
        closing = port.stopListening()
        return closing if isinstance(closing, Deferred) else None

    @property
    def address(self) -> object:
        """Where it listens, once it does."""
        return self._port.getHost() if self._port else None

    def _opened(self, port: Any) -> None:
        self._port = port
        if self._gate is not None:
            self._gate.add_port(port)
        tell(_log, Event.LISTENING, listener=self._called, at=_shown(port))


def _shown(port: Any) -> str:
    host = port.getHost()
    if hasattr(host, "host"):
        return f"[{host.host}]:{host.port}" if ":" in host.host else f"{host.host}:{host.port}"
    return str(getattr(host, "name", host))
