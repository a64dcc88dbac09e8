"""The times of a session."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.sessions.surroundings import Patience
from tests.support.configs import LEAST, read


class PatienceTests(SynchronousTestCase):
    """Where nobody says otherwise."""

    def test_defaults_are_those_of_the_configuration(self) -> None:
        """A session made without a configuration waits as long as one made with the least of them."""
        config = read(LEAST)
        configured = Patience(
            resume_window=config.tickets.resume_window,
            linger=config.tickets.linger,
            redial=config.resume.for_,
            idle=config.tickets.idle,
            max_session=config.tickets.max_session,
        )
        self.assertEqual(Patience(), configured)
