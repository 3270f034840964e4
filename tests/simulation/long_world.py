"""Services that break, actions that go wrong, telemetry that lies and clocks that jump: all of it from one seed."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

from tests.simulation.long_plans import CURES

from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.commands import Done, InDoubt, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError
from homeostat.model.incident import Incident
from homeostat.model.reasons import OutcomeStatus, Phase
from homeostat.model.signals import Absence, Reading, SignalSpec, Snapshot

START = 1_700_000_000.0
SKEW_MAX_S = 30.0
"""As the sensor of Prometheus has it: with a clock further off than this nothing is read."""
HEALS_S_MAX = 2 * 3600.0
REPAIR_S = (300.0, 1800.0)
QUESTION_S = (10.0, 200.0)


@dataclass(slots=True)
class Run:
    """One action that is at work."""

    command: StartAction
    ends_at: float
    outcome: OutcomeStatus
    is_useful: bool
    stopping: bool = False


class World:
    """What is real. Time passes only in `advance`.

    Attributes:
        now: the true time; `skew_s` is what the agent's clock adds to it.
        broken: service -> the action that would cure it; None: only people can.
        effects: the witness: by key, how often the action took effect.
        actions: by key, what was done. overlaps: two actions at work on one target.
    """

    def __init__(self, seed: int, services: int) -> None:
        self.now = START
        self.skew_s = 0.0
        self.services = [f"s{number}" for number in range(services)]
        self.broken: dict[str, str | None] = {}
        self.broken_since: dict[str, float] = {}
        self.effects: Counter[str] = Counter()
        self.actions: dict[str, str] = {}
        self.overlaps: list[str] = []
        self.inbox: list[Answer] = []
        self.source_down_until = 0.0
        self.missing_until: dict[str, float] = {}
        self.frozen: dict[str, tuple[float, float, float]] = {}
        self.lies_until: dict[str, float] = {}
        self.hazards = True
        self._runs: dict[str, Run] = {}
        self._over: dict[str, Report] = {}
        self._random = Random(f"{seed}/world")
        self._people = Random(f"{seed}/people")
        self._said: set[tuple[str, str]] = set()
        self._called: set[str] = set()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = 0

    def at(self, at: float, happens: Callable[[], None]) -> None:
        """Let something happen at a time."""
        self._number += 1
        heapq.heappush(self._events, (at, self._number, happens))

    def advance(self, to: float) -> None:
        """Let time pass."""
        while self._events and self._events[0][0] <= to:
            at, _, happens = heapq.heappop(self._events)
            self.now = max(self.now, at)
            happens()
        self.now = to

    def strike(self) -> None:
        """Break a service that is well."""
        well = [service for service in self.services if service not in self.broken]
        if not well:
            return
        service = self._random.choice(well)
        self.broken[service] = self._random.choice((*CURES, *CURES, None))
        self.broken_since[service] = self.now
        since = self.now
        self.at(self.now + self._random.uniform(300.0, HEALS_S_MAX), lambda: self.heal(service, since))

    def heal(self, service: str, since: float | None = None) -> None:
        """It is well again. `since`: only if it has been broken from then on."""
        if service in self.broken and since in (None, self.broken_since[service]):
            del self.broken[service]

    def reboot(self) -> None:
        """The host goes down: what runs is gone, and nobody knows how far it came."""
        for key in self._runs:
            self._over[key] = InDoubt("the host was restarted while it ran")
        self._runs.clear()

    def start(self, command: StartAction) -> None:
        """See `model.ports.Actuator`."""
        if self.hazards and self._random.random() < 0.03:
            raise ActuatorError("it did not take the action")
        if command.key in self._runs or command.key in self._over:
            return
        if any(other.command.target == command.target for other in self._runs.values()):
            self.overlaps.append(command.key)
        draw = self._random.random()
        takes_s = min(self._random.lognormvariate(3.0, 0.8), 600.0)
        outcome, useful = OutcomeStatus.OK, draw > 0.1
        if draw > 0.9:
            outcome = OutcomeStatus.ERROR
        elif draw > 0.86:
            takes_s = 1e9  # hangs until it is stopped
        run = Run(command, self.now + takes_s, outcome, useful)
        self._runs[command.key] = run
        self.at(self.now + 0.8 * takes_s, lambda: self._take_effect(run))
        self.at(run.ends_at, lambda: self._end(run, run.outcome))

    def lookup(self, key: str) -> Report:
        """See `model.ports.Actuator`."""
        if self.hazards and self._random.random() < 0.02:
            raise ActuatorError("it cannot be asked now")
        run = self._runs.get(key)
        if run is None:
            return self._over.get(key, NeverStarted())
        return Running(run.command.action.name)

    def cancel(self, key: str) -> None:
        """See `model.ports.Actuator`. Most stop soon, some take longer than anybody waits."""
        run = self._runs.get(key)
        if run is None:
            self._over.setdefault(key, Done(OutcomeStatus.CANCELLED, 0.0, detail="nothing was run"))
        elif not run.stopping:
            run.stopping = True
            after_s = self._random.choice((1.0, 3.0, 5.0, 90.0))
            self.at(self.now + after_s, lambda: self._end(run, OutcomeStatus.CANCELLED))

    def _take_effect(self, run: Run) -> None:
        key, action = run.command.key, run.command.action.name
        if run.stopping or key not in self._runs or run.outcome is OutcomeStatus.ERROR:
            return
        self.effects[key] += 1
        self.actions[key] = action
        service = run.command.target.partition("/")[2]
        if run.is_useful and self.broken.get(service) == action:
            self.heal(service)

    def _end(self, run: Run, status: OutcomeStatus) -> None:
        if self._runs.pop(run.command.key, None) is None:
            return
        self._over[run.command.key] = Done(status, 10.0, exit_code=0)

    def read(self, specs: Mapping[str, SignalSpec], now: float) -> Snapshot:
        """See `model.ports.Sensor`."""
        if self.now < self.source_down_until:
            return Snapshot(now, error="the source does not answer")
        if abs(self.skew_s) > SKEW_MAX_S:
            return Snapshot(now, error="the clocks differ too much")
        return Snapshot(now, {key: self._reading(spec.name) for key, spec in specs.items()})

    def _reading(self, signal: str) -> Reading:
        service = signal.partition("_")[2]
        if self.now < self.missing_until.get(service, 0.0):
            return Reading(absence=Absence.MISSING)
        until, at, value = self.frozen.get(service, (0.0, 0.0, 0.0))
        if self.now < until:
            return Reading(value, at)
        return Reading(self._errors(service), self.now)

    def _errors(self, service: str) -> float:
        is_lie = self.now < self.lies_until.get(service, 0.0)
        return 10.0 if (service in self.broken) is not is_lie else 0.0

    def disturb_telemetry(self) -> None:
        """A gap, a signal that is missing, one that stands still, or one that lies."""
        service, until = self._random.choice(self.services), self.now + self._random.uniform(20.0, 400.0)
        match self._random.randrange(4):
            case 0:
                self.source_down_until = until
            case 1:
                self.missing_until[service] = until
            case 2:
                self.frozen[service] = (until, self.now, self._errors(service))
            case _:
                self.lies_until[service] = until

    def jump_clock(self) -> None:
        """The agent's clock is set wrong, and right again later."""
        self.skew_s = self._random.choice((-1.0, 1.0)) * self._random.uniform(5.0, 400.0)

        def right() -> None:
            self.skew_s = 0.0

        self.at(self.now + self._random.uniform(60.0, 600.0), right)

    def pull_switch(self) -> None:
        """Somebody pulls the kill switch, of one policy or of all, and lifts it after a while."""
        policy = self._people.choice((*self.services, None))
        self._number += 1
        number = self._number
        self.inbox.append(Answer(f"pause-{number}", AnswerKind.PAUSE, "ann", self.now, policy=policy))
        resume = Answer(f"resume-{number}", AnswerKind.RESUME, "ann", self.now + 600.0, policy=policy)
        self.at(self.now + 600.0, lambda: self.inbox.append(resume))

    def say(self, incidents: Sequence[Incident]) -> None:
        """People answer questions, mostly in time, and repair what they are called for."""
        for incident in incidents:
            for node, question in incident.questions.items():
                if question.granted is None and (incident.id, node) not in self._said:
                    self._said.add((incident.id, node))
                    self._answer(incident.id, node)
            if incident.phase is Phase.ESCALATED and incident.id not in self._called:
                self._called.add(incident.id)
                service = incident.policy
                self.at(self.now + self._people.uniform(*REPAIR_S), lambda service=service: self.heal(service))  # type: ignore[misc]
        if not incidents:
            self._said.clear()
            self._called.clear()

    def _answer(self, incident: str, node: str) -> None:
        draw = self._people.random()
        if draw < 0.2:
            return
        kind = AnswerKind.DENY if draw < 0.4 else AnswerKind.APPROVE
        self._number += 1
        at = self.now + self._people.uniform(*QUESTION_S)
        answer = Answer(f"answer-{self._number}", kind, "ann", at, incident, node)
        self.at(at, lambda: self.inbox.append(answer))

    @property
    def is_calm(self) -> bool:
        """Whether nothing is broken, running or being said."""
        return not self.broken and not self._runs and not self.inbox
