"""
Swaps the protocol at the end of a transport: the only code that does.

It is a handover and not a chain of proxies: libraries that look at their
transport find the real one (``docs/architecture.md``).  Every transport here
is a ``ProtocolWrapper``: a ``Connection``, or TLS on top of one.
"""

from __future__ import annotations

from twisted.internet.interfaces import IProtocol
from twisted.protocols.policies import ProtocolWrapper


def replace(transport: ProtocolWrapper, successor: IProtocol, pending: bytes = b"") -> None:
    """
    Let ``successor`` have the connection from now on.

    :param pending: what the predecessor received and did not consume.

    The predecessor hears no more, not even of the end.
    """
    transport.wrappedProtocol = successor
    successor.makeConnection(transport)  # type: ignore[arg-type]  # it takes its transport's interfaces
    if pending and transport.wrappedProtocol is successor:
        successor.dataReceived(pending)
