"""Clients as they arrive: how addresses are written, and what a client's site is."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival, Presentation, Way, as_ip, is_ip, normalise, site_of
from gateway.model.secret import Secret


class AddressTests(SynchronousTestCase):
    def test_an_address_is_written_one_way(self) -> None:
        """IPv4 within IPv6, scopes and spellings do not make two addresses of one."""
        for given, written in (
            ("10.0.0.5", "10.0.0.5"),
            ("::ffff:10.0.0.5", "10.0.0.5"),
            ("::FFFF:0a00:0005", "10.0.0.5"),
            ("FD00:0:0::7", "fd00::7"),
            ("fe80::1%eth0", "fe80::1"),
        ):
            self.assertEqual(normalise(given), written)

    def test_what_is_no_address_stays(self) -> None:
        """A local socket's word is not touched."""
        self.assertEqual(normalise("unix"), "unix")

    def test_addresses_and_names(self) -> None:
        """What is an IP address is told from what is a name, or nothing at all."""
        for text in ("10.0.0.5", "::1", "fe80::1%eth0"):
            self.assertTrue(is_ip(text), text)
            self.assertEqual(str(as_ip(text)), text)
        for text in ("host", "10.0.0", "10.0.0.256", "[::1]", "unix", ""):
            self.assertFalse(is_ip(text), text)
            self.assertIsNone(as_ip(text))

    def test_a_site_is_an_ipv4_address_or_the_64_of_an_ipv6_one(self) -> None:
        """Privacy addresses of one home are one presenter; neighbours in IPv4 are two."""
        self.assertEqual(site_of("192.0.2.7"), "192.0.2.7")
        self.assertNotEqual(site_of("192.0.2.7"), site_of("192.0.2.8"))
        self.assertEqual(site_of("2001:db8:1:2:3:4:5:6"), site_of("2001:db8:1:2::1"))
        self.assertNotEqual(site_of("2001:db8:1:2::1"), site_of("2001:db8:1:3::1"))
        self.assertEqual(site_of("::ffff:192.0.2.7"), "192.0.2.7")
        self.assertEqual(site_of("unix"), "unix")


class PresentationTests(SynchronousTestCase):
    def test_only_the_ticket_path_is_answered_as_one_shot(self) -> None:
        """The clients that know 503 are those of /ticket/."""
        arrival = Arrival("192.0.2.7")
        answered = [way for way in Way if Presentation(way, Secret("s"), arrival).wants_one_shot_answer]
        self.assertEqual(answered, [Way.TICKET_PATH])

    def test_a_presentation_shows_no_secret(self) -> None:
        """Whoever logs one logs no ticket."""
        self.assertNotIn("canary", repr(Presentation(Way.QUERY, Secret("canary"), Arrival("192.0.2.7"))))
