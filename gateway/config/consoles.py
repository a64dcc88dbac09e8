"""
``[console.NAME]`` and ``[driver.NAME]``: what the gateway opens.

A console given by hand becomes a target and a line of the console list here;
its log-in and TLS are read in ``security.py``.  Drivers come with later versions.
"""

from __future__ import annotations

from attrs import frozen

from gateway.config.place import NOT_YET, Place, show
from gateway.config.security import SecurityTable, UpstreamTls, security, upstream_tls
from gateway.config.tables import NamedTables, setting
from gateway.config.urls import addresses
from gateway.config.values import choice, optional, text, whole
from gateway.model.target import (
    Address,
    ConsoleInfo,
    ConsoleKind,
    Security,
    SecurityType,
    Target,
    TlsPolicy,
)

DRIVER_KINDS = ("vsphere", "nova", "proxmox", "libvirt", "qemu", "http")

_MANY_SOCKETS = frozenset({ConsoleKind.RAW, ConsoleKind.SPICE})
"""Kinds of which one session may have several sockets."""

_LOG_INS = {
    ConsoleKind.VNC: frozenset(SecurityType),
    ConsoleKind.SPICE: frozenset({SecurityType.NONE, SecurityType.VNC}),
}
"""The log-ins of kinds that have any; a password is type vnc with SPICE too."""


def console_kind(place: Place, value: object) -> ConsoleKind:
    """Read what is spoken to the console."""
    return ConsoleKind(choice("vnc", "serial", "raw", "spice", "demo", later=("mks", "webmks"))(place, value))


@frozen(kw_only=True)
class Console:
    """``[console.NAME]``: a console given by hand."""

    name: str
    kind: ConsoleKind = setting(console_kind, "What is spoken there: vnc, serial, raw, spice or demo.")
    address: tuple[Address, ...] = setting(
        lambda place, value: () if value is None else addresses(place, value),
        "host:port, [v6]:port or unix:/path; a list is tried in turn.",
        None,
    )
    security: Security = setting(security, "How the gateway logs in (vnc; spice: a password).", {}, table=SecurityTable)
    tls: TlsPolicy | None = setting(
        upstream_tls, "TLS around the connection to the console: true, or a table.", False, table=UpstreamTls
    )
    title: str = setting(text, "What people read instead of the name.", "")
    connections: int | None = setting(
        optional(whole(1, 64)),
        "Sockets that one session may have (raw and spice; 1 for the rest).",
        None,
        shown="1; 16 with kind spice",
    )
    via: tuple[Address, ...] = setting(
        lambda place, value: (), "Proxies on the way to the console, tried in turn.", None, later=True
    )

    def to_target(self) -> Target:
        """The upstream, as a driver would resolve it; its identity is the name it was given."""
        return Target(self.kind, self.address, self.security, self.tls, identity=self.name)

    def to_info(self) -> ConsoleInfo:
        """The line of the console list."""
        connections = self.connections or self.kind.sockets
        return ConsoleInfo(self.name, self.kind, title=self.title, connections=connections)


def consoles(place: Place, value: object) -> tuple[Console, ...]:
    """Read every ``[console.NAME]`` and judge its keys together."""
    found = NamedTables(Console)(place, value)
    for console in found:
        _check(place.at(console.name), console)
    return found


def _check(place: Place, console: Console) -> None:
    kind = show(console.kind.value)
    if console.kind is ConsoleKind.DEMO:
        if console.address or console.tls:
            raise place.wrong("an address or tls with kind demo", "neither: the demo is built in")
    elif not console.address:
        raise place.at("address").missing("host:port, [v6]:port or unix:/path")
    if console.security.type not in _LOG_INS.get(console.kind, {SecurityType.NONE}):
        raise place.at("security").wrong(f"this log-in with kind {kind}", 'it with kind "vnc"; a password with "spice"')
    if console.to_target().covered_twice:
        raise place.at("tls").wrong("it beside TLS of vencrypt", "one of them")
    if (key := console.to_target().nameless) is not None:
        raise place.at(key).wrong("a unix socket, which has no name to compare", "server_name or pin beside it")
    if (console.connections or 1) > 1 and console.kind not in _MANY_SOCKETS:
        accepted = '1, or more with kinds "raw" and "spice"'
        raise place.at("connections").wrong(f"{console.connections} with kind {kind}", accepted)


@frozen(kw_only=True)
class Driver:
    """``[driver.NAME]``: one hypervisor; every kind comes with a later version."""

    name: str
    kind: str = setting(
        choice(later=DRIVER_KINDS), "The hypervisor's kind: " + ", ".join(DRIVER_KINDS) + ".", later=True
    )
    url: str = setting(text, "Where its API is.", "", later=True)
    power_on: str = setting(
        choice("ask", later=("always", "never")),
        "Opening a machine that is off: always, ask or never.",
        "ask",
        later=True,
    )


def drivers(place: Place, value: object) -> tuple[Driver, ...]:
    """Refuse every ``[driver.NAME]``, naming its kind when that is one of a later version."""
    if not isinstance(value, dict):
        raise place.wrong(show(value), f"[{place.dotted}.NAME] tables")
    for name, table in value.items():
        kind = table.get("kind") if isinstance(table, dict) else None
        here = place.at(name)
        if isinstance(kind, str) and kind not in DRIVER_KINDS:
            raise here.at("kind").wrong(show(kind), f"[console.NAME] tables; drivers are {NOT_YET}")
        raise here.later(f"a driver of kind {show(kind)}" if kind else "", "[console.NAME] tables")
    return ()
