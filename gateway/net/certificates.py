"""
The certificates that TLS shows, by server name, and their reload while running.

A directory holds ``default.pem`` and ``<host name>.pem`` (``_.example.com.pem``
for ``*.example.com``), each with a private key and its chain.  Every handshake
asks for the context of the moment, so new ones get new certificates and old
connections never notice.  What is spoken inside TLS is not known here.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator
from zope.interface import implementer

DEFAULT: Final = "default"
_SUFFIX: Final = ".pem"
_WILDCARD: Final = "_."

MAX_FILE: Final = 256 * 1024
"""Largest file read: a key and a long chain are about 20 kB."""

_VERSIONS: Final[Mapping[str, int]] = {"1.2": SSL.TLS1_2_VERSION, "1.3": SSL.TLS1_3_VERSION}

_CAP: Final = SSL.TLS1_2_VERSION
_CAPPED: Final = DEFAULT + "/1.2"  # no file can be called so

# Forward secrecy and authenticated encryption; of TLS 1.3 OpenSSL's own choice is good.
_CIPHERS: Final = (
    b"ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    b"ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
)

_PROTOCOL: Final = b"http/1.1"


@frozen
class Notice:
    """Something that an operator should know of a certificate file; ``broken``: it is not used as it is."""

    file: str
    text: str
    broken: bool = False

    def __str__(self) -> str:
        return f"{self.file}: {self.text}"


class BadCertificates(Exception):
    """Certificate files that cannot be used; what was loaded before stays."""

    def __init__(self, problems: Sequence[Notice]) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = tuple(problems)


@frozen
class _Loaded:
    """The contexts of one moment; ``capped`` is the default's twin without TLS 1.3."""

    default: SSL.Context
    capped: SSL.Context
    by_name: Mapping[str, SSL.Context] = field(factory=dict)

    def find(self, name: str) -> SSL.Context:
        """The context for a server name: its own, its domain's wildcard, or the default."""
        own = self.by_name.get(name)
        if own is None:
            own = self.by_name.get(_WILDCARD + name.partition(".")[2])
        return own or self.default


Stamp = tuple[tuple[str, int, int, int], ...]


