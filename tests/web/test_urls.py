"""The URLs of a ticket."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret
from gateway.model.target import ConsoleKind
from gateway.model.ticket import Minted
from gateway.sessions.desk import Made
from gateway.web.urls import socket_base, urls_for

T = "t" * 43


def made(kind):
    return Made(Minted("t-1", Secret(T), 0.0), "lab", kind, "")


class UrlsTests(SynchronousTestCase):
    def test_rfb(self):
        """A console with a screen has the page, a socket, and the socket of VMware's clients."""
        for public_url in ("https://c.example:8443", "https://c.example:8443/"):
            self.assertEqual(
                urls_for(made(ConsoleKind.VNC), public_url),
                {
                    "page": f"https://c.example:8443/console/#{T}",
                    "websocket": f"wss://c.example:8443/?ticket={T}",
                    "webmks": f"wss://c.example:8443/ticket/{T}",
                    "connect": f"https://console:{T}@c.example:8443",
                },
            )

    def test_bytes(self):
        """A serial line, or what only bytes are known of, has a socket."""
        for kind in (ConsoleKind.SERIAL, ConsoleKind.RAW):
            self.assertEqual(list(urls_for(made(kind), "https://c.example")), ["websocket", "connect"])

    def test_proxy(self):
        """As a proxy's the URL names its port, whatever it is, and brackets an IPv6 address."""
        for public_url, expected in (
            ("https://c.example", f"https://console:{T}@c.example:443"),
            ("http://c.example/", f"http://console:{T}@c.example:80"),
            ("https://[2001:db8::1]:8443", f"https://console:{T}@[2001:db8::1]:8443"),
        ):
            self.assertEqual(urls_for(made(ConsoleKind.RAW), public_url)["connect"], expected)

    def test_plain(self):
        """Where the public URL is not TLS, the sockets are not either."""
        self.assertEqual(socket_base("http://c.example:80/"), "ws://c.example:80")

    def test_viewers(self):
        """Where viewers are greeted a screen has their URL, its port always said, the ticket never in it."""
        for public_url, expected in (
            ("https://c.example", "vnc://c.example:443"),
            ("https://c.example:8443/", "vnc://c.example:8443"),
            ("http://c.example", "vnc://c.example:80"),
            ("https://[2001:db8::1]", "vnc://[2001:db8::1]:443"),
        ):
            self.assertEqual(urls_for(made(ConsoleKind.DEMO), public_url, viewers=True)["vnc"], expected)
        self.assertNotIn("vnc", urls_for(made(ConsoleKind.SERIAL), "https://c.example", viewers=True))
