"""
How an RFB connection begins, in both roles, up to ServerInit (protocols.md §5.1).

The names under which the rest of the gateway knows the dialogues; all of them
are for ``gateway.wire.reader.Dialogue``.  No code lives here.
"""

from __future__ import annotations

from gateway.wire.rfb.connect import PassedOver, Security, connect
from gateway.wire.rfb.greeting import version_of
from gateway.wire.rfb.refusal import UpstreamRefused, refuse
from gateway.wire.rfb.serve import ClientInit, Viewer, accept, finish, greet_viewer, serve
from gateway.wire.rfb.vencrypt import Method

__all__ = [
    "ClientInit",
    "Method",
    "PassedOver",
    "Security",
    "UpstreamRefused",
    "Viewer",
    "accept",
    "connect",
    "finish",
    "greet_viewer",
    "refuse",
    "serve",
    "version_of",
]
