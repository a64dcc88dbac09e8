"""
The start of the product: remarks for the operator, sessions of an earlier life, the clock.

And its very end: the stores are closed when everything else has stopped.
"""

from __future__ import annotations

from collections.abc import Sequence

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from gateway.model.events import Event, tell
from gateway.sessions.registry import Registry
from gateway.stores.opening import Stores

_log = Logger()


class Recovery(Service):
    """To be added first, so that it is stopped last."""

    def __init__(self, node: str, registry: Registry, stores: Stores, remarks: Sequence[str]) -> None:
        self._node = node
        self._registry = registry
        self._stores = stores
        self._remarks = remarks

    def startService(self) -> None:
        """Say what there is to say, and take up what was left."""
        super().startService()  # type: ignore[no-untyped-call]
        for remark in self._remarks:
            tell(_log, Event.REMARK, remark=remark)
        self._registry.start()
        Deferred.fromCoroutine(self._recover())

    def stopService(self) -> None:
        """Close the stores."""
        super().stopService()  # type: ignore[no-untyped-call]
        self._stores.close()

    async def _recover(self) -> None:
        try:
            recovered = await self._registry.recover(self._node)
        except Exception:
            tell(_log, Event.FAULT, log_failure=Failure())
        else:
            tell(_log, Event.GATEWAY_STARTED, node=self._node, recovered=recovered)
