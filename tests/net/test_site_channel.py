"""Tests of the site's end of a connection."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from gateway.net.site_channel import SiteChannel


class _Page(Resource):
    isLeaf = True

    def render_GET(self, request) -> bytes:
        return b"page"


class _Site(Site):
    protocol = SiteChannel

    def log(self, request) -> None:
        """Nothing."""


class SiteChannelTests(SynchronousTestCase):
    """What a channel tells."""

    def setUp(self) -> None:
        self.told: list[str] = []
        self.channel = _Site(_Page(), reactor=Clock()).buildProtocol(None)
        self.transport = StringTransport()
        self.channel.makeConnection(self.transport)

    def test_tells_each_answer_and_the_end(self) -> None:
        """After each answer it says so, and once it closes, after the last one."""
        self.channel.answered = lambda: self.told.append("answered")
        self.channel.closing = lambda: self.told.append("closing")
        self.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: g\r\n\r\n")
        self.assertEqual(self.told, ["answered"])
        self.channel.dataReceived(b"GET / HTTP/1.1\r\nHost: g\r\nConnection: close\r\n\r\n")
        self.assertEqual(sorted(self.told[1:]), ["answered", "closing"])
        self.assertEqual(self.transport.value().count(b"page"), 2)

    def test_tells_nobody_when_nobody_listens(self) -> None:
        """A channel that accepted its connection itself just answers."""
        self.channel.dataReceived(b"GET / HTTP/1.0\r\n\r\n")
        self.assertIn(b"page", self.transport.value())
        self.assertTrue(self.transport.disconnecting)
        self.channel.setTimeout(None)
