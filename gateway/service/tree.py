"""
The page that explains the program: a configuration becomes a tree of services.

Read it from top to bottom; there is no logic here, only who is given what.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from attrs import evolve, frozen
from twisted.application.service import MultiService
from twisted.internet.interfaces import IProtocolFactory
from twisted.web.resource import IResource

from gateway.config import Config
from gateway.config.schema import Listen
from gateway.hypervisors.static import StaticDriver
from gateway.model.client import Arrival, Presentation, site_of
from gateway.model.errors import HttpRefusal
from gateway.net.certificates import BadCertificates
from gateway.net.connect_front import ConnectFront
from gateway.net.connection import ConnectionFactory, Gate
from gateway.net.dial import Dialer
from gateway.net.door import Door
from gateway.net.fronts import Fronts
from gateway.net.handshakes import Slots
from gateway.net.mux import Mux, MuxFactory, Route, Routes, TlsEntrance
from gateway.net.proxied import Balancers, ProxiedFactory, uncounted
from gateway.net.spice_front import SpiceFront
from gateway.net.tls_start import TlsTerms
from gateway.net.viewer import ViewerFront
from gateway.net.wheel import Wheel
from gateway.observe.audit import FileAudit
from gateway.observe.metrics import Live, PrometheusMetrics
from gateway.service.certificates import Certificates
from gateway.service.demo import DemoUrl
from gateway.service.descriptors import connection_limit
from gateway.service.keys import FirstKeys, ensure_keys
from gateway.service.listeners import Listener
from gateway.service.recovery import Recovery
from gateway.service.reload import Reloadable, Reloader
from gateway.service.shutdown import Shutdown
from gateway.service.silence import Silence
from gateway.sessions.broker import Broker
from gateway.sessions.consoles import Consoles
from gateway.sessions.desk import Desk
from gateway.sessions.limits import Limits, Rate
from gateway.sessions.registry import Registry
from gateway.sessions.resume import Dialling
from gateway.sessions.surroundings import Patience, Surroundings
from gateway.stores.opening import Stores, open_stores
from gateway.web.access import Access, ApiKeys
from gateway.web.api import Api
from gateway.web.api_holder import HolderCalls
from gateway.web.api_lists import ListCalls
from gateway.web.api_tickets import TicketCalls
from gateway.web.forwarded import Forwarded
from gateway.web.origin import OriginRules
from gateway.web.pages import client_files
from gateway.web.policy import Policy
from gateway.web.presentation import Presenting
from gateway.web.requests import GatewaySite
from gateway.web.site import admin_tree, public_tree
from gateway.wire.http1 import Head
from gateway.wire.sniff import Kind

AUDIENCE = "consolegw"
"""Whom sealed tickets are for: every node with the shared keys."""


ADMIN_CONNECTIONS = 64
"""Connections of operators and their machines at once; clients at the limit do not lock them out."""

Upgrade = Callable[[Head, Arrival], Presentation]


class CannotStart(Exception):
    """The gateway cannot be put together; one line that says why."""


def build(config: Config, reactor: Any, say: Callable[[str], object] | None = None) -> MultiService:
    """
    The whole gateway, not started yet.

    :param say: set for the demo: tells its one URL to whoever started it.
    :raises CannotStart: a key, certificate, database or file cannot be used.
    """
    try:
        keys = ensure_keys(
            keys=config.tls.keys,
            api_keys=config.api.keys_file,
            name="demo" if say else "first",
            public_urls=[config.gateway.public_url, *(one.public_url for one in config.listen)],
            node=config.gateway.node,
        )
        config.gateway.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        stores = open_stores(
            config.tickets.store,
            state_dir=config.gateway.state_dir,
            sealer_keys_path=config.tickets.sealed_keys_file,
            audience=AUDIENCE,
            now=time.time,
        )
        product = make_product(config, reactor, stores)
        return assemble(config, reactor, product, keys, say)
    except (OSError, ValueError, BadCertificates) as error:
        raise CannotStart(str(error)) from error


@frozen
class Product:
    """The sessions' side: everything between a presentation and an upstream."""

    stores: Stores
    metrics: PrometheusMetrics
    audit: FileAudit
    consoles: Consoles
    registry: Registry
    broker: Broker
    desk: Desk


