"""
A gateway without sockets: the product on a clock, with consoles made of pipes.

Everything is the real thing but for the network: stores in memory, a driver of
fixed consoles, and a dial whose upstreams the test holds the other end of.
"""

from __future__ import annotations

from typing import Any

from attrs import define, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from gateway.hypervisors.static import StaticDriver
from gateway.model.allowed import AllowedTargets
from gateway.model.client import Arrival, Presentation, Way
from gateway.model.errors import Unreachable
from gateway.model.seams import Opening, Pipe, Upstream
from gateway.model.secret import Secret
from gateway.model.session import Ending
from gateway.model.target import ConsoleInfo, ConsoleKind, Target, TcpAddress
from gateway.net.memory_pipe import MemoryPipe, pipe_pair
from gateway.observe.audit import MemoryAudit
from gateway.sessions.broker import Admitted, Broker
from gateway.sessions.consoles import Consoles
from gateway.sessions.desk import Desk, Made, Wish
from gateway.sessions.limits import Limits
from gateway.sessions.registry import Registry
from gateway.sessions.resume import Dialling
from gateway.sessions.surroundings import Patience, Surroundings
from gateway.stores.directory_memory import MemoryDirectory
from gateway.stores.memory import MemoryStore
from gateway.wire.rfb.pixels import BGRX, ServerInit

START = 1_800_000_000.0
"""Unix time at which every bench begins."""

GREETING = ServerInit(64, 48, BGRX, b"inside.example 10.0.0.7").pack()

HELLO = b"RFB 003.008\n" + b"\x01" + b"\x01"
"""A whole client side of the RFB handshake: version, security None, shared."""


@frozen
class FakeUpstream:
    """A dialled console (the ``Upstream`` seam)."""

    pipe: Pipe
    greeting: bytes = b""


@define
class Server:
    """The far end of one dialled console: what the machine sees."""

    pipe: MemoryPipe
    received: bytearray = field(factory=bytearray)
    ended: bool = False
    lost: bool | None = None
    full: bool = False
    """Whether the gateway takes no more from here for now."""

    def pipe_data(self, data: bytes) -> None:
        self.received += data

    def pipe_ended(self) -> None:
        self.ended = True

    def pipe_lost(self, goodbye: bool) -> None:
        self.lost = goodbye

    def pipe_full(self) -> None:
        self.full = True

    def pipe_drained(self) -> None:
        self.full = False


class Client(Server):
    """A client's own end."""


@define
class CountingMetrics:
    """Metrics that a test can read back."""

    opened: int = 0
    endings: list[Ending] = field(factory=list)
    refusals: list[str] = field(factory=list)
    dials: list[str] = field(factory=list)
    bytes: list[tuple[int, int]] = field(factory=list)

    def session_opened(self, kind: str) -> None:
        self.opened += 1

    def session_ended(self, kind: str, ending: Ending, seconds: float) -> None:
        self.endings.append(ending)

    def relayed(self, bytes_in: int, bytes_out: int) -> None:
        self.bytes.append((bytes_in, bytes_out))

    def refused(self, reason: str) -> None:
        self.refusals.append(reason)

    def dialled(self, outcome: str, seconds: float) -> None:
        self.dials.append(outcome)

    def connection(self, outcome: str) -> None: ...


