"""Which problem each failure becomes, and that none tells too much."""

from __future__ import annotations

import json

from twisted.internet.defer import TimeoutError
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import (
    AmbiguousConsole,
    NotSupported,
    Reason,
    Refused,
    StoreAway,
    UnknownConsole,
    Unreachable,
)
from gateway.model.events import Event
from gateway.sessions.desk import TargetForbidden
from gateway.web.problems import MAX_IDS, BadField, Problem, Trouble, not_in_this_version, over_limit, problem_of
from tests.support.web import logged


def told(error):
    """The problem that an error becomes."""
    return problem_of(Failure(error))


class MappingTests(SynchronousTestCase):
    def test_statuses(self):
        """Each foreseen failure has its status and word, and writes no log line."""
        with logged() as events:
            for error, status, word in (
                (UnknownConsole("x"), 404, "unknown-console"),
                (AmbiguousConsole(("a", "b")), 409, "ambiguous-console"),
                (TargetForbidden("x"), 403, "target-forbidden"),
                (NotSupported("x"), 501, "not-supported"),
                (StoreAway("x"), 503, "store-away"),
                (Unreachable("x"), 502, "unreachable"),
                (TimeoutError(), 504, "too-slow"),
                (BadField("x"), 400, "bad-request"),
                (not_in_this_version("Power"), 501, "not-in-this-version"),
                (Trouble(over_limit("x")), 429, "over-limit"),
            ):
                problem = told(error)
                self.assertEqual((problem.status, problem.word), (status, word), error)
        self.assertEqual(events, [])

    def test_refusals(self):
        """Every reason of a refusal has a status, its own word and its own sentence."""
        statuses = {}
        for reason in Reason:
            problem = told(Refused(reason))
            self.assertEqual((problem.word, problem.detail), (reason.word, reason.sentence))
            statuses.setdefault(problem.status, set()).add(reason)
        self.assertEqual(statuses[429], {Reason.OVER_LIMIT})
        self.assertEqual(statuses[503], {Reason.DRAINING, Reason.STORE_AWAY})
        self.assertEqual(statuses[409], {Reason.ALIVE})
        self.assertEqual(statuses[404], {Reason.UNKNOWN_CONSOLE})
        self.assertEqual(set(statuses), {403, 404, 409, 429, 503})

    def test_retry_after(self):
        """Who may come back is told when, in whole seconds."""
        for error, seconds in (
            (Refused(Reason.OVER_LIMIT, retry_after=10), "10"),
            (Refused(Reason.DRAINING), "5"),
            (StoreAway("x"), "5"),
            (Trouble(over_limit("x", 0.2)), "1"),
        ):
            self.assertIn(("Retry-After", seconds), told(error).headers)
        self.assertEqual(told(Refused(Reason.UNKNOWN, retry_after=9)).headers, ())

    def test_nothing_of_the_inside(self):
        """Addresses in an error's text stay in it."""
        for error in (Unreachable("10.0.0.7:5901 refused"), StoreAway("10.0.0.7"), UnknownConsole("10.0.0.7")):
            self.assertNotIn(b"10.0.0.7", told(error).document())

    def test_fault(self):
        """What nobody foresaw is 500 without a word of it; the log has the traceback."""
        with logged() as events:
            problem = told(KeyError("s3cret 10.0.0.7"))
        self.assertEqual((problem.status, problem.word), (500, "fault"))
        self.assertNotIn(b"s3cret", problem.document())
        self.assertEqual(events[0]["event"], Event.FAULT)
        self.assertIs(events[0]["log_failure"].type, KeyError)
        self.flushLoggedErrors(KeyError)


class DocumentTests(SynchronousTestCase):
    def test_members(self):
        """A document has the members of RFC 9457, and those of its own."""
        document = json.loads(told(AmbiguousConsole(("vc1/vm-1", "vc1/vm-2"))).document())
        self.assertEqual(document["type"].rpartition(":")[2], "ambiguous-console")
        self.assertEqual((document["status"], document["ids"]), (409, ["vc1/vm-1", "vc1/vm-2"]))
        self.assertEqual(json.loads(Problem(418, "w", "T").document()).keys(), {"type", "title", "status"})

    def test_ids_are_bounded(self):
        """Of countless names that fit, the first are listed."""
        ids = told(AmbiguousConsole(tuple(map(str, range(MAX_IDS + 1))))).more["ids"]
        self.assertEqual(len(ids), MAX_IDS)
