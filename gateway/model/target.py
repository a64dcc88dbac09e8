"""
Where a console is and how it is reached: what a driver answers.

Values only; nobody outside the inner network ever sees one.
"""

from __future__ import annotations

import enum
import ipaddress
import re

from attrs import field, frozen

from gateway.model.secret import Secret


class ConsoleKind(enum.Enum):
    """What is spoken on the upstream connection."""

    VNC = "vnc"
    MKS = "mks"
    WEBMKS = "webmks"
    SERIAL = "serial"
    SPICE = "spice"
    RAW = "raw"
    DEMO = "demo"

    @property
    def speaks_rfb(self) -> bool:
        """Whether a client of this console is an RFB client."""
        return self in _RFB_KINDS

    @property
    def goes_on(self) -> bool:
        """Whether another client can take up the bytes where the last one left them."""
        return self in _STREAMS

    @property
    def sockets(self) -> int:
        """How many sockets one session may have, unless it is said."""
        return _SPICE_SOCKETS if self is ConsoleKind.SPICE else 1


_RFB_KINDS = frozenset({ConsoleKind.VNC, ConsoleKind.MKS, ConsoleKind.WEBMKS, ConsoleKind.DEMO})
_STREAMS = frozenset({ConsoleKind.SERIAL, ConsoleKind.RAW})
_SPICE_SOCKETS = 16  # a channel each: main, inputs, a display and a cursor for every screen, sound, USB devices


@frozen
class TcpAddress:
    """A host (name, IPv4 or IPv6 literal without brackets) and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@frozen
class UnixAddress:
    """A socket in the file system, by absolute path."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


Address = TcpAddress | UnixAddress

_TCP = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.%]+)\]|(?P<host>[A-Za-z0-9._-]{1,253})):(?P<port>[0-9]{1,5})")


def parse_address(text: str) -> Address:
    """
    Read ``host:port``, ``[v6]:port`` or ``unix:/path``.

    :raises ValueError: saying what would be accepted.
    """
    if text.startswith("unix:/") and "\0" not in text:
        return UnixAddress(text.removeprefix("unix:"))
    match = _TCP.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise ValueError(f"{text!r} is not an address: host:port, [v6]:port or unix:/path")
    if match["v6"]:
        ipaddress.IPv6Address(match["v6"].partition("%")[0])
    return TcpAddress(match["v6"] or match["host"], int(match["port"]))


@frozen
class Pin:
    """The digest of the one certificate that is accepted (``algorithm`` sha256 or sha1, lower-case hex)."""

    algorithm: str
    digest: str


_PIN_DIGITS = {"sha256": 64, "sha1": 40}


def parse_pin(text: str) -> Pin:
    """
    Read ``sha256:HEX`` or ``sha1:HEX`` (colons inside the digits do not matter).

    :raises ValueError: saying what would be accepted.
    """
    algorithm, _, digits = text.partition(":")
    digest = digits.replace(":", "").lower()
    if _PIN_DIGITS.get(algorithm.lower()) != len(digest) or not re.fullmatch("[0-9a-f]+", digest):
        raise ValueError("a pin is sha256: and 64 hex digits, or sha1: and 40")
    return Pin(algorithm.lower(), digest)


@frozen
class ClientCertificate:
    """Who we are where a server asks for a certificate: the chain and its private key, both PEM."""

    chain: bytes = field(repr=False)
    key: Secret


@frozen
class TlsPolicy:
    """
    How the upstream's certificate is judged: by a pin, by a CA, or by the system's CAs.

    ``ca`` is PEM; with neither ``ca`` nor ``pins`` the system's store decides.
    """

    ca: bytes | None = field(default=None, repr=False)
    pins: tuple[Pin, ...] = ()
    server_name: str | None = None
    client: ClientCertificate | None = None

    @property
    def judges_alone(self) -> bool:
        """Whether it needs no address to compare a certificate with: a unix socket has none."""
        return bool(self.pins or self.server_name)


class SecurityType(enum.Enum):
    """How the gateway logs in to a VNC server."""

    NONE = "none"
    VNC = "vnc"
    VENCRYPT = "vencrypt"


