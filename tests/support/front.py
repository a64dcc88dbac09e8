"""
What fronts are given in tests: metrics, admissions and a gatekeeper under the test's control.
"""

from __future__ import annotations

from twisted.internet.defer import Deferred

from gateway.model.client import Arrival, Presentation, Way
from gateway.model.seams import Pipe
from gateway.model.secret import Secret


class Counts:
    """Metrics that keep the outcomes of connections."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def connection(self, outcome: str) -> None:
        self.outcomes.append(outcome)


class Admitted:
    """An admission that keeps its pipe."""

    speaks_rfb = False

    def __init__(self) -> None:
        self.pipe: Pipe | None = None
        self.abandoned = False

    def attach(self, pipe: Pipe) -> None:
        self.pipe = pipe

    def abandon(self) -> None:
        self.abandoned = True


class Gatekeeper:
    """An ``admit`` that answers when the test says so (or at once, with ``now``)."""

    def __init__(self, now: bool = False) -> None:
        self._now = now
        self.asked: list[Presentation] = []
        self.admission = Admitted()
        self.answer: Deferred[Admitted] = Deferred()

    async def __call__(self, presentation: Presentation):
        self.asked.append(presentation)
        return self.admission if self._now else await self.answer

    def let_in(self) -> Admitted:
        self.answer.callback(self.admission)
        return self.admission

    def refuse(self, why: Exception) -> None:
        self.answer.errback(why)


def presentation(way: Way = Way.QUERY, secret: str = "T0P-SECRET") -> Presentation:
    """A client with a ticket."""
    return Presentation(way, Secret(secret), Arrival("192.0.2.7", 4711))
