"""
The whole configuration as values: one class per TOML table (contract section 2).

Each key says how it is read, what it means and what it is when it is not
given.  Nothing is computed here; keys that must fit each other are judged in
``load.py``.
"""

from __future__ import annotations

from pathlib import Path

from attrs import frozen

from gateway.config.consoles import Console, Driver, consoles, drivers
from gateway.config.place import Place
from gateway.config.tables import ListOfTables, Table, setting
from gateway.config.urls import (
    allowance,
    by_server_name,
    endpoint_or_off,
    listening_endpoint,
    origin,
    public_url,
    trusted_proxies,
)
from gateway.config.values import (
    boolean,
    choice,
    list_of,
    name,
    node_name,
    number,
    only,
    optional,
    or_empty,
    path,
    path_or,
    seconds,
    secret_env,
    secret_file,
    subset,
    text,
    whole,
)
from gateway.model.allowed import Allowance, AllowedTargets
from gateway.model.client import Way
from gateway.model.proxies import TrustedProxies
from gateway.model.secret import Secret

DAY = 86_400
YEAR = 366 * DAY

SILENT_MAX = 8
"""Seconds: who has said nothing after ten is closed."""

WORKERS_MAX = 1024
"""Processes of one host: more than any has cores."""


def several(value: object) -> bool:
    """Whether this is a number of processes of a later version."""
    return value == "auto" or (isinstance(value, int) and 1 < value <= WORKERS_MAX)


def ways(place: Place, value: object) -> frozenset[Way]:
    """Read the further places a ticket may stand."""
    return frozenset(Way(word) for word in subset("query", "cookie", "host")(place, value))


def allowed_targets(place: Place, value: object) -> AllowedTargets:
    """Read the list of targets that brokers may name."""
    entries: tuple[Allowance, ...] = list_of(allowance, "networks, host names and unix:/paths")(place, value)
    return AllowedTargets(entries)


@frozen(kw_only=True)
class Gateway:
    """``[gateway]``: the node."""

    public_url: str = setting(public_url, "The URL that users reach, as in https://console.example.com.")
    node: str = setting(
        node_name, "This node's name in the log, the audit and the session list.", None, shown="the host's"
    )
    workers: int = setting(only(1, several), 'Processes on this host, or "auto".', 1)
    state_dir: Path = setting(path, "The directory of the embedded database.", "state")
    max_connections: int = setting(
        whole(0, 1_000_000), "Connections at which accepting pauses; 0 = the descriptor limit less a reserve.", 0
    )


@frozen(kw_only=True)
class Listen:
    """``[[listen]]``: one port; ``name`` and ``public_url`` are filled in when the file does not give them."""

    name: str = setting(or_empty(name), "What tickets and the audit call this listener.", None, shown="listen-1, …")
    endpoint: str = setting(
        listening_endpoint, "A Twisted server endpoint string.", None, shown="port 8443 on every address"
    )
    public_url: str = setting(or_empty(public_url), "The URL that leads here.", None, shown="gateway.public_url")
    proxy_protocol: bool = setting(boolean, "Whether a PROXY header is required, from trusted_proxies alone.", False)
    trusted_proxies: TrustedProxies = setting(
        trusted_proxies,
        'Networks of who may say where a client really is: PROXY, or X-Forwarded-For with plaintext = "serve".',
        [],
    )
    silent: str = setting(
        choice("close", "rfb", later=("authd",)),
        "What is spoken to a client that says nothing, outside TLS: close (nothing), or rfb to VNC viewers.",
        "close",
    )
    silent_after: float = setting(seconds(0.3, SILENT_MAX), "Seconds after which a client is silent.", 2.0)
    silent_by_name: dict[str, str] = setting(
        by_server_name(choice("close", "rfb", later=("authd",))),
        "The same inside TLS, by the name that was asked for; rfb for all others, where no ALPN was offered.",
        {},
    )
    plaintext: str = setting(
        choice("redirect", "serve", "refuse"),
        "Plain HTTP: redirect, serve (behind a TLS balancer) or refuse.",
        "redirect",
    )


@frozen(kw_only=True)
class Tls:
    """``[tls]``: the gateway's own certificates."""

    keys: Path = setting(path, "The directory of default.pem and HOST.pem; read again on SIGHUP and on change.", "keys")
    minimum: str = setting(choice("1.2", "1.3"), "The oldest TLS version that is spoken.", "1.2")


@frozen(kw_only=True)
class Tickets:
    """``[tickets]``: how long tickets and sessions are good."""

    store: str = setting(
        choice("memory", "sqlite", "sealed", "sealed+sqlite", later=("redis", "sealed+redis")),
        "Where tickets and sessions are kept: memory, sqlite, sealed or sealed+sqlite.",
        "sqlite",
    )
    sealed_keys_file: Path = setting(
        path, "The keys that seal tickets and the database; the first seals, all open.", "keys/sealed-keys"
    )
    ttl: float = setting(seconds(1, YEAR), "Seconds to the first presentation.", 60, shown="60; 900 with store sealed")
    resume_window: float = setting(
        seconds(5, DAY), "Seconds in which a lost session may be continued; 5 at least.", 120
    )
    linger: float = setting(seconds(0, 3600), "Seconds an upstream is kept for a client that vanished.", 10)
    max_session: float = setting(seconds(0, YEAR), "Seconds after which a session ends; 0 = none.", 0)
    idle: float = setting(seconds(0, YEAR), "Seconds without input after which a session ends; 0 = none.", 0)
    accept: frozenset[Way] = setting(ways, "Where a ticket may stand: query, cookie (named token), host.", ["query"])


