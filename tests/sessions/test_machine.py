"""The table of states is total, and runs as it reads."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from gateway.model.session import Ending, State
from gateway.sessions.machine import TABLE, Input, Machine


class MachineTests(SynchronousTestCase):
    """Moving along the table."""

    def test_total(self) -> None:
        """Every state answers every input."""
        self.assertEqual({state: set(Input) for state in State}, {state: set(row) for state, row in TABLE.items()})

    def test_closed_ignores_everything(self) -> None:
        """Nothing happens to a session that has ended: its word stays."""
        machine = Machine()
        machine.receive(Input.CLIENT_BYE)
        for what in Input:
            self.assertFalse(machine.receive(what))
        self.assertIs(Ending.ABANDONED, machine.ending)

    def test_every_state_can_end(self) -> None:
        """From each state there is a way to the end, and a revocation is one."""
        for state in State:
            if state is not State.CLOSED:
                machine = Machine(state)
                self.assertTrue(machine.receive(Input.REVOKED))
                self.assertIs(Ending.REVOKED, machine.ending)

    def test_ordinary_life(self) -> None:
        """Granted, dialled, lost, back, dialled again, good-bye."""
        machine = Machine()
        states = []
        for what in (Input.GRANTED, Input.DIALED, Input.CLIENT_VANISHED, Input.CLIENT_BACK, Input.DIALED):
            machine.receive(what)
            states.append(machine.state)
        expected = [State.STARTING, State.RELAYING, State.PARKED, State.RESUMING, State.RELAYING]
        self.assertEqual(expected, states)
        machine.receive(Input.CLIENT_BYE)
        self.assertIs(Ending.FINISHED, machine.ending)
