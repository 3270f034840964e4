"""Route commands to actuators, and keep what goes wrong inside one of them from going further."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from homeostat.act.admission import Admission, Allowed, StartBefore
from homeostat.act.context import ActuatorContext, ActuatorFactory, SecretCommand
from homeostat.act.isolated import Failed, Isolated, Load
from homeostat.model.commands import CancelAction, Command, Done, InDoubt, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError, UsageError
from homeostat.model.ports import Actuator

ENTRY_POINTS = "homeostat.actuators"
"""The group under which built-in actuators and plugins register."""


def _unheard(_what: str, _error: Exception) -> None:
    return None


class Executor:
    """Implements `model.ports.Executor`.

    An actuator that says `may_block = False` is called on the caller's thread; it touches nothing but local files. All
    others have a thread each (`isolated.py`), so that one that hangs holds up neither the loop nor the rest.

    Args:
        actuators: by the name that policies know them by.
        failed: told when an actuator could not be asked, also from its own thread.
        isolate: False calls every actuator on the caller's thread, for virtual time.
        start_before: until when an action may still begin, asked right before its start.
        allowed: why an action must not be started, asked right before its start; None where it may.
        boottime: seconds on CLOCK_BOOTTIME.
    """

    def __init__(
        self,
        actuators: Mapping[str, Actuator],
        failed: Failed = _unheard,
        *,
        isolate: bool = False,
        start_before: StartBefore | None = None,
        allowed: Allowed | None = None,
        boottime: Callable[[], float] = lambda: time.clock_gettime(time.CLOCK_BOOTTIME),
    ) -> None:
        self._actuators = dict(actuators)
        self._failed = failed
        self._hands: dict[str, Admission | Isolated] = {}
        for name, actuator in actuators.items():
            admission = Admission(actuator, start_before, allowed, boottime)
            apart = isolate and getattr(actuator, "may_block", True)
            self._hands[name] = Isolated(name, admission, failed) if apart else admission

    def carry_out(self, command: Command) -> None:
        """Start or cancel an action, or have that done soon by the actuator's own thread.

        Raises:
            ActuatorError: its actuator is not there, did not take the command, or has too much to do.
        """
        name = command.action.actuator
        hand = self._hands[self._known(name)]
        try:
            match command:
                case StartAction():
                    hand.start(command)
                case CancelAction():
                    hand.cancel(command.key)
        except ActuatorError as error:
            raise ActuatorError(f"actuator '{name}': {error}") from error
        except Exception as error:  # a plugin's bug is an action that could not be carried out
            raise ActuatorError(f"actuator '{name}' failed: {type(error).__name__}: {error}") from error

    def report(self, key: str, actuator: str) -> Report | None:
        """Say what became of an action; None when the actuator cannot be asked now, which is no news of the action."""
        try:
            report: object = self._hands[self._known(actuator)].report(key)
        except ActuatorError as error:
            self._failed(f"action {key}", ActuatorError(f"actuator '{actuator}': {error}"))
            return None
        except Exception as error:  # noqa: BLE001 - a plugin's bug must not stop the incident, nor pass for an answer
            self._failed(f"action {key}", ActuatorError(f"actuator '{actuator}': {type(error).__name__}: {error}"))
            return None
        hand = self._hands[actuator]
        if report is None and isinstance(hand, Isolated):
            return None
        if not isinstance(report, NeverStarted | Running | Done | InDoubt):
            self._failed(
                f"action {key}", ActuatorError(f"actuator '{actuator}' answered {report!r}, which is no report")
            )
            return None
        return report

    def artifact(self, key: str, actuator: str) -> bytes | None:
        """All that was kept of an ended action's output, as `Done.output_sha256` has it; None where there is none.

        Raises:
            ActuatorError: there is one, and it cannot be read or is not what was kept.
        """
        hand = self._hands[self._known(actuator)]
        read = getattr(self._actuators[actuator], "artifact", None)
        if read is None or isinstance(hand, Isolated):
            return None
        content: bytes | None = read(key)
        return content

    def reaches_anywhere(self, actuator: str) -> bool:
        """Whether any host may ask after its actions (`reach = "anywhere"`), not only the one that started them."""
        return getattr(self._actuators.get(actuator), "reach", "host") == "anywhere"

    def loads(self) -> Mapping[str, Load]:
        """How the actuators with a thread of their own are doing, by name."""
        return {name: hand.load() for name, hand in self._hands.items() if isinstance(hand, Isolated)}

    def close(self) -> None:
        """Start nothing more. What waits for its start was never started; actions that run go on running."""
        for hand in self._hands.values():
            if isinstance(hand, Isolated):
                hand.close()

    def _known(self, name: str) -> str:
        if name not in self._hands:
            nearest = get_close_matches(name, self._hands, n=1)
            hint = f"; did you mean '{nearest[0]}'?" if nearest else f"; known: {', '.join(sorted(self._hands))}"
            raise ActuatorError(f"there is no actuator '{name}'{hint}")
        return name


def load_actuators(
    state: Path,
    environment: Mapping[str, str] | None = None,
    found: Iterable[EntryPoint] | None = None,
    secret_commands: Mapping[str, SecretCommand] | None = None,
) -> dict[str, Actuator]:
    """Make every actuator that is installed, built in or from a plugin.

    Args:
        state: the agent's state folder.
        environment: the agent's variables; this process's if not given.
        found: entry points; those of the installed packages if not given.
        secret_commands: what prints a secret, by name.

    Raises:
        UsageError: one cannot be loaded, or two have the same name. An agent must not start with half its hands.
    """
    context = ActuatorContext(
        state, dict(os.environ if environment is None else environment), secret_commands=dict(secret_commands or {})
    )
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
