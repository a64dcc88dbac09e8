"""
The end of a gateway: clients are told to come back, and get a moment to hear it.

The long, polite drain of a cluster's node is not here.
"""

from __future__ import annotations

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from gateway.model.events import Event, tell
from gateway.net.connection import Gate
from gateway.sessions.broker import Broker
from gateway.sessions.registry import Registry

GRACE = 2.5
"""Seconds for close frames to be sent and answered; then what is left is cut."""

_LOOK = 0.05

_log = Logger()


class Shutdown(Service):
    """Ends all sessions; to be added last, so that it is stopped first."""

    def __init__(self, clock: IReactorTime, broker: Broker, registry: Registry, gate: Gate) -> None:
        self._clock = clock
        self._broker = broker
        self._registry = registry
        self._gate = gate

    def stopService(self) -> Deferred[None]:
        """Say good-bye; over when nobody is connected any more, or after the grace."""
        super().stopService()  # type: ignore[no-untyped-call]
        tell(_log, Event.GATEWAY_STOPPING, sessions=len(self._registry))
        self._broker.draining = True
        self._registry.stop()
        deadline = self._clock.seconds() + GRACE
        looking = LoopingCall(self._look, deadline)
        looking.clock = self._clock
        self._looking = looking
        return looking.start(_LOOK).addCallback(lambda _: None)

    def _look(self, deadline: float) -> None:
        if len(self._gate) and self._clock.seconds() < deadline:
            return
        for connection in self._gate:
            connection.abortConnection()
        self._looking.stop()
