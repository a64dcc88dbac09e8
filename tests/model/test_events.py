"""The closed list of log events."""

from __future__ import annotations

from typing import Any

from twisted.logger import Logger, LogLevel
from twisted.trial.unittest import SynchronousTestCase

from gateway.model.events import Event, tell


class EventTests(SynchronousTestCase):
    def test_every_event_is_told_at_its_level(self) -> None:
        """Telling an event emits it once, at the level the list gives it, with its fields."""
        for event in Event:
            seen: list[dict[str, Any]] = []
            tell(Logger(observer=seen.append), event, session="s1")
            self.assertEqual([(e["event"], e["session"]) for e in seen], [(event, "s1")])
            self.assertIs(seen[0]["log_level"], LogLevel.lookupByName(event.level))

    def test_words_are_names_and_unique(self) -> None:
        """Each event has its own word, which is the member's name in lower case, and a sentence."""
        self.assertEqual([event.word for event in Event], [event.name.lower() for event in Event])
        self.assertTrue(all(event.sentence.endswith(".") for event in Event))
