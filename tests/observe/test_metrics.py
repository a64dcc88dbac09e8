"""The metrics page says what was counted."""

from __future__ import annotations

import re

from prometheus_client import REGISTRY
from twisted.trial.unittest import SynchronousTestCase

from gateway import __version__
from gateway.model.session import Ending
from gateway.observe.metrics import CONTENT_TYPE, METRICS, Live, PrometheusMetrics


class CountedTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.metrics = PrometheusMetrics()

    def assert_says(self, *lines: str) -> None:
        page = self.metrics.render().decode().splitlines()
        for line in lines:
            self.assertIn(line, page)

    def test_sessions(self) -> None:
        """Sessions are counted by kind as they open, and by ending as they end."""
        self.metrics.session_opened("vnc")
        self.metrics.session_opened("vnc")
        self.metrics.session_ended("vnc", Ending.CLIENT_LOST, 12.0)
        self.assert_says(
            'consolegw_sessions_opened_total{kind="vnc"} 2.0',
            'consolegw_sessions_ended_total{ending="client-lost",kind="vnc"} 1.0',
            'consolegw_session_seconds_bucket{kind="vnc",le="10.0"} 0.0',
            'consolegw_session_seconds_bucket{kind="vnc",le="60.0"} 1.0',
            'consolegw_session_seconds_sum{kind="vnc"} 12.0',
        )

    def test_bytes(self) -> None:
        """Relayed bytes are counted by direction, and are there from the start."""
        self.assert_says('consolegw_relayed_bytes_total{direction="in"} 0.0')
        self.metrics.relayed(10, 2000)
        self.metrics.relayed(1, 0)
        self.assert_says(
            'consolegw_relayed_bytes_total{direction="in"} 11.0',
            'consolegw_relayed_bytes_total{direction="out"} 2000.0',
        )

    def test_refusals_dials_connections(self) -> None:
        """Refusals count by reason, dials and connections by outcome."""
        self.metrics.refused("ticket-spent")
        self.metrics.dialled("connected", 0.02)
        self.metrics.connection("websocket")
        self.assert_says(
            'consolegw_refused_total{reason="ticket-spent"} 1.0',
            'consolegw_dial_seconds_count{outcome="connected"} 1.0',
            'consolegw_connections_total{outcome="websocket"} 1.0',
        )

    def test_labels_are_closed(self) -> None:
        """Words of strangers all count as ``other``: nobody can grow the page."""
        for word in ("a", "b", 'x"} 1\n'):
            self.metrics.refused(word)
            self.metrics.connection(word)
            self.metrics.dialled(word, 1.0)
            self.metrics.session_opened(word)
        self.assert_says(
            'consolegw_refused_total{reason="other"} 3.0',
            'consolegw_connections_total{outcome="other"} 3.0',
            'consolegw_dial_seconds_count{outcome="other"} 3.0',
            'consolegw_sessions_opened_total{kind="other"} 3.0',
        )

    def test_gauges(self) -> None:
        """Gauges are read at the scrape; parked sessions add up over the kinds."""
        sessions = {
            ("vnc", "relaying"): 2,
            ("vnc", "parked"): 1,
            ("serial", "parked"): 3,
            ("odd", "x"): 1,
            ("o", "y"): 1,
        }
        self.metrics.watch(Live(lambda: sessions, lambda: 7, lambda: True, lambda: 4))
        self.assert_says(
            'consolegw_sessions{kind="vnc",state="relaying"} 2.0',
            'consolegw_sessions{kind="other",state="other"} 2.0',
            "consolegw_sessions_parked 4.0",
            "consolegw_connections 7.0",
            "consolegw_ready 1.0",
            "consolegw_audit_lost_total 4.0",
        )
        sessions.clear()
        self.assert_says("consolegw_sessions_parked 0.0")

    def test_before_anything_is_watched(self) -> None:
        """A gateway that has not started is not ready."""
        self.assert_says("consolegw_ready 0.0", f'consolegw_build_info{{version="{__version__}"}} 1.0')


class PageTests(SynchronousTestCase):
    def test_the_table_is_the_page(self) -> None:
        """The page has the metrics of the table, of their types and no other, and those of the process."""
        page = PrometheusMetrics().render().decode()
        types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, re.MULTILINE))
        ours = {name: type_ for name, type_ in types.items() if not name.startswith("process_")}
        self.assertEqual(ours, {row.name: row.type for row in METRICS})
        self.assertIn("process_open_fds", types)

    def test_labels_are_the_tables(self) -> None:
        """Each sample has the labels that the table names."""
        metrics = PrometheusMetrics(live=Live(sessions=lambda: {("vnc", "parked"): 1}))
        metrics.session_opened("vnc")
        metrics.session_ended("vnc", Ending.FINISHED, 1.0)
        metrics.refused("draining")
        metrics.dialled("timeout", 1.0)
        metrics.connection("junk")
        page = metrics.render().decode()
        for row in METRICS:
            samples = re.findall(rf"^{row.name}(?:_count)?(?:{{(.*)}})? [0-9.]+$", page, re.MULTILINE)
            self.assertTrue(samples, row.name)
            for sample in samples:
                self.assertEqual(set(re.findall(r'(\w+)="', sample)), set(row.labels))

    def test_global_registry_is_untouched(self) -> None:
        """Two gateways in one process do not meet, and the library's own registry knows neither."""
        one, two = PrometheusMetrics(), PrometheusMetrics()
        one.session_opened("vnc")
        self.assertNotIn(b'consolegw_sessions_opened_total{kind="vnc"}', two.render())
        self.assertFalse([family for family in REGISTRY.collect() if family.name.startswith("consolegw")])

    def test_content_type(self) -> None:
        """The page is served as Prometheus's text format."""
        self.assertTrue(CONTENT_TYPE.startswith("text/plain; version="))
