"""
What the one audit line of a session says.

Values only: who writes it, and where, is the business of
``gateway.observe.audit``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model.client import Way
from gateway.model.moment import rfc3339
from gateway.model.session import SessionRecord

AUDIT_FIELDS: tuple[tuple[str, str], ...] = (
    ("time", "when the session ended (RFC 3339, UTC)"),
    ("session", "the session's id"),
    ("ticket_id", "the id of the ticket that opened it"),
    ("user", "whom the ticket was made for, as its maker said"),
    ("console", "the console's name"),
    ("kind", "the console's kind"),
    ("rights", "what the holder was allowed to do"),
    ("peer", "the client's address"),
    ("node", "the node that had the session last"),
    ("way", "how the client came in last"),
    ("returned_by_ticket", "whether a client came back by showing the ticket itself again"),
    ("bytes_in", "bytes from the client to the machine"),
    ("bytes_out", "bytes from the machine to the client"),
    ("generations", "how often the console was dialled with success"),
    ("opened_at", "when the session was opened (RFC 3339, UTC)"),
    ("seconds", "how long it lasted"),
    ("ending", "how it ended: one word of the closed list"),
)
"""Every field of an audit line and what it means, in the order in which they are written."""


def line_of(record: SessionRecord, *, way: Way | None = None, returned_by_ticket: bool = False) -> Mapping[str, Any]:
    """Make the audit line of a session that has ended (``ended_at`` and ``ending`` are set)."""
    grant = record.grant
    return {
        "time": rfc3339(record.ended_at),
        "session": record.id,
        "ticket_id": record.ticket_id,
        "user": grant.user,
        "console": grant.console,
        "kind": grant.kind.value,
        "rights": sorted(right.value for right in grant.rights),
        "peer": record.address,
        "node": record.node,
        "way": way.value if way else None,
        "returned_by_ticket": returned_by_ticket,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "generations": record.generation,
        "opened_at": rfc3339(record.opened_at),
        "seconds": round(max(0.0, record.ended_at - record.opened_at), 3),
        "ending": record.ending.word if record.ending else None,
    }
