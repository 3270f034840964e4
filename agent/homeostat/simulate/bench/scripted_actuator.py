"""The scripted actuator: every action of a policy, in virtual time, as a script has it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from homeostat.model.commands import Done, InDoubt, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError
from homeostat.model.ports import Clock
from homeostat.model.reasons import OutcomeStatus


class Ending(StrEnum):
    """How a run ends when nobody stops it.

    ok, error: as the action says. hang: it runs into its time-out. deaf: so too, and no cancel stops it.
    lost: nobody can say whether it ran. refused: it cannot be started.
    """

    OK = "ok"
    ERROR = "error"
    HANG = "hang"
    DEAF = "deaf"
    LOST = "lost"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Run:
    """One run that was asked for: an attempt as the actuator sees it.

    Attributes:
        node, number: the step or undo, and which of its attempts; they stand in the key.
    """

    key: str
    node: str
    number: int
    action: str
    target: str
    takes_s: float
    started_at: float
    is_manual: bool

    @property
    def names(self) -> tuple[str, str, str]:
        """What a script may call it by, the most exact first."""
        return self.node, f"{self.action} {self.target}", self.action


@dataclass(frozen=True, slots=True)
class Conduct:
    """How a run goes: how long it takes, and how it ends."""

    takes_s: float
    ending: Ending = Ending.OK


class Script(Protocol):
    """What the scripted actuator asks the world."""

    def conduct(self, run: Run) -> Conduct:
        """Say how a run will go that starts now."""
        ...

    def succeeded(self, run: Run, at: float) -> None:
        """Let a run that ended well take effect."""
        ...


@dataclass(slots=True)
class _Ongoing:
    run: Run
    ending: Ending
    ends_at: float
    status: OutcomeStatus
    settled: bool = False


class ScriptedActuator:
    """Implements `model.ports.Actuator` for every name a policy uses, `manual` among them."""

    def __init__(self, clock: Clock, script: Script) -> None:
        self._clock = clock
        self._script = script
        self._runs: dict[str, _Ongoing] = {}
        self._never: set[str] = set()

    def start(self, command: StartAction) -> None:
        """Start a run; no effect when the key was ever started or cancelled. Raises ActuatorError."""
        if command.key in self._runs or command.key in self._never:
            return
        _, node, number = command.key.split("/")
        now = self._clock.now()
        run = Run(
            command.key,
            node,
            int(number),
            command.action.name,
            command.target,
            command.action.takes_s,
            now,
            command.action.actuator == "manual",
        )
        conduct = self._script.conduct(run)
        if conduct.ending is Ending.REFUSED:
            raise ActuatorError(f"the script refuses to start {run.action}")
        hangs = conduct.ending in (Ending.HANG, Ending.DEAF) or conduct.takes_s > command.timeout_s
        status = OutcomeStatus.ERROR if conduct.ending is Ending.ERROR else OutcomeStatus.OK
        ends_at = now + (command.timeout_s if hangs else conduct.takes_s)
        if conduct.ending is Ending.DEAF:
            ends_at = math.inf
        self._runs[command.key] = _Ongoing(run, conduct.ending, ends_at, OutcomeStatus.TIMEOUT if hangs else status)

    def lookup(self, key: str) -> Report:
        """Say what became of a run."""
        ongoing = self._runs.get(key)
        if ongoing is None:
            return Done(OutcomeStatus.CANCELLED, 0.0) if key in self._never else NeverStarted()
        if self._clock.now() < ongoing.ends_at:
            return Running("script")
        if ongoing.ending is Ending.LOST:
            return InDoubt("the script loses it")
        return Done(ongoing.status, ongoing.ends_at - ongoing.run.started_at)

    def cancel(self, key: str) -> None:
        """Stop a run now, unless it is deaf or over."""
        ongoing = self._runs.get(key)
        if ongoing is None:
            self._never.add(key)
        elif ongoing.ending is not Ending.DEAF and ongoing.ends_at > self._clock.now():
            ongoing.ends_at, ongoing.status = self._clock.now(), OutcomeStatus.CANCELLED

    def finish(self, node: str, *, well: bool) -> bool:
        """End the latest run of a step now, as a person says; False when none is going on."""
        going = [ongoing for ongoing in self._runs.values() if ongoing.run.node == node]
        if not going or going[-1].ends_at <= self._clock.now():
            return False
        going[-1].ends_at = self._clock.now()
        going[-1].status = OutcomeStatus.OK if well else OutcomeStatus.ERROR
        return True

    def settle(self) -> None:
        """Let every run that has ended well until now take effect, in the order of their ends."""
        now = self._clock.now()
        ended = [ongoing for ongoing in self._runs.values() if not ongoing.settled and ongoing.ends_at <= now]
        for ongoing in sorted(ended, key=lambda ongoing: ongoing.ends_at):
            ongoing.settled = True
            if ongoing.status is OutcomeStatus.OK:
                self._script.succeeded(ongoing.run, ongoing.ends_at)

    def next_end(self) -> float:
        """When the next run ends; infinity when none will."""
        now = self._clock.now()
        return min((ongoing.ends_at for ongoing in self._runs.values() if ongoing.ends_at > now), default=math.inf)
