"""
How a moment is written, in logs, audit lines and answers alike.

Moments are Unix seconds everywhere inside; nothing here reads a clock.
"""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(seconds: float) -> str:
    """Write Unix seconds as RFC 3339 in UTC, with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
