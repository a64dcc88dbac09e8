"""
One presenter at the gate: asks whether it may come in, bounded in time, and tells the front what to do.

Whatever the reason of a refusal, the front learns a status and nothing else.
How a front says it, and what it attaches, is the front's.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Final

from twisted.internet.defer import Deferred
from twisted.logger import Logger

from gateway.model.client import Presentation
from gateway.model.errors import Refused
from gateway.model.events import Event, tell
from gateway.model.seams import Admission, Admit
from gateway.net.wheel import Deadline, Wheel

_log = Logger()

OPENING_DEADLINE: Final = 10.0
"""Seconds in which a presenter is let in or refused."""


class Entering:
    """
    Asks once.

    :param admitted: called with the admission, which is the front's from then on.
    :param refused: called with the HTTP status that says no.
    """

    def __init__(self, wheel: Wheel, admitted: Callable[[Admission], None], refused: Callable[[int], None]) -> None:
        self._admitted = admitted
        self._refused = refused
        self._deadline = Deadline(wheel)
        self._over = False

    def begin(self, admit: Admit, presentation: Presentation) -> None:
        """Ask; the answer may come before this returns."""
        no = 503 if presentation.wants_one_shot_answer else 403
        self._deadline.set(OPENING_DEADLINE, lambda: self._refuse(no))
        Deferred.fromCoroutine(self._ask(admit, presentation, no))

    def leave(self) -> None:
        """The client is gone, or turned away: who is let in after all is abandoned."""
        self._over = True
        self._deadline.clear()

    async def _ask(self, admit: Admit, presentation: Presentation, no: int) -> None:
        try:
            admission = await admit(presentation)
        except Refused:
            self._refuse(no)
            return
        except Exception as error:
            tell_fault("letting a client in", error)
            self._refuse(500)
            return
        if self._over:
            admission.abandon()
            return
        self.leave()
        self._admitted(admission)

    def _refuse(self, status: int) -> None:
        if not self._over:
            self.leave()
            self._refused(status)


def tell_fault(what: str, error: Exception) -> None:
    """Log a fault of ours without the exception's own text, which might hold what a client presented."""
    where = "".join(traceback.format_tb(error.__traceback__))
    tell(_log, Event.FAULT, what=what, kind=type(error).__name__, where=where)
