"""
consolegw: one port through which people reach the screens of their machines.

The package is layered; a module imports only from floors below its own
(``docs/architecture.md``).  Begin reading at ``gateway.service.tree``.
"""

__version__ = "0.1.0"