@implementer(IOpenSSLServerConnectionCreator)
class CertificateStore:
    """
    Makes the server's side of TLS connections.

    :param directory: where the files are.
    :param minimum: the oldest TLS version, ``"1.2"`` or ``"1.3"``.
    :param on_event: told what an operator should know, at every load.
    :raises BadCertificates: at the start every file must be good.
    """

    def __init__(self, directory: Path, minimum: str, on_event: Callable[[Notice], None]) -> None:
        self._directory = directory
        self._minimum = _VERSIONS[minimum]
        self._on_event = on_event
        self._stamp: Stamp = ()
        self._loaded: _Loaded | None = None
        self.capped = CappedCertificates(lambda: SSL.Connection(self._now().capped, None))
        self.reload()

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Begin a handshake with the certificates of this moment."""
        return SSL.Connection(self._now().default, None)

    def changed(self) -> bool:
        """Whether the files look different from those that were read last."""
        return self._look() != self._stamp

    def reload(self) -> None:
        """
        Read the files again; each good one is used from now on, a removed name falls to the default.

        :raises BadCertificates: with a file that is broken, or no default; of
            these the ones loaded before stay in use.
        """
        self._stamp = self._look()
        loaded = self._loaded
        contexts: dict[str, SSL.Context] = {}
        if loaded is not None:
            contexts = {DEFAULT: loaded.default, _CAPPED: loaded.capped}
        before = contexts if loaded is None else contexts | dict(loaded.by_name)
        problems: list[Notice] = []
        names = [Path(file).name for file, *_ in self._stamp]
        if DEFAULT + _SUFFIX not in names:
            problems.append(Notice(str(self._directory / (DEFAULT + _SUFFIX)), "is missing", broken=True))
        for file in names:
            name = file.removesuffix(_SUFFIX).lower()
            try:
                contexts |= self._load(self._directory / file, name)
            except (OSError, ValueError, TypeError, UnsupportedAlgorithm, SSL.Error) as error:
                problems.append(Notice(str(self._directory / file), _reason(error), broken=True))
                if name in before:
                    contexts[name] = before[name]
        self._use(contexts, problems)

    def _use(self, contexts: dict[str, SSL.Context], problems: Sequence[Notice]) -> None:
        default, capped = contexts.pop(DEFAULT, None), contexts.pop(_CAPPED, None)
        if default is not None and capped is not None and not (problems and self._loaded is None):
            self._loaded = _Loaded(default, capped, contexts)
        for problem in problems:
            self._on_event(problem)
        if problems:
            raise BadCertificates(problems)

    def _look(self) -> Stamp:
        """What ``stat`` says of every file: enough to see a change, cheap enough for every few seconds."""
        seen = []
        try:
            files = sorted(self._directory.glob(f"*{_SUFFIX}"))
        except OSError:
            files = []
        for file in files:
            try:
                found = file.stat()
            except OSError:
                continue  # it vanished, or is a dangling link: as good as not there
            seen.append((str(file), found.st_mtime_ns, found.st_size, found.st_ino))
        return tuple(seen)

    def _now(self) -> _Loaded:
        assert self._loaded is not None  # the first load was good, or there is no store
        return self._loaded

    def _load(self, path: Path, name: str) -> Mapping[str, SSL.Context]:
        """Make what a file is good for."""
        with path.open("rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            data = file.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise ValueError("is far larger than a key and its certificates")
        contexts = {name: self._context(data)}
        if name == DEFAULT:
            contexts[_CAPPED] = contexts[DEFAULT] if self._minimum > _CAP else self._context(data, _CAP)
        if mode & stat.S_IRWXO:
            self._on_event(Notice(str(path), f"holds a private key that others may read (mode {mode:04o})"))
        return contexts

    def _context(self, data: bytes, maximum: int = 0) -> SSL.Context:
        context = SSL.Context(SSL.TLS_SERVER_METHOD)
        context.set_min_proto_version(self._minimum)
        context.set_max_proto_version(maximum)  # 0: whatever there is
        context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION | SSL.OP_CIPHER_SERVER_PREFERENCE)
        # An idle session needs no record buffers of its own; the read and write modes are pyOpenSSL's.
        context.set_mode(SSL.MODE_RELEASE_BUFFERS)
        context.set_cipher_list(_CIPHERS)
        context.set_session_id(b"consolegw")
        leaf, *chain = x509.load_pem_x509_certificates(data)
        context.use_certificate(leaf)
        for issuer in chain:
            context.add_extra_chain_cert(issuer)
        context.use_privatekey(load_pem_private_key(data, password=None))  # type: ignore[arg-type]  # it says if not
        context.check_privatekey()
        # On every context: the one that a server name chooses must know them too.
        context.set_alpn_select_callback(_select_protocol)
        context.set_tlsext_servername_callback(self._select_certificate)
        return context

    def _select_certificate(self, connection: SSL.Connection) -> None:
        """Called in each handshake with a server name; what goes wrong here goes to standard error."""
        name = connection.get_servername()
        if name and self._loaded is not None:
            host = name.decode("ascii", "replace").lower().removesuffix(".")
            connection.set_context(self._loaded.find(host))


@implementer(IOpenSSLServerConnectionCreator)
class CappedCertificates:
    """
    The same certificates for clients that must not be spoken TLS 1.3 to, unless nothing else is spoken here.

    Which versions are spoken is settled by the context that a handshake begins
    with: a server name changes only the certificate.
    """

    def __init__(self, begin: Callable[[], SSL.Connection]) -> None:
        self._begin = begin

    def serverConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Begin a handshake with the certificates of this moment."""
        return self._begin()


def _select_protocol(connection: SSL.Connection, offered: Sequence[bytes]) -> Any:
    """A client that offers other protocols only is served without one, as if it had not asked."""
    return _PROTOCOL if _PROTOCOL in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _reason(error: Exception) -> str:
    """One line of why, without what OpenSSL says to itself."""
    if isinstance(error, OSError):
        return f"cannot be read: {error.strerror}"
    if isinstance(error, SSL.Error):
        return "is refused by OpenSSL: " + (error.args[0][-1][2] if error.args and error.args[0] else "no reason given")
    text = str(error).splitlines()[0] if str(error) else type(error).__name__
    return text if text.startswith("is ") else f"holds no usable private key and certificate ({text})"
