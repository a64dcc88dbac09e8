"""
Log lines, as text or as JSON, out of twisted.logger's events.

Our own events are a word of the closed list and their fields.  Of what others
say, only warnings and worse are shown: factories that start, requests and
clients that time out are no news.  Every text is redacted and made printable
before it is written, and what strangers can cause at will is written only so
often a second.
"""

from __future__ import annotations

import contextlib
import enum
import json as json_format
from collections.abc import Iterator
from typing import Any, Protocol

from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from twisted.python.components import Componentized
from twisted.python.failure import Failure
from twisted.python.reflect import safe_str
from zope.interface import implementer

from gateway.model.events import Event
from gateway.model.moment import rfc3339
from gateway.observe.redaction import MASK, SECRET_NAMES, redact

VALUE_LIMIT = 1024
"""Characters of one field: more than any of ours needs, and a line stays readable."""

MESSAGE_LIMIT = 4096

TRACEBACK_LIMIT = 16384
"""Characters of a traceback, of which the end is kept: a deep recursion would write a megabyte."""

_OURS = "gateway."
_ALWAYS = (_OURS, "stdout", "stderr")
"""Namespaces whose information is shown too; the latter two are what was printed."""

_RESERVED = frozenset({"time", "level", "system", "event", "message", "traceback"})


class Out(Protocol):
    """Where lines go: a text stream, or one of Twisted's log files."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


class Flood:
    """Lets no more than ``a_second`` events of one sort through in one second."""

    def __init__(self) -> None:
        self._tallies: dict[Event, tuple[int, int]] = {}

    def held_back(self, event: Event, now: float) -> int | None:
        """How many were held back in the second in which the last came; ``None``: hold this one back too."""
        if not event.a_second:
            return 0
        second, seen = self._tallies.get(event, (int(now), 0))
        before = 0
        if second != int(now):
            before, seen = max(0, seen - event.a_second), 0
        self._tallies[event] = (int(now), seen + 1)
        return before if seen < event.a_second else None


@implementer(ILogObserver)
class LogLines:
    """Writes one line (text lines with a traceback: several) for each event that is worth one."""

    def __init__(self, out: Out, *, json: bool = False) -> None:
        self._out = out
        self._line = _json_line if json else _text_line
        self._flood = Flood()

    def __call__(self, event: LogEvent) -> None:
        if not _is_wanted(event):
            return
        word = event.get("event")
        held_back = self._flood.held_back(word, event.get("log_time", 0.0)) if isinstance(word, Event) else 0
        if held_back is None:
            return
        parts = _parts(event)
        if held_back:
            parts["held_back"] = held_back
        # A full disk or a reader that left must not hurt anybody; there is nowhere to say so.
        with contextlib.suppress(OSError, ValueError):
            self._write(self._line(parts))
            self._out.flush()

    def _write(self, line: str) -> None:
        try:
            self._out.write(line)
        except UnicodeEncodeError:  # the stream's encoding is not UTF-8
            self._out.write(line.encode("ascii", "backslashreplace").decode())


def start_logging(out: Out, *, json: bool = False, application: Componentized | None = None) -> LogLines:
    """
    Log to ``out`` from now on; under twistd, which begins by itself, from when it does.

    :param application: the twistd application; without one, logging begins at once.
    """
    lines = LogLines(out, json=json)
    if application is not None:
        application.setComponent(ILogObserver, lines)
    else:
        globalLogBeginner.beginLoggingTo([lines], redirectStandardIO=False)
    return lines


def _is_wanted(event: LogEvent) -> bool:
    level = event.get("log_level") or LogLevel.info
    if isinstance(event.get("event"), Event) or event.get("log_namespace", "").startswith(_ALWAYS):
        return bool(level >= LogLevel.info)
    return bool(level >= LogLevel.warn)


def _parts(event: LogEvent) -> dict[str, Any]:
    """Everything that a line says, in order, redacted."""
    level = event.get("log_level") or LogLevel.info
    parts: dict[str, Any] = {
        "time": rfc3339(event.get("log_time", 0.0)),
        "level": level.name,
        "system": event.get("log_namespace", "-").removeprefix(_OURS),
    }
    word = event.get("event")
    if isinstance(word, Event):
        parts["event"] = word.word
        parts.update(_fields(event))
    else:
        parts["message"] = redact(formatEvent(event))[:MESSAGE_LIMIT]
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        parts["traceback"] = redact(failure.getTraceback())[-TRACEBACK_LIMIT:]
    return parts


def _fields(event: LogEvent) -> Iterator[tuple[str, Any]]:
    for name, value in event.items():
        if name == "event" or name.startswith("log_"):
            continue
        yield (f"{name}_" if name in _RESERVED else name), MASK if name in SECRET_NAMES else _plain(value)


def _plain(value: object) -> Any:
    """A value as JSON has it: numbers stay, words of closed lists are words, the rest is redacted text."""
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, enum.Enum):
        return str(getattr(value, "word", value.value))
    if isinstance(value, list | tuple | set | frozenset):
        return redact(",".join(str(_plain(item)) for item in value))[:VALUE_LIMIT]
    return redact(safe_str(value))[:VALUE_LIMIT]


def _json_line(parts: dict[str, Any]) -> str:
    return json_format.dumps(parts, separators=(",", ":")) + "\n"


def _text_line(parts: dict[str, Any]) -> str:
    head = " ".join(str(parts.pop(name)) for name in ("time", "level", "system"))
    said = parts.pop("event", None) or _indented(parts.pop("message"))
    traceback = parts.pop("traceback", "")
    fields = "".join(f" {name}={_quoted(value)}" for name, value in parts.items())
    return f"{head} {said}{fields}" + (f"\n\t{_indented(traceback)}" if traceback else "") + "\n"


def _quoted(value: object) -> str:
    """A value that stays one word, so that nobody's name can forge a field or a line."""
    if value is None:
        return "-"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    if text and text.isprintable() and not set(text) & {" ", '"', "=", "\\"}:
        return text
    return json_format.dumps(text, ensure_ascii=not text.isprintable())


def _indented(text: str) -> str:
    """Several lines of which only the first begins at the margin; what does not print is escaped."""
    lines = text.rstrip("\n").split("\n")
    return "\n\t".join(line if line.isprintable() else _escaped(line) for line in lines)


def _escaped(line: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else c.encode("unicode_escape").decode() for c in line)
