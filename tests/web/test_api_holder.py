"""The page's own calls."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Way
from gateway.model.errors import StoreAway
from gateway.model.events import Event
from gateway.model.moment import rfc3339
from gateway.model.secret import Secret
from gateway.model.ticket import DEFAULT_RIGHTS, Right
from gateway.sessions.limits import Limits
from gateway.web.api_holder import HolderCalls
from tests.support.bench import START
from tests.support.web import WebBench, logged

S = Secret("s" * 43)
HOLDER = S.digest()


class HolderCase(SynchronousTestCase):
    def setUp(self):
        self.bench = self.make_bench()

    def make_bench(self, **more):
        directory = Path(self.mktemp())
        directory.mkdir()
        return WebBench(directory, **more)

    def redeem(self, ticket, holder=HOLDER, **headers):
        return self.bench.page("POST", "redeem", {"ticket": ticket, "holder": holder}, **headers)

    def session(self, secret=S, **headers):
        return self.bench.ask("GET", "/api/v1/session", Authorization=f"Grant {secret.reveal()}", **headers)

    def assert_problem(self, status, word, reply):
        self.assertEqual((reply.status, reply.problem), (status, word), reply.body)


class RedeemTests(HolderCase):
    def test_answer(self):
        """A ticket becomes the holder's session, answered as the contract says; the grant then opens it."""
        reply = self.redeem(self.bench.ticket())
        document = reply.json
        self.assertRegex(document.pop("session"), "^s-")
        self.assertEqual(
            document,
            {"console": "lab", "kind": "vnc", "rights": ["view", "control", "clipboard"], "expires_at": None},
        )
        self.bench.connect(S.reveal(), Way.GRANT)

    def test_idempotent(self):
        """The same holder gets the same session again, another none."""
        ticket = self.bench.ticket()
        first = self.redeem(ticket)
        self.assertEqual(self.redeem(ticket).json, first.json)
        self.assert_problem(403, "ticket-spent", self.redeem(ticket, "o" * 43))

    def test_reasons(self):
        """A refusal says in words why."""
        self.assert_problem(403, "unknown-ticket", self.redeem("x" * 43))
        expired = self.bench.ticket()
        revoked, ended = self.bench.ticket(ttl=3600), self.bench.ticket(ttl=3600)
        session = self.redeem(ended).json["session"]
        self.bench.result(self.bench.desk.end(session))
        self.bench.turn(61)
        self.assert_problem(403, "ticket-expired", self.redeem(expired))
        self.bench.api("DELETE", "tickets?console=lab")
        self.assert_problem(403, "ticket-revoked", self.redeem(revoked))

    def test_ended(self):
        """A session that ended is said to have ended, so that the page does not try again."""
        ticket = self.bench.ticket()
        session = self.bench.registry.get(self.redeem(ticket).json["session"])
        self.bench.turn(125)
        self.assertIsNone(self.bench.registry.get(session.id))
        self.assert_problem(403, "session-ended", self.redeem(ticket))
        self.assert_problem(403, "session-ended", self.session())

    def test_origin(self):
        """The page's origin must be there and allowed; the problem names the rule and the setting."""
        ticket = self.bench.ticket()
        for origin, rule, setting in (
            ("https://evil.example", "host", "browser.allowed_origins"),
            ("http://console.example.com", "scheme", "gateway.public_url"),
            ("null", "null", "browser.allowed_origins"),
        ):
            with logged() as events:
                reply = self.redeem(ticket, Origin=origin)
            self.assert_problem(403, "origin", reply)
            self.assertEqual((reply.json["rule"], reply.json["setting"]), (rule, setting))
            self.assertIn(setting, reply.json["detail"])
            self.assertEqual([event["event"] for event in events], [Event.ORIGIN_REFUSED])
        absent = self.bench.ask("POST", "/api/v1/redeem", {"ticket": ticket, "holder": HOLDER})
        self.assert_problem(403, "origin", absent)
        self.assertEqual(self.redeem(ticket, Origin="https://portal.example.org").status, 200)

    def test_malformed(self):
        """A body that is not the page's is refused, and takes nothing."""
        ticket = self.bench.ticket()
        for body in (
            {"ticket": ticket},
            {"holder": HOLDER},
            {"ticket": ticket, "holder": HOLDER[1:]},
            {"ticket": ticket, "holder": HOLDER + "="},
            {"ticket": "", "holder": HOLDER},
            {"ticket": "x" * 4097, "holder": HOLDER},
            {"ticket": "\u00e4" * 43, "holder": HOLDER},
            {"ticket": ticket, "holder": HOLDER, "console": "lab"},
            [ticket, HOLDER],
        ):
            reply = self.bench.page("POST", "redeem", body)
            self.assert_problem(400, "bad-request", reply)
            self.assertNotIn(ticket.encode(), reply.body)
        self.assertEqual(self.redeem(ticket).status, 200)

    def test_too_many_failures(self):
        """Too many wrong tickets of one address are 429, with a time to come back."""
        self.bench = self.make_bench(limits=Limits(failed_tickets_per_address=1.0))
        replies = [self.redeem("x" * 43) for _ in range(11)]
        self.assertEqual([reply.status for reply in replies], [403] * 10 + [429])
        self.assertEqual(replies[-1].headers["Retry-After"], "1")

    def test_too_many_sessions(self):
        """Over a limit of sessions it is 429."""
        self.bench = self.make_bench(limits=Limits(sessions_per_console=1))
        self.redeem(self.bench.ticket())
        self.assert_problem(429, "over-limit", self.redeem(self.bench.ticket(), "o" * 43))

    def test_not_now(self):
        """A draining gateway and an absent store are 503, with a time to come back."""

        async def redeem(ticket, presenter):
            raise StoreAway("10.0.0.9")

        self.bench.tickets.redeem = redeem
        self.assert_problem(503, "store-away", self.redeem("x" * 43))
        self.bench.broker.draining = True
        reply = self.redeem("x" * 43)
        self.assert_problem(503, "draining", reply)
        self.assertEqual(reply.headers["Retry-After"], "5")

    def test_never_logged(self):
        """Neither ticket nor holder's secret is in a log event."""
        with logged() as events:
            ticket = self.bench.ticket()
            self.redeem(ticket)
            self.redeem(ticket, "o" * 43)
            self.session()
        self.assertTrue(events)
        for secret in (ticket, S.reveal()):
            self.assertNotIn(secret, str(events))


