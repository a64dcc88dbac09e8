"""What is at which path."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.observe.metrics import CONTENT_TYPE
from gateway.web.api import Api
from gateway.web.requests import GatewaySite
from gateway.web.site import admin_tree
from tests.support.web import WebBench


class SiteCase(SynchronousTestCase):
    def setUp(self):
        directory = Path(self.mktemp())
        directory.mkdir()
        self.bench = WebBench(directory)


class PublicTests(SiteCase):
    def test_tree(self):
        """Pages and API are there, the operator's reports are not."""
        self.assertEqual(self.bench.ask("GET", "/").body, b"home")
        self.assertEqual(self.bench.api("GET", "consoles").status, 200)
        for path in ("/metrics", "/api", "/api/", "/api/v2/consoles", "/api/v1x", "/x/api/v1/consoles"):
            self.assertEqual(self.bench.ask("GET", path, key="admin").status, 404, path)

    def test_without_the_api(self):
        """Where the API does not answer, the page's own calls still do."""
        self.bench.serve(self.bench.holder_calls.routes())
        self.assertEqual(self.bench.api("GET", "consoles").problem, "not-found")
        reply = self.bench.page("POST", "redeem", {"ticket": self.bench.ticket(), "holder": "h" * 43})
        self.assertEqual(reply.status, 200)


class AdminTests(SiteCase):
    def serve(self, *, api=True):
        self.is_ready = True
        calls = Api(self.bench.operator_routes, self.bench.access, self.bench.clock) if api else None
        tree = admin_tree(api=calls, metrics=lambda: b"consolegw_ready 1\n", ready=lambda: self.is_ready)
        self.bench.site = GatewaySite(tree, self.bench.policy, self.bench.clock)

    def test_reports(self):
        """Metrics and health are read without a key; readiness follows the gateway's."""
        self.serve()
        metrics = self.bench.ask("GET", "/metrics")
        self.assertEqual((metrics.status, metrics.body), (200, b"consolegw_ready 1\n"))
        self.assertEqual(metrics.headers["Content-Type"], CONTENT_TYPE)
        self.assertEqual(self.bench.ask("GET", "/healthz").status, 200)
        self.assertEqual(self.bench.ask("GET", "/readyz").status, 200)
        self.is_ready = False
        self.assertEqual(self.bench.ask("GET", "/readyz").status, 503)
        self.assertEqual(self.bench.ask("GET", "/healthz").status, 200)
        self.assertEqual(self.bench.ask("POST", "/metrics").status, 405)

    def test_api(self):
        """The operators' calls answer where the configuration says so; the page's never do."""
        self.serve()
        self.assertEqual(self.bench.api("GET", "consoles").status, 200)
        self.assertEqual(self.bench.page("POST", "redeem", {}).problem, "not-found")
        self.serve(api=False)
        self.assertEqual(self.bench.api("GET", "consoles").status, 404)

    def test_no_pages(self):
        """There is nothing else."""
        self.serve()
        for path in ("/", "/console/"):
            self.assertEqual(self.bench.ask("GET", path).status, 404)
