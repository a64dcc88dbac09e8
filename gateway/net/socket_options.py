"""
The options of a TCP socket: small messages at once, and an end for peers that vanished.

Power loss, a frozen host and a cut cable send no FIN (decision 13); a peer
that is merely slow to read must not be taken for one.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

from twisted.protocols.policies import ProtocolWrapper

DEAD_AFTER: Final = 20
"""Seconds until a peer that acknowledges nothing is given up."""

PATIENT_FOR: Final = 300
"""
Seconds instead while the peer takes nothing more: its window is closed, and Linux counts that like silence.

A suspended viewer, one whose window is being dragged, a slow serial line.
"""

KEEPALIVE: Final = (("TCP_KEEPIDLE", 15), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))
"""An idle connection to a vanished peer ends after about half a minute, not after the kernel's two hours."""


def prepare(transport: Any) -> None:
    """Set the options; a peer that is gone already makes that fail, and is found out soon."""
    handle = socket_of(transport)
    if handle is not None:
        _set(handle, "TCP_NODELAY", 1)
        _set(handle, "SO_KEEPALIVE", 1, socket.SOL_SOCKET)
        set_options(handle, KEEPALIVE)
        _set(handle, "TCP_USER_TIMEOUT", DEAD_AFTER * 1000)


def be_patient(transport: Any, patient: bool) -> None:
    """Wait longer for a peer whose send buffer is full, or no longer."""
    handle = socket_of(transport)
    if handle is not None:
        _set(handle, "TCP_USER_TIMEOUT", (PATIENT_FOR if patient else DEAD_AFTER) * 1000)


def set_options(handle: socket.socket, options: Iterable[tuple[str, int]]) -> None:
    """Set those options of TCP that the system has."""
    for name, value in options:
        _set(handle, name, value)


def _set(handle: socket.socket, name: str, value: int, level: int = socket.IPPROTO_TCP) -> None:
    option = getattr(socket, name, None)  # not every system has each of them
    if option is not None:
        with suppress(OSError):  # it is gone already
            handle.setsockopt(level, option, value)


def socket_of(transport: Any) -> socket.socket | None:
    """The TCP socket at the bottom of a transport; ``None`` where there is none (a local socket, a test)."""
    while isinstance(transport, ProtocolWrapper):
        transport = transport.transport
    handle = transport.getHandle() if hasattr(transport, "getHandle") else None
    if isinstance(handle, socket.socket) and handle.family in (socket.AF_INET, socket.AF_INET6):
        return handle
    return None