class SessionTests(HolderCase):
    def test_own(self):
        """Who proves the holder's secret reads the session; the page's own GET has no Origin."""
        redeemed = self.redeem(self.bench.ticket())
        self.assertEqual(self.session().json, redeemed.json)
        self.assertEqual(self.session(Origin="https://console.example.com").status, 200)

    def test_strangers(self):
        """A page of another site, another secret, and no secret are refused."""
        self.redeem(self.bench.ticket())
        self.assert_problem(403, "origin", self.session(Origin="https://evil.example"))
        self.assert_problem(403, "unknown-ticket", self.session(Secret("t" * 43)))
        for authorization in ("", "Grant", f"Bearer {S.reveal()}", f"Grant {HOLDER}x", "Grant " + "s" * 42):
            reply = self.bench.ask("GET", "/api/v1/session", Authorization=authorization)
            self.assert_problem(401, "unauthorized", reply)
            self.assertEqual(reply.headers["WWW-Authenticate"], "Grant")

    def test_the_holder_is_no_secret(self):
        """The holder's public name opens nothing."""
        self.redeem(self.bench.ticket())
        self.assert_problem(403, "unknown-ticket", self.session(Secret(HOLDER)))

    def test_expires_at(self):
        """Where sessions are limited, their end is told."""
        self.bench.serve(HolderCalls(self.bench.broker, self.bench.origins, 3600).routes())
        self.assertEqual(self.redeem(self.bench.ticket()).json["expires_at"], rfc3339(START + 3600))

    def test_power(self):
        """Power needs the right to it, and then is of a later version."""
        for rights, status, word in (
            (DEFAULT_RIGHTS, 403, "forbidden"),
            (DEFAULT_RIGHTS | {Right.POWER}, 501, "not-in-this-version"),
        ):
            self.redeem(self.bench.ticket(rights=rights))
            reply = self.bench.page("POST", "session/power", {"action": "on"}, Authorization=f"Grant {S.reveal()}")
            self.assert_problem(status, word, reply)
            self.bench.turn(1)
        absent = self.bench.ask("POST", "/api/v1/session/power", {}, Authorization=f"Grant {S.reveal()}")
        self.assert_problem(403, "origin", absent)
