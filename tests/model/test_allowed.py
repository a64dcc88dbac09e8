"""Which targets a broker may name."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.allowed import AllowedTargets, parse_allowance
from gateway.model.target import TcpAddress, UnixAddress, parse_address

EVERYTHING = AllowedTargets.parse(["0.0.0.0/0", "::/0"])

GUARDED = (
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",
    "0.1.2.3",
    "169.254.169.254",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "fe80::1",
    "fe80::1%eth0",
    "ff02::1",
)


class AllowedTargetsTests(SynchronousTestCase):
    """Yes or no."""

    def allows(self, entries: list[str], address: str, resolved: str | None = None) -> bool:
        return AllowedTargets.parse(entries).allows(parse_address(address), resolved)

    def test_nothing_by_default(self) -> None:
        """An empty list allows nothing."""
        for address in ("10.0.0.7:5901", "host.example.com:5901", "unix:/run/x"):
            self.assertFalse(self.allows([], address), address)

    def test_networks_and_ports(self) -> None:
        """An address is inside a listed network and its ports, both ends included."""
        entries = ["10.0.0.0/8:5900-5999", "192.0.2.7", "[fd00::/8]:443", "2001:db8::/32"]
        for address in ("10.1.2.3:5900", "10.1.2.3:5999", "192.0.2.7:1", "[fd00::1]:443", "[2001:db8::1]:9"):
            self.assertTrue(self.allows(entries, address), address)
        for address in (
            "10.1.2.3:5899",
            "10.1.2.3:6000",
            "11.0.0.1:5900",
            "192.0.2.8:1",
            "[fd00::1]:444",
            "[2001:db9::]:9",
        ):
            self.assertFalse(self.allows(entries, address), address)

    def test_mapped_addresses_are_ipv4(self) -> None:
        """An IPv4-mapped address is judged as the IPv4 address it is."""
        self.assertTrue(self.allows(["10.0.0.0/8"], "[::ffff:10.0.0.1]:1"))
        self.assertFalse(self.allows(["::/0"], "[::ffff:10.0.0.1]:1"))

    def test_guarded_addresses(self) -> None:
        """Loopback, link-local, unspecified and multicast are not allowed by a network that only contains them."""
        for host in GUARDED:
            self.assertFalse(EVERYTHING.allows(TcpAddress(host, 5900)), host)

    def test_guarded_addresses_listed(self) -> None:
        """They are allowed by a network inside those ranges."""
        for entry, host in (
            ("127.0.0.0/8", "127.0.0.1"),
            ("127.0.0.1", "::ffff:127.0.0.1"),
            ("::1", "::1"),
            ("fe80::/10", "fe80::1%eth0"),
        ):
            self.assertTrue(AllowedTargets.parse([entry]).allows(TcpAddress(host, 5900)), host)
        self.assertFalse(self.allows(["127.0.0.1"], "127.0.0.2:5900"))

    def test_names(self) -> None:
        """A host name is allowed by that name alone, whatever its case and final dot."""
        entries = ["Host.example.com:5900", "10.0.0.0/8"]
        self.assertTrue(self.allows(entries, "host.EXAMPLE.com.:5900"))
        for address in ("host.example.com:5901", "other.example.com:5900", "a.host.example.com:5900", "localhost:5900"):
            self.assertFalse(self.allows(entries, address), address)

    def test_numbers_in_disguise_are_names(self) -> None:
        """What only the resolver takes for an address is no address here."""
        for host in ("0x7f000001", "2130706433", "127.1", "0177.0.0.1"):
            self.assertFalse(EVERYTHING.allows(TcpAddress(host, 5900)), host)

    def test_what_a_name_came_to(self) -> None:
        """A listed name may come to any address but a guarded one."""
        entries = ["host.example.com"]
        self.assertTrue(self.allows(entries, "host.example.com:5900", "198.51.100.7"))
        for host in GUARDED:
            self.assertFalse(self.allows(entries, "host.example.com:5900", host), host)
        self.assertTrue(self.allows([*entries, "127.0.0.1:5900"], "host.example.com:5900", "127.0.0.1"))
        self.assertFalse(self.allows([*entries, "127.0.0.1:5901"], "host.example.com:5900", "127.0.0.1"))
        self.assertFalse(self.allows(entries, "host.example.com:5900", "no address"))

    def test_what_an_address_came_to(self) -> None:
        """An address literal and what is really connected to must both be allowed."""
        self.assertTrue(self.allows(["10.0.0.0/8"], "10.0.0.1:1", "10.0.0.1"))
        self.assertFalse(self.allows(["10.0.0.0/8"], "10.0.0.1:1", "11.0.0.1"))

    def test_sockets(self) -> None:
        """A socket is allowed at or below a listed path, and never through “..”."""
        allowed = AllowedTargets.parse(["unix:/run/consoles/", "0.0.0.0/0"])
        for path in ("/run/consoles", "/run/consoles/a", "/run/consoles/a/b"):
            self.assertTrue(allowed.allows(UnixAddress(path)), path)
        for path in ("/run/consoles2", "/run", "/run/consoles/../docker.sock", "/run/consoles/./a", "/run//consoles/a"):
            self.assertFalse(allowed.allows(UnixAddress(path)), path)

    def test_every_socket(self) -> None:
        """The root lists every socket."""
        self.assertTrue(self.allows(["unix:/"], "unix:/run/x"))


class ParseTests(SynchronousTestCase):
    """What may stand in the list."""

    def test_refused(self) -> None:
        """What is no network, name or path is refused with what would be accepted."""
        for text in (
            "",
            "*",
            "10.0.0.1/8",
            "10.0.0.0/33",
            "10.0.0.0/8:0",
            "10.0.0.0/8:65536",
            "10.0.0.0/8:6000-5900",
            "10.0.0.0/8:",
            "127.1",
            "2130706433",
            "host_.example.com/8",
            "-host.example",
            "[fd00::/8",
            "[host]:1",
            "unix:relative",
            "unix:/run/../etc",
            "unix:",
            "https://host",
        ):
            error = self.assertRaises(ValueError, parse_allowance, text)
            self.assertIn("is not a target: 10.0.0.0/8", str(error))

    def test_mapped_network(self) -> None:
        """A network of mapped addresses would never match, and says so."""
        self.assertIn("write it as IPv4", str(self.assertRaises(ValueError, parse_allowance, "::ffff:10.0.0.0/104")))