def make_product(config: Config, reactor: Any, stores: Stores) -> Product:
    """Tickets, consoles and sessions of one node."""
    metrics = PrometheusMetrics()
    audit = FileAudit(config.audit.file or "stdout")
    consoles = Consoles(StaticDriver({one.name: (one.to_info(), one.to_target()) for one in config.consoles}), {})
    dialer = Dialer(reactor)
    allowed = config.limits.allowed_targets
    around = Surroundings(
        clock=reactor,
        now=time.time,
        dialling=Dialling(consoles.resolve, dialer, dialer.only(allowed.allows), reactor, metrics, _jitter),
        directory=stores.directory,
        audit=audit,
        metrics=metrics,
        patience=Patience(
            resume_window=config.tickets.resume_window,
            linger=config.tickets.linger,
            redial=config.resume.for_,
            idle=config.tickets.idle,
            max_session=config.tickets.max_session,
        ),
    )
    registry = Registry(around, reactor)
    broker = Broker(
        node=config.gateway.node,
        tickets=stores.tickets,
        registry=registry,
        limits=_limits(config),
        around=around,
    )
    desk = Desk(
        tickets=stores.tickets,
        directory=stores.directory,
        registry=registry,
        consoles=consoles,
        allowed=allowed,
        ttl=config.tickets.ttl,
        now=time.time,
    )
    return Product(stores, metrics, audit, consoles, registry, broker, desk)


def assemble(
    config: Config, reactor: Any, product: Product, keys: FirstKeys, say: Callable[[str], object] | None
) -> MultiService:
    """The services, in the order in which they start; they stop the other way round."""
    wheel = Wheel(reactor)
    gate = Gate(connection_limit(config.gateway.max_connections), wheel)
    certificates = Certificates(config.tls.keys, config.tls.minimum)
    api_keys = ApiKeys(config.api.keys_file)
    web = Web(config, reactor, product, Access(api_keys, Rate(config.limits.failed_tickets_per_address), reactor))
    often = Rate(config.limits.connections_per_address)
    slots = Slots(wheel)
    inside = ViewerFront(product.broker.admit, wheel, product.metrics)
    capped = TlsTerms(certificates.store.capped, slots, wheel)
    entrance = Entrance(
        certificates,
        slots,
        wheel,
        product.metrics,
        lambda address: often.take(site_of(address), wheel.seconds()),
        Silence(evolve(inside, tls=capped, settles=config.tls.minimum == "1.3"), inside),
    )
    product.metrics.watch(
        Live(
            sessions=product.registry.by_kind_and_state,
            connections=lambda: len(gate),
            ready=web.ready,
            audit_lost=lambda: product.audit.lost,
        )
    )

    root = MultiService()
    Recovery(config.gateway.node, product.registry, product.stores, _remarks(config, product, keys)).setServiceParent(  # type: ignore[no-untyped-call]
        root
    )
    reload = [
        Reloadable(certificates.reload, certificates.changed),
        Reloadable(api_keys.refresh, lambda: True),
        Reloadable(product.audit.reopen),
    ]
    Reloader(reactor, reload).setServiceParent(root)  # type: ignore[no-untyped-call]
    if config.admin.endpoint:
        operators = Gate(ADMIN_CONNECTIONS, wheel)
        factory = entrance.admin_factory(web, operators)
        Listener(reactor, config.admin.endpoint, factory, operators, "admin").setServiceParent(root)  # type: ignore[no-untyped-call]
    for listen in config.listen:
        factory = entrance.factory_for(listen, web, gate)
        Listener(reactor, listen.endpoint, factory, gate, listen.name).setServiceParent(root)  # type: ignore[no-untyped-call]
    if say is not None:
        DemoUrl(product.desk, config.gateway.public_url, keys.api_key, say).setServiceParent(root)  # type: ignore[no-untyped-call]
    Shutdown(reactor, product.broker, product.registry, gate).setServiceParent(root)  # type: ignore[no-untyped-call]
    return root


