"""API keys: the file, the roles, and who is turned away."""

from __future__ import annotations

import os
from pathlib import Path

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.client import Arrival
from gateway.model.events import Event
from gateway.observe.redaction import SECRET_NAMES
from gateway.sessions.limits import Rate
from gateway.web.access import MAX_FILE, MAX_KEYS, Access, ApiKeys, KeysFault, Role, parse_keys, require
from gateway.web.problems import Trouble
from tests.support.web import digest, logged

ARRIVAL = Arrival("192.0.2.1")


class ParsingTests(SynchronousTestCase):
    def test_lines(self):
        """A line is a name, a digest, a role and perhaps a glob; comments and empty lines do not count."""
        text = f"# keys\n\n alice:{digest('a')}:viewer \r\nbob:{digest('b').upper()}:admin:vc1/*\n"
        alice, bob = parse_keys(text, "f")
        self.assertEqual((alice.name, alice.role, alice.limited), ("alice", Role.VIEWER, False))
        self.assertEqual((bob.digest, bob.role, bob.limited), (digest("b"), Role.ADMIN, True))
        self.assertEqual([bob.covers(name) for name in ("vc1/vm-2", "vc2/vm-2", "lab")], [True, False, False])
        self.assertTrue(alice.covers("vc1/vm-2"))

    def test_broken_lines(self):
        """Anything else is refused by its number, and not shown."""
        for line in (
            "alice",
            f"alice:{digest('a')}",
            f"alice:{digest('a')[1:]}:viewer",
            f"alice:{digest('a')}:root",
            f"alice:{digest('a')}:Viewer",
            f"alice:{digest('a')}:viewer:",
            f"al ice:{digest('a')}:viewer",
            f":{digest('a')}:viewer",
        ):
            with self.assertRaises(KeysFault) as caught:
                parse_keys(f"# one\n{line}\n", "keys/api-keys")
            self.assertIn("keys/api-keys, line 2", str(caught.exception))
            self.assertNotIn(digest("a")[1:], str(caught.exception))

    def test_too_many(self):
        """Countless keys are refused."""
        with self.assertRaises(KeysFault):
            parse_keys("\n".join([f"a:{digest('a')}:viewer"] * (MAX_KEYS + 1)), "f")

    def test_repr(self):
        """A key's repr shows no digest."""
        (key,) = parse_keys(f"a:{digest('a')}:viewer", "f")
        self.assertNotIn(digest("a"), repr(key))


class FileTests(SynchronousTestCase):
    def setUp(self):
        self.path = Path(self.mktemp())
        self.write("a")

    def write(self, *names, extra=""):
        self.path.write_text("\n".join(f"{name}:{digest(name)}:operator" for name in names) + extra)

    def test_find(self):
        """A key is found by its text, and by nothing else."""
        keys = ApiKeys(self.path)
        self.assertEqual(keys.find("a").name, "a")
        for text in ("", "b", digest("a"), "a "):
            self.assertIsNone(keys.find(text))

    def test_read_again(self):
        """A changed file counts at once: new keys are in, old ones out."""
        keys = ApiKeys(self.path)
        self.write("bb", "cc")
        self.assertEqual((keys.find("a"), keys.find("cc").name, len(keys)), (None, "cc", 2))

    def test_broken_keeps(self):
        """While the file is broken or away the old keys stay, and the log says so once."""
        keys = ApiKeys(self.path)
        for breaking in (lambda: self.write("b", extra="\njunk"), self.path.unlink, lambda: self.path.mkdir()):
            breaking()
            with logged() as events:
                self.assertEqual((keys.find("a").name, keys.find("b")), ("a", None))
            self.assertEqual([event["event"] for event in events], [Event.API_KEYS_KEPT])
        os.rmdir(self.path)
        self.write("b")
        self.assertEqual((keys.find("a"), keys.find("b").name), (None, "b"))

    def test_at_start(self):
        """At the start a broken file is an error, and one that is not there holds no keys."""
        self.write("a", extra="\njunk")
        self.assertRaises(KeysFault, ApiKeys, self.path)
        self.path.write_bytes(b"#" * (MAX_FILE + 1))
        self.assertRaises(KeysFault, ApiKeys, self.path)
        self.path.unlink()
        keys = ApiKeys(self.path)
        self.assertEqual(len(keys), 0)
        self.write("a")
        self.assertEqual(keys.find("a").name, "a")


class AccessTests(SynchronousTestCase):
    def setUp(self):
        path = Path(self.mktemp())
        path.write_text("\n".join(f"{role.name.lower()}:{digest(role.name)}:{role.name.lower()}" for role in Role))
        self.clock = Clock()
        self.access = Access(ApiKeys(path), Rate(1.0), self.clock)

    def status(self, *authorization, role=Role.VIEWER, arrival=ARRIVAL):
        try:
            self.access.key_for(authorization, role, arrival)
        except Trouble as trouble:
            return trouble.problem.status
        return 200

    def test_roles(self):
        """Each role may all that those below it may, and no more."""
        for mine in Role:
            for needed in Role:
                expected = 200 if mine >= needed else 403
                self.assertEqual(self.status(f"Bearer {mine.name}", role=needed), expected, (mine, needed))

    def test_forms(self):
        """One Authorization header with the scheme Bearer counts; nothing else does."""
        self.assertEqual(self.status("bearer  ADMIN"), 200)
        for lines in (
            (),
            ("",),
            ("ADMIN",),
            ("Basic ADMIN",),
            ("Bearer",),
            ("Bearer ADMIN x",),
            ("Bearer ADMIN", "Bearer ADMIN"),
        ):
            self.clock.advance(100)
            self.assertEqual(self.status(*lines), 401, lines)

    def test_rate(self):
        """Too many wrong keys of one address are answered with 429; its right key and other addresses still count."""
        statuses = [self.status("Bearer wrong") for _ in range(15)]
        self.assertEqual((statuses[:10], statuses[10:]), ([401] * 10, [429] * 5))
        self.assertEqual(self.status("Bearer VIEWER"), 200)
        self.assertEqual(self.status("Bearer wrong", arrival=Arrival("192.0.2.2")), 401)
        self.clock.advance(2)
        self.assertEqual(self.status("Bearer wrong"), 401)

    def test_told(self):
        """The operator reads who was refused and why; never the key."""
        with logged() as events:
            self.status("Bearer s3cret-key")
            self.status("Bearer VIEWER", role=Role.ADMIN)
        self.assertEqual([event["event"] for event in events], [Event.API_REFUSED] * 2)
        self.assertEqual((events[1]["key_name"], events[1]["peer"]), ("viewer", "192.0.2.1"))
        self.assertNotIn("s3cret", str(events))
        self.assertFalse(SECRET_NAMES & events[1].keys(), "a field that would be masked")

    def test_require(self):
        """A call may ask for more than its route did."""
        key = self.access.key_for(("Bearer OPERATOR",), Role.VIEWER, ARRIVAL)
        require(key, Role.OPERATOR, ARRIVAL)
        with self.assertRaises(Trouble) as caught:
            require(key, Role.BROKER, ARRIVAL)
        self.assertIn("needs the role broker", caught.exception.problem.detail)
