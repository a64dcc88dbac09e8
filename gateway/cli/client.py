"""
One REST call to a gateway: verified TLS, deadlines, bounded answers, errors in words.

It follows no redirect and uses no proxy of the environment: the key goes to
the address that was given and nowhere else.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
from collections.abc import Mapping
from typing import Any

from attrs import frozen

from gateway.cli.access import Access
from gateway.cli.exits import Exit, Failed
from gateway.cli.tables import printable

STEP_TIMEOUT = 10.0
"""Seconds for each step: to connect, and between two pieces of the answer."""

CALL_TIMEOUT = 30.0
"""Seconds for the whole call; a gateway that asks a slow hypervisor answers well before."""

ANSWER_LIMIT = 16 << 20
"""Bytes of one answer: some tens of thousands of sessions."""

SENTENCE_LIMIT = 500
"""Characters shown of a problem's title or detail."""

_API = "/api/v1"

_SELF_SIGNED = frozenset({18, 19, 20, 21})
"""OpenSSL's verify codes for a certificate whose issuer is not known here."""


@frozen
class _Answer:
    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Calls one gateway; each call has a connection of its own."""

    def __init__(self, access: Access, *, call_timeout: float = CALL_TIMEOUT) -> None:
        self._access = access
        self._call_timeout = call_timeout
        self._context = _context(access.ca) if access.secure else None

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """
        Call the API; the decoded answer, or ``None`` when there is none to decode.

        :raises Failed: refused (with the problem's words), or not reached.
        """
        answer = self._exchange(method, _API + path, body)
        if not 200 <= answer.status < 300:
            raise Failed(_problem(answer))
        if not answer.body:
            return None
        try:
            return json.loads(answer.body)
        except (ValueError, RecursionError):
            raise Failed(f"{self._access.url} did not answer in JSON; is it a gateway?") from None

    def _exchange(self, method: str, path: str, body: Mapping[str, Any] | None) -> _Answer:
        connection = self._connection()
        late = _Deadline(self._call_timeout)
        try:
            connection.connect()
            late.cuts(connection.sock)
            answer = self._ask(connection, method, path, body)
            if late.passed:  # an answer without a length looks whole when it is cut
                raise TimeoutError
        except (OSError, ValueError, http.client.HTTPException) as problem:
            reason = f"no answer within {self._call_timeout:g} s" if late.passed else _why(problem)
            raise Failed(f"cannot reach {self._access.url}: {reason}", Exit.UNREACHABLE) from problem
        finally:
            late.cancel()
            connection.close()
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self._access.host, self._access.port
        if self._context is None:
            return http.client.HTTPConnection(host, port, timeout=STEP_TIMEOUT)
        return http.client.HTTPSConnection(host, port, timeout=STEP_TIMEOUT, context=self._context)

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Mapping[str, Any] | None
    ) -> _Answer:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._access.key.reveal()}"}
        data = None
        if body is not None:
            data = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        connection.request(method, path, data, headers)
        response = connection.getresponse()
        content = response.read(ANSWER_LIMIT + 1)
        if len(content) > ANSWER_LIMIT:
            raise Failed(f"the answer of {self._access.url} is longer than {ANSWER_LIMIT} bytes")
        return _Answer(response.status, response.reason, dict(response.headers), content)


class _Deadline:
    """Cuts a socket when a call takes too long, whatever it waits for; to connect is bounded by its own steps."""

    def __init__(self, seconds: float) -> None:
        self.passed = False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True
        self._timer.start()

    def cuts(self, connected: socket.socket) -> None:
        """This is the socket; the HTTP client forgets it while an answer is still being read."""
        self._socket = connected
        if self.passed:
            self._cut()

    def cancel(self) -> None:
        """The call is over."""
        self._timer.cancel()

    def _cut(self) -> None:
        self.passed = True
        if self._socket is not None:
            # Below the TLS object, which another thread is using: its reads end as at a lost connection.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


def _context(ca: str | None) -> ssl.SSLContext:
    """Verified TLS; a certificate given by hand is trusted as it is, whether or not it calls itself a CA."""
    try:
        context = ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as problem:
        detail = getattr(problem, "strerror", None) or "it holds no certificate"
        raise Failed(f"the certificates in {ca} cannot be used: {detail}", Exit.USAGE) from problem
    if ca:
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def _why(problem: Exception) -> str:
    """Why a gateway was not reached, in words."""
    if isinstance(problem, ssl.SSLCertVerificationError):
        reason = f"its certificate is not trusted: {problem.verify_message.rstrip('.')}"
        if problem.verify_code in _SELF_SIGNED:
            reason += (
                ".\nIf it is the gateway's own certificate, name the file: --ca keys/default.pem (or set CONSOLEGW_CA)"
            )
        return reason
    if isinstance(problem, ssl.SSLError):
        return f"TLS failed: {(problem.reason or 'the connection was cut').replace('_', ' ').lower()}"
    if isinstance(problem, TimeoutError):
        return f"nothing came for {STEP_TIMEOUT:g} s"
    if isinstance(problem, http.client.RemoteDisconnected):
        return "it closed the connection without an answer"
    if isinstance(problem, http.client.HTTPException | ValueError):
        return "it does not answer in HTTP"
    return str(getattr(problem, "strerror", None) or "the connection failed")


def _problem(answer: _Answer) -> str:
    """What a refusal says: the problem's title and detail, else the status."""
    words = _problem_words(answer.body) or f"{answer.status} {printable(answer.reason)}"
    if 300 <= answer.status < 400:
        words = f"{words}: the gateway sends us to another address; give that one with --url"
    retry_after = answer.headers.get("Retry-After", "")
    return f"{words} (try again in {retry_after} s)" if retry_after.isdecimal() and len(retry_after) < 8 else words


def _problem_words(body: bytes) -> str:
    try:
        problem = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(problem, dict):
        return ""
    texts = [problem.get(name) for name in ("title", "detail")]
    said = [printable(text, SENTENCE_LIMIT).rstrip(".") for text in texts if isinstance(text, str) and text]
    return ": ".join(dict.fromkeys(said))
