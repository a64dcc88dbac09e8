"""
Connects to a console and logs in: from a target to an upstream.

Each address in turn, each step with a deadline, and whatever goes wrong (a
cancelled dial too) closes what was opened.  When to dial again is the
session's business; which target, the driver's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from attrs import evolve, field, frozen
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeout
from twisted.internet.error import ConnectError
from twisted.internet.error import TimeoutError as ConnectTimeout
from twisted.internet.interfaces import IConnector
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure

from gateway.model.client import is_ip
from gateway.model.errors import Unreachable
from gateway.model.seams import Opening, Pipe, Upstream
from gateway.model.target import Address, ConsoleKind, Target, TcpAddress, TlsPolicy, UnixAddress
from gateway.net.resolve import resolve
from gateway.net.rfb import TryInstead, log_in
from gateway.net.slate import demo_console
from gateway.net.tcp_pipe import TcpPipe
from gateway.net.tls_client import begin_tls, tls_context

_KINDS = frozenset({ConsoleKind.VNC, ConsoleKind.RAW, ConsoleKind.SERIAL, ConsoleKind.SPICE})

Allow = Callable[[Address, str | None], bool]
"""Whether this address may be dialled, once it came to this IP address (``None`` for a socket path)."""


@frozen
class Dialled:
    """An upstream that stands right behind its log-in."""

    pipe: Pipe
    greeting: bytes = field(default=b"", repr=False)


class Dialer:
    """
    Dials what a driver resolved; an instance is the ``Dial`` seam.

    :param reactor: connects (TCP, unix), resolves names and tells the time.
    :param allow: asked about each address right before it is connected to,
        with the IP address that a name came to: the connection goes to that
        very address, so no second answer of the DNS can lead it elsewhere.
    """

    def __init__(
        self,
        reactor: Any,
        *,
        connect_timeout: float = 5.0,
        login_timeout: float = 10.0,
        allow: Allow | None = None,
    ) -> None:
        self._reactor = reactor
        self._connect_timeout = connect_timeout
        self._login_timeout = login_timeout
        self._allow = allow

    def only(self, allow: Allow) -> Dialer:
        """Make the same dialer for targets that strangers name."""
        return Dialer(
            self._reactor,
            connect_timeout=self._connect_timeout,
            login_timeout=self._login_timeout,
            allow=allow,
        )

    async def __call__(self, target: Target, opening: Opening | None = None) -> Upstream:
        """
        Connect and log in (by ``opening`` where there is one), by the first address that lets us.

        :raises Unreachable: what the last address said; final when nothing
            at any of them would change by trying again.
        """
        if target.kind is ConsoleKind.DEMO:
            return Dialled(*demo_console(self._reactor))
        if target.kind not in _KINDS:
            raise Unreachable(f"consoles of kind {target.kind.value!r} are not in this version", final=True)
        failures: list[Unreachable] = []
        for address in target.addresses:
            try:
                return await self._by_address(address, target, opening)
            except Unreachable as failure:
                failures.append(Unreachable(f"{address}: {failure}", final=failure.final))
        if not failures:
            raise Unreachable("the console has no address", final=True)
        raise Unreachable(str(failures[-1]), final=all(failure.final for failure in failures))

    async def _by_address(self, address: Address, target: Target, opening: Opening | None) -> Upstream:
        if isinstance(address, UnixAddress):
            return await self._by_place(address, address, target, opening)
        failure = Unreachable("the name is not known")
        for ip in await self._ips(address):
            try:
                return await self._by_place(address, TcpAddress(ip, address.port), target, opening)
            except Unreachable as error:
                failure = error
        raise failure

    async def _ips(self, address: TcpAddress) -> list[str]:
        if is_ip(address.host):
            return [address.host]
        return await resolve(self._reactor, address.host, address.port, self._connect_timeout)

    async def _by_place(self, address: Address, place: Address, target: Target, opening: Opening | None) -> Upstream:
        """Go to one place (an IP address or a path), and once more where the log-in took a turn without a way back."""
        try:
            return await self._through(address, place, target, opening)
        except TryInstead as other:
            return await self._through(address, place, evolve(target, security=other.security), opening)

    async def _through(self, address: Address, place: Address, target: Target, opening: Opening | None) -> Upstream:
        """Connect and go through with it."""
        if self._allow is not None and not self._allow(address, place.host if isinstance(place, TcpAddress) else None):
            raise Unreachable("this address is not among the allowed targets", final=True)
        pipe = await self._connect(place)
        try:
            if target.tls is not None:
                await self._start_tls(pipe, target.tls, address)
            if opening is not None:
                return Dialled(pipe, await opening(pipe, target.security))
            if target.kind is not ConsoleKind.VNC:
                return Dialled(pipe)
            init = await log_in(pipe, target.security, _host(address), self._reactor, self._login_timeout)
            return Dialled(pipe, init.pack())
        except BaseException:
            pipe.abort()
            raise

    async def _connect(self, place: Address) -> TcpPipe:
        attempt = _Attempt(self._reactor)
        if isinstance(place, UnixAddress):
            connector = self._reactor.connectUNIX(place.path, attempt, timeout=self._connect_timeout)
        else:
            connector = self._reactor.connectTCP(place.host, place.port, attempt, timeout=self._connect_timeout)
        try:
            return await attempt.outcome(connector)
        except ConnectTimeout:
            raise Unreachable(f"no answer within {self._connect_timeout:g} s") from None
        except ConnectError as error:
            raise Unreachable(_words(error)) from error

    async def _start_tls(self, pipe: TcpPipe, policy: TlsPolicy, address: Address) -> None:
        handshake = Deferred.fromCoroutine(begin_tls(pipe, tls_context(policy, _host(address))))
        try:
            await handshake.addTimeout(self._login_timeout, self._reactor)
        except DeferredTimeout:
            raise Unreachable(f"TLS did not begin within {self._login_timeout:g} s") from None


class _Attempt(ClientFactory):
    """One connection: without the wrapper that Twisted's endpoints leave around the protocol."""

    noisy = False

    def __init__(self, reactor: Any) -> None:
        self._cancelled = False
        self._connector: IConnector | None = None
        self._outcome: Deferred[TcpPipe] = Deferred(self._cancel)
        self._pipe = TcpPipe(reactor, self._made)

    def outcome(self, connector: IConnector) -> Deferred[TcpPipe]:
        self._connector = connector
        return self._outcome

    def buildProtocol(self, addr: object) -> TcpPipe:
        return self._pipe

    def clientConnectionFailed(self, connector: IConnector, reason: Failure) -> None:
        if not self._cancelled:
            self._outcome.errback(reason)

    def _made(self) -> None:
        if self._cancelled:
            self._pipe.abort()
        else:
            self._outcome.callback(self._pipe)

    def _cancel(self, outcome: Deferred[TcpPipe]) -> None:
        self._cancelled = True
        if self._connector is not None:
            self._connector.disconnect()


def _host(address: Address) -> str:
    """The name (or IP address) that a certificate has to be for, unless another is configured."""
    return address.host if isinstance(address, TcpAddress) else ""


def _words(error: ConnectError) -> str:
    """The system's own words, without the address: it is told beside them."""
    return str(error.args[0]) if error.args and error.args[0] else type(error).__name__
