"""
What the gateway counts, for Prometheus.

Every metric is a row of :data:`METRICS`, which the operator's documentation
is checked against.  Label values come from closed sets; anything else counts
as ``other``, so that no client can grow the page.  No user, console, address
or id is ever a label.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from attrs import frozen
from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from gateway import __version__
from gateway.model.errors import Reason
from gateway.model.session import Ending, State
from gateway.model.target import ConsoleKind

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4
"""What :meth:`PrometheusMetrics.render` is to be served as."""


@frozen
class Row:
    """One metric: its name, its type (counter, gauge, histogram), its labels, and what it says."""

    name: str
    type: str
    labels: tuple[str, ...]
    help: str


METRICS = (
    Row("consolegw_build_info", "gauge", ("version",), "Always 1; the version is in the label."),
    Row("consolegw_ready", "gauge", (), "1 when new sessions are welcome, as /readyz says."),
    Row("consolegw_connections", "gauge", (), "Client connections that are open."),
    Row("consolegw_sessions", "gauge", ("kind", "state"), "Sessions that live on this node."),
    Row("consolegw_sessions_parked", "gauge", (), "Sessions whose client is lost and may come back."),
    Row("consolegw_audit_lost_total", "counter", (), "Audit lines that could not be written."),
    Row("consolegw_connections_total", "counter", ("outcome",), "Accepted connections, by what they came to."),
    Row("consolegw_sessions_opened_total", "counter", ("kind",), "Sessions opened on this node."),
    Row("consolegw_sessions_ended_total", "counter", ("kind", "ending"), "Sessions ended, by how."),
    Row("consolegw_session_seconds", "histogram", ("kind",), "How long sessions lasted."),
    Row("consolegw_relayed_bytes_total", "counter", ("direction",), "Bytes relayed: in = to the machine."),
    Row("consolegw_refused_total", "counter", ("reason",), "Presenters that were not let in, by why."),
    Row("consolegw_dial_seconds", "histogram", ("outcome",), "How long dialling a console took, by what it came to."),
)
"""Every metric of ours; those of the process (``process_…``) come besides."""

_ROWS = {row.name: row for row in METRICS}

OTHER = "other"
KINDS = frozenset(kind.value for kind in ConsoleKind)
STATES = frozenset(state.value for state in State)
ENDINGS = frozenset(ending.word for ending in Ending)
REASONS = frozenset(reason.word for reason in Reason)
DIAL_OUTCOMES = frozenset({"connected", "unreachable", "refused", "timeout", "failed", "cancelled"})
CONNECTION_OUTCOMES = frozenset(
    {"tls", "http", "websocket", "connect", "rfb", "viewer", "authd", "spice", "junk", "silent", "timeout", "closed"}
    | {"refused", "over-limit", "tls-failed"}
)

_SESSION_BUCKETS = (1, 10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600)
_DIAL_BUCKETS = (0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@frozen
class Live:
    """Where the gauges read from, at the moment of a scrape."""

    sessions: Callable[[], Mapping[tuple[str, str], int]] = dict
    """How many sessions there are of each (kind, state)."""
    connections: Callable[[], int] = int
    ready: Callable[[], bool] = bool
    audit_lost: Callable[[], int] = int


class PrometheusMetrics:
    """Implements the ``Metrics`` seam on a registry of its own, never on the library's global one."""

    def __init__(self, registry: CollectorRegistry | None = None, live: Live | None = None) -> None:
        # The text format would show one more series for each of ours, of no use to anybody.
        disable_created_metrics()
        self._registry = registry or CollectorRegistry(auto_describe=False)
        self._connections = self._counter("consolegw_connections_total")
        self._opened = self._counter("consolegw_sessions_opened_total")
        self._ended = self._counter("consolegw_sessions_ended_total")
        self._seconds = self._histogram("consolegw_session_seconds", _SESSION_BUCKETS)
        self._refused = self._counter("consolegw_refused_total")
        self._dials = self._histogram("consolegw_dial_seconds", _DIAL_BUCKETS)
        relayed = self._counter("consolegw_relayed_bytes_total")
        # Bound once: labels() takes a lock and a dict look-up, and this is counted while relaying.
        self._bytes_in, self._bytes_out = relayed.labels("in"), relayed.labels("out")
        self._live = _LiveCollector(live or Live())
        self._registry.register(self._live)
        ProcessCollector(registry=self._registry)

    def watch(self, live: Live) -> None:
        """Read the gauges from here from now on."""
        self._live.source = live

    def session_opened(self, kind: str) -> None:
        """A session was opened."""
        self._opened.labels(_one_of(KINDS, kind)).inc()

    def session_ended(self, kind: str, ending: Ending, seconds: float) -> None:
        """A session ended after so many seconds."""
        self._ended.labels(_one_of(KINDS, kind), ending.word).inc()
        self._seconds.labels(_one_of(KINDS, kind)).observe(seconds)

    def relayed(self, bytes_in: int, bytes_out: int) -> None:
        """So many more bytes went to the machine and to the client."""
        self._bytes_in.inc(bytes_in)
        self._bytes_out.inc(bytes_out)

    def refused(self, reason: str) -> None:
        """A presenter was not let in."""
        self._refused.labels(_one_of(REASONS, reason)).inc()

    def dialled(self, outcome: str, seconds: float) -> None:
        """A dial came to this after so many seconds."""
        self._dials.labels(_one_of(DIAL_OUTCOMES, outcome)).observe(seconds)

    def connection(self, outcome: str) -> None:
        """One accepted connection came to this."""
        self._connections.labels(_one_of(CONNECTION_OUTCOMES, outcome)).inc()

    def render(self) -> bytes:
        """All of it in the text format; serve it as :data:`CONTENT_TYPE`."""
        return generate_latest(self._registry)

    def _counter(self, name: str) -> Counter:
        row = _ROWS[name]
        return Counter(row.name, row.help, row.labels, registry=self._registry)

    def _histogram(self, name: str, buckets: tuple[float, ...]) -> Histogram:
        row = _ROWS[name]
        return Histogram(row.name, row.help, row.labels, buckets=buckets, registry=self._registry)


