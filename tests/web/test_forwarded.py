"""For whom a balancer asks."""

from __future__ import annotations

from ipaddress import ip_network

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival
from gateway.model.proxies import TrustedProxies
from gateway.web.forwarded import MAX_HOPS, Forwarded
from gateway.wire.http1 import RequestStream

BALANCER = Arrival("10.0.0.5", 40000, listener="inside", public_url="https://gw.example.com")
OWN = ("10.0.0.5", 40000)
FORWARDED = Forwarded(TrustedProxies((ip_network("10.0.0.0/24"), ip_network("fd00::/64")), unix=True))


def asked(*headers: str, arrival: Arrival = BALANCER) -> Arrival:
    """Who asks, by a request with these headers."""
    lines = ["GET / HTTP/1.1", "Host: gw.example.com", *headers, "", ""]
    (head, *_) = RequestStream().receive("\r\n".join(lines).encode("latin-1"))
    return FORWARDED(head, arrival)


def client(*values: str) -> tuple[str, int]:
    """Address and port, by one header line for each value."""
    found = asked(*(f"X-Forwarded-For: {value}" for value in values))
    return found.address, found.port


class ClientTests(SynchronousTestCase):
    """X-Forwarded-For."""

    def test_one_address(self) -> None:
        """The client is whom the balancer names, however it writes it; the rest of the arrival stays."""
        for value, address, port in (
            ("192.0.2.7", "192.0.2.7", 0),
            ("192.0.2.7:4711", "192.0.2.7", 4711),
            ("2001:DB8:0::7", "2001:db8::7", 0),
            ("[2001:db8::7]", "2001:db8::7", 0),
            ("[2001:db8::7]:4711", "2001:db8::7", 4711),
            ("::ffff:192.0.2.7", "192.0.2.7", 0),
        ):
            expected = evolve(BALANCER, address=address, port=port)
            self.assertEqual(asked(f"X-Forwarded-For: {value}"), expected, value)

    def test_what_the_client_wrote_itself_does_not_count(self) -> None:
        """Of several addresses the nearest one that is no proxy's is the client, in one line or in several."""
        for values in (
            ["203.0.113.9, 192.0.2.7"],
            ["203.0.113.9", "192.0.2.7"],
            ["10.0.0.1,192.0.2.7"],
            ["junk, 192.0.2.7"],
            ["192.0.2.7, 10.0.0.9"],
            ["203.0.113.9", "192.0.2.7,fd00::1 ,\t10.0.0.9"],
            ["192.0.2.7, ::ffff:10.0.0.9"],
            [", ".join(["203.0.113.9"] * 400), "192.0.2.7"],
        ):
            self.assertEqual(client(*values), ("192.0.2.7", 0), values)

    def test_what_cannot_be_read(self) -> None:
        """An ill-formed list, and one that names proxies alone, leaves the balancer's own address."""
        for value in (
            "",
            ",",
            "192.0.2.7,",
            "unknown",
            "unix",
            "192.0.2.7 10.0.0.9",
            "192.0.2.07",
            "192.0.2.256",
            "192.0.2.7:65536",
            "192.0.2.7:",
            "2001:db8::7:4711:1:2:3:4:5",
            "fe80::1%eth0",
            '"192.0.2.7"',
            "\xb9\xb2.0.2.7",
            "192.0.2.7, junk, 10.0.0.9",
            "10.0.0.9, 10.0.0.8",
        ):
            self.assertEqual(client(value), OWN, value)
        self.assertEqual(client(), OWN)

    def test_a_chain_is_followed_so_far_only(self) -> None:
        """Behind the most proxies that are looked at there is no client."""
        self.assertEqual(client(", ".join(["192.0.2.7"] + ["10.0.0.9"] * (MAX_HOPS - 1))), ("192.0.2.7", 0))
        self.assertEqual(client(", ".join(["192.0.2.7"] + ["10.0.0.9"] * MAX_HOPS)), OWN)

    def test_a_strangers_word(self) -> None:
        """A peer that is no trusted proxy is the client, whatever it says."""
        for address in ("192.0.2.1", "10.0.1.5", "::1"):
            stranger = evolve(BALANCER, address=address)
            headers = ("X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https")
            self.assertIs(asked(*headers, arrival=stranger), stranger)

    def test_on_a_unix_socket(self) -> None:
        """A balancer on a unix socket is believed where that is said."""
        local = evolve(BALANCER, address="unix", port=0)
        self.assertEqual(asked("X-Forwarded-For: 192.0.2.7", arrival=local).address, "192.0.2.7")
        self.assertEqual(asked(arrival=local), local)


class SchemeTests(SynchronousTestCase):
    """X-Forwarded-Proto."""

    def test_https(self) -> None:
        """TLS that a trusted balancer ended is TLS, also when the address cannot be read."""
        self.assertTrue(asked("X-Forwarded-Proto: https").secure)
        self.assertTrue(asked("X-Forwarded-Proto: HTTPS", "X-Forwarded-For: junk").secure)

    def test_anything_else(self) -> None:
        """Without its word, and with two, the client spoke no TLS."""
        for headers in (
            (),
            ("X-Forwarded-Proto: http",),
            ("X-Forwarded-Proto: https, http",),
            ("X-Forwarded-Proto: https", "X-Forwarded-Proto: https"),
            ("Forwarded: proto=https",),
        ):
            self.assertFalse(asked(*headers).secure, headers)

    def test_tls_that_ended_here(self) -> None:
        """A balancer that speaks TLS to us cannot take it back."""
        self.assertTrue(asked("X-Forwarded-Proto: http", arrival=evolve(BALANCER, secure=True)).secure)
