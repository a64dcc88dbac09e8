"""
The page that explains the program: a configuration becomes a tree of services.

Read it from top to bottom; there is no logic here, only who is given what.
"""

from __future__ import annotations

import random
import time
from typing import Any

from attrs import frozen
from twisted.application.service import MultiService

from gateway.config import Config
from gateway.hypervisors.static import StaticDriver
from gateway.model.client import Arrival
from gateway.model.session import State
from gateway.model.target import Address
from gateway.net.certificates import CertificateStore
from gateway.net.connection import ConnectionFactory, Gate
from gateway.net.dial import Dialer
from gateway.net.door import Door, Fronts
from gateway.net.handshakes import Slots
from gateway.net.mux import MuxFactory, Routes, TlsEntrance
from gateway.net.wheel import Wheel
from gateway.observe.audit import FileAudit
from gateway.observe.metrics import Live, PrometheusMetrics
from gateway.service.certificates import Certificates
from gateway.service.descriptors import connection_limit
from gateway.service.keys import FirstKeys, ensure_keys
from gateway.service.listeners import Listener
from gateway.service.reload import Reloadable, Reloader
from gateway.service.shutdown import Shutdown
from gateway.sessions.broker import Broker
from gateway.sessions.consoles import Consoles
from gateway.sessions.desk import Desk
from gateway.sessions.limits import Limits
from gateway.sessions.registry import Registry
from gateway.sessions.resume import Dialling
from gateway.sessions.session import Patience, Surroundings
from gateway.stores.opening import Stores, open_stores
from gateway.web.access import ApiKeys
from gateway.web.origin import OriginRules
from gateway.web.presentation import Presenting
from gateway.web.site import build_site
from gateway.wire.sniff import Kind
