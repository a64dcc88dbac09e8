"""
How many connections this process may hold.

Out of descriptors Twisted accepts and closes at once; the gate pauses before.
The soft limit that a shell gives is for programs that select: it is raised as
far as is of use, within the hard one.
"""

from __future__ import annotations

import resource

RESERVE = 128
"""Descriptors for everything but sessions: listeners, files, look-ups, the reactor."""

PER_CONNECTION = 2
"""A client's socket and its upstream's."""

WANTED = 65_536
"""Descriptors for which the limit is raised by itself: more clients than that one process does not relay."""


def connection_limit(configured: int) -> int:
    """The configured limit, or (0) what the descriptors allow; never more than these allow."""
    soft = raise_limit(RESERVE + PER_CONNECTION * configured if configured else WANTED)
    if soft == resource.RLIM_INFINITY:
        return configured or 1_000_000
    possible = max(1, (soft - RESERVE) // PER_CONNECTION)
    return min(configured, possible) if configured else possible


def raise_limit(wanted: int) -> int:
    """Raise the soft limit to what is wanted, or to the hard one; the soft limit then."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    better = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft == resource.RLIM_INFINITY or better <= soft:
        return soft
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (better, hard))
    except (OSError, ValueError):  # more than the system gives to anybody
        return soft
    return better
