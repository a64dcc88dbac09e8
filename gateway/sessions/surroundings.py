"""
What every session of a node shares: its times, and whom it talks to.

Values only.
"""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen
from twisted.internet.interfaces import IReactorTime

from gateway.model.seams import AuditSink, Directory, Metrics
from gateway.sessions.resume import Dialling


@frozen
class Patience:
    """The times of a session, seconds; 0 = no limit where the configuration says so."""

    resume_window: float = 120.0
    linger: float = 10.0
    first_dial: float = 20.0
    redial: float = 120.0
    idle: float = 0.0
    max_session: float = 0.0


@frozen
class Surroundings:
    """What every session of a node shares."""

    clock: IReactorTime
    now: Callable[[], float]
    dialling: Dialling
    directory: Directory
    audit: AuditSink
    metrics: Metrics
    patience: Patience
