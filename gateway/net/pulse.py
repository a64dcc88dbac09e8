"""
Asks a quiet client from time to time whether it is still there.

A vanished peer sends nothing, not even an end.  What a ping is, and what
counts as an answer, is the pipe's to know.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.net.wheel import Deadline, Wheel

PONG_WITHIN: Final = 10.0
"""Seconds in which anything must come after a ping: a mobile network may take some."""


class Pulse:
    """
    Pings every ``seconds`` (0: never).

    :param ping: sends one.
    :param dead: called when nothing came after it.
    """

    def __init__(self, wheel: Wheel, seconds: float, ping: Callable[[], None], dead: Callable[[], None]) -> None:
        self._seconds = seconds
        self._ping = ping
        self._dead = dead
        self._next = Deadline(wheel)
        self.heard = False
        """Set by the pipe whenever the client showed itself, or could not be heard for reasons of ours."""

    def start(self) -> None:
        """The first ping comes after a whole interval."""
        if self._seconds:
            self._next.set(self._seconds, self._beat)

    def stop(self) -> None:
        """No more pings."""
        self._next.clear()

    def _beat(self) -> None:
        self.heard = False
        self._ping()
        self._next.set(min(PONG_WITHIN, self._seconds), self._check)

    def _check(self) -> None:
        if self.heard:
            self._next.set(max(0.0, self._seconds - PONG_WITHIN), self._beat)
        else:
            self._dead()
