"""
What somebody wants a ticket for, read from JSON: a console or a target.

Form and bounds only; whether there is such a console, and whether the target
is allowed, is the desk's to say.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Collection
from typing import Final

from gateway.model.secret import Secret
from gateway.model.target import (
    Address,
    ConsoleKind,
    LogIn,
    Pin,
    Security,
    SecurityType,
    Target,
    TlsPolicy,
    parse_address,
    parse_pin,
)
from gateway.model.ticket import DEFAULT_RIGHTS, Right
from gateway.sessions.desk import Wish
from gateway.web.fields import Fields
from gateway.web.problems import BadField

MAX_TTL: Final = 86_400  # a day, as the demo's ticket: longer ones would be passwords
MAX_USES: Final = 1_000_000

CONSOLE: Final = re.compile(r"[A-Za-z0-9._-]{1,64}(?:/.{1,256})?")
"""NAME or DRIVER/VM (contract section 2)."""

CONSOLE_ACCEPTED: Final = "a console's name (1 to 64 of A-Z a-z 0-9 . _ -) or DRIVER/VM"

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NAME_ACCEPTED: Final = "1 to 64 of A-Z a-z 0-9 . _ -"
_TEXT: Final = re.compile(r".{0,256}")
_TEXT_ACCEPTED: Final = "a text of at most 256 printable characters"
_PASSWORD: Final = re.compile(r".{1,256}")
_ADDRESS_ACCEPTED: Final = "host:port, [v6]:port or unix:/path, or a list of at most 16 of them"
_PIN_ACCEPTED: Final = "sha256:HEX or sha1:HEX, or a list of them"

_RIGHTS: Final = {right.value: right for right in Right if right is not Right.MEDIA}
_KINDS: Final = {kind.value: kind for kind in (ConsoleKind.VNC, ConsoleKind.RAW, ConsoleKind.SERIAL, ConsoleKind.SPICE)}
_LOGINS: Final = {login.value: login for login in SecurityType}
_SUBTYPES: Final = {way.value: way for way in LogIn}
_VENCRYPT: Final = ("username", "subtypes", "anonymous", "clear", "ca", "pin", "server_name")

_LOGINS_OF: Final = {
    ConsoleKind.VNC: frozenset(SecurityType),
    ConsoleKind.SPICE: frozenset({SecurityType.NONE, SecurityType.VNC}),
}


def read_wish(fields: Fields, listeners: Collection[str]) -> Wish:
    """
    Read the body of a minting.

    :param listeners: the names of the listeners.
    :raises BadField:
    """
    target = _target(inner) if (inner := fields.table("target")) is not None else None
    if target is None:
        console = fields.text("console", CONSOLE_ACCEPTED, CONSOLE)
    elif fields.has("console"):
        raise BadField('Either "console" or "target" must be given, not both.')
    else:
        console = target[0]
    one_shot = fields.flag("one_shot")
    wish = Wish(
        console=console,
        target=target[1] if target else None,
        user=fields.text("user", _TEXT_ACCEPTED, _TEXT, ""),
        rights=_rights(fields),
        ttl=fields.number("ttl", 0, MAX_TTL, 0, whole=False),
        uses=int(fields.number("uses", 0, MAX_USES, 1)),
        one_shot=one_shot,
        roaming=fields.flag("roaming"),
        listener=fields.choice("listener", {name: name for name in listeners}, ""),
    )
    fields.done()
    if 0 < wish.ttl < 1:
        raise fields.wrong("ttl", f"a number from 1 to {MAX_TTL}, or 0 for the configured one")
    if one_shot and wish.uses != 1:
        raise fields.wrong("uses", "1 beside one_shot")
    return wish


def _rights(fields: Fields) -> frozenset[Right]:
    rights = fields.choices("rights", _RIGHTS, DEFAULT_RIGHTS)
    if Right.VIEW not in rights:
        raise fields.wrong("rights", "a list with view among it: who may do anything sees what it does")
    return rights


def _target(fields: Fields) -> tuple[str, Target]:
    """A target and the name that people read; without one, a name that says nothing of the inside."""
    fields.later("via")
    name = fields.text("name", _NAME_ACCEPTED, _NAME, "target-" + secrets.token_hex(4))
    kind = fields.choice("kind", _KINDS)
    target = Target(
        kind=kind,
        addresses=_addresses(fields),
        security=_security(fields, kind),
        tls=_tls(fields),
        identity=fields.text("identity", _TEXT_ACCEPTED, _TEXT, ""),
    )
    fields.done()
    if target.covered_twice:
        raise fields.wrong("tls", "absent beside TLS of vencrypt")
    if (judged := target.nameless) is not None:
        raise fields.wrong(judged, "with server_name or pin for a unix socket")
    return name, target


def _addresses(fields: Fields) -> tuple[Address, ...]:
    texts = fields.texts("address", _ADDRESS_ACCEPTED)
    try:
        return tuple(map(parse_address, texts))
    except ValueError:
        raise fields.wrong("address", _ADDRESS_ACCEPTED) from None


def _security(fields: Fields, kind: ConsoleKind) -> Security:
    inner = fields.table("security")
    if inner is None:
        return Security()
    password = Secret(inner.text("password", "1 to 256 characters", _PASSWORD)) if inner.has("password") else None
    login = inner.choice("type", _LOGINS, SecurityType.VNC if password else SecurityType.NONE)
    if not password:
        inner.take("password")
    security = _vencrypt(inner, login, password)
    inner.done()
    if login is SecurityType.NONE and password is not None:
        raise inner.wrong("password", "there with type vnc or vencrypt only")
    if (lack := security.lack) is not None:
        raise inner.wrong(lack.setting, lack.accepted)
    if login not in _LOGINS_OF.get(kind, {SecurityType.NONE}):
        raise inner.wrong("type", "none with this kind")
    return security


def _vencrypt(inner: Fields, login: SecurityType, password: Secret | None) -> Security:
    if login is not SecurityType.VENCRYPT and (misplaced := [name for name in _VENCRYPT if inner.has(name)]):
        raise inner.wrong(misplaced[0], "there with type vencrypt only")
    return Security(
        login,
        password,
        inner.text("username", _TEXT_ACCEPTED, _TEXT, ""),
        _policy(inner),
        inner.ordered_choices("subtypes", _SUBTYPES),
        inner.flag("anonymous"),
        inner.flag("clear"),
    )


def _tls(fields: Fields) -> TlsPolicy | None:
    value = fields.take("tls")
    if value is None or value is False:
        return None
    if value is True:
        return TlsPolicy()
    if not isinstance(value, dict):
        raise fields.wrong("tls", "true, false or an object of ca, pin and server_name")
    inner = Fields(value, "target.tls.")
    policy = _policy(inner)
    inner.done()
    return policy


def _policy(fields: Fields) -> TlsPolicy:
    ca = fields.pem("ca") if fields.has("ca") else None
    return TlsPolicy(ca, _pins(fields), fields.text("server_name", _TEXT_ACCEPTED, _TEXT, "") or None)


def _pins(fields: Fields) -> tuple[Pin, ...]:
    if not fields.has("pin"):
        return ()
    texts = fields.texts("pin", _PIN_ACCEPTED)
    try:
        return tuple(map(parse_pin, texts))
    except ValueError:
        raise fields.wrong("pin", _PIN_ACCEPTED) from None