class Web:
    """Pages and API: one public site for each listener, and the operator's."""

    def __init__(self, config: Config, reactor: Any, product: Product, access: Access) -> None:
        self._config = config
        self._reactor = reactor
        self._product = product
        public_urls = [config.gateway.public_url, *(one.public_url for one in config.listen)]
        allowed = config.browser.allowed_origins
        origins = OriginRules(public_urls, allowed)
        self._policy = Policy(public_urls, allowed)
        self.presenting = Presenting(origins, config.tickets.accept)
        holder = HolderCalls(product.broker, origins, config.tickets.max_session).routes()
        listeners = {one.name: one.public_url for one in config.listen}
        viewers = [one.public_url for one in config.listen if one.silent == "rfb"]
        tickets = TicketCalls(product.desk, product.consoles, config.gateway.public_url, listeners, viewers).routes()
        operator = (*tickets, *ListCalls(product.desk, product.consoles).routes())
        self._public_api = Api(holder + (operator if "public" in config.api.on else ()), access, reactor)
        self._admin_api = Api(operator, access, reactor) if "admin" in config.api.on else None
        self._files = client_files()

    def ready(self) -> bool:
        """Whether new sessions are welcome."""
        return not self._product.broker.draining and self._product.stores.usable()

    def fronts(self, listen: Listen, wheel: Wheel) -> Fronts:
        """Where the clients of a listener go."""
        tree = public_tree(self._files, self._public_api)
        fronts = self._fronts(tree, self.presenting.from_upgrade, listen.plaintext, wheel)
        fronts = evolve(fronts, connect=ConnectFront(fronts.admit, wheel, fronts.metrics))
        return evolve(fronts, forwarded=Forwarded(listen.trusted_proxies)) if listen.plaintext == "serve" else fronts

    def admin_fronts(self, wheel: Wheel) -> Fronts:
        """What the operator's endpoint shows; nobody opens a console there."""
        tree = admin_tree(api=self._admin_api, metrics=self._product.metrics.render, ready=self.ready)
        return self._fronts(tree, _no_upgrade, "serve", wheel)

    def _fronts(self, tree: IResource, upgrade: Upgrade, plaintext: str, wheel: Wheel) -> Fronts:
        return Fronts(
            upgrade=upgrade,
            admit=self._product.broker.admit,
            site=GatewaySite(tree, self._policy, self._reactor),
            health=lambda path: 200 if path == "/healthz" or self.ready() else 503,
            wheel=wheel,
            metrics=self._product.metrics,
            plaintext=plaintext,
            ping=self._config.browser.ping,
        )


@frozen
class Entrance:
    """From a socket to a front: what every listener shares."""

    certificates: Certificates
    slots: Slots
    wheel: Wheel
    metrics: PrometheusMetrics
    welcome: Callable[[str], bool]
    silence: Silence

    def factory_for(self, listen: Listen, web: Web, gate: Gate) -> IProtocolFactory:
        """The first protocol of a public listener's connections."""
        fronts = web.fronts(listen, self.wheel)
        by_kind = _http(fronts)
        spice = SpiceFront(fronts.admit, self.wheel, self.metrics)
        inside = self.silence.inside_tls(listen, Routes(self.wheel, self.metrics, {**by_kind, Kind.SPICE: spice}))
        entrance = TlsEntrance(self.certificates.store, self.slots, inside)
        outside = self.silence.outside_tls(listen, Routes(self.wheel, self.metrics, by_kind, entrance))
        template = Arrival("", listener=listen.name, public_url=listen.public_url)
        welcome = uncounted(listen.trusted_proxies, self.welcome) if listen.plaintext == "serve" else self.welcome
        if listen.proxy_protocol:
            balancers = Balancers(listen.trusted_proxies, welcome, self.wheel, self.metrics, listen.name)
            return ConnectionFactory(ProxiedFactory(partial(Mux, outside, template), balancers), gate)
        return ConnectionFactory(MuxFactory(outside, template), gate, welcome)

    def admin_factory(self, web: Web, gate: Gate) -> IProtocolFactory:
        """The first protocol of the operator's connections."""
        routes = Routes(self.wheel, self.metrics, _http(web.admin_fronts(self.wheel)))
        return ConnectionFactory(MuxFactory(routes, Arrival("", listener="admin")), gate)


def _http(fronts: Fronts) -> Mapping[Kind, Route]:
    return {Kind.HTTP: lambda arrival: Door(fronts, arrival)}


def _no_upgrade(head: Head, arrival: Arrival) -> Presentation:
    raise HttpRefusal(404)


def _limits(config: Config) -> Limits:
    limits = config.limits
    return Limits(
        sessions_per_user=limits.sessions_per_user,
        sessions_per_console=limits.sessions_per_console,
        sessions_per_address=limits.sessions_per_address,
        failed_tickets_per_address=limits.failed_tickets_per_address,
    )


def _remarks(config: Config, product: Product, keys: FirstKeys) -> list[str]:
    made = [f"made {path}" for path in keys.made]
    return [*dict.fromkeys([*config.warnings, *product.stores.remarks]), *made]


def _jitter() -> float:
    """A factor around 1, so that the clients of a restarted hypervisor do not all return at once."""
    return random.uniform(0.7, 1.3)
