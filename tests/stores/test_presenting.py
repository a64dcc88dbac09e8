"""The rules of presenting a ticket."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import Reason, Refused
from gateway.model.ticket import MAX_TICKET, UNLIMITED, Presenter
from gateway.stores.presenting import Standing, digest_of, key_of, new_session_id, new_ticket_id
from tests.support.contracts import GRANT

STANDING = Standing(one_shot=False, uses=1, used=0, expires_at=100.0, revoked=False)


class StandingTests(SynchronousTestCase):
    def outcome(self, standing, *, bound=False, another=False, now=99.0):
        """True or False as answered, or the reason of the refusal."""
        try:
            return standing.takes_use(bound=bound, another=another, now=now)
        except Refused as refused:
            return refused.reason

    def test_first(self):
        """A good ticket gives a use to who has none yet."""
        self.assertIs(self.outcome(STANDING), True)

    def test_return(self):
        """Who has a session returns, whatever is used up or over."""
        self.assertIs(self.outcome(evolve(STANDING, used=1), bound=True, now=1e9), False)

    def test_reasons_in_order(self):
        """Of several reasons the gravest is told: revoked, spent for good, expired, spent."""
        used = evolve(STANDING, used=1)
        one_shot = evolve(used, one_shot=True)
        self.assertIs(self.outcome(evolve(one_shot, revoked=True), bound=True, now=100.0), Reason.REVOKED)
        self.assertIs(self.outcome(one_shot, bound=True, now=100.0), Reason.SPENT)
        self.assertIs(self.outcome(used, now=100.0), Reason.EXPIRED)
        self.assertIs(self.outcome(used), Reason.SPENT)
        self.assertIs(self.outcome(used, bound=True, another=True), Reason.SPENT)

    def test_one_shot_overrules_uses(self):
        """A one-shot ticket has one use, whatever was asked for."""
        for uses in (UNLIMITED, 5):
            self.assertIs(self.outcome(evolve(STANDING, one_shot=True, uses=uses, used=1)), Reason.SPENT)

    def test_unlimited(self):
        """Any number of uses is never used up."""
        self.assertIs(self.outcome(evolve(STANDING, uses=UNLIMITED, used=10**9)), True)


class KeyTests(SynchronousTestCase):
    def test_keys(self):
        """A page is known by its holder, a stock client by its address, on a roaming ticket by nothing."""
        roaming = evolve(GRANT, roaming=True)
        self.assertEqual(key_of(GRANT, Presenter("a", holder="H")), "holder:H")
        self.assertEqual(key_of(roaming, Presenter("a", holder="H")), "holder:H")
        self.assertEqual(key_of(GRANT, Presenter("a")), "direct:a")
        self.assertEqual(key_of(roaming, Presenter("a")), "direct:*")

    def test_digest_is_bounded(self):
        """A text longer than any ticket is not even hashed."""
        self.assertEqual(len(digest_of("x" * MAX_TICKET)), 43)
        for text in ("", "x" * (MAX_TICKET + 1), "é"):
            self.assertRaises(Refused, digest_of, text)

    def test_names(self):
        """Names tell tickets from sessions and do not repeat."""
        self.assertRegex(new_ticket_id(), r"\At-[A-Za-z0-9_-]{16}\Z")
        self.assertRegex(new_session_id(), r"\As-[A-Za-z0-9_-]{16}\Z")
        self.assertNotEqual(new_session_id(), new_session_id())