class LogIn(enum.Enum):
    """One way in: a cover (TLS with certificates, anonymous TLS, none) and a proof inside it."""

    X509_PLAIN = "x509plain"
    X509_VNC = "x509vnc"
    X509_NONE = "x509none"
    TLS_PLAIN = "tlsplain"
    TLS_VNC = "tlsvnc"
    TLS_NONE = "tlsnone"
    PLAIN = "plain"
    VNC = "vnc"
    NONE = "none"

    @property
    def cover(self) -> str:
        """``x509``, ``tls``, or nothing."""
        return self.value.removesuffix(self.proof)

    @property
    def proof(self) -> str:
        """``plain`` (user name and password), ``vnc`` (a password) or ``none``."""
        return next(proof for proof in _PROOFS if self.value.endswith(proof))


_PROOFS = ("plain", "vnc", "none")


@frozen
class Lack:
    """A setting of :class:`Security` that another one cannot do without."""

    setting: str
    needed_by: str

    @property
    def accepted(self) -> str:
        """What would do."""
        return f"{_LACKING[self.setting]} beside {self.needed_by}"


_LACKING = {"password": "a password", "username": "a user name", "anonymous": "true", "clear": "true"}


@frozen
class Security:
    """
    The log-in to a console; the user never learns it.

    The rest is for VeNCrypt: ``tls`` judges its certificates; without
    ``subtypes`` they follow from the other settings; ``anonymous`` allows TLS
    that proves nobody's identity, ``clear`` no TLS at all.
    """

    type: SecurityType = SecurityType.NONE
    password: Secret | None = None
    username: str = ""
    tls: TlsPolicy = TlsPolicy()
    subtypes: tuple[LogIn, ...] = ()
    anonymous: bool = False
    clear: bool = False

    @property
    def ways(self) -> tuple[LogIn, ...]:
        """Every way in that is configured."""
        if self.type is not SecurityType.VENCRYPT:
            return (LogIn(self.type.value),)
        proof = "plain" if self.username else "vnc" if self.password else "none"
        return self.subtypes or tuple(LogIn(cover + proof) for cover in self._covers)

    @property
    def _covers(self) -> tuple[str, ...]:
        # Who allows less than certificates, and says nothing of them, has none to be judged.
        judged = self.tls != TlsPolicy() or not (self.anonymous or self.clear)
        return ("x509",) * judged + ("tls",) * self.anonymous + ("",) * self.clear

    @property
    def lack(self) -> Lack | None:
        """The first setting that is needed and not there."""
        if self.username and self.password is None:
            return Lack("password", "a user name")
        for way in self.ways:
            if way.proof != "none" and self.password is None:
                return Lack("password", way.value)
            if way.proof == "plain" and not self.username:
                return Lack("username", way.value)
            if way.cover == "tls" and not self.anonymous:
                return Lack("anonymous", way.value)
            if not way.cover and self.type is SecurityType.VENCRYPT and not self.clear:
                return Lack("clear", way.value)
        return None


@frozen
class Target:
    """
    One console's upstream as a driver resolved it just now.

    ``identity`` names the machine: it is compared before and after each dial.
    """

    kind: ConsoleKind
    addresses: tuple[Address, ...] = ()
    security: Security = Security()
    tls: TlsPolicy | None = None
    identity: str = ""

    @property
    def nameless(self) -> str | None:
        """The first of ``tls`` and ``security`` that would have to compare a certificate with a socket's path."""
        if not any(isinstance(address, UnixAddress) for address in self.addresses):
            return None
        if self.tls is not None and not self.tls.judges_alone:
            return "tls"
        certified = any(way.cover == "x509" for way in self.security.ways)
        return "security" if certified and not self.security.tls.judges_alone else None

    @property
    def covered_twice(self) -> bool:
        """Whether VeNCrypt would bring TLS inside TLS, which nobody speaks."""
        return self.tls is not None and any(way.cover for way in self.security.ways)


class Power(enum.Enum):
    """Whether a machine runs, where its driver knows."""

    ON = "on"
    OFF = "off"
    SUSPENDED = "suspended"


@frozen
class ConsoleInfo:
    """One console as lists show it: no address in it."""

    name: str
    kind: ConsoleKind
    driver: str = "config"
    power: Power | None = None
    title: str = ""
    connections: int = 1
    """How many sockets one session may have (SPICE, vmrc; 1 for the rest)."""
