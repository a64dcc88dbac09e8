"""
Floor 2: ``consolegw.toml`` as frozen values.

Read by the composition and the entry points only; everybody else is given
plain values.  No Twisted here, and no I/O but reading files at load.
"""

from gateway.config.load import demo, load, parse
from gateway.config.place import ConfigError
from gateway.config.schema import Config

__all__ = ["Config", "ConfigError", "demo", "load", "parse"]
