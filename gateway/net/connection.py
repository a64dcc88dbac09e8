"""
What every client connection has for life: a normalised peer, socket options, a place in the gate.

``Connection`` stands between the socket and whatever is spoken on it;
protocols are swapped behind it (``handover.py``).  It reads no bytes itself.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IAddress, IProtocol, IProtocolFactory, ITCPTransport
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure

from gateway.model.client import normalise
from gateway.model.events import Event, tell
from gateway.net.wheel import Wheel

_log = Logger()

DEAD_AFTER: Final = 20
"""Seconds until a peer that acknowledges nothing is given up: a cut cable sends no FIN."""

Welcome = Callable[[str], bool]
"""Whether one more connection may come from this address just now."""

_TOLD_EVERY: Final = 10.0  # seconds; at the limit accepting may pause and go on with every single connection

_USER_TIMEOUT: Final[int | None] = getattr(socket, "TCP_USER_TIMEOUT", None)  # Linux


class ListeningPort(Protocol):
    """What the gate needs of a listening port."""

    def stopReading(self) -> None: ...

    def startReading(self) -> None: ...


class Gate:
    """
    Counts the connections of all listeners, and pauses accepting at a limit.

    Twisted itself accepts and closes when there are no descriptors left; the
    gate stops before, so that clients wait in the kernel's queue and those
    that are connected stay so.

    :param limit: the most connections; one port may go over it by as many as
        it accepts in one turn.
    """

    def __init__(self, limit: int, wheel: Wheel) -> None:
        self._limit = limit
        self._wheel = wheel
        self._ports: list[ListeningPort] = []
        self._connections: dict[Connection, None] = {}
        self._paused = False
        self._told = False

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter(tuple(self._connections))

    @property
    def paused(self) -> bool:
        """Whether new connections have to wait."""
        return self._paused

    def add_port(self, port: Any) -> None:
        """Rule over one more listening port (a :class:`ListeningPort`, though Twisted's interface does not say so)."""
        self._ports.append(port)
        if self._paused:
            port.stopReading()

    def remove_port(self, port: Any) -> None:
        """Leave alone a port that is about to be closed."""
        self._ports.remove(port)

    def enter(self, connection: Connection) -> None:
        """One more connection."""
        self._connections[connection] = None
        if len(self._connections) >= self._limit and not self._paused:
            self._paused = True
            for port in self._ports:
                port.stopReading()
            self._tell_paused()

    def leave(self, connection: Connection) -> None:
        """One connection less."""
        del self._connections[connection]
        if self._paused and len(self._connections) < self._limit:
            self._paused = False
            for port in self._ports:
                port.startReading()

    def _tell_paused(self) -> None:
        if not self._told:
            self._told = True
            tell(_log, Event.ACCEPTING_PAUSED, limit=self._limit)
            self._wheel.after(_TOLD_EVERY, self._tell_resumed)

    def _tell_resumed(self) -> None:
        if self._paused:
            self._wheel.after(_TOLD_EVERY, self._tell_resumed)
        else:
            self._told = False
            tell(_log, Event.ACCEPTING_RESUMED, connections=len(self._connections))


class Connection(ProtocolWrapper):
    """
    One accepted connection.

    ``address`` and ``port`` are the peer's, normalised; a local socket reads
    ``unix``.
    """

    factory: ConnectionFactory
    address = ""
    port = 0

    def makeConnection(self, transport: Any) -> None:
        """Prepare the socket, and go on."""
        peer = transport.getPeer()
        self.address = normalise(peer.host) if hasattr(peer, "host") else "unix"
        self.port = getattr(peer, "port", 0)
        if ITCPTransport.providedBy(transport):
            _prepare(transport)
        self.factory.gate.enter(self)
        super().makeConnection(transport)  # type: ignore[no-untyped-call]  # Twisted's

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        self.connected = 0
        self.factory.gate.leave(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted's


def _prepare(transport: Any) -> None:
    """Set the options of a TCP socket; a peer that is gone already makes that fail, and is found out soon."""
    try:
        transport.setTcpNoDelay(True)
        transport.setTcpKeepAlive(True)
        if _USER_TIMEOUT is not None and hasattr(transport, "getHandle"):
            transport.getHandle().setsockopt(socket.IPPROTO_TCP, _USER_TIMEOUT, DEAD_AFTER * 1000)
    except OSError:
        pass


class ConnectionFactory(WrappingFactory[Connection]):
    """
    Wraps what is spoken on a listener, so that each of its connections is a :class:`Connection`.

    :param welcome: asked about each address before anything is made for it.
    """

    noisy = False
    protocol = Connection

    def __init__(self, wrapped: IProtocolFactory, gate: Gate, welcome: Welcome | None = None) -> None:
        super().__init__(wrapped)  # type: ignore[no-untyped-call]  # Twisted's
        self.gate = gate
        self._welcome = welcome

    def buildProtocol(self, addr: IAddress | None) -> Connection | None:  # type: ignore[override]  # Twisted allows it
        """One connection was accepted; ``None`` closes it at once."""
        host = getattr(addr, "host", None)
        if self._welcome is not None and host is not None and not self._welcome(normalise(host)):
            return None
        wrapped: IProtocol = self.wrappedFactory.buildProtocol(addr)
        return Connection(self, wrapped)
