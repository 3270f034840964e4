"""The last look before an actuator starts anything: is it still time, and is it allowed?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, runtime_checkable

from homeostat.model.commands import NeverStarted, Report, StartAction
from homeostat.model.ports import Actuator
from homeostat.model.reasons import OutcomeStatus

StartBefore = Callable[[str], float | None]
"""Key -> until when it may begin, in seconds on CLOCK_BOOTTIME; None: no bound."""

Allowed = Callable[[StartAction], str | None]
"""Why an action must not be started; None where it may."""


@runtime_checkable
class Withdraws(Protocol):
    """An actuator that can settle a key without ever starting it, and say why."""

    def withdraw(self, key: str, status: OutcomeStatus, detail: str) -> bool:
        """Settle a key that was never started; False, and no effect, if it was. Raises ActuatorError."""
        ...


class Admission:
    """An actuator behind its last look. It is taken where the start is made, after all waiting.

    A start that comes too late or is not allowed settles its key: nobody starts it after that.
    """

    def __init__(
        self,
        actuator: Actuator,
        start_before: StartBefore | None,
        allowed: Allowed | None,
        boottime: Callable[[], float],
    ) -> None:
        self._actuator = actuator
        self._start_before = start_before
        self._allowed = allowed
        self._boottime = boottime

    def start(self, command: StartAction) -> None:
        """Start the action, unless it must not be. Raises whatever the actuator does."""
        bound_s = command.start_before_s if self._start_before is None else self._start_before(command.key)
        forbidden = None if self._allowed is None else self._allowed(command)
        if forbidden is not None:
            self._withdraw(command.key, OutcomeStatus.ERROR, f"nothing was run: {forbidden}")
        elif bound_s is not None and self._boottime() >= bound_s:
            self._withdraw(command.key, OutcomeStatus.CANCELLED, "nothing was run: it came too late to begin")
        else:
            self._actuator.start(replace(command, start_before_s=bound_s))

    def lookup(self, key: str) -> Report:
        """Say what became of a key. Raises whatever the actuator does."""
        return self._actuator.lookup(key)

    report = lookup

    def cancel(self, key: str) -> None:
        """Have it stopped. Raises whatever the actuator does."""
        self._actuator.cancel(key)

    def _withdraw(self, key: str, status: OutcomeStatus, detail: str) -> None:
        if isinstance(self._actuator, Withdraws):
            self._actuator.withdraw(key, status, detail)
        elif isinstance(self._actuator.lookup(key), NeverStarted):
            # What runs under this key was started in time; only what never was is settled by a cancel.
            self._actuator.cancel(key)