@frozen(kw_only=True)
class Redis:
    """``[redis]``: the shared store of a later version."""

    url: str = setting(text, "The server, as in rediss://r1:6379/0.", "", later=True)
    sentinels: tuple[str, ...] = setting(list_of(text, "host:port"), "Sentinels, instead of a url.", [], later=True)
    service: str = setting(text, "The name that the Sentinels know.", "consolegw", later=True)
    username: str = setting(text, "The ACL user.", "", later=True)
    password_file: Secret | None = setting(optional(secret_file), "The file with its password.", None, later=True)
    password_env: Secret | None = setting(optional(secret_env), "The variable with its password.", None, later=True)
    ca: Path | None = setting(optional(path), "The CA of its certificate (PEM).", None, later=True)


@frozen(kw_only=True)
class Api:
    """``[api]``: who may ask for what, and where."""

    keys_file: Path = setting(path, "One name:sha256-hex:role[:console-glob] a line.", "keys/api-keys")
    on: frozenset[str] = setting(
        subset("public", "admin"), "Where the API answers: public, admin.", ["public", "admin"]
    )


@frozen(kw_only=True)
class Admin:
    """``[admin]``: the operator's own port; an empty endpoint means that there is none."""

    endpoint: str = setting(
        endpoint_or_off, 'Where the admin page and /metrics answer; "off" for nowhere.', "tcp:9443:interface=127.0.0.1"
    )


@frozen(kw_only=True)
class Browser:
    """``[browser]``: what pages may do."""

    allowed_origins: tuple[str, ...] = setting(
        list_of(origin, "origins"), "Besides the public URLs: pages that may open sockets and frame the console.", []
    )
    ping: float = setting(seconds(1, 3600), "Seconds between WebSocket pings.", 25)


@frozen(kw_only=True)
class Limits:
    """``[limits]``: how much of it; 0 is no limit."""

    sessions_per_user: int = setting(whole(0, 1_000_000), "Sessions of one user at once; 0 = any number.", 100)
    sessions_per_console: int = setting(whole(0, 1_000_000), "Sessions on one console at once; 0 = any number.", 20)
    sessions_per_address: int = setting(
        whole(0, 1_000_000), "Sessions from one client address at once; 0 = any number.", 500
    )
    connections_per_address: float = setting(
        number(0, 100_000), "Connections that one client address may open each second; 0 = any number.", 100
    )
    failed_tickets_per_address: float = setting(
        number(0, 100_000), "Wrong tickets that one client address may present each second; 0 = any number.", 10
    )
    allowed_targets: AllowedTargets = setting(
        allowed_targets, "Networks, host names and unix:/paths that brokers may name, with ports if wanted.", []
    )


@frozen(kw_only=True)
class Resume:
    """``[resume]``: what happens while an upstream is away."""

    for_: float = setting(seconds(0, DAY), "Seconds after which a lost upstream is given up.", 120, name="for")
    input_hold: float = setting(
        seconds(0, 60), "Seconds that input is kept for an upstream that is away.", 0.5, later=True
    )
    hold_max: int = setting(
        whole(65_536, 1 << 28), "Bytes of one rectangle that are held until it is whole.", 1 << 20, later=True
    )


@frozen(kw_only=True)
class Audit:
    """``[audit]``: one line per session; no file means standard output."""

    file: Path | None = setting(path_or("stdout"), 'The audit\'s file, or "stdout"; reopened on SIGHUP.', "audit.jsonl")


@frozen(kw_only=True)
class Config:
    """Everything; ``warnings`` are for the operator's log."""

    file: str
    warnings: tuple[str, ...] = ()
    gateway: Gateway = setting(Table(Gateway), "the node", {})
    listen: tuple[Listen, ...] = setting(ListOfTables(Listen), "the ports", [{}])
    tls: Tls = setting(Table(Tls), "the certificates", {})
    tickets: Tickets = setting(Table(Tickets), "tickets and sessions", {})
    redis: Redis | None = setting(optional(Table(Redis)), "The shared store.", None, table=Redis, later=True)
    api: Api = setting(Table(Api), "the API", {})
    admin: Admin = setting(Table(Admin), "the operator's port", {})
    browser: Browser = setting(Table(Browser), "pages", {})
    limits: Limits = setting(Table(Limits), "limits", {})
    resume: Resume = setting(Table(Resume), "lost upstreams", {})
    audit: Audit = setting(Table(Audit), "the audit", {})
    consoles: tuple[Console, ...] = setting(consoles, "consoles by hand", {}, name="console", table=Console)
    drivers: tuple[Driver, ...] = setting(drivers, "hypervisors", {}, name="driver", table=Driver)
