"""One call: trust, refusals in words, and gateways that misbehave."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

from attrs import evolve

from gateway.cli import client as module
from gateway.cli.access import Access
from gateway.cli.client import Client
from gateway.cli.exits import Exit, Failed
from gateway.model.secret import Secret
from tests.cli.fake_gateway import KEY, Answers, GatewayCase, self_signed, serving


class ClientTests(GatewayCase):
    def setUp(self) -> None:
        super().setUp()
        self.access = Access(True, "localhost", self.port, Secret(KEY), str(self.pem))

    def failure(self, access: Access | None = None, **options: Any) -> Failed:
        with self.assertRaises(Failed) as caught:
            Client(access or self.access, **options).call("GET", "/consoles")
        self.assertNotIn(KEY, str(caught.exception))
        return caught.exception

    def test_call(self) -> None:
        """A call carries the key in its header and its body as JSON; the answer comes back decoded."""
        self.answers.say({"a": [1]}, 201)
        self.assertEqual(Client(self.access).call("POST", "/tickets", {"console": "lab"}), {"a": [1]})
        asked = self.answers.asked[0]
        self.assertEqual((asked.method, asked.path, asked.body), ("POST", "/api/v1/tickets", {"console": "lab"}))
        self.assertEqual(asked.headers["Authorization"], f"Bearer {KEY}")
        self.assertEqual(asked.headers["Content-Type"], "application/json")

    def test_nothing_to_decode(self) -> None:
        """204 is no answer, and no error."""
        self.answers.status = 204
        self.assertIsNone(Client(self.access).call("DELETE", "/sessions/x"))

    def test_untrusted(self) -> None:
        """A self-signed certificate is not trusted by itself; the key is not sent, and the way out is said."""
        failed = self.failure(evolve(self.access, ca=None))
        self.assertEqual(failed.status, Exit.UNREACHABLE)
        self.assertIn(f"cannot reach {self.url}: its certificate is not trusted: self", str(failed))
        self.assertIn("--ca keys/default.pem", str(failed))
        self.assertEqual(self.answers.asked, [])

    def test_another_name(self) -> None:
        """A certificate for another name is not trusted, and --ca would not help."""
        with serving(Answers(), self.pem) as port:
            failed = self.failure(evolve(self.access, host="127.0.0.1", port=port))
        self.assertEqual(failed.status, Exit.UNREACHABLE)
        self.assertNotIn("--ca", str(failed))

    def test_another_certificate(self) -> None:
        """Somebody else's self-signed certificate is not trusted."""
        other = self.directory / "other"
        other.mkdir()
        with serving(self.answers, self_signed(other)) as port:
            failed = self.failure(evolve(self.access, port=port))
        self.assertEqual((failed.status, self.answers.asked), (Exit.UNREACHABLE, []))

    def test_bad_ca(self) -> None:
        """A file without certificates is an error of usage that names it."""
        (self.directory / "empty").write_text("x")
        for path in ("empty", "nowhere"):
            failed = self.failure(evolve(self.access, ca=path))
            self.assertEqual(failed.status, Exit.USAGE)
            self.assertIn(f"the certificates in {path} cannot be used", str(failed))

    def test_nobody_there(self) -> None:
        """A closed port is a gateway that is not reached."""
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            failed = self.failure(evolve(self.access, port=unused.getsockname()[1]))
        self.assertEqual(failed.status, Exit.UNREACHABLE)
        self.assertTrue(str(failed).endswith("Connection refused"), str(failed))

    def test_no_tls(self) -> None:
        """A port that speaks no TLS is not reached, in words."""
        with serving(self.answers, None) as port:
            failed = self.failure(evolve(self.access, port=port))
        self.assertEqual(failed.status, Exit.UNREACHABLE)
        self.assertIn("TLS failed", str(failed))

    def test_problem(self) -> None:
        """A refusal is told in the problem's words, with when to come again, and no control characters."""
        problem = {"type": "about:blank", "title": "Unknown console", "status": 404, "detail": "No \x1b[2J“lab”."}
        self.answers.say(problem, 404, Retry_After="7")
        failed = self.failure()
        self.assertEqual(failed.status, Exit.FAILED)
        self.assertEqual(str(failed), "Unknown console: No ?[2J“lab” (try again in 7 s)")

    def test_refusal_without_words(self) -> None:
        """A refusal that is no problem document is told by its status."""
        for body in (b"", b"<html>", b"[1]", b'{"title": 5}', b"[" * 100_000):
            self.answers.body, self.answers.status = body, 502
            self.assertEqual(str(self.failure()), "502 Bad Gateway")

    def test_redirect(self) -> None:
        """A redirect is not followed."""
        self.answers.status, self.answers.headers = 308, {"Location": "https://evil.example.com/"}
        self.assertIn("give that one with --url", str(self.failure()))
        self.assertEqual(len(self.answers.asked), 1)

    def test_no_json(self) -> None:
        """An answer that is no JSON fails."""
        for body in (b"<html>", b"\xff", b"[" * 100_000):
            self.answers.body = body
            self.assertIn("did not answer in JSON", str(self.failure()))

    def test_endless_answer(self) -> None:
        """An answer over the limit is not read on."""
        self.patch(module, "ANSWER_LIMIT", 1000)
        self.answers.body = b" " * 1001
        self.assertIn("longer than 1000 bytes", str(self.failure()))

    def test_late_answer(self) -> None:
        """A gateway that never finishes its answer is given up on in time."""
        self.answers.hold = threading.Event()
        self.answers.body = b"["
        begun = time.monotonic()
        failed = self.failure(call_timeout=0.3)
        self.assertLess(time.monotonic() - begun, 5)
        self.assertEqual(failed.status, Exit.UNREACHABLE)
        self.assertIn("no answer within 0.3 s", str(failed))
