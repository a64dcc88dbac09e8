"""
Somebody else's web server: a directory of files over HTTP or HTTPS, as a process of its own.

``python -m tests.support.static_site DIRECTORY PORT [PILE]``
"""

from __future__ import annotations

import functools
import ssl
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.running import ROOT, Program, answers, free_port


class StaticSite:
    """
    The server, running.

    :param pile: a certificate and its key, for HTTPS.
    """

    def __init__(self, log_directory: Path, served: Path, pile: Path | None = None) -> None:
        self.port = free_port()
        self.url = f"https://localhost:{self.port}" if pile else f"http://127.0.0.1:{self.port}"
        argv = [sys.executable, "-m", "tests.support.static_site", str(served), str(self.port)]
        argv += [str(pile)] if pile else []
        self._program = Program(log_directory, f"site-{self.port}", argv, env={"PYTHONPATH": str(ROOT)})
        self._program.wait_for(lambda: answers(self.port), "takes connections")

    def stop(self) -> None:
        """End it."""
        self._program.stop()


def serve(directory: str, port: str, pile: str = "") -> None:
    """Serve until the process is ended."""
    handler = functools.partial(SimpleHTTPRequestHandler, directory=directory)
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), handler)
    if pile:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pile)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.serve_forever()


if __name__ == "__main__":
    serve(*sys.argv[1:])
