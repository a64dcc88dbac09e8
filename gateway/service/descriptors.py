"""
How many connections this process may hold.

Out of descriptors Twisted accepts and closes at once; the gate pauses before.
"""

from __future__ import annotations

import resource

RESERVE = 128
"""Descriptors for everything but sessions: listeners, files, look-ups, the reactor."""

PER_CONNECTION = 2
"""A client's socket and its upstream's."""


def connection_limit(configured: int) -> int:
    """The configured limit, or (0) what the descriptors allow; never more than these allow."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return configured or 1_000_000
    possible = max(1, (soft - RESERVE) // PER_CONNECTION)
    return min(configured, possible) if configured else possible
