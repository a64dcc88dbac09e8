"""Counting sessions and slowing down guesses."""

from __future__ import annotations

from attrs import frozen
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.errors import Refused
from gateway.sessions.limits import MAX_ADDRESSES, Limits, Rate, check_room


@frozen
class One:
    """A live session."""

    user: str = "alice"
    console: str = "lab"
    address: str = "192.0.2.1"


class RoomTests(SynchronousTestCase):
    """How many sessions there may be."""

    def test_each_limit_counts_its_own(self) -> None:
        """A limit is reached by sessions of the same user, console or address, and by no others."""
        other = {"user": "bob", "console": "db", "address": "192.0.2.2"}
        for key in ("user", "console", "address"):
            limits = Limits(**{f"sessions_per_{key}": 2})
            same = {"user": "alice", "console": "lab", "address": "192.0.2.1"}
            self.assertRaises(Refused, check_room, limits, [One(), One()], **same)
            check_room(limits, [One()], **same)
            check_room(limits, [One(), One()], **(same | {key: other[key]}))

    def test_zero_is_none(self) -> None:
        """Without limits there is always room."""
        check_room(Limits(), [One()] * 1000, user="alice", console="lab", address="192.0.2.1")

    def test_nameless_users_are_not_one_user(self) -> None:
        """Tickets without a user do not count as somebody's."""
        check_room(Limits(sessions_per_user=1), [One(user="")], user="", console="x", address="y")


class RateTests(SynchronousTestCase):
    """A bucket for each address."""

    def test_burst_then_rate(self) -> None:
        """Ten at once, then as many as the seconds that pass."""
        rate = Rate(2.0)
        self.assertEqual([True] * 10 + [False], [rate.take("a", 0.0) for _ in range(11)])
        self.assertTrue(rate.exhausted("a", 0.4))
        self.assertFalse(rate.exhausted("a", 0.5))
        self.assertTrue(rate.take("b", 0.0))

    def test_bounded(self) -> None:
        """However many addresses there are, only so many are remembered."""
        rate = Rate(1.0)
        for number in range(MAX_ADDRESSES + 100):
            rate.take(str(number), 0.0)
        self.assertEqual(MAX_ADDRESSES, len(rate._buckets))

    def test_off(self) -> None:
        """A rate of 0 never says no."""
        rate = Rate(0.0)
        self.assertTrue(all(rate.take("a", 0.0) for _ in range(1000)))
        self.assertFalse(rate.exhausted("a", 0.0))
