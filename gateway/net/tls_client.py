"""
TLS to an upstream: how its certificate is judged (by a pin, a CA, or the system's CAs), and ours shown.

Fails closed, and in words that an operator can act on.  Who is dialled, and
what is spoken inside, is decided elsewhere; the server's side of TLS is
``certificates``.
"""

from __future__ import annotations

import functools
import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import verify_certificate_hostname, verify_certificate_ip_address
from twisted.internet.defer import CancelledError
from twisted.internet.interfaces import IOpenSSLClientConnectionCreator
from twisted.python.failure import Failure
from zope.interface import implementer

from gateway.model.client import is_ip
from gateway.model.errors import Unreachable
from gateway.model.target import ClientCertificate, Pin, TlsPolicy
from gateway.net.tcp_pipe import TcpPipe
from gateway.wire.errors import PeerError

SHOWN_NAMES, SHOWN_LENGTH = 5, 80
"""How much of a wrong certificate's names the log shows: enough to recognise it, and bounded."""

_DIGESTS: dict[str, Callable[[bytes], Any]] = {"sha256": hashlib.sha256, "sha1": hashlib.sha1}


@implementer(IOpenSSLClientConnectionCreator)
class ClientTLS:
    """What one connection starts TLS with; it remembers how that went."""

    def __init__(self, context: SSL.Context, name: str, *, shows: bool = False) -> None:
        self._context = context
        self._name = name
        self._shows = shows
        self._connection: SSL.Connection | None = None

    def clientConnectionForTLS(self, protocol: Any) -> SSL.Connection:
        """Called by Twisted, once."""
        connection = SSL.Connection(self._context, None)
        # The verify callback finds the protocol here.
        connection.set_app_data(protocol)
        if self._name and not is_ip(self._name):
            connection.set_tlsext_host_name(self._name.encode("ascii"))
        self._connection = connection
        return connection

    def loss(self, error: BaseException | None) -> Unreachable | None:
        """
        What is known of why a connection was lost after its handshake; ``None``, when that is nothing.

        A server that misses a certificate of ours, or dislikes it, can end TLS
        1.3 only then, and not every one says why.
        """
        if complaint := _complaint(error):
            return Unreachable(f"TLS failed: {complaint}", final=True)
        if self._connection is None or not self._connection.get_client_ca_list():
            return None
        hung_up = "the server hung up inside TLS; it had asked for a client certificate"
        if self._shows:
            return Unreachable(f"{hung_up}, and was shown the configured one")
        return Unreachable(f"{hung_up}, and none is configured (client_cert)", final=True)


def tls_context(policy: TlsPolicy, host: str) -> ClientTLS:
    """
    Make what one connection to ``host`` (a name or an IP address) starts TLS with.

    With pins the pinned certificate is accepted, whoever signed it and
    whatever it is for; else a CA must have signed it for this very name.

    :raises Unreachable: the policy cannot be carried out.
    """
    name = policy.server_name or host
    if not name and not policy.pins:
        raise Unreachable("TLS over a unix socket needs server_name or a pin", final=True)
    if not name.isascii():
        raise Unreachable("server_name must be ASCII (xn--… for an international name)", final=True)
    name = name.partition("%")[0]  # the scope of a link-local address is ours alone
    judge = _pin_judge(policy.pins) if policy.pins else _chain_judge(policy, name)
    return ClientTLS(_context(policy, judge), name, shows=policy.client is not None)


ANONYMOUS_CIPHERS = b"aNULL:!eNULL:!RC4:!3DES@SECLEVEL=0"
"""Diffie-Hellman without certificates, encrypted; OpenSSL has it on no higher level of security."""


def anonymous_context() -> ClientTLS:
    """
    Make what one connection starts TLS with that proves nobody's identity.

    It is safe from listeners alone.  TLS 1.3 has no such thing.
    """
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_max_proto_version(SSL.TLS1_2_VERSION)
    context.set_cipher_list(ANONYMOUS_CIPHERS)
    return ClientTLS(context, "")


async def begin_tls(pipe: TcpPipe, creator: ClientTLS) -> None:
    """
    Shake hands on a pipe.

    :raises Unreachable: saying in words why that failed.
    """
    try:
        await pipe.start_tls(creator)
    except (Unreachable, CancelledError):
        raise
    except PeerError as error:
        raise Unreachable(str(error), final=True) from error
    except Exception as error:
        raise tls_failure(error) from error


def tls_failure(error: BaseException) -> Unreachable:
    """Say in words why a TLS handshake failed."""
    if isinstance(error, Unreachable):
        return error
    if complaint := _complaint(error):
        return Unreachable(f"TLS failed: {complaint}", final=True)
    return Unreachable("the connection was lost while TLS began")


