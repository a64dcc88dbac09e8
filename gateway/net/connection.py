"""
What every client connection has for life: a normalised peer, socket options, a place in the gate.

``Connection`` stands between the socket and whatever is spoken on it;
protocols are swapped behind it (``handover.py``).  It reads no bytes itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from twisted.internet.interfaces import IAddress, IHalfCloseableProtocol, IProtocol, IProtocolFactory
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from gateway.model.client import normalise
from gateway.model.events import Event, tell
from gateway.net.socket_options import prepare
from gateway.net.wheel import Deadline, Wheel

_log = Logger()

GRACE: Final = 5.0
"""Seconds for which a client without a session is not disturbed at the limit: a handshake, a page, a redemption."""

Welcome = Callable[[str], bool]
"""Whether one more connection may come from this address just now."""

_TOLD_EVERY: Final = 10.0  # seconds; at the limit accepting may pause and go on with every single connection


class ListeningPort(Protocol):
    """What the gate needs of a listening port."""

    def stopReading(self) -> None: ...

    def startReading(self) -> None: ...


class Gate:
    """
    Counts the connections of all listeners, and pauses accepting at a limit.

    Twisted itself accepts and closes when there are no descriptors left; the
    gate stops before, so that clients wait in the kernel's queue.  At the limit
    whoever has no session and has not got on for longest makes room, so that
    nobody holds all places by holding still; sessions stay.

    :param limit: the most connections; one port may go over it by as many as
        it accepts in one turn.
    """

    def __init__(self, limit: int, wheel: Wheel) -> None:
        self._limit = limit
        self._wheel = wheel
        self._ports: list[ListeningPort] = []
        self._connections: dict[Connection, None] = {}
        self._passing: dict[Connection, float] = {}  # who has no session, since when; who stood still longest is first
        self._room = Deadline(wheel)
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
        self._passing[connection] = self._wheel.seconds()
        if len(self._connections) >= self._limit and not self._paused:
            self._paused = True
            for port in self._ports:
                port.stopReading()
            self._tell_paused()
        if self._paused:
            self._make_room()

    def got_on(self, connection: Connection) -> None:
        """This one began something, or finished it: of those that may have to go it is the last now."""
        if self._passing.pop(connection, None) is not None:
            self._passing[connection] = self._wheel.seconds()

    def keep(self, connection: Connection) -> None:
        """This one has a session: it is never closed to make room."""
        self._passing.pop(connection, None)

    def leave(self, connection: Connection) -> None:
        """One connection less."""
        del self._connections[connection]
        self._passing.pop(connection, None)
        if self._paused and len(self._connections) < self._limit:
            self._paused = False
            self._room.clear()
            for port in self._ports:
                port.startReading()
        elif self._paused:
            self._make_room()

    def _make_room(self) -> None:
        """Close who stood still longest, or look again when it had its time."""
        longest = next(iter(self._passing), None)
        if longest is None:
            return
        left = self._passing[longest] + GRACE - self._wheel.seconds()
        if left > 0:
            self._room.set(left, self._make_room)
        else:
            del self._passing[longest]  # its end comes at the next turn
            longest.abortConnection()

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
        prepare(transport)
        self.factory.gate.enter(self)
        super().makeConnection(transport)  # type: ignore[no-untyped-call]  # Twisted's

    def tell_half_close(self) -> None:
        """From now on the peer's FIN ends its bytes only, and the protocol behind hears of it."""
        alsoProvides(self, IHalfCloseableProtocol)

    def readConnectionLost(self) -> None:
        """The peer's FIN."""
        self.wrappedProtocol.readConnectionLost()  # type: ignore[attr-defined]  # who asked for it has it

    def writeConnectionLost(self) -> None:
        """Our own FIN is out."""
        self.wrappedProtocol.writeConnectionLost()  # type: ignore[attr-defined]

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        self.connected = 0
        self.factory.gate.leave(self)
        super().connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted's


def got_on(transport: object) -> None:
    """The client on this transport began something, or finished it."""
    connection = _connection_below(transport)
    if connection is not None:
        connection.factory.gate.got_on(connection)


def keep(transport: object) -> None:
    """The client on this transport has a session; every front says so when it attaches one."""
    connection = _connection_below(transport)
    if connection is not None:
        connection.factory.gate.keep(connection)


def _connection_below(transport: object) -> Connection | None:
    while transport is not None and not isinstance(transport, Connection):
        transport = getattr(transport, "transport", None)  # TLS stands on what it wraps
    return transport


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
