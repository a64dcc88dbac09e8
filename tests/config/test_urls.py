"""Readers of endpoints, URLs, networks and addresses."""

from __future__ import annotations

import ipaddress

from gateway.config import urls
from gateway.config.values import choice
from gateway.model.proxies import TrustedProxies
from gateway.model.target import TcpAddress, UnixAddress, parse_pin
from tests.config.test_values import ValuesCase

PIN = "sha256:" + "ab" * 32


class UrlsTests(ValuesCase):
    """What names a place in the network."""

    def test_endpoints(self) -> None:
        """Endpoint strings of known kinds pass as they are."""
        for text in (r"tcp6:443:interface=\:\:", "tcp:0", "tcp4:65535:backlog=5", "unix:/run/gw.sock:mode=600"):
            self.accepts(urls.endpoint, (text, text))
        wrong = ("", "443", "tcp:", "tcp:x", "tcp:65536", "tcp:-1", "tcp:٣", "ssl:443", "unix:gw.sock", "tcp:1\n", 443)
        self.refuses(urls.endpoint, "tcp:PORT", *wrong)

    def test_local_endpoints(self) -> None:
        """Which endpoints only this host reaches: loopback, by its name or by its number, and sockets in files."""
        for text in (
            "tcp:1:interface=127.0.0.1",
            "tcp:1:backlog=5:interface=127.1.2.3",
            r"tcp6:1:interface=\:\:1",
            "tcp:1:interface=localhost",
            "unix:/run/a",
        ):
            self.assertTrue(urls.is_local(text), text)
        for text in ("tcp:1", "tcp6:1", "tcp:1:interface=10.0.0.1", r"tcp6:1:interface=\:\:", "tcp:1:interface=h"):
            self.assertFalse(urls.is_local(text), text)

    def test_server_names(self) -> None:
        """Host names are written as clients ask for them, whatever is spoken there; other words are refused."""
        read = urls.by_server_name(choice("close", "rfb"))
        given = {"VNC.Example.com.": "rfb", "a_b": "close"}
        self.accepts(read, ({}, {}), (given, {"vnc.example.com": "rfb", "a_b": "close"}))
        for wrong in ("a b", "", "*.example.com", "a" * 64, "a..b"):
            self.refuses(read, "a host name such as", {wrong: "rfb"})
        self.refuses(read, "at most 1000 host names", ["a"], "a", {f"h{n}": "rfb" for n in range(1001)})
        self.refuses(read, '"close" or "rfb"', {"a": "http"}, {"a": True})

    def test_later_endpoint(self) -> None:
        """Socket activation comes later."""
        self.assertIn("not in this version", self.refusal(urls.endpoint, "systemd:domain=INET:index=0"))

    def test_default_endpoint(self) -> None:
        """Without an endpoint it is port 8443 on every address, with IPv6 where there is any."""
        self.assertIn(urls.listening_endpoint(self.place, None), ("tcp:8443", r"tcp6:8443:interface=\:\:"))

        def no_ipv6(family: int) -> None:
            raise OSError("Address family not supported by protocol")

        self.patch(urls.socket, "socket", no_ipv6)
        self.assertEqual(urls.listening_endpoint(self.place, None), "tcp:8443")

    def test_endpoint_off(self) -> None:
        """“off” is no endpoint at all."""
        self.accepts(urls.endpoint_or_off, ("off", ""), ("tcp:9443", "tcp:9443"))

    def test_public_urls(self) -> None:
        """A public URL is an origin, written one way."""
        for given, wanted in (
            ("https://Console.Example.com/", "https://console.example.com"),
            ("https://console:443", "https://console"),
            ("https://console:8443", "https://console:8443"),
            ("http://console:80/", "http://console"),
            ("https://[::1]:8443", "https://[::1]:8443"),
        ):
            self.accepts(urls.public_url, (given, wanted))
        for wrong in (
            "", "console.example.com", "ftp://h", "https://", "https://h/x", "https://h//", "https://h?x", "https://h#x",
            "https://h:0", "https://h:65536", "https://h:", "https://a b", "https://a;b", "https://[1]", "https://a..b",
            "https://h\n", "https://ü", 1,
        ):  # fmt: skip
            self.refuses(urls.public_url, "https://host", wrong)

    def test_user_info(self) -> None:
        """A URL with a user in it is refused, and the password is not repeated."""
        for read in (urls.public_url, urls.origin, urls.address):
            self.assertNotIn("hunter2", self.refusal(read, "https://alice:hunter2@host"))

    def test_origins(self) -> None:
        """An origin is as browsers send it; “*” is none."""
        self.accepts(urls.origin, ("https://A.example:443", "https://a.example"), ("http://a:81", "http://a:81"))
        self.refuses(urls.origin, "https://host", "*", "null", "https://a/", "https://*.example.com")

    def test_networks(self) -> None:
        """A network has no host bits and no disguise."""
        self.accepts(
            urls.network,
            ("10.0.0.5", ipaddress.ip_network("10.0.0.5/32")),
            ("fd00::/64", ipaddress.ip_network("fd00::/64")),
        )
        self.refuses(urls.network, "a network such as", "10.0.0.5/8", "host", "", 1)
        self.refuses(urls.network, "an IPv4 network written as IPv4", "::ffff:10.0.0.5/128")

    def test_trusted_proxies(self) -> None:
        """Balancers are networks, or whoever may open a unix socket."""
        networks = (ipaddress.ip_network("10.0.0.5/32"), ipaddress.ip_network("fd00::/64"))
        self.accepts(
            urls.trusted_proxies,
            ([], TrustedProxies()),
            (["10.0.0.5", "fd00::/64"], TrustedProxies(networks)),
            (["10.0.0.5", "unix", "fd00::/64"], TrustedProxies(networks, unix=True)),
        )
        self.refuses(urls.trusted_proxies, "a network such", ["unix", "balancer"], ["unix", None], ["10.0.0.5/8"])
        self.refuses(urls.trusted_proxies, 'a list of networks, or "unix"', "10.0.0.5", {}, None)

    def test_addresses(self) -> None:
        """One address or several."""
        lab = TcpAddress("10.0.0.7", 5901)
        self.accepts(
            urls.addresses, ("10.0.0.7:5901", (lab,)), (["10.0.0.7:5901", "unix:/run/x"], (lab, UnixAddress("/run/x")))
        )
        self.refuses(urls.addresses, "host:port", "10.0.0.7", ":5901", "h:0", "h:65536", "[x]:1", "unix:x", "a/b:1", 1)
        self.refuses(urls.addresses, "1 to 16 of them", [], ["h:1"] * 17)
        self.assertIn("key[1]: found 7", self.refusal(urls.addresses, ["h:1", 7]))

    def test_later_addresses(self) -> None:
        """WebSocket addresses come later; nothing of the URL is repeated."""
        message = self.refusal(urls.addresses, "wss://u:hunter2@h/ticket/t")
        self.assertIn("found wss://…, which is not in this version", message)
        self.assertNotIn("hunter2", message)

    def test_pins(self) -> None:
        """One pin or several."""
        self.accepts(
            urls.pins,
            (PIN, (parse_pin(PIN),)),
            ([PIN, "sha1:" + "0" * 40], (parse_pin(PIN), parse_pin("sha1:" + "0" * 40))),
        )
        self.refuses(urls.pins, "a pin is sha256: and 64 hex digits, or sha1: and 40", "sha256:ab", "md5:00", 1, ["x"])
        self.refuses(urls.pins, "1 to 16 of them", [])

    def test_allowances(self) -> None:
        """A target that brokers may name is refused with examples of what would be accepted."""
        self.refuses(urls.allowance, "10.0.0.0/8, ", "10.0.0.1/8", "*", 5)
