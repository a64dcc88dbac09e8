"""
What the kernel knows of a peer: whether its machine still acknowledges.

A keep-alive is answered by the peer's kernel without a word in the stream, so
this asks anybody, whatever is spoken.  It tells a machine that is gone, asleep
or behind a cut cable; not a program that hangs on one that lives, and not who
is behind a balancer.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from struct import Struct
from typing import Final

from gateway.net.socket_options import KEEPALIVE, set_options

_ASKING: Final = (("TCP_KEEPIDLE", 1), ("TCP_KEEPINTVL", 1), ("TCP_KEEPCNT", 10))

# struct tcp_info (linux/tcp.h): eight octets, then numbers of 32 bits; tcpi_last_ack_recv is the 13th, in ms.
_LAST_ACK: Final = Struct("=56xI")


@contextmanager
def asking(handle: socket.socket) -> Iterator[None]:
    """Have the kernel ask the peer now and every second, where nothing else is under way to it."""
    try:
        set_options(handle, _ASKING)
        yield
    finally:
        set_options(handle, KEEPALIVE)


def unacknowledged_for(handle: socket.socket) -> float:
    """Seconds since the peer's machine last acknowledged anything; endless when that cannot be said."""
    try:
        data = handle.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LAST_ACK.size)
        return float(_LAST_ACK.unpack(data)[0]) / 1000
    except (OSError, AttributeError):  # it is gone, or this is no Linux
        return float("inf")
