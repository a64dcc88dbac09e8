"""
SPICE viewers that come straight to the port: their link is answered, and the ticket is taken from its password.

Each channel is a connection of its own and presents the ticket again.  The
link's result is held back until the machine's own server has accepted
(``spice_login``); a machine that cannot be reached has none, and the client is
cut: on any other result than yes viewers ask for a password.
"""

from __future__ import annotations

import functools
from typing import Any, Final

from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from gateway.model.client import Arrival, Presentation, Way, site_of
from gateway.model.seams import Admission, Admit, Metrics
from gateway.model.secret import Secret
from gateway.model.target import ConsoleKind
from gateway.net.connection import keep
from gateway.net.entering import Entering, tell_fault
from gateway.net.handover import replace
from gateway.net.spice_keys import SpiceKeys
from gateway.net.spice_login import SpiceMemory, SpiceOpening
from gateway.net.stock_pipe import StockPipe
from gateway.net.wheel import Deadline, Wheel
from gateway.wire.errors import PeerError
from gateway.wire.reader import Dialogue
from gateway.wire.spice import SpiceClient, answer, refusal

LINK_DEADLINE: Final = 10.0
"""Seconds for a client's link, its ticket included: nobody is asked anything meanwhile."""

CLOSE_DEADLINE: Final = 5.0
"""Seconds for a refusal to be read."""

HELD_MAX: Final = 4096
"""Bytes of a client that does not wait for its link's result, as clients do."""


class SpiceFront:
    """Makes what a SPICE connection is handed to."""

    def __init__(self, admit: Admit, wheel: Wheel, metrics: Metrics) -> None:
        self.admit = admit
        self.wheel = wheel
        self.metrics = metrics
        self.keys = SpiceKeys(wheel.seconds)
        self.memory = SpiceMemory(wheel.seconds)

    def __call__(self, arrival: Arrival) -> Linking:
        """One channel of somebody's."""
        return Linking(self, arrival)


class Linking(Protocol):
    """One connection, until it is let in or turned away."""

    transport: Any
    """TLS on top of the ``Connection``."""

    def __init__(self, front: SpiceFront, arrival: Arrival) -> None:
        self._front = front
        self._arrival = arrival
        self._who = site_of(arrival.address)
        self._dialogue: Dialogue[SpiceClient] | None = None
        self._client: SpiceClient | None = None
        self._held = b""
        self._over = False
        self._asking = Entering(front.wheel, self._admitted, self._refused)
        self._deadline = Deadline(front.wheel)

    # What the transport calls.

    def connectionMade(self) -> None:
        """Begin with the key of this moment."""
        key = self._front.keys.current()
        caps_for = functools.partial(self._front.memory.caps_for, self._who)
        steps = functools.partial(answer, public_key=key.public, decrypt=key.decrypt, caps_for=caps_for)
        self._dialogue = Dialogue(steps)
        self._deadline.set(LINK_DEADLINE, self._abort)

    def dataReceived(self, data: bytes) -> None:
        """Go on with the link; what comes before its result is kept, but little."""
        if self._over:
            return
        if self._dialogue is not None:
            self._converse(self._dialogue, data)
        else:
            self._held += data
        if len(self._held) > HELD_MAX:
            self._abort()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        self._over = True
        self._asking.leave()
        self._deadline.clear()

    # The link.

    def _converse(self, dialogue: Dialogue[SpiceClient], data: bytes) -> None:
        try:
            dialogue.receive(data)
        except PeerError:
            self._front.metrics.connection("junk")
            self._abort()
            return
        if reply := dialogue.to_send():
            self.transport.write(reply)
        if dialogue.done:
            self._dialogue, self._held = None, dialogue.trailing()
            self._present(dialogue.result)

    def _present(self, client: SpiceClient) -> None:
        self._deadline.clear()
        self._client = client
        if client.ticket is None:  # viewers without a password try with none first, and then ask for one
            self._refused(403)
            return
        self._asking.begin(self._front.admit, Presentation(Way.SPICE, Secret(client.ticket), self._arrival))

    def _admitted(self, admission: Admission) -> None:
        if admission.kind is not ConsoleKind.SPICE:
            admission.abandon()
            self._refused(403)
            return
        assert self._client is not None
        self._over = True
        client, who, memory = self._client, self._who, self._front.memory
        correct = functools.partial(memory.correct, who, client.link)
        keep(self.transport)
        pipe = StockPipe(self._front.wheel.clock)
        replace(self.transport, pipe, self._held)
        try:
            admission.attach(pipe, opening=SpiceOpening(client.link, client.told, correct, self._front.wheel.clock))
        except Exception as error:
            tell_fault("attaching a SPICE client", error)
            pipe.abort()

    def _refused(self, status: int) -> None:
        """Say no, on which viewers ask for the password again, whatever the number; so a fault of ours says nothing."""
        self._front.metrics.connection("refused")
        if status >= 500:
            self._abort()
            return
        self._over = True
        self._asking.leave()
        self.transport.write(refusal())
        self._deadline.set(CLOSE_DEADLINE, self._abort)
        self.transport.loseConnection()

    def _abort(self) -> None:
        self._over = True
        self._asking.leave()
        self.transport.abortConnection()
