"""What an audit line says."""

from __future__ import annotations

from attrs import evolve
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.audit import AUDIT_FIELDS, line_of
from gateway.model.client import Way
from gateway.model.session import Ending, SessionRecord, State
from gateway.model.target import ConsoleKind
from gateway.model.ticket import Grant, Right

RECORD = SessionRecord(
    id="s1",
    ticket_id="t1",
    grant=Grant("vc1/vm-42", ConsoleKind.VNC, user="alice", rights=frozenset({Right.VIEW, Right.CONTROL})),
    address="192.0.2.7",
    opened_at=1_700_000_000.0,
    holder="h" * 43,
    node="gw-1",
    state=State.CLOSED,
    generation=2,
    ended_at=1_700_000_012.5,
    ending=Ending.FINISHED,
    bytes_in=10,
    bytes_out=2000,
)


class LineTests(SynchronousTestCase):
    def test_whole_line(self) -> None:
        """The line says who, what, from where, how much, how long and how it ended."""
        self.assertEqual(
            line_of(RECORD, way=Way.QUERY, returned_by_ticket=True),
            {
                "time": "2023-11-14T22:13:32.500Z",
                "session": "s1",
                "ticket_id": "t1",
                "user": "alice",
                "console": "vc1/vm-42",
                "kind": "vnc",
                "rights": ["control", "view"],
                "peer": "192.0.2.7",
                "node": "gw-1",
                "way": "query",
                "returned_by_ticket": True,
                "bytes_in": 10,
                "bytes_out": 2000,
                "generations": 2,
                "opened_at": "2023-11-14T22:13:20.000Z",
                "seconds": 12.5,
                "ending": "finished",
            },
        )

    def test_fields_are_those_documented(self) -> None:
        """The documented fields are the line's, in its order."""
        self.assertEqual([name for name, _ in AUDIT_FIELDS], list(line_of(RECORD)))

    def test_holder_is_not_in_it(self) -> None:
        """The holder's name is nobody's business."""
        self.assertNotIn(RECORD.holder, str(line_of(RECORD)))

    def test_clock_set_back(self) -> None:
        """A clock that was set back makes no negative duration."""
        self.assertEqual(line_of(evolve(RECORD, ended_at=1.0))["seconds"], 0.0)
