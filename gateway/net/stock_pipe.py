"""
The pipe of a stock client, which has no frame to be told anything in: how its connection ends says it.

close_notify and FIN are a good-bye; a client that shall come back is cut
without them (contract section 4): TigerVNC leaves without a word at the one,
and offers to connect again at the other.
"""

from __future__ import annotations

from typing import Final

from twisted.internet.interfaces import IDelayedCall, ISSLTransport

from gateway.model.session import CloseCode, Closing
from gateway.net import liveness
from gateway.net.socket_options import socket_of
from gateway.net.tcp_pipe import CLOSE_SECONDS, TcpPipe

CUT_SECONDS: Final = 0.5
"""How long the last bytes have to get out where only a reset is no good-bye: it throws away what the kernel holds."""

LOOK_EVERY: Final = 0.1
"""Seconds between two looks at what the kernel knows, while a peer is asked."""

_TICK: Final = 0.01
"""Seconds by which the kernel's own times may be off."""

_COME_BACK: Final = frozenset({CloseCode.COME_BACK, CloseCode.FAILED})


class StockPipe(TcpPipe):
    """One client that was let in."""

    def close(self, closing: Closing) -> None:
        """Flush; then say good-bye, or cut."""
        if closing.code in _COME_BACK:
            self._cut()
        else:
            super().close(closing)

    async def probe(self, seconds: float) -> bool:
        """Whether bytes come in that time, or the peer's machine acknowledges that it was asked."""
        handle = socket_of(self.transport)
        if handle is None or self._inbox.is_lost:
            return await super().probe(seconds)
        look: list[IDelayedCall] = []
        began = self._clock.seconds()

        def see() -> None:
            if liveness.unacknowledged_for(handle) < self._clock.seconds() - began - _TICK:
                self._inbox.alive()
            else:
                look[:] = [self._clock.callLater(LOOK_EVERY, see)]

        look.append(self._clock.callLater(LOOK_EVERY, see))
        with liveness.asking(handle):
            try:
                return await super().probe(seconds)
            finally:
                if look[0].active():
                    look[0].cancel()

    def _cut(self) -> None:
        """Let what was sent get out, and no good-bye after it."""
        if self._closing:
            return
        self._closing = True
        self._inbox.silence()
        if self._inbox.is_lost:
            return
        self.transport.unregisterProducer()
        in_tls = ISSLTransport.providedBy(self.transport)
        if in_tls:
            # A FIN without a close_notify before it is none to a TLS client.
            self._deadline = self._clock.callLater(CLOSE_SECONDS, self.abort)
            self.transport.transport.loseConnection()
        else:
            self._deadline = self._clock.callLater(CUT_SECONDS, self.abort)
