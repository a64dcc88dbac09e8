"""
The seams: what one floor asks of another, as protocols.

Each is as small as its user needs it; a contract test in
``tests/support/contracts.py`` belongs to each that has several
implementations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from gateway.model.client import Greeted, Presentation
from gateway.model.session import Closing, Ending, SessionRecord, Word
from gateway.model.target import ConsoleInfo, ConsoleKind, Security, Target
from gateway.model.ticket import Mint, Minted, Presenter, Redeemed, Selector


class TicketStore(Protocol):
    """Tickets: minted, redeemed, revoked.  Only digests are kept."""

    async def mint(self, mint: Mint) -> Minted:
        """Make a ticket."""

    async def redeem(self, ticket: str, presenter: Presenter) -> Redeemed:
        """
        Present a ticket; atomic.

        A presenter who opened sessions with it before gets these (unless
        ``another``); else a use is taken.

        :raises Refused: unknown, expired, spent (a one-shot ticket at the
            second presentation too) or revoked.
        :raises StoreAway: nothing was taken.
        """

    async def revoke(self, what: Selector) -> int:
        """Withdraw tickets; how many.  :raises NotSupported: without a store of its own."""


class Directory(Protocol):
    """Which sessions there are, and who holds them."""

    async def claim(self, record: SessionRecord) -> SessionRecord:
        """Open a session or take it over: the record is stored with the next epoch, which is returned."""

    async def update(self, record: SessionRecord) -> bool:
        """Store a changed record; ``False`` when a higher epoch owns the session by now."""

    async def find(self, session: str = "", holder: str = "") -> SessionRecord | None:
        """A session by its id or by its holder (ended ones too, for a while)."""

    async def sessions(self) -> Sequence[SessionRecord]:
        """Every session that has not ended, oldest first."""

    async def signal(self, session: str, word: Word, ending: Ending | None = None) -> None:
        """Tell the node that has the session (this one included)."""

    def watch(self, callback: Callable[[str, Word, Ending | None], None]) -> None:
        """Be told the signals."""


class Driver(Protocol):
    """Consoles of one hypervisor (or of the configuration)."""

    async def consoles(self) -> Sequence[ConsoleInfo]:
        """Every console this driver knows."""

    async def find(self, name: str) -> ConsoleInfo:
        """One console.  :raises UnknownConsole, AmbiguousConsole:"""

    async def resolve(self, console: str) -> Target:
        """A fresh address (and hypervisor ticket) each time.  :raises UnknownConsole, Unreachable:"""


class Receiver(Protocol):
    """Who reads one pipe; called by the pipe, never re-entrantly from ``send``."""

    def pipe_data(self, data: bytes) -> None:
        """Bytes came."""

    def pipe_ended(self) -> None:
        """The other side sends no more, but still reads (a half-close)."""

    def pipe_lost(self, goodbye: bool) -> None:
        """The pipe is gone, for good; ``goodbye``: it was closed in an orderly way."""

    def pipe_full(self) -> None:
        """The pipe's send buffer is over its mark: stop sending."""

    def pipe_drained(self) -> None:
        """The pipe takes more again."""


class Pipe(Protocol):
    """
    One half of a relay: a connection with its framing taken off.

    It reads nothing before :meth:`start`; what came earlier is kept.
    """

    def start(self, receiver: Receiver) -> None:
        """Begin to deliver; a second call changes the receiver, and delivery resumes."""

    def send(self, data: bytes) -> None:
        """Send, or buffer; nothing happens on a closed pipe."""

    def pause(self) -> None:
        """Stop reading: nothing is delivered until :meth:`resume`, not even what was read already."""

    def resume(self) -> None:
        """Read on."""

    def half_close(self) -> None:
        """Send no more but go on reading; a pipe that cannot do that closes."""

    def close(self, closing: Closing) -> None:
        """Flush, say why in the pipe's own way, and close; bounded by a deadline of the pipe's own."""

    def abort(self) -> None:
        """Cut it now."""

    async def probe(self, seconds: float) -> bool:
        """Whether the other side shows a sign of life in that time."""


class Admission(Protocol):
    """A client that was let in; the front attaches its pipe, or says that the client left."""

    @property
    def kind(self) -> ConsoleKind:
        """What its console is."""

    @property
    def speaks_rfb(self) -> bool:
        """Whether the gateway greets this client as an RFB server."""

    def attach(self, pipe: Pipe, *, greeted: Greeted = Greeted.NOT_YET, opening: Opening | None = None) -> None:
        """
        Here is the client.

        ``greeted`` is what it has behind it of RFB's handshake, where it
        speaks that; ``opening`` logs in for it where it has begun to speak
        with its console already.
        """

    def abandon(self) -> None:
        """The client left before it had a pipe."""


class Admit(Protocol):
    """The one callable that fronts get."""

    async def __call__(self, presentation: Presentation) -> Admission:
        """:raises Refused: the answer on the wire is the same whatever the reason."""


class Opening(Protocol):
    """The log-in to an opaque console, for a client that said already what its server has to be told."""

    async def __call__(self, pipe: Pipe, security: Security) -> bytes:
        """
        Log in on a fresh connection, which is left paused; return what the client is to be told first.

        :raises Unreachable:
        """


class Dial(Protocol):
    """Connects to a console and logs in."""

    async def __call__(self, target: Target, opening: Opening | None = None) -> Upstream:
        """:raises Unreachable:"""


class Upstream(Protocol):
    """
    A dialled console.

    ``greeting`` is RFB's ServerInit, as packed bytes, or what an opening came
    to; empty where there is none.
    """

    @property
    def pipe(self) -> Pipe:
        """The connection, standing right after the log-in."""

    @property
    def greeting(self) -> bytes:
        """ServerInit (24 bytes and the name), or a client's first bytes."""


class AuditSink(Protocol):
    """Where the one line per session goes."""

    def record(self, line: Mapping[str, Any]) -> None:
        """Append one line."""


class Metrics(Protocol):
    """What the product counts (the observability floor decides how)."""

    def session_opened(self, kind: str) -> None: ...

    def session_ended(self, kind: str, ending: Ending, seconds: float) -> None: ...

    def relayed(self, bytes_in: int, bytes_out: int) -> None: ...

    def refused(self, reason: str) -> None: ...

    def dialled(self, outcome: str, seconds: float) -> None: ...

    def connection(self, outcome: str) -> None:
        """One accepted connection came to this (tls, http, websocket, junk, silent, timeout, …)."""
