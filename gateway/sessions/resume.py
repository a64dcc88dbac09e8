"""
Upstream generations: resolving and dialling a console, with patience.

At most one dial of a link is under way; what is relayed afterwards, and what
is told to the client, is not decided here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from attrs import frozen
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.logger import Logger

from gateway.model.errors import AmbiguousConsole, UnknownConsole, Unreachable
from gateway.model.events import Event, tell
from gateway.model.seams import Dial, Metrics, Opening, Upstream
from gateway.model.session import COME_BACK
from gateway.model.target import Target
from gateway.model.ticket import Grant

FIRST_PAUSE = 0.25
"""Seconds before the second attempt; each further pause is twice as long."""

LONGEST_PAUSE = 5.0
"""Seconds; a machine that comes back is taken up at most this much later."""

_log = Logger()


@frozen
class Dialling:
    """
    How consoles are reached: resolve, dial, look again whether it is still the same machine.

    ``jitter`` gives a factor around 1 for each pause, so that the clients of a
    restarted hypervisor do not all return at once.
    """

    resolve: Callable[[Grant], Awaitable[Target]]
    dial: Dial
    dial_named: Dial
    """For targets that a broker named in the ticket: only what is allowed, whatever a name comes to."""
    clock: IReactorTime
    metrics: Metrics
    jitter: Callable[[], float]

    async def reach(self, grant: Grant, session: str, patience: float, opening: Opening | None = None) -> Upstream:
        """
        Dial until it works, or for ``patience`` seconds.

        :raises Unreachable: the last failure; at once when it is final.
        """
        began = self.clock.seconds()
        pause = FIRST_PAUSE
        while True:
            try:
                return await self._once(grant, session, opening)
            except Unreachable as error:
                waited = self.clock.seconds() - began
                tell(_log, Event.UPSTREAM_FAILED, session=session, detail=str(error))
                if error.final or waited + pause > patience:
                    raise
            await deferLater(self.clock, pause * self.jitter(), lambda: None)
            pause = min(2 * pause, LONGEST_PAUSE)

    async def _once(self, grant: Grant, session: str, opening: Opening | None) -> Upstream:
        began = self.clock.seconds()
        try:
            target = await self._resolved(grant)
            upstream = await (self.dial_named if grant.target else self.dial)(target, opening)
        except Unreachable as error:
            self.metrics.dialled("refused" if error.final else "unreachable", self.clock.seconds() - began)
            raise
        await self._check_identity(grant, target, upstream)
        self.metrics.dialled("connected", self.clock.seconds() - began)
        tell(_log, Event.UPSTREAM_DIALLED, session=session)
        return upstream

    async def _resolved(self, grant: Grant) -> Target:
        try:
            return await self.resolve(grant)
        except (UnknownConsole, AmbiguousConsole) as error:
            raise Unreachable(str(error), final=True) from error

    async def _check_identity(self, grant: Grant, target: Target, upstream: Upstream) -> None:
        """Resolve again: the address may belong to another machine by now (decision 12)."""
        try:
            again = await self._resolved(grant)
        except BaseException:
            upstream.pipe.abort()
            raise
        if again.identity != target.identity:
            upstream.pipe.close(COME_BACK)
            self.metrics.dialled("failed", 0.0)
            raise Unreachable("the machine changed while it was being dialled")
