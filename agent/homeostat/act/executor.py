"""Route commands to actuators, and keep what goes wrong inside one of them from going further."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from homeostat.act.context import ActuatorContext, ActuatorFactory
from homeostat.model.commands import CancelAction, Command, Done, InDoubt, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError, UsageError
from homeostat.model.ports import Actuator

ENTRY_POINTS = "homeostat.actuators"
"""The group under which built-in actuators and plugins register."""

Failed = Callable[[str, Exception], None]
"""Told of what went wrong while the loop goes on, as `model.ports.Observer.failed`."""


def _unheard(_what: str, _error: Exception) -> None:
    return None


class Executor:
    """Implements `model.ports.Executor`.

    Args:
        actuators: by the name that policies know them by.
        failed: told when an actuator could not be asked.
    """

    def __init__(self, actuators: Mapping[str, Actuator], failed: Failed = _unheard) -> None:
        self._actuators = dict(actuators)
        self._failed = failed

    def carry_out(self, command: Command) -> None:
        """Start or cancel an action.

        Raises:
            ActuatorError: its actuator is not there, or did not take the command.
        """
        name = command.action.actuator
        actuator = self._actuator(name)
        try:
            match command:
                case StartAction():
                    actuator.start(command)
                case CancelAction():
                    actuator.cancel(command.key)
        except ActuatorError as error:
            raise ActuatorError(f"actuator '{name}': {error}") from error
        except Exception as error:  # a plugin's bug is an action that could not be carried out
            raise ActuatorError(f"actuator '{name}' failed: {type(error).__name__}: {error}") from error

    def report(self, key: str, actuator: str) -> Report | None:
        """Say what became of an action; None when the actuator cannot be asked now, which is no news of the action."""
        try:
            report: object = self._actuator(actuator).lookup(key)
        except ActuatorError as error:
            self._failed(f"action {key}", ActuatorError(f"actuator '{actuator}': {error}"))
            return None
        except Exception as error:  # noqa: BLE001 - a plugin's bug must not stop the incident, nor pass for an answer
            self._failed(f"action {key}", ActuatorError(f"actuator '{actuator}': {type(error).__name__}: {error}"))
            return None
        if not isinstance(report, NeverStarted | Running | Done | InDoubt):
            self._failed(
                f"action {key}", ActuatorError(f"actuator '{actuator}' answered {report!r}, which is no report")
            )
            return None
        return report

    def reaches_anywhere(self, actuator: str) -> bool:
        """Whether any agent can ask it about an action; by default only the one that started it can."""
        return getattr(self._actuators.get(actuator), "reach", "host") == "anywhere"

    def _actuator(self, name: str) -> Actuator:
        actuator = self._actuators.get(name)
        if actuator is None:
            nearest = get_close_matches(name, self._actuators, n=1)
            hint = f"; did you mean '{nearest[0]}'?" if nearest else f"; known: {', '.join(sorted(self._actuators))}"
            raise ActuatorError(f"there is no actuator '{name}'{hint}")
        return actuator


def load_actuators(
    state: Path, environment: Mapping[str, str] | None = None, found: Iterable[EntryPoint] | None = None
) -> dict[str, Actuator]:
    """Make every actuator that is installed, built in or from a plugin.

    Args:
        state: the agent's state folder.
        environment: the agent's variables; this process's if not given.
        found: entry points; those of the installed packages if not given.

    Raises:
        UsageError: one cannot be loaded, or two have the same name. An agent must not start with half its hands.
    """
    context = ActuatorContext(state, dict(os.environ if environment is None else environment))
    actuators: dict[str, Actuator] = {}
    for entry in entry_points(group=ENTRY_POINTS) if found is None else found:
        if entry.name in actuators:
            raise UsageError(f"two installed packages offer an actuator '{entry.name}'; uninstall one ({entry.value})")
        try:
            factory: ActuatorFactory = entry.load()
            actuators[entry.name] = factory(context)
        except Exception as error:
            source = f" of package {entry.dist.name}" if entry.dist is not None else ""
            raise UsageError(
                f"actuator '{entry.name}' ({entry.value}){source} cannot be loaded: {type(error).__name__}: {error}; "
                "repair or uninstall that package"
            ) from error
    return actuators
