"""Grants and session records as plain objects."""

from __future__ import annotations

import json

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.secret import Secret
from gateway.model.session import Ending, SessionRecord, State
from gateway.model.target import (
    ClientCertificate,
    ConsoleKind,
    LogIn,
    Pin,
    Security,
    SecurityType,
    Target,
    TcpAddress,
    TlsPolicy,
    UnixAddress,
)
from gateway.model.ticket import Grant, Right
from gateway.stores import codec
from gateway.stores.codec import MAX_ITEMS, Malformed, pack_grant, pack_record, unpack_grant, unpack_record
from tests.support.contracts import GRANT, RECORD, RICH_GRANT

TEXT = st.text(max_size=20)
NUMBER = st.integers(min_value=0, max_value=2**62)
TIME = st.floats(min_value=0, max_value=1e11)

SECRETS = st.builds(Secret, TEXT)
POLICIES = st.builds(
    TlsPolicy,
    st.none() | st.binary(max_size=20),
    st.lists(st.builds(Pin, TEXT, TEXT), max_size=2).map(tuple),
    st.none() | TEXT,
    st.none() | st.builds(ClientCertificate, st.binary(max_size=20), SECRETS),
)
TARGETS = st.builds(
    Target,
    st.sampled_from(ConsoleKind),
    st.lists(st.builds(TcpAddress, TEXT, NUMBER) | st.builds(UnixAddress, TEXT), max_size=3).map(tuple),
    st.builds(
        Security,
        st.sampled_from(SecurityType),
        st.none() | SECRETS,
        TEXT,
        POLICIES,
        st.lists(st.sampled_from(LogIn), max_size=3).map(tuple),
        st.booleans(),
        st.booleans(),
    ),
    st.none() | POLICIES,
    TEXT,
)
GRANTS = st.builds(
    Grant,
    TEXT,
    st.sampled_from(ConsoleKind),
    TEXT,
    st.frozensets(st.sampled_from(Right)),
    st.none() | TARGETS,
    st.booleans(),
    st.booleans(),
    NUMBER,
    TEXT,
)
RECORDS = st.builds(
    SessionRecord,
    TEXT,
    TEXT,
    GRANTS,
    TEXT,
    TIME,
    TEXT,
    TEXT,
    NUMBER,
    st.sampled_from(State),
    NUMBER,
    TIME,
    TIME,
    st.none() | st.sampled_from(Ending),
    NUMBER,
    NUMBER,
    TIME,
)


class RoundTripTests(SynchronousTestCase):
    @settings(max_examples=60, deadline=None)
    @given(RECORDS)
    def test_any_record(self, record):
        """Whatever the model can say comes back through JSON as it was."""
        self.assertEqual(unpack_record(json.loads(json.dumps(pack_record(record)))), record)

    @settings(max_examples=60, deadline=None)
    @given(GRANTS)
    def test_any_grant(self, grant):
        """A grant does by itself, too."""
        self.assertEqual(unpack_grant(json.loads(json.dumps(pack_grant(grant)))), grant)

    def test_every_member(self):
        """Every kind, right, state and ending there is can be written and read."""
        for kind in ConsoleKind:
            grant = attrs.evolve(GRANT, kind=kind, rights=frozenset(Right))
            self.assertEqual(unpack_grant(pack_grant(grant)), grant)
        for state in State:
            record = attrs.evolve(RECORD, state=state)
            self.assertEqual(unpack_record(pack_record(record)), record)
        for ending in Ending:
            record = attrs.evolve(RECORD, ending=ending)
            self.assertEqual(unpack_record(pack_record(record)), record)

    def test_total_over_the_model(self):
        """The tables name exactly the fields of the model's values."""
        shapes = [value for value in vars(codec).values() if isinstance(value, codec.Shape)]
        self.assertEqual(len(shapes), 9)
        for shape in shapes:
            self.assertEqual(set(shape.slots), {field.name for field in attrs.fields(shape.make)}, shape.make)

    def test_rights_are_always_written(self):
        """What a ticket allows never depends on what the default is when it is read."""
        self.assertEqual(
            pack_grant(GRANT),
            {
                "v": 1,
                "console": "lab",
                "kind": "vnc",
                "user": "alice",
                "rights": ["clipboard", "control", "view"],
            },
        )


class StrictTests(SynchronousTestCase):
    def assert_malformed(self, **changes):
        raw = {**pack_grant(RICH_GRANT), **changes}
        self.assertRaises(Malformed, unpack_grant, {k: v for k, v in raw.items() if v is not Ellipsis})

    def test_no_object(self):
        """What is no object is refused."""
        for raw in (None, 1, "x", [], [pack_grant(GRANT)]):
            self.assertRaises(Malformed, unpack_grant, raw)

    def test_versions(self):
        """Another version is refused, and none."""
        for version in (0, 2, "1", None, ...):
            self.assert_malformed(v=version)

    def test_fields(self):
        """A field too many is refused, and one that is missing."""
        self.assert_malformed(colour="red")
        self.assert_malformed(console=...)
        self.assert_malformed(rights=...)

    def test_types(self):
        """A value of another type is refused, near misses too."""
        for name, values in {
            "console": (1, None, ["lab"], "x" * 4097),
            "kind": ("tn3270", 1, None, ["vnc"]),
            "rights": ("view", ["fly"], [1], None, ["view"] * (MAX_ITEMS + 1)),
            "one_shot": (1, "true", None),
            "connections": (True, 1.0, "1"),
            "target": (1, {}, [], {"kind": "vnc"}),
        }.items():
            for value in values:
                self.assert_malformed(**{name: value})

    def test_inner_objects(self):
        """Objects inside are read as strictly."""
        target = pack_grant(RICH_GRANT)["target"]
        for change in (
            {"addresses": [{"host": "a"}]},
            {"addresses": [{"host": "a", "port": 1, "path": "/b"}]},
            {"addresses": ["a:1"]},
            {"security": {"type": "vnc", "password": 1}},
            {"tls": {"pins": [{"algorithm": "md5"}]}},
            {"tls": {"ca": 1}},
            {"tls": {"client": {"chain": "x"}}},
            {"security": {"type": "vencrypt", "subtypes": ["ident"]}},
            {"security": {"type": "vencrypt", "clear": 1}},
            {"more": 1},
        ):
            self.assert_malformed(target={**target, **change})

    def test_numbers(self):
        """Times are finite numbers."""
        raw = pack_record(RECORD)
        for value in (float("nan"), float("inf"), "1", True, None):
            self.assertRaises(Malformed, unpack_record, {**raw, "opened_at": value})
        self.assertEqual(unpack_record({**raw, "opened_at": 5}).opened_at, 5.0)
