"""
A file becomes a configuration, or one line that says what is wrong with it.

What a table allows stands in ``schema.py``; here are the rules between
tables.  Nothing half-read ever leaves this module.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from attrs import evolve

from gateway.config.place import ConfigError, Place, show
from gateway.config.schema import Config, Listen, Tickets
from gateway.config.tables import read_table
from gateway.config.urls import is_local

CONFIG_MAX = 8 << 20
"""Bytes of a file: tens of thousands of consoles; more belong into a driver."""

SEALED_TTL = 900
"""Seconds that a sealed ticket is good when nobody says otherwise (contract section 5)."""

SEALED_WARNING = (
    'store "sealed" alone: a ticket is a bearer token until it expires; uses, revocation, sessions and limits '
    'are not shared between nodes, and revoking a ticket is not possible (store "sealed+sqlite" keeps them)'
)

ADMIN_WARNING = (
    "plain HTTP that is not on loopback alone: API keys cross the network in the clear; "
    "use tcp:PORT:interface=127.0.0.1 or unix:/PATH, or a network of its own"
)

VIEWERS_WARNING = (
    '"1.3" with VNC viewers (silent = "rfb"): Remmina cannot connect, and TigerVNC up to 1.12 may hang after its '
    'ticket; with "1.2" viewers, and only they, are spoken TLS 1.2 to'
)

DEMO = """
[gateway]
public_url = "https://localhost:8443"
[tickets]
store = "sqlite"
[admin]
endpoint = "off"
[audit]
file = "state/audit.jsonl"
[console.demo]
kind = "demo"
title = "Demo console"
"""


def load(path: str) -> Config:
    """
    Read a configuration file.

    :raises ConfigError: it cannot be used; the text says where, why, and what would be accepted.
    """
    try:
        with open(path, "rb") as file:
            data = file.read(CONFIG_MAX + 1)
    except OSError as problem:
        raise ConfigError(f"{path}: cannot be read: {problem.strerror}") from problem
    if len(data) > CONFIG_MAX:
        raise ConfigError(f"{path}: longer than {CONFIG_MAX} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise ConfigError(f"{path}: line {line}: not UTF-8") from problem
    return parse(text, file=path, base_dir=str(Path(path).absolute().parent))


def parse(text: str, *, file: str, base_dir: str) -> Config:
    """
    Read the text of a configuration.

    :param file: what errors call it.
    :param base_dir: what its relative paths are relative to.
    :raises ConfigError:
    """
    root = Place(file, Path(base_dir).absolute())
    data = _toml(text, root)
    config = read_table(Config, root, data, file=file)
    config = evolve(config, listen=_listeners(root, config), tickets=_tickets(root, config, data))
    _check_admin(root, config)
    _warn_of_viewers(root, config)
    return evolve(config, warnings=tuple(root.warnings))


def demo(directory: str | Path) -> Config:
    """Make the configuration of a gateway that was given none: port 8443, everything below ``directory``."""
    return parse(DEMO, file="(demo)", base_dir=str(directory))


def _toml(text: str, root: Place) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as problem:
        message = str(problem).replace("(at end of document)", f"(at line {text.count(chr(10)) + 1}, the end)")
        raise root.error(f"no TOML: {message}") from problem
    except RecursionError:
        raise root.error("no TOML: nested too deeply") from None


def _listeners(root: Place, config: Config) -> tuple[Listen, ...]:
    """Fill in names and URLs, and see that no two listeners are one."""
    filled = tuple(
        evolve(one, name=one.name or f"listen-{n}", public_url=one.public_url or config.gateway.public_url)
        for n, one in enumerate(config.listen, 1)
    )
    for n, one in enumerate(filled):
        place = root.at("listen").index(n)
        for key in ("name", "endpoint"):
            if getattr(one, key) in [getattr(earlier, key) for earlier in filled[:n]]:
                raise place.at(key).wrong(
                    f"{show(getattr(one, key))} a second time", f"another {key} for each listener"
                )
        if one.public_url.startswith("http:") and one.plaintext != "serve":
            named = place.at("public_url") if config.listen[n].public_url else root.at("gateway").at("public_url")
            raise named.wrong(show(one.public_url), 'https://…, or http://… where the listener has plaintext = "serve"')
        _check_proxies(place, one)
    return filled


def _check_proxies(place: Place, one: Listen) -> None:
    if one.proxy_protocol and not one.trusted_proxies:
        raise place.at("proxy_protocol").wrong("true without trusted_proxies", "the balancers' addresses there as well")
    if one.trusted_proxies and not one.proxy_protocol and one.plaintext != "serve":
        raise place.at("trusted_proxies").wrong(
            "addresses whose word is not read here",
            'proxy_protocol = true with them, or plaintext = "serve" (X-Forwarded-For)',
        )


def _tickets(root: Place, config: Config, data: dict[str, Any]) -> Tickets:
    if config.tickets.store != "sealed":
        return config.tickets
    root.at("tickets").at("store").warn(SEALED_WARNING)
    return config.tickets if "ttl" in data["tickets"] else evolve(config.tickets, ttl=SEALED_TTL)


def _warn_of_viewers(root: Place, config: Config) -> None:
    if config.tls.minimum == "1.3" and any(one.silent == "rfb" for one in config.listen):
        root.at("tls").at("minimum").warn(VIEWERS_WARNING)


def _check_admin(root: Place, config: Config) -> None:
    if config.admin.endpoint and not is_local(config.admin.endpoint):
        root.at("admin").at("endpoint").warn(ADMIN_WARNING)
    if config.admin.endpoint in [one.endpoint for one in config.listen]:
        raise root.at("admin").at("endpoint").wrong("the endpoint of a [[listen]] table", "another one")
    if config.api.on == {"admin"} and not config.admin.endpoint:
        raise root.at("api").at("on").wrong('["admin"] without an admin endpoint', '"public", or an admin.endpoint')
