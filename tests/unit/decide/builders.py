"""Small policies, snapshots and a driver for the tests of `decide`, without YAML, clocks or networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import structs

from homeostat.decide.identity import dormant_incident
from homeostat.decide.projection import fold
from homeostat.decide.step import look_on, step
from homeostat.decide.turn import Moment
from homeostat.model import entries as e
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.commands import CancelAction, Done, Report, Running, StartAction, Step
from homeostat.model.guards import NO_GUARDS, Guards
from homeostat.model.incident import Incident, Ledger
from homeostat.model.policy import (
    ActionSpec,
    Approval,
    Choose,
    Do,
    Effect,
    Escalate,
    Mode,
    Node,
    Policy,
    Probe,
    Retry,
    Steps,
    Try,
    Verify,
    Window,
)
from homeostat.model.ranking import Ranking
from homeostat.model.reasons import OutcomeStatus
from homeostat.model.signals import Condition, Reading, SignalSpec, Snapshot, Truth, Value

START = 1_700_000_000.0
EARLY_S = 1e-3
LOOKS_APART_S_MAX = 86_400.0
NO_RETRY = Retry()
OK = Done(OutcomeStatus.OK, 1.0, exit_code=0)
FAILED = Done(OutcomeStatus.ERROR, 1.0, exit_code=1)


def above(signal: str, bound: float) -> Condition:
    def evaluate(values: Mapping[str, Value]) -> Truth:
        value = values[signal]
        return None if value is None else float(value) > bound

    return Condition(f"{signal} > {bound:g}", (signal,), evaluate)


def below(signal: str, bound: float) -> Condition:
    def evaluate(values: Mapping[str, Value]) -> Truth:
        value = values[signal]
        return None if value is None else float(value) < bound

    return Condition(f"{signal} < {bound:g}", (signal,), evaluate)


ERRORS_LOW = below("errors", 1)
ERRORS_GONE = Verify(ERRORS_LOW, for_s=10, within_s=60)


def do(
    name: str,
    *,
    target: str | None = None,
    effect: Effect = Effect.SAFE,
    verify: Verify | None = ERRORS_GONE,
    retry: Retry = NO_RETRY,
    cooldown_s: float = 0.0,
    condition: Condition | None = None,
    timeout_s: float = 100.0,
    approval: Approval | None = None,
    mode: Mode | None = None,
    undo: Do | None = None,
    fallback: Node | None = None,
    probe: Probe | None = None,
) -> Do:
    return Do(
        id=name,
        action=ActionSpec(name, "fake", {}, effect),
        target=target or f"svc/{name}",
        arguments={},
        effect=effect,
        timeout_s=timeout_s,
        verify=verify,
        retry=retry,
        cooldown_s=cooldown_s,
        condition=condition,
        approval=approval,
        mode=mode,
        undo=undo,
        fallback=fallback,
        probe=probe,
    )


def undo_of(name: str, *, target: str | None = None, effect: Effect = Effect.SAFE) -> Do:
    """The undo of the leaf `name`, which has the same target."""
    return do(f"{name}.undo", target=target or f"svc/{name}", verify=None, effect=effect, retry=Retry(1))


def policy(
    *children: Node,
    for_s: float = 10.0,
    attempts_max: int = 50,
    timeout_s: float = 10_000.0,
    harm: Condition | None = None,
    mode: Mode = Mode.AUTO,
    signals: tuple[str, ...] = ("errors", "hint", "harm"),
) -> Policy:
    return Policy(
        name="p",
        owner="team",
        hash="hash",
        signals={name: SignalSpec(name, name, max_age_s=30.0) for name in signals},
        trigger=Window(above("errors", 5), for_s=for_s),
        resolved=Window(ERRORS_LOW, for_s=20.0, within_s=120.0),
        escalate=Escalate("policy-escalate", "oncall"),
        root=Steps("plan", children),
        timeout_s=timeout_s,
        attempts_max=attempts_max,
        unknown_s=60.0,
        harm=harm,
        mode=mode,
    )


def attempt_of_each(*names: str) -> Try:
    return Try("try", tuple(do(name) for name in names))


def choice_of(*names: str) -> Choose:
    return Choose("choose", tuple(do(name) for name in names))


def later_by(wait_s: float, snapshot: Snapshot) -> Snapshot:
    """The same signals, seen and sampled later."""
    readings = {
        name: reading
        if reading.sampled_at is None
        else structs.replace(reading, sampled_at=reading.sampled_at + wait_s)
        for name, reading in snapshot.readings.items()
    }
    return structs.replace(snapshot, at=snapshot.at + wait_s, readings=readings)


@dataclass
class Driver:
    """Drives one policy tick by tick and checks at every step that the fold of the entries is the live state."""

    policy: Policy
    ranking: Ranking | None = None
    now: float = START
    signals: dict[str, Value] = field(default_factory=lambda: {"errors": 0.0, "hint": 0.0, "harm": 0.0})
    reports: dict[str, Report] = field(default_factory=dict)
    ledger: Ledger = field(default_factory=Ledger)
    entries: list[e.Entry] = field(default_factory=list)
    policy_entries: list[e.Entry] = field(default_factory=list)
    started: list[StartAction] = field(default_factory=list)
    cancelled: list[CancelAction] = field(default_factory=list)
    sampled_before_s: float = 0.0
    error: str | None = None
    mode: Mode = Mode.AUTO
    guards: Guards = NO_GUARDS
    guard_values: dict[str, Value] = field(default_factory=dict)
    answers: list[Answer] = field(default_factory=list)
    people: dict[str, frozenset[str]] = field(default_factory=dict)
    incident: Incident = field(init=False)

    def __post_init__(self) -> None:
        self.incident = dormant_incident(self.policy, self.now, seed=7)

    def snapshot(self) -> Snapshot:
        if self.error is not None:
            return Snapshot(self.now, error=self.error)
        sampled_at = self.now - self.sampled_before_s
        readings = {name: Reading(value, sampled_at) for name, value in self.signals.items() if value is not None}
        return Snapshot(self.now, readings)

    def tick(self, seconds: float = 5.0, **signals: Value) -> Step:
        """Let `seconds` pass, set `signals`, and take one step."""
        self.now += seconds
        self.signals.update(signals)
        moment = self.moment()
        decided = step(self.policy, self.incident, moment)
        assert decided == step(self.policy, self.incident, moment), "step is not a function of its arguments"
        self.incident, self.ledger = decided.incident, decided.ledger
        self._hold_to_its_word(moment, decided)
        self.entries += decided.entries
        self.policy_entries += decided.policy_entries
        for command in decided.commands:
            if isinstance(command, StartAction):
                self.started.append(command)
                self.reports[command.key] = Running("1")
            else:
                self.cancelled.append(command)
        if self.entries:
            assert fold(self.entries) == self.incident, "the journal does not say what the live state is"
        return decided

    def _hold_to_its_word(self, moment: Moment, decided: Step) -> None:
        """What a step says of the looks to come is what the next one finds, as late as it may be."""
        quiet = decided.quiet
        if quiet is None:
            return
        wait_s = min(quiet.until - moment.now, quiet.looks_apart_s_max, LOOKS_APART_S_MAX) - EARLY_S
        if wait_s <= 0.0:
            return
        later = structs.replace(
            moment, now=moment.now + wait_s, snapshot=later_by(wait_s, moment.snapshot), ledger=decided.ledger
        )
        found = step(self.policy, decided.incident, later)
        seen = [entry.snapshot for entry in found.entries if isinstance(entry, e.Observed)]
        assert len(seen) == int(quiet.observes)
        looks = look_on(decided.incident, decided.ledger, seen)
        assert structs.replace(found, quiet=None) == looks, "it was not quiet"
        assert found.quiet is not None
        assert found.quiet.until >= min(quiet.until, later.now) - EARLY_S

    def moment(self) -> Moment:
        answers, self.answers = self.answers, []
        return Moment(
            self.now,
            self.snapshot(),
            self.ledger,
            self.ranking,
            dict(self.reports),
            self.mode,
            self.guards,
            self.guard_values,
            answers,
            self.people,
        )

    def end(self, key: str, report: Report = OK) -> None:
        """Let the action of the leaf named in `key` (its name, or name/number) end."""
        for command in reversed(self.started):
            if command.key.split("/", 1)[1] in (key, f"{key}/1"):
                self.reports[command.key] = report
                return
        raise AssertionError(f"{key} was not started")

    def say(self, kind: AnswerKind, node: str, by: str, answer: str | None = None, plan: str = "") -> None:
        """A person says something; the next tick takes it in."""
        name = answer or f"{kind}-{node}-{by}"
        self.answers.append(Answer(name, kind, by, self.now, self.incident.id, node, plan=plan))

    def ticks(self, count: int, **signals: Value) -> None:
        self.signals.update(signals)
        for _ in range(count):
            self.tick()

    def confirm(self) -> None:
        """Bring the incident to its first decision."""
        self.ticks(3, errors=10.0)

    def finish(self, report: Report = OK) -> None:
        """Let the action that was started last end."""
        self.reports[self.started[-1].key] = report

    def names(self) -> list[str]:
        return [command.action.name for command in self.started]

    def of(self, entry_type: type[e.Entry]) -> list[e.Entry]:
        return [entry for entry in self.entries if type(entry) is entry_type]

    def restart(self) -> None:
        """What an agent knows after a crash: the fold of the journal."""
        self.incident = fold(self.entries)