class _LiveCollector(Collector):
    """Asks the running gateway at each scrape instead of being told at each change."""

    def __init__(self, source: Live) -> None:
        self.source = source

    def collect(self) -> Iterable[Metric]:
        sessions = self.source.sessions()
        parked = sum(count for (_, state), count in sessions.items() if state == State.PARKED.value)
        yield _gauge("consolegw_build_info", {(__version__,): 1})
        yield _gauge("consolegw_ready", {(): int(self.source.ready())})
        yield _gauge("consolegw_connections", {(): self.source.connections()})
        yield _gauge("consolegw_sessions", _closed(sessions))
        yield _gauge("consolegw_sessions_parked", {(): parked})
        row = _ROWS["consolegw_audit_lost_total"]
        yield CounterMetricFamily(row.name, row.help, value=self.source.audit_lost())


def _gauge(name: str, samples: Mapping[tuple[str, ...], int]) -> GaugeMetricFamily:
    row = _ROWS[name]
    family = GaugeMetricFamily(row.name, row.help, labels=row.labels)
    for labels, value in samples.items():
        family.add_metric(labels, value)
    return family


def _closed(sessions: Mapping[tuple[str, str], int]) -> dict[tuple[str, ...], int]:
    """Add up what falls together once unknown words read ``other``: a sample must not occur twice."""
    counts: dict[tuple[str, ...], int] = {}
    for (kind, state), count in sessions.items():
        labels = (_one_of(KINDS, kind), _one_of(STATES, state))
        counts[labels] = counts.get(labels, 0) + count
    return counts


def _one_of(words: frozenset[str], word: str) -> str:
    return word if word in words else OTHER
