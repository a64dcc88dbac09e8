"""
The closed list of events that the gateway logs, and the one way to log one.

Callers write ``tell(_log, Event.SESSION_OPENED, session=…)``; the observer
(``gateway.observe.logs``) renders the word and the fields.  Fields are ids,
counts, words and peers, never a secret.  Nothing here formats, filters or
writes.
"""

from __future__ import annotations

import enum
from typing import Protocol


class Event(enum.Enum):
    """
    What can happen, with the level it is logged at and its meaning.

    ``a_second``: strangers can cause it as often as they like, so no more
    lines than this are written in one second (0: all are).
    """

    GATEWAY_STARTED = ("gateway_started", "info", "The gateway takes clients.")
    GATEWAY_STOPPING = ("gateway_stopping", "info", "The gateway was told to stop.")
    LISTENING = ("listening", "info", "A port is open.")
    CERTIFICATE_LOADED = ("certificate_loaded", "info", "New TLS handshakes get this certificate.")
    CERTIFICATE_KEPT = ("certificate_kept", "error", "A certificate file is broken; the one loaded before stays.")
    CERTIFICATE_WARNING = (
        "certificate_warning",
        "warn",
        "A certificate file is used, but something about it is not right.",
    )
    FILES_RELOADED = (
        "files_reloaded",
        "info",
        "Certificates, API keys and the audit's file were read again on SIGHUP.",
    )
    REMARK = (
        "remark",
        "warn",
        "Something that the operator should read at a start: a warning, or a file that was made.",
    )
    JUNK_REFUSED = ("junk_refused", "info", "A client spoke nothing that is known here, or too slowly.", 1)
    SESSION_OPENED = ("session_opened", "info", "A ticket opened a new session.")
    SESSION_CONTINUED = ("session_continued", "info", "A client came back to its session.")
    SESSION_LOST = ("session_lost", "info", "A client vanished; its session is parked.")
    SESSION_ENDED = ("session_ended", "info", "A session is over; the ending says how.")
    UPSTREAM_DIALLED = ("upstream_dialled", "info", "A console was reached and logged in to.")
    UPSTREAM_FAILED = ("upstream_failed", "warn", "A console could not be reached or logged in to.")
    SPICE_MISTOLD = (
        "spice_mistold",
        "info",
        "A SPICE client had been told other capabilities than its server has; it is told these when it comes back.",
        10,
    )
    PROTOCOL_BROKEN = ("protocol_broken", "warn", "A client or a console broke its protocol; its session ends.", 10)
    UPSTREAM_LOST = ("upstream_lost", "warn", "The connection to a console was lost.")
    TICKET_MINTED = ("ticket_minted", "info", "A ticket was made.")
    TICKET_REFUSED = ("ticket_refused", "warn", "A ticket or grant did not let its presenter in.", 10)
    TICKET_REVOKED = ("ticket_revoked", "info", "Tickets were withdrawn.")
    ORIGIN_REFUSED = ("origin_refused", "warn", "A page of another site tried to open a console.", 10)
    API_REFUSED = ("api_refused", "warn", "A call of the API had no key, a wrong one, or too small a role.", 10)
    API_KEYS_KEPT = ("api_keys_kept", "error", "The file of API keys is broken; the keys read before stay.")
    LIMIT_REACHED = ("limit_reached", "warn", "A client was turned away over one of the limits.", 10)
    ACCEPTING_PAUSED = (
        "accepting_paused",
        "warn",
        "As many connections as allowed are open: who stands still makes room, or new ones wait.",
    )
    ACCEPTING_RESUMED = ("accepting_resumed", "info", "New connections are accepted again.")
    AUDIT_FAILED = ("audit_failed", "error", "Audit lines could not be written and are lost.")
    STORE_FAILED = ("store_failed", "error", "The store of tickets or sessions does not answer.")
    STORE_BACK = ("store_back", "info", "The store takes what is written to it again.")
    FAULT = ("fault", "critical", "The gateway made a mistake; please report the traceback.")

    def __init__(self, word: str, level: str, sentence: str, a_second: int = 0) -> None:
        self.word = word
        self.level = level
        self.sentence = sentence
        self.a_second = a_second


class Log(Protocol):
    """What :func:`tell` needs of a logger; ``twisted.logger.Logger`` has it."""

    def info(self, format: str | None = None, **fields: object) -> None: ...

    def warn(self, format: str | None = None, **fields: object) -> None: ...

    def error(self, format: str | None = None, **fields: object) -> None: ...

    def critical(self, format: str | None = None, **fields: object) -> None: ...


def tell(log: Log, event: Event, **fields: object) -> None:
    """Log an event at its own level; a ``log_failure`` among the fields brings its traceback."""
    at_level = {"info": log.info, "warn": log.warn, "error": log.error, "critical": log.critical}
    at_level[event.level]("{event.word}", event=event, **fields)
