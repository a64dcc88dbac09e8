"""Every table of the configuration: what it is by default, and what is refused."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.config.schema import Api, Audit, Browser, Gateway, Limits, Resume, Tickets, Tls
from gateway.model.client import Way
from gateway.model.target import parse_address
from tests.support.configs import LEAST, read, refusal

LISTEN = '[[listen]]\nendpoint = "tcp:443"\n'

# (text, what the message holds)
WRONG = (
    ("", "gateway.public_url: missing; accepted: The URL"),
    ('[gateway]\npublic_url = "console"', 'gateway.public_url: found "console"; accepted: https://host'),
    (LEAST + "workers = 0", "gateway.workers: found 0; accepted: 1"),
    (LEAST + 'node = "a b"', 'gateway.node: found "a b"; accepted: 1 to 64'),
    (LEAST + "max_connections = -1", "gateway.max_connections: found -1; accepted: a whole number from 0 to 1000000"),
    (LEAST + "state_dir = 1", "gateway.state_dir: found 1; accepted: a path"),
    (LEAST + "[ticket]", "ticket: unknown key; did you mean tickets? known here: admin, api, audit"),
    (LEAST + "tls = 3", "gateway.tls: unknown key"),
    (LISTEN + 'silent = "no"', 'listen[0].silent: found "no"; accepted: "close" or "rfb"'),
    (LISTEN + "silent_after = 0.1", "listen[0].silent_after: found 0.1; accepted: seconds, from 0.3 to 8"),
    (LISTEN + 'plaintext = "yes"', 'listen[0].plaintext: found "yes"; accepted: "redirect" or "serve" or "refuse"'),
    (LISTEN + 'proxy_protocol = "no"', 'listen[0].proxy_protocol: found "no"; accepted: true or false'),
    (
        LISTEN + 'trusted_proxies = "10.0.0.5"',
        'listen[0].trusted_proxies: found "10.0.0.5"; accepted: a list of networks',
    ),
    (LISTEN + 'trusted_proxies = ["unix", "lb"]', 'listen[0].trusted_proxies[1]: found "lb"; accepted: a network such'),
    (LISTEN + '[[listen]]\nendpoint = "ssl:444"', 'listen[1].endpoint: found "ssl:444"; accepted: tcp:PORT'),
    ('[tls]\nminimum = "1.1"', 'tls.minimum: found "1.1"; accepted: "1.2" or "1.3"'),
    ('[tickets]\nstore = "mysql"', 'tickets.store: found "mysql"; accepted: "memory" or "sqlite" or "sealed"'),
    ("[tickets]\nttl = 0", "tickets.ttl: found 0; accepted: seconds, from 1 to 31622400"),
    ("[tickets]\nttl = inf", "tickets.ttl: found Infinity; accepted: seconds"),
    ("[tickets]\nttl = 2026-01-01", 'tickets.ttl: found "2026-01-01"; accepted: seconds'),
    ("[tickets]\nresume_window = 4", "tickets.resume_window: found 4; accepted: seconds, from 5 to 86400"),
    ("[tickets]\nlinger = 3601", "tickets.linger: found 3601; accepted: seconds, from 0 to 3600"),
    ("[tickets]\nmax_session = true", "tickets.max_session: found true; accepted: seconds"),
    ('[tickets]\nidle = "1h"', 'tickets.idle: found "1h"; accepted: seconds'),
    ('[tickets]\naccept = ["header"]', 'tickets.accept[0]: found "header"; accepted: "query" or "cookie" or "host"'),
    ('[api]\non = ["all"]', 'api.on[0]: found "all"; accepted: "public" or "admin"'),
    ('[admin]\nendpoint = "9443"', 'admin.endpoint: found "9443"; accepted: tcp:PORT'),
    ('[browser]\nallowed_origins = ["*"]', 'browser.allowed_origins[0]: found "*"; accepted: https://host'),
    ("[browser]\nping = 0", "browser.ping: found 0; accepted: seconds, from 1 to 3600"),
    ("[limits]\nsessions_per_user = -1", "limits.sessions_per_user: found -1; accepted: a whole number"),
    ("[limits]\nsessions_per_console = 1.5", "limits.sessions_per_console: found 1.5; accepted: a whole number"),
    ("[limits]\nsessions_per_address = []", "limits.sessions_per_address: found []; accepted: a whole number"),
    ("[limits]\nconnections_per_address = -1", "limits.connections_per_address: found -1; accepted: a number from 0"),
    ("[limits]\nfailed_tickets_per_address = nan", "limits.failed_tickets_per_address: found NaN; accepted: a number"),
    (
        '[limits]\nallowed_targets = ["10.0.0.1/8"]',
        'limits.allowed_targets[0]: found "10.0.0.1/8"; accepted: 10.0.0.0/8, ',
    ),
    ("[resume]\nfor_ = 3", "resume.for_: unknown key; did you mean for?"),
    ("[audit]\nfile = true", "audit.file: found true; accepted: a path"),
)

# (text, the key that is refused with “not in this version”)
LATER = (
    (LEAST + "workers = 2", "gateway.workers"),
    (LEAST + 'workers = "auto"', "gateway.workers"),
    (LEAST + "[resume]\nhold_max = 1", "resume.hold_max"),
    (LEAST + "[resume]\ninput_hold = 1", "resume.input_hold"),
    (LISTEN + 'silent = "authd"', "listen[0].silent"),
    (LISTEN + 'silent_by_name = { "vmrc.example.com" = "authd" }', 'listen[0].silent_by_name."vmrc.example.com"'),
    ('[[listen]]\nendpoint = "systemd:domain=INET:index=0"', "listen[0].endpoint"),
    ('[admin]\nendpoint = "systemd:domain=INET:index=0"', "admin.endpoint"),
    ('[tickets]\nstore = "redis"', "tickets.store"),
    ('[tickets]\nstore = "sealed+redis"', "tickets.store"),
    ('[redis]\nurl = "rediss://u:hunter2@r1:6379/0"', "redis"),
    ("[redis]", "redis"),
)


class SchemaTests(SynchronousTestCase):
    """The tables."""

    def test_wrong(self) -> None:
        """Each wrong value is refused with its key, what was found and what would be accepted."""
        for text, message in WRONG:
            found = refusal(text if text else "[gateway]")
            self.assertIn(f"gw.toml: {message}", found)

    def test_later(self) -> None:
        """Each key and value of a later version is refused with those words."""
        for text, key in LATER:
            message = refusal(text)
            self.assertTrue(message.startswith(f"gw.toml: {key}: "), message)
            self.assertIn("not in this version", message)
            self.assertNotIn("hunter2", message)

    def test_defaults(self) -> None:
        """The least configuration is one port, SQLite, and what contract section 2 shows."""
        config = read(LEAST, "/etc/gw")
        self.assertEqual(config.gateway.workers, 1)
        self.assertEqual(config.gateway.state_dir, Path("/etc/gw/state"))
        self.assertEqual(len(config.listen), 1)
        self.assertEqual((config.tickets.store, config.tickets.ttl, config.tickets.linger), ("sqlite", 60, 10))
        self.assertEqual(config.tickets.accept, {Way.QUERY})
        self.assertEqual(config.api, Api(keys_file=Path("/etc/gw/keys/api-keys")))
        self.assertEqual(config.admin.endpoint, "tcp:9443:interface=127.0.0.1")
        self.assertEqual(config.tls, Tls(keys=Path("/etc/gw/keys")))
        self.assertEqual((config.browser, config.limits, config.resume), (Browser(), Limits(), Resume()))
        self.assertEqual(config.audit.file, Path("/etc/gw/audit.jsonl"))
        self.assertEqual((config.redis, config.drivers, config.consoles, config.warnings), (None, (), (), ()))

    def test_made_without_a_file(self) -> None:
        """Tables can be made in code with the same defaults."""
        self.assertEqual(Tickets(), read(LEAST, ".").tickets.__class__())
        self.assertEqual(Gateway(public_url="https://h").max_connections, 0)
        self.assertEqual(Audit(file=None).file, None)

    def test_given(self) -> None:
        """Given values arrive."""
        config = read(
            '[tickets]\naccept = ["query", "cookie", "host"]\nttl = 2.5\n[resume]\nfor = 7\n[audit]\nfile = "stdout"\n'
            '[limits]\nallowed_targets = ["10.0.0.0/8:5900"]\n[admin]\nendpoint = "off"\n'
        )
        self.assertEqual(config.tickets.accept, {Way.QUERY, Way.COOKIE, Way.HOST})
        self.assertEqual((config.tickets.ttl, config.resume.for_), (2.5, 7))
        self.assertEqual((config.audit.file, config.admin.endpoint), (None, ""))
        self.assertTrue(config.limits.allowed_targets.allows(parse_address("10.0.0.1:5900")))
        self.assertFalse(config.limits.allowed_targets.allows(parse_address("10.0.0.1:5901")))