class Bench:
    """Everything between a presentation and an upstream."""

    def __init__(self, *, limits: Limits | None = None, **patience: float) -> None:
        self.clock = Clock()
        self.metrics = CountingMetrics()
        self.audit = MemoryAudit()
        self.directory = MemoryDirectory(self.now)
        self.tickets = MemoryStore(self.now)
        self.servers: list[Server] = []
        self.failures: list[Unreachable] = []
        self.hold_dials = False
        self.held_dials: list[Deferred[None]] = []
        self.targets = {
            "lab": (ConsoleInfo("lab", ConsoleKind.VNC), self.target(ConsoleKind.VNC)),
            "line": (ConsoleInfo("line", ConsoleKind.SERIAL), self.target(ConsoleKind.SERIAL)),
            "spice": (
                ConsoleInfo("spice", ConsoleKind.SPICE, connections=ConsoleKind.SPICE.sockets),
                self.target(ConsoleKind.SPICE),
            ),
            "many": (ConsoleInfo("many", ConsoleKind.RAW, connections=3), self.target(ConsoleKind.RAW)),
        }
        self.driver = StaticDriver(self.targets)
        self.consoles = Consoles(self.driver, {})
        dialling = Dialling(self.consoles.resolve, self.dial, self.dial, self.clock, self.metrics, lambda: 1.0)
        self.around = Surroundings(
            clock=self.clock,
            now=self.now,
            dialling=dialling,
            directory=self.directory,
            audit=self.audit,
            metrics=self.metrics,
            patience=Patience(**patience),
        )
        self.registry = Registry(self.around, self.clock)
        self.registry.start()
        self.broker = Broker(
            node="gw-1",
            tickets=self.tickets,
            registry=self.registry,
            limits=limits or Limits(),
            around=self.around,
        )
        self.desk = Desk(
            tickets=self.tickets,
            directory=self.directory,
            registry=self.registry,
            consoles=self.consoles,
            allowed=AllowedTargets.parse(["10.9.0.0/16"]),
            ttl=60,
            now=self.now,
        )

    @staticmethod
    def target(kind: ConsoleKind, identity: str = "vm-1") -> Target:
        """A console of the inner network."""
        return Target(kind, (TcpAddress("10.0.0.7", 5901),), identity=identity)

    def now(self) -> float:
        """Unix time."""
        return START + self.clock.seconds()

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass in steps of at most a second, and everything under way happen."""
        while seconds > 1:
            self.clock.advance(1)
            seconds -= 1
        self.clock.advance(seconds)
        for _ in range(20):
            self.clock.advance(0)

    async def dial(self, target: Target, opening: Opening | None = None) -> Upstream:
        """The ``Dial`` seam."""
        if self.failures:
            raise self.failures.pop(0)
        if self.hold_dials:
            gate: Deferred[None] = Deferred()
            self.held_dials.append(gate)
            await gate
        near, far = pipe_pair(self.clock)
        server = Server(far)
        far.start(server)
        self.servers.append(server)
        if opening is not None:
            return FakeUpstream(near, await opening(near, target.security))
        return FakeUpstream(near, GREETING if target.kind.speaks_rfb else b"")

    def result(self, awaitable: Any) -> Any:
        """What a coroutine comes to, letting time pass while it waits; its exception is raised."""
        outcome: list[Any] = []
        Deferred.fromCoroutine(awaitable).addBoth(outcome.append)
        for _ in range(100):
            if outcome:
                break
            self.turn(0.25)
        if hasattr(outcome[0], "raiseException"):
            outcome[0].raiseException()
        return outcome[0]

    def mint(self, console: str = "lab", **wish: Any) -> Made:
        """A ticket."""
        return self.result(self.desk.mint(Wish(console, **wish)))

    def ticket(self, console: str = "lab", **wish: Any) -> str:
        """The text of a ticket."""
        return self.mint(console, **wish).minted.ticket.reveal()

    def admit(self, secret: str, way: Way = Way.QUERY, address: str = "192.0.2.1") -> Admitted:
        """Present a ticket or grant.  :raises Refused:"""
        return self.result(self.broker.admit(Presentation(way, Secret(secret), Arrival(address))))

    def connect(self, secret: str, way: Way = Way.QUERY, address: str = "192.0.2.1") -> Client:
        """Present it and attach a client; for RFB consoles the client shakes hands."""
        admitted = self.admit(secret, way, address)
        near, far = pipe_pair(self.clock)
        client = Client(far)
        far.start(client)
        admitted.attach(near)
        if admitted.speaks_rfb:
            far.send(HELLO)
        self.turn()
        return client

    def redeem(self, ticket: str, secret: str, address: str = "192.0.2.1") -> Any:
        """The page's way.  :raises Refused:"""
        return self.result(self.broker.redeem(ticket, Secret(secret).digest(), Arrival(address)))

    def endings(self) -> list[str]:
        """The endings in the audit, in order."""
        return [line["ending"] for line in self.audit.lines]
