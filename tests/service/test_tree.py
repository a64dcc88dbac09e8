"""The whole gateway, put together and not started: which ports, in which order, and how it refuses."""

from __future__ import annotations

from pathlib import Path

from twisted.application.service import MultiService
from twisted.internet.address import IPv4Address
from twisted.internet.testing import MemoryReactorClock, StringTransportWithDisconnection
from twisted.trial.unittest import SynchronousTestCase

from gateway.config import Config, demo, parse
from gateway.service.demo import DemoUrl
from gateway.service.listeners import Listener
from gateway.service.recovery import Recovery
from gateway.service.shutdown import Shutdown
from gateway.service.tree import CannotStart, build

TWO_PORTS = """
[gateway]
public_url = "https://console.example.com"
[[listen]]
endpoint = "tcp:443"
[[listen]]
endpoint = "tcp:8080:interface=10.0.0.20"
plaintext = "serve"
"""

BALANCED = """
[gateway]
public_url = "https://console.example.com"
[[listen]]
endpoint = "tcp:443"
proxy_protocol = true
trusted_proxies = ["10.0.0.5"]
[[listen]]
endpoint = "tcp:8080"
plaintext = "serve"
trusted_proxies = ["10.0.0.6"]
[limits]
connections_per_address = 1
"""


class TreeTests(SynchronousTestCase):
    """Configurations become services."""

    def setUp(self) -> None:
        self.directory = Path(self.mktemp())
        self.directory.mkdir()
        self.reactor = MemoryReactorClock()

    def config(self, text: str) -> Config:
        """A configuration in a directory of its own."""
        return parse(text, file="gw.toml", base_dir=str(self.directory))

    def built(self, config: Config, **more: object) -> MultiService:
        """The services, whose files are closed after the test."""
        root = build(config, self.reactor, **more)  # type: ignore[arg-type]
        (recovery,) = (one for one in root if isinstance(one, Recovery))
        self.addCleanup(recovery._stores.close)
        return root

    def test_nothing_is_open_before_the_start(self) -> None:
        """To build is to check: no port, no timer."""
        self.built(self.config(TWO_PORTS))
        self.assertEqual(self.reactor.tcpServers, [])
        self.assertEqual(self.reactor.getDelayedCalls(), [])

    def test_every_port_is_opened_with_privileges(self) -> None:
        """The operator's and each listener's, on the addresses that were configured."""
        self.built(self.config(TWO_PORTS)).privilegedStartService()
        opened = {(port, interface) for port, _, _, interface in self.reactor.tcpServers}
        self.assertEqual(opened, {(9443, "127.0.0.1"), (443, ""), (8080, "10.0.0.20")})

    def test_viewers(self) -> None:
        """A listener that greets viewers does so at “RFB ”, the other one closes."""
        text = TWO_PORTS.replace('tcp:443"', 'tcp:443"\nsilent = "rfb"')
        self.built(self.config(text)).privilegedStartService()
        factories = {port: factory for port, factory, *_ in self.reactor.tcpServers}
        said = {}
        for port in (443, 8080):
            transport = StringTransportWithDisconnection()
            transport.protocol = connection = factories[port].buildProtocol(transport.getPeer())
            connection.makeConnection(transport)
            connection.dataReceived(b"RFB ")
            said[port] = transport.value(), transport.connected
        self.assertEqual(said, {443: (b"RFB 003.008\n", True), 8080: (b"", False)})

    def test_behind_balancers(self) -> None:
        """One listener hears of its clients by PROXY, the other by X-Forwarded-For, each from its own balancer."""
        self.built(self.config(BALANCED)).privilegedStartService()
        factories = {port: factory for port, factory, *_ in self.reactor.tcpServers}
        health = b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n"

        def ask(port: int, peer: str, data: bytes) -> tuple[str, bytes]:
            transport = StringTransportWithDisconnection()
            transport.peerAddr = IPv4Address("TCP", peer, 40000)
            transport.protocol = connection = factories[port].buildProtocol(transport.peerAddr)
            connection.makeConnection(transport)
            if transport.connected:
                connection.dataReceived(data)
            return connection.address, transport.value()

        proxied = b"PROXY TCP4 192.0.2.7 198.51.100.1 54321 443\r\n"
        address, answer = ask(443, "10.0.0.5", proxied + health)
        self.assertEqual((address, answer[:15]), ("192.0.2.7", b"HTTP/1.1 200 OK"))
        self.assertEqual(ask(443, "10.0.0.5", health), ("10.0.0.5", b""))
        self.assertEqual(ask(443, "10.0.0.6", proxied + health), ("10.0.0.6", b""))
        page = b"GET / HTTP/1.1\r\nHost: h\r\nX-Forwarded-Proto: https\r\n\r\n"
        self.assertIn(b"Strict-Transport-Security", ask(8080, "10.0.0.6", page)[1])
        self.assertNotIn(b"Strict-Transport-Security", ask(8080, "10.0.0.5", page)[1])
        self.assertEqual(ask(8080, "10.0.0.6", proxied + health)[0], "10.0.0.6")

    def test_a_balancer_is_no_client(self) -> None:
        """How often one may connect is not asked of the balancer that asks for many; it is asked of everybody else."""
        self.built(self.config(BALANCED)).privilegedStartService()
        (factory,) = (factory for port, factory, *_ in self.reactor.tcpServers if port == 8080)
        for peer, limited in (("10.0.0.6", False), ("10.0.0.5", True)):
            made = [factory.buildProtocol(IPv4Address("TCP", peer, port)) for port in range(30)]
            self.assertEqual(None in made, limited, peer)

    def test_no_admin_endpoint(self) -> None:
        """With endpoint = "off" there is none."""
        self.built(self.config(TWO_PORTS + '[admin]\nendpoint = "off"\n')).privilegedStartService()
        self.assertEqual({port for port, *_ in self.reactor.tcpServers}, {443, 8080})

    def test_sessions_are_taken_up_first_and_ended_first(self) -> None:
        """The stores outlive everything; clients are told before the ports and files go."""
        services = list(self.built(self.config(TWO_PORTS)))
        self.assertIsInstance(services[0], Recovery)
        self.assertIsInstance(services[-1], Shutdown)
        self.assertEqual(sum(isinstance(one, Listener) for one in services), 3)

    def test_only_the_demo_tells_a_ticket(self) -> None:
        """A gateway with a configuration prints none, and its first key has another name."""
        self.assertFalse(any(isinstance(one, DemoUrl) for one in self.built(self.config(TWO_PORTS))))
        self.assertTrue((self.directory / "keys/first-api-key").exists())
        root = self.built(demo(self.directory / "demo"), say=lambda text: None)
        self.assertTrue(any(isinstance(one, DemoUrl) for one in root))
        self.assertTrue((self.directory / "demo/keys/demo-api-key").exists())

    def test_what_cannot_be_used_stops_the_start_in_one_line(self) -> None:
        """A certificate, a keys file, a database that are broken: the text names the file."""
        for name, text in (
            ("keys/default.pem", "no certificate"),
            ("keys/api-keys", "no key"),
            ("keys/sealed-keys", "no key"),
            ("state/consolegw.sqlite", "no database, but long enough for a header of one" * 9),
        ):
            self.setUp()
            file = self.directory / name
            file.parent.mkdir()
            file.write_text(text)
            with self.assertRaises(CannotStart) as refused:
                build(self.config(TWO_PORTS), self.reactor)
            self.assertIn(str(file), str(refused.exception))
            self.assertNotIn("\n", str(refused.exception))
