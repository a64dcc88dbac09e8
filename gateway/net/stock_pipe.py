"""
The pipe of a stock client, which has no framing to be told anything in: how its connection ends is all it learns.

A close_notify, or a FIN, is a good-bye; a client that shall come back, or
that was failed, is cut without one (contract section 4).
"""

from __future__ import annotations

from gateway.model.session import CloseCode, Closing
from gateway.net.tcp_pipe import TcpPipe

CUT_SECONDS = 0.5
"""How long the last bytes have to get out before a connection is cut: a reset throws away what the kernel holds."""

_GOODBYES = frozenset({CloseCode.FINISHED, CloseCode.REVOKED})


class StockPipe(TcpPipe):
    """One client that was let in."""

    def close(self, closing: Closing) -> None:
        """Say good-bye if it is one; else cut, once the last bytes had their time."""
        if closing.code in _GOODBYES:
            super().close(closing)
        elif not self._closing:
            self._closing = True
            self._inbox.silence()
            if not self._inbox.is_lost:
                self._deadline = self._clock.callLater(CUT_SECONDS, self.abort)
