"""
Stock VNC viewers at the port: greeted, brought into TLS, asked for a ticket, and told yes or no once.

What is said is ``wire.rfb``'s, who may come in was asked before, and a viewer
that was let in is its session's.  Whom to greet is decided by the mux and its
routes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import attrs
from attrs import frozen
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.model.client import Arrival, Greeted, Presentation, Way
from gateway.model.events import Event, tell
from gateway.model.seams import Admission, Admit, Metrics
from gateway.model.secret import Secret
from gateway.net.connection import got_on, keep
from gateway.net.entering import Entering, tell_fault
from gateway.net.handover import replace
from gateway.net.stock_pipe import StockPipe
from gateway.net.tls_start import TlsStart, TlsTerms
from gateway.net.wheel import Deadline, Wheel
from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue
from gateway.wire.rfb.handshake import Viewer, accept, greet_viewer, refuse

_log = Logger()

ANSWER_DEADLINE: Final = 10.0
"""Seconds for the first byte after our greeting: no person has to do anything for it."""

TICKET_DEADLINE: Final = 60.0
"""Seconds from that byte to the ticket: a person looks at a certificate, and types or pastes."""

CLOSE_DEADLINE: Final = 5.0
"""Seconds for a refusal to be read."""

UNREAD_MAX: Final = 8192
"""Bytes of a viewer's that may wait: the longest user name and ticket are five kB."""

SETTLE_SECONDS: Final = 0.1
"""
How long after a handshake of TLS 1.3 a viewer is answered at the earliest.

TigerVNC 1.12 reads the session tickets of TLS 1.3 and an answer right behind
them as one, and waits for the answer for ever (viewers.md section 1.1).
"""

NOT_THIS_TICKET: Final = "This ticket does not open a console here."
"""Whatever the reason: it stands in a dialog, and strangers read it too."""


@frozen
class ViewerFront:
    """
    Makes what a viewer is handed to.

    ``tls`` is how TLS is begun with a viewer outside of it; inside it is
    ``None``.  ``settles``: answers wait for :data:`SETTLE_SECONDS`.
    """

    admit: Admit
    wheel: Wheel
    metrics: Metrics
    tls: TlsTerms | None = None
    settles: bool = False

    def __call__(self, arrival: Arrival) -> Greeting:
        """Greet this client."""
        return Greeting(self, arrival)


