"""
A gateway for the tool's tests: a real HTTPS server on loopback, in a thread.

It answers what it was told to answer and remembers what it was asked.
"""

from __future__ import annotations

import contextlib
import http.server
import io
import json
import os
import ssl
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import define, field, frozen
from twisted.trial.unittest import SynchronousTestCase

from gateway.cli import main
from tests.support.certs import Authority

KEY = "k3yForTests-_0123456789abcdefghijklmnopqrstu"


@frozen
class Asked:
    """One request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@define
class Answers:
    """What the next requests are answered, and what was asked."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(factory=dict)
    asked: list[Asked] = field(factory=list)
    hold: threading.Event | None = None

    def say(self, answer: object, status: int = 200, **headers: str) -> None:
        self.body, self.status = json.dumps(answer).encode(), status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def self_signed(directory: Path) -> Path:
    """A key and a certificate for ``localhost`` that signs itself, in one file, as the gateway keeps them."""
    path = directory / "default.pem"
    path.write_bytes(Authority("gateway").self_signed("localhost"))
    return path


@contextlib.contextmanager
def serving(answers: Answers, pem: Path | None) -> Iterator[int]:
    """Serve them on a port of loopback; with TLS when there is a certificate."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def answer(self) -> None:
            data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            body = json.loads(data) if data else None
            answers.asked.append(Asked(self.command, self.path, dict(self.headers), body))
            self.send_response(answers.status)
            for name, value in answers.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", answers.content_type)
            if answers.hold is None:
                self.send_header("Content-Length", str(len(answers.body)))
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(answers.body)
                if answers.hold is not None:
                    self.wfile.flush()
                    answers.hold.wait(20)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815  # what http.server calls

        def log_message(self, *_: object) -> None:
            pass

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            pass  # clients that do not trust us

        def finish_request(self, request: Any, address: Any) -> None:
            if context is not None:
                request = context.wrap_socket(request, server_side=True)
            super().finish_request(request, address)

    context = None
    if pem is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        if answers.hold is not None:
            answers.hold.set()
        server.shutdown()
        server.server_close()
        thread.join()


@frozen
class Outcome:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


def run(*argv: str) -> Outcome:
    """Run the tool in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = main(argv)
        except SystemExit as exit_:
            status = int(exit_.code or 0)
    return Outcome(status, out.getvalue(), err.getvalue())


class ToolCase(SynchronousTestCase):
    """Runs the tool in an empty directory, without the surroundings' settings."""

    def setUp(self) -> None:
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.directory = Path(scratch.name)
        self.addCleanup(os.chdir, os.getcwd())
        os.chdir(self.directory)
        for name in ("CONSOLEGW_URL", "CONSOLEGW_KEY_FILE", "CONSOLEGW_CA", "XDG_RUNTIME_DIR"):
            self.set_environ(name, None)

    def set_environ(self, name: str, value: str | None) -> None:
        before = os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value
        self.addCleanup(lambda: os.environ.pop(name, None) if before is None else os.environ.update({name: before}))

    def assert_fails(self, outcome: Outcome, status: int, *words: str) -> None:
        """It ended with this status and said these words on the standard error, one line, and nothing of the key."""
        self.assertEqual((outcome.status, outcome.out), (status, ""), outcome.err)
        for word in words:
            self.assertIn(word, outcome.err)
        self.assertNotIn("Traceback", outcome.err)
        self.assertNotIn(KEY, outcome.err)


class GatewayCase(ToolCase):
    """And with a gateway that the environment names."""

    def setUp(self) -> None:
        super().setUp()
        self.answers = Answers()
        self.pem = self_signed(self.directory)
        self.key_file = self.directory / "key"
        self.key_file.write_text(KEY + "\n")
        serving_now = serving(self.answers, self.pem)
        self.port = serving_now.__enter__()
        self.addCleanup(serving_now.__exit__, None, None, None)
        self.url = f"https://localhost:{self.port}"
        self.set_environ("CONSOLEGW_URL", self.url)
        self.set_environ("CONSOLEGW_KEY_FILE", str(self.key_file))
        self.set_environ("CONSOLEGW_CA", str(self.pem))
