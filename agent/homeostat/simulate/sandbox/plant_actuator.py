"""The plant's actuator: remedies that take their time, in the plant's virtual time."""

from __future__ import annotations

import difflib
import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from homeostat.model.commands import Done, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError
from homeostat.model.policy import Scalar
from homeostat.model.reasons import OutcomeStatus
from homeostat.simulate.sandbox.chance import lognormal, stream
from homeostat.simulate.sandbox.plant import Plant
from homeostat.simulate.sandbox.remedies import REMEDIES, Remedy, RemedyFailedError

DURATION_SIGMA = 0.5
CANCEL_S = 1.0
"""A remedy that is told to stop stops within this time."""


@dataclass(slots=True)
class _Run:
    """One start. `ends_at` moves forward when it is cancelled; `done` is set once it has ended."""

    key: str
    remedy: Remedy
    arguments: Mapping[str, Scalar]
    shift: int
    started_at: float
    ends_at: float
    outcome: OutcomeStatus
    done: Done | None = None


class PlantActuator:
    """Implements `model.ports.Actuator` on a `Plant`; the action's name picks the remedy.

    How long a remedy takes and whether it applies depend on the plant's seed, the shift, the remedy and how often
    it was used in that shift, and on nothing else: not on the key, nor on what was done before.

    Attributes:
        effects: by key, how often its effect took place. Never above 1.
        begun: (virtual Unix seconds, action) of every remedy started, in order.
    """

    def __init__(self, plant: Plant) -> None:
        self.effects: Counter[str] = Counter()
        self.begun: list[tuple[float, str]] = []
        self._plant = plant
        self._runs: dict[str, _Run] = {}
        self._withdrawn: set[str] = set()
        self._uses: Counter[tuple[int, str]] = Counter()

    def start(self, command: StartAction) -> None:
        """Start the remedy named by the action, unless the key was started before.

        Raises:
            ActuatorError: there is no such remedy, or it does not work on this target.
        """
        if command.key in self._runs or command.key in self._withdrawn:
            return
        plant = self._plant
        remedy = _find(command.action.name, command.target)
        uses = self._uses[plant.shift, remedy.name]
        self._uses[plant.shift, remedy.name] += 1
        rng = stream(plant.seed, f"shift {plant.shift}/{remedy.name}/{uses}")
        applies = rng.random() >= remedy.fails_share
        takes_s = lognormal(rng, remedy.takes_s, DURATION_SIGMA)
        outcome = OutcomeStatus.OK if applies else OutcomeStatus.ERROR
        if takes_s > command.timeout_s:
            takes_s, outcome = command.timeout_s, OutcomeStatus.TIMEOUT
        run = _Run(command.key, remedy, dict(command.arguments), plant.shift, plant.now, plant.now + takes_s, outcome)
        self._runs[command.key] = run
        self.begun.append((plant.now, remedy.name))
        plant.schedule(run.ends_at, lambda: self._end(run, run.outcome))

    def lookup(self, key: str) -> Report:
        """Say what became of the key."""
        run = self._runs.get(key)
        if run is None:
            return Done(OutcomeStatus.CANCELLED, 0.0) if key in self._withdrawn else NeverStarted()
        return run.done or Running(handle=f"{run.remedy.name}@{run.started_at:.0f}")

    def cancel(self, key: str) -> None:
        """Ask the remedy to stop; it confirms after a second. One that never started now never will."""
        run = self._runs.get(key)
        if run is None:
            self._withdrawn.add(key)
            return
        at = self._plant.now + CANCEL_S
        if at < run.ends_at:
            run.ends_at = at
            self._plant.schedule(at, lambda: self._end(run, OutcomeStatus.CANCELLED))

    def _end(self, run: _Run, outcome: OutcomeStatus) -> None:
        if run.done is not None:
            return
        exit_code: int | None = None
        output = ""
        detail = ""
        if run.shift != self._plant.shift and outcome is OutcomeStatus.OK:
            outcome, detail = OutcomeStatus.CANCELLED, "stopped by the next shift"
        if outcome is OutcomeStatus.ERROR:
            exit_code, output = 1, run.remedy.failure
        elif outcome is OutcomeStatus.OK:
            try:
                output = self._take_effect(run)
                exit_code = 0
            except RemedyFailedError as error:
                outcome, exit_code, output = OutcomeStatus.ERROR, error.exit_code, str(error)
        printed = output.encode()
        run.done = Done(
            status=outcome,
            duration_s=self._plant.now - run.started_at,
            exit_code=exit_code,
            output=output,
            output_bytes=len(printed),
            output_sha256=hashlib.sha256(printed).hexdigest() if printed else None,
            detail=detail,
        )

    def _take_effect(self, run: _Run) -> str:
        run.remedy.check(run.arguments)
        output = run.remedy.apply(self._plant.state, run.arguments, self._plant.now)
        self.effects[run.key] += 1
        return output


def _find(name: str, target: str) -> Remedy:
    remedy = REMEDIES.get(name)
    if remedy is None:
        nearest = difflib.get_close_matches(name, REMEDIES, n=1, cutoff=0.0)[0]
        raise ActuatorError(f"the plant has no action {name!r}; did you mean {nearest!r}?")
    if target != remedy.target:
        raise ActuatorError(f"{name} does not work on {target!r}; its target in the plant is {remedy.target!r}")
    return remedy