@implementer(IHandshakeListener)
class Greeting(Protocol):
    """
    One viewer, until it is let in or leaves; it has one attempt.

    Where TLS begins on the way the same object goes on inside it.
    """

    transport: Any
    """The ``Connection``, or TLS on top of it."""

    def __init__(self, front: ViewerFront, arrival: Arrival) -> None:
        self._front = front
        self._arrival = arrival
        steps = partial(greet_viewer, inside_tls=front.tls is None)
        self._dialogue: Dialogue[Viewer] = Dialogue(steps, UNREAD_MAX)
        self._tls: TlsStart | None = None
        self._deadline = Deadline(front.wheel)
        self._settling = Deadline(front.wheel)
        self._settled_at = 0.0
        self._entering = Entering(front.wheel, self._admitted, lambda status: self._answer(self._turn_away))
        self._admission: Admission | None = None
        self._early = b""
        self._heard = self._shaken = self._over = False

    # What the transport calls.

    def connectionMade(self) -> None:
        """Speak first; inside TLS there is nothing to say before the handshake is over."""
        if self._tls is None:
            self._deadline.set(ANSWER_DEADLINE, self._too_late)
            self.transport.write(self._dialogue.to_send())

    def dataReceived(self, data: bytes) -> None:
        """Go on with whoever's turn it is: TLS, or the dialogue."""
        if self._over:
            return
        if not self._heard:
            self._heard = True
            self._deadline.set(TICKET_DEADLINE, self._too_late)
        if self._tls is not None and not self._tls.begun:
            self._tls.receive(data)
        elif self._dialogue.done:
            self._hold(data)
        else:
            self._go_on(lambda: self._dialogue.receive(data))

    def handshakeCompleted(self) -> None:
        """TLS stands."""
        assert self._tls is not None
        self._shaken = True
        self._tls.over()
        got_on(self.transport)
        if self._front.settles:
            self._settled_at = self._front.wheel.seconds() + SETTLE_SECONDS
        if not self._over:
            self._go_on(self._dialogue.tls_started)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The viewer left."""
        if self._tls is not None and self._tls.begun and not self._shaken:
            self._front.metrics.connection("tls-failed")
        self._stop()
        if self._admission is not None:
            self._admission.abandon()

    # The dialogue.

    def _go_on(self, step: Callable[[], None]) -> None:
        try:
            step()
        except PeerError as error:
            self.transport.write(self._dialogue.to_send())  # it may be a reason
            self._broken(str(error))
            return
        self.transport.write(self._dialogue.to_send())
        if self._dialogue.wants_tls:
            self._begin_tls(self._dialogue.trailing())
        elif self._dialogue.done:
            self._present(self._dialogue.result)

    def _begin_tls(self, pending: bytes) -> None:
        assert self._front.tls is not None  # it is asked for outside TLS only
        self._arrival = attrs.evolve(self._arrival, secure=True)
        self._tls = TlsStart(
            self.transport,
            self._front.tls,
            inside=lambda hello: self,
            refused=lambda why: self._broken(f"TLS: {why}"),
            evicted=self._evicted,
        )
        if pending:
            self._tls.receive(pending)

    def _present(self, viewer: Viewer) -> None:
        self._deadline.clear()
        got_on(self.transport)
        self._hold(self._dialogue.trailing())
        if not self._over:
            presentation = Presentation(Way.VIEWER, Secret(viewer.ticket), self._arrival)
            self._entering.begin(self._front.admit, presentation)

    def _hold(self, data: bytes) -> None:
        """Keep what comes before the answer; a viewer waits for that."""
        self._early += data
        if len(self._early) > UNREAD_MAX:
            self._broken("more than a viewer may say before it is let in")

    # The answer.

    def _admitted(self, admission: Admission) -> None:
        self._admission = admission
        self._answer(self._let_in if admission.speaks_rfb else self._turn_away)

    def _answer(self, answer: Callable[[], None]) -> None:
        """Say yes or no, when it can be heard."""
        wait = self._settled_at - self._front.wheel.seconds()
        if wait > 0:
            self._settling.set(wait, answer)
        else:
            answer()

    def _let_in(self) -> None:
        admission, self._admission = self._admission, None
        assert admission is not None
        self._stop()
        self._front.metrics.connection("viewer")
        self.transport.write(accept(self._dialogue.result.version))
        keep(self.transport)
        pipe = StockPipe(self._front.wheel.clock)
        replace(self.transport, pipe, self._early)
        try:
            admission.attach(pipe, greeted=Greeted.LET_IN)
        except Exception as error:
            tell_fault("attaching a viewer", error)
            pipe.abort()

    def _turn_away(self) -> None:
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.abandon()  # its console speaks nothing that a viewer understands
        self._front.metrics.connection("refused")
        self.transport.write(refuse(self._dialogue.result.version, NOT_THIS_TICKET))
        self._close()

    # Ending.

    def _broken(self, why: str) -> None:
        self._front.metrics.connection("junk")
        what = f"begins RFB and goes wrong: {why}"
        tell(_log, Event.JUNK_REFUSED, peer=self._arrival.address, listener=self._arrival.listener, what=what)
        self._close()

    def _evicted(self) -> None:
        if self._tls is not None and not self._tls.begun:  # else the loss inside TLS is what counts
            self._front.metrics.connection("over-limit")
        self.transport.abortConnection()

    def _too_late(self) -> None:
        self._front.metrics.connection("timeout")  # a person who went for lunch: no line in the log
        self._close()

    def _close(self) -> None:
        self._stop()
        self._deadline.set(CLOSE_DEADLINE, self.transport.abortConnection)
        self.transport.loseConnection()

    def _stop(self) -> None:
        """Be done with the clock, the slots and the question."""
        self._over = True
        self._deadline.clear()
        self._settling.clear()
        self._entering.leave()
        if self._tls is not None:
            self._tls.over()
