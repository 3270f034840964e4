"""What the built-in actuators have in common: an action becomes a job, and a detached runner carries it out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from homeostat.act.context import ActuatorContext
from homeostat.act.jobs import Spool
from homeostat.act.substitution import RefusedError
from homeostat.act.values import commands_of, variables_of
from homeostat.model.commands import Report, StartAction
from homeostat.model.reasons import OutcomeStatus


class DetachedActuator(ABC):
    """Implements `model.ports.Actuator` on a spool of jobs.

    An action that cannot be built (a missing argument, a value that would be read as an option) is not an exception
    but an outcome: `lookup` reports an error that says why, and that nothing was run.

    Attributes:
        may_block: all that its calls touch is local files, and a runner's fork, which has a deadline.
    """

    may_block = False

    def __init__(self, context: ActuatorContext) -> None:
        self._environment = context.environment
        self._secret_commands = context.secret_commands
        self._now = context.now
        self._spool = Spool(context)

    @abstractmethod
    def job(self, command: StartAction) -> dict[str, Any]:
        """Write down what the runner has to do, with secrets by reference. Raises RefusedError."""

    def start(self, command: StartAction) -> None:
        """Have a runner carry it out under `command.key`, at most once. Raises ActuatorError."""
        if self._spool.settled(command.key):
            return
        try:
            job = self.job(command)
            commands = commands_of(job["values"], self._secret_commands)
        except RefusedError as refused:
            self._spool.withdraw(command.key, OutcomeStatus.ERROR, f"nothing was run: {refused}")
        else:
            more = {"secret_commands": commands, "start_before_boottime_s": command.start_before_s}
            self._spool.submit(command.key, {**job, **more}, variables_of(job["values"], commands))

    def lookup(self, key: str) -> Report:
        """Say what became of the key. Raises ActuatorError."""
        return self._spool.lookup(key)

    def withdraw(self, key: str, status: OutcomeStatus, detail: str) -> bool:
        """Settle a key that no runner has claimed: it will never run. False if one has. Raises ActuatorError."""
        return self._spool.withdraw(key, status, detail)

    def artifact(self, key: str) -> bytes | None:
        """All that was kept of its output; None where nothing was. Raises ActuatorError."""
        return self._spool.artifact(key)

    def cancel(self, key: str) -> None:
        """Have it stopped; a key that was not started never will be. Raises ActuatorError."""
        self._spool.cancel(key)