def _complaint(error: BaseException | None) -> str:
    """What TLS had to complain of; nothing, when a connection was simply lost."""
    if not isinstance(error, SSL.Error) or isinstance(error, SSL.SysCallError):
        return ""
    words = [part[-1] for part in error.args[0]] if error.args and isinstance(error.args[0], list) else []
    if any(CUT_SHORT in word for word in words):
        return ""
    return ", ".join(words) or "the server does not speak it"


CUT_SHORT = "unexpected eof"
"""OpenSSL's words for a connection that ended within TLS."""


Judge = Callable[[x509.Certificate, int, int, bool], str]
"""Told a certificate, OpenSSL's error number, its depth (0: the server's own) and verdict; returns a complaint."""


def _context(policy: TlsPolicy, judge: Judge) -> SSL.Context:
    context = SSL.Context(SSL.TLS_CLIENT_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_verify(SSL.VERIFY_PEER, functools.partial(_verify, judge))
    if policy.client is not None:
        _show(context, policy.client)
    if policy.pins:
        return context
    if policy.ca is None:
        context.set_default_verify_paths()
        return context
    store = context.get_cert_store()
    assert store is not None
    try:
        for certificate in x509.load_pem_x509_certificates(policy.ca):
            store.add_cert(crypto.X509.from_cryptography(certificate))
    except (ValueError, crypto.Error) as problem:
        raise Unreachable("the configured CA is not a PEM certificate", final=True) from problem
    return context


def _show(context: SSL.Context, client: ClientCertificate) -> None:
    """Have a certificate to show to a server that asks for one."""
    try:
        own, *chain = x509.load_pem_x509_certificates(client.chain)
        context.use_certificate(own)
        for certificate in chain:
            context.add_extra_chain_cert(certificate)
        key = load_pem_private_key(client.key.reveal().encode(), None)
        if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey):
            raise TypeError("another kind of key")
        context.use_privatekey(key)
        context.check_privatekey()
    except (ValueError, TypeError, SSL.Error):
        # Nothing of the key is in the words, nor in what they were raised from.
        raise Unreachable("the client certificate and its key are no pair of PEM files", final=True) from None


def _verify(
    judge: Judge, connection: SSL.Connection, certificate: crypto.X509, number: int, depth: int, good: int
) -> bool:
    """
    Be OpenSSL's verify callback: a ``False`` ends the handshake before the server hears another byte.

    The complaint goes to the protocol that waits, which keeps the first one.
    """
    try:
        complaint = judge(certificate.to_cryptography(), number, depth, bool(good))
    except Exception as problem:  # whatever a hostile certificate makes a parser do
        complaint = f"the certificate cannot be read ({type(problem).__name__})"
    if complaint:
        failure = Failure(Unreachable(complaint, final=True))
        connection.get_app_data().failVerification(failure)
    return not complaint


def _pin_judge(pins: tuple[Pin, ...]) -> Judge:
    """Look at the server's own certificate alone; who signed it and what it is for does not matter."""

    def judge(certificate: x509.Certificate, number: int, depth: int, good: bool) -> str:
        if depth:
            return ""
        encoded = certificate.public_bytes(Encoding.DER)
        for pin in pins:
            if hmac.compare_digest(_DIGESTS[pin.algorithm](encoded).hexdigest(), pin.digest):
                return ""
        return f"the certificate does not match the pin; it is sha256:{hashlib.sha256(encoded).hexdigest()}"

    return judge


_NOT_SIGNED = frozenset({2, 19, 20, 21})
_SELF_SIGNED = 18
_CHAIN_COMPLAINTS = {9: "it is not valid yet", 10: "it has expired", 26: "it is not for servers"}
"""OpenSSL's X509_V_ERR numbers, which pyOpenSSL does not name."""


def _chain_judge(policy: TlsPolicy, name: str) -> Judge:
    """Keep OpenSSL's verdict on the chain, and compare the name."""
    trusted = "a CA that is trusted here" if policy.ca is None else "the configured CA"

    def judge(certificate: x509.Certificate, number: int, depth: int, good: bool) -> str:
        if good:
            return "" if depth else _name_complaint(certificate, name)
        words = _CHAIN_COMPLAINTS.get(number, f"OpenSSL error {number}")
        if number == _SELF_SIGNED:
            words = f"self-signed, and not {trusted}"
        elif number in _NOT_SIGNED:
            words = f"not signed by {trusted}"
        return f"the certificate is not accepted: {words}"

    return judge


def _name_complaint(certificate: x509.Certificate, name: str) -> str:
    try:
        if is_ip(name):
            verify_certificate_ip_address(certificate, name)
        else:
            verify_certificate_hostname(certificate, name)
    except (VerificationError, CertificateError):
        return f"the certificate is for {_names(certificate)}, not {name}"
    return ""


def _names(certificate: x509.Certificate) -> str:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return "no name at all"
    names = [str(name.value) for name in extension.value if isinstance(name, x509.DNSName | x509.IPAddress)]
    shown = ", ".join(name[:SHOWN_LENGTH] for name in names[:SHOWN_NAMES] if name.isprintable())
    return shown or "no name at all"
