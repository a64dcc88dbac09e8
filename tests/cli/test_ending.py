"""Ending sessions and withdrawing tickets."""

from __future__ import annotations

from tests.cli.fake_gateway import GatewayCase, run


class EndingTests(GatewayCase):
    def setUp(self) -> None:
        super().setUp()
        self.answers.status = 204

    def asked(self) -> tuple[str, str]:
        return self.answers.asked[-1].method, self.answers.asked[-1].path

    def test_kill(self) -> None:
        """A session is ended by its id."""
        outcome = run("kill", "s/1")
        self.assertEqual((outcome.status, outcome.out), (0, "session s/1 was ended\n"))
        self.assertEqual(self.asked(), ("DELETE", "/api/v1/sessions/s%2F1"))

    def test_unknown_session(self) -> None:
        """A session that is not there is refused in the gateway's words."""
        self.answers.say({"title": "No such session"}, 404)
        self.assert_fails(run("kill", "s1"), 1, "consolegw: No such session\n")

    def test_revoke(self) -> None:
        """Tickets are withdrawn by id, console or user."""
        for option, value, path in (
            ("--id", "t1", "/api/v1/tickets/t1"),
            ("--console", "vc1/vm 42", "/api/v1/tickets?console=vc1%2Fvm%2042"),
            ("--user", "a&b=c", "/api/v1/tickets?user=a%26b%3Dc"),
        ):
            outcome = run("revoke", option, value)
            self.assertEqual((outcome.status, self.asked()), (0, ("DELETE", path)))
            self.assertIn(value, outcome.out)

    def test_json(self) -> None:
        """These calls have no answer to print."""
        self.assertEqual(run("kill", "s1", "--json").out, "")

    def test_one_choice(self) -> None:
        """Exactly one of the three must be named, and not by an empty name."""
        for argv in ((), ("--id", "a", "--user", "b"), ("--id", ""), ("--console", ""), ("--user", "")):
            self.assert_fails(run("revoke", *argv), 2, "usage:")
        self.assert_fails(run("kill", ""), 2, "must not be empty")
        self.assertEqual(self.answers.asked, [])
