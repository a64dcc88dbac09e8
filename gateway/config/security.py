"""
``security = {…}`` and ``tls = {…}`` of a console: how the gateway logs in, and whom it trusts.

Texts become the model's values here; certificates and keys are read and
compared once, so that a start fails rather than a dial.
"""

from __future__ import annotations

from attrs import frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from gateway.config.place import Place, show
from gateway.config.tables import read_table, setting
from gateway.config.urls import pins
from gateway.config.values import (
    boolean,
    certificates,
    choice,
    list_of,
    optional,
    private_key,
    secret_env,
    secret_file,
    text,
)
from gateway.model.secret import Secret
from gateway.model.target import ClientCertificate, LogIn, Pin, Security, SecurityType, TlsPolicy

_SUBTYPES = tuple(way.value for way in LogIn)
_OF_EVERY_TYPE = ("type", "password_file", "password_env")


@frozen(kw_only=True)
class UpstreamTls:
    """TLS around the whole connection to a console; ``tls = true`` is the system's CAs."""

    ca: bytes | None = setting(optional(certificates), "The CA of the console's certificate (PEM).", None)
    pin: tuple[Pin, ...] = setting(
        lambda place, value: () if value is None else pins(place, value),
        "The certificate's digest, sha256:HEX or sha1:HEX; a list accepts any of them.",
        None,
    )
    server_name: str | None = setting(optional(text), "The name in the certificate, where it is not the host.", None)
    client_cert: bytes | None = setting(
        optional(certificates),
        "The certificate that the gateway shows where one is asked for (PEM, with its chain).",
        None,
    )
    client_key: Secret | None = setting(optional(private_key), "Its private key (PEM, without a passphrase).", None)


@frozen(kw_only=True)
class SecurityTable(UpstreamTls):
    """How the gateway logs in to one VNC server; the keys of TLS are for VeNCrypt's."""

    type: str = setting(
        choice("", "none", "vnc", "vencrypt", later=("tls", "sasl", "ard", "ra2", "mslogon", "tight", "ultra")),
        "The log-in that the server asks for: none, vnc (a password) or vencrypt (TLS, user names).",
        "",
        shown='"vnc" with a password, else "none"',
    )
    password_file: Secret | None = setting(optional(secret_file), "The file with the server's password.", None)
    password_env: Secret | None = setting(optional(secret_env), "The environment variable with it.", None)
    username: str = setting(text, "The user to log in as (vencrypt).", "")
    subtypes: tuple[str, ...] = setting(
        lambda place, value: () if value is None else _subtypes(place, value),
        "What may be used of vencrypt; the strongest that the server offers is taken.",
        None,
        shown="what the other keys allow",
    )
    anonymous: bool = setting(boolean, "Whether TLS will do that proves nobody's identity (vencrypt).", False)
    clear: bool = setting(boolean, "Whether a log-in without TLS will do beside or instead (vencrypt).", False)


def security(place: Place, value: object) -> Security:
    """Read ``security = {…}``; a password alone means type vnc."""
    table = read_table(SecurityTable, place, value)
    if table.password_file and table.password_env:
        raise place.wrong("both password_file and password_env", "one of them")
    password = table.password_file or table.password_env
    kind = SecurityType(table.type) if table.type else SecurityType.VNC if password else SecurityType.NONE
    if kind is SecurityType.VENCRYPT:
        return _vencrypt(place, table, password)
    if isinstance(value, dict) and (others := sorted(value.keys() - set(_OF_EVERY_TYPE))):
        raise place.at(others[0]).wrong(f"it with type {show(kind.value)}", 'it with type "vencrypt" only')
    if kind is SecurityType.NONE and password:
        raise place.at("type").wrong('"none" beside a password', '"vnc", or no password')
    if kind is SecurityType.VNC and not password:
        raise place.at("type").wrong('"vnc" without a password', "password_file or password_env beside it")
    return Security(kind, password)


def upstream_tls(place: Place, value: object) -> TlsPolicy | None:
    """Read ``tls = true`` or ``tls = {…}``."""
    if isinstance(value, bool):
        return TlsPolicy() if value else None
    if not isinstance(value, dict):
        raise place.wrong(show(value), "true, false or a table of ca, pin and server_name")
    return _policy(place, read_table(UpstreamTls, place, value))


def _vencrypt(place: Place, table: SecurityTable, password: Secret | None) -> Security:
    found = Security(
        SecurityType.VENCRYPT,
        password,
        table.username,
        _policy(place, table),
        tuple(map(LogIn, table.subtypes)),
        table.anonymous,
        table.clear,
    )
    if (lack := found.lack) is not None:
        key = "password_file" if lack.setting == "password" else lack.setting
        raise place.at(key).missing(lack.accepted)
    return found


def _subtypes(place: Place, value: object) -> tuple[str, ...]:
    found = list_of(choice(*_SUBTYPES), "sub-types")(place, value)
    if not found:
        raise place.wrong("an empty list", "at least one of " + ", ".join(_SUBTYPES))
    return tuple(dict.fromkeys(found))


def _policy(place: Place, table: UpstreamTls) -> TlsPolicy:
    if table.client_cert is None and table.client_key is None:
        return TlsPolicy(table.ca, table.pin, table.server_name)
    if table.client_cert is None:
        raise place.at("client_cert").missing("a file of PEM certificates beside client_key")
    if table.client_key is None:
        raise place.at("client_key").missing("a file with its private key beside client_cert")
    client = ClientCertificate(table.client_cert, table.client_key)
    if not _is_pair(place, client):
        raise place.at("client_key").wrong("another certificate's key", "the private key of client_cert")
    return TlsPolicy(table.ca, table.pin, table.server_name, client)


def _is_pair(place: Place, client: ClientCertificate) -> bool:
    """Whether the first certificate is for the key."""
    try:
        own = x509.load_pem_x509_certificates(client.chain)[0].public_key()
    except ValueError as problem:
        raise place.at("client_cert").wrong("a damaged certificate", "a file of PEM certificates") from problem
    try:
        key = load_pem_private_key(client.key.reveal().encode(), None).public_key()
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Not told from what: nothing of a key is in a traceback.
        raise place.at("client_key").wrong("a damaged or locked key", "a private key without a passphrase") from None
    written = [one.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) for one in (own, key)]
    return written[0] == written[1]
