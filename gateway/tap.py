"""
``twistd consolegw``: the command line becomes a service.

Only options, the configuration's file and the log are here; what the program
consists of is in ``gateway.service.tree``.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from twisted.application.service import IService, MultiService
from twisted.internet import reactor
from twisted.python import logfile, usage

from gateway.config import Config, ConfigError, demo, load
from gateway.observe.logs import Out, start_logging
from gateway.service.listeners import CannotListen


class Options(usage.Options):
    """The options of ``twistd consolegw``."""

    synopsis = "[options]"
    longdesc = "The console gateway. Without --config it serves a demo console on port 8443."
    optParameters: ClassVar = [["config", "c", None, "the configuration (consolegw.toml)"]]
    optFlags: ClassVar = [["log-json", None, "log JSON lines"]]


class Gateway(MultiService):
    """The root of the services: it sets up the log of the application it is put into."""

    def __init__(self, out: Out, as_json: bool) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self._out = out
        self._as_json = as_json

    def privilegedStartService(self) -> None:
        """Open the ports; one that cannot be opened ends the process with one line and status 1."""
        try:
            super().privilegedStartService()  # type: ignore[no-untyped-call]  # Twisted's
        except CannotListen as error:
            raise SystemExit(f"consolegw: {error}") from None

    def setServiceParent(self, parent: Any) -> None:  # noqa: N802
        """Become part of the application."""
        start_logging(self._out, json=self._as_json, application=parent)
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]  # Twisted's


def makeService(options: Mapping[str, Any]) -> IService:
    """Build the service; a configuration that is wrong ends the process with one line and status 1."""
    from gateway.service.termination import Termination
    from gateway.service.tree import CannotStart, build

    try:
        config = read_config(options["config"])
        root = Gateway(_log_file(options), bool(options["log-json"]))
        build(config, reactor, say=_say if options["config"] is None else None).setServiceParent(root)
        Termination(reactor).setServiceParent(root)  # type: ignore[no-untyped-call]
    except (ConfigError, CannotStart) as error:
        raise SystemExit(f"consolegw: {error}") from None
    return root


def read_config(path: str | None) -> Config:
    """The configuration of a file, or the demo's, below the current directory."""
    return demo(Path.cwd()) if path is None else load(path)


def _say(text: str) -> None:
    """Tell whoever started the demo; not through the log, which would mask the ticket."""
    print(text, file=sys.__stdout__, flush=True)


def _log_file(options: Mapping[str, Any]) -> Out:
    """Where twistd would log: its --logfile, else the terminal, else (as a daemon) twistd.log."""
    above: Mapping[str, Any] = getattr(options, "parent", None) or {}
    name = above.get("logfile") or ("-" if above.get("nodaemon") else "twistd.log")
    if name == "-":
        return sys.stdout
    out: Out = logfile.LogFile.fromFullPath(name, rotateLength=None, defaultMode=0o640)
    return out
