"""Who may say where a client really is."""

from __future__ import annotations

from ipaddress import ip_network

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.proxies import TrustedProxies

NETWORKS = (ip_network("10.0.0.5/32"), ip_network("192.0.2.0/24"), ip_network("fd00::/64"))


class TrustedProxiesTests(SynchronousTestCase):
    """The list of balancers."""

    def test_networks(self) -> None:
        """An address is trusted when one of the networks covers it, whichever family it is of."""
        trusted = TrustedProxies(NETWORKS)
        for address in ("10.0.0.5", "192.0.2.0", "192.0.2.255", "fd00::1"):
            self.assertIn(address, trusted)
        for address in ("10.0.0.6", "192.0.3.0", "fd00:0:0:1::", "::1", "::ffff:10.0.0.5", "unix", "", "nobody"):
            self.assertNotIn(address, trusted)

    def test_unix_sockets(self) -> None:
        """Peers on a unix socket are trusted by their word alone, not by any network."""
        self.assertIn("unix", TrustedProxies(unix=True))
        self.assertNotIn("127.0.0.1", TrustedProxies(unix=True))
        self.assertNotIn("unix", TrustedProxies((ip_network("0.0.0.0/0"), ip_network("::/0"))))

    def test_nobody(self) -> None:
        """An empty list is false and trusts nobody."""
        self.assertFalse(TrustedProxies())
        self.assertNotIn("unix", TrustedProxies())
        self.assertNotIn("10.0.0.5", TrustedProxies())
        self.assertTrue(TrustedProxies(NETWORKS))
        self.assertTrue(TrustedProxies(unix=True))
