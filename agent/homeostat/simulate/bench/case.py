"""One policy test, ready to run, and the run itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from homeostat.model import entries as e
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.errors import ActuatorError, Position
from homeostat.model.guards import NO_GUARDS, Guards
from homeostat.model.policy import Mode, Policy
from homeostat.model.reasons import Phase
from homeostat.record.memory import MemoryJournal
from homeostat.simulate.bench.course import Course
from homeostat.simulate.bench.scripted_actuator import Conduct, Ending, Run
from homeostat.simulate.bench.series import Series
from homeostat.simulate.bench.signal_state import SignalState
from homeostat.simulate.bench.stage import BEGIN, Stage
from homeostat.simulate.bench.suite_schema import AnswerFields, ConductFields, ExpectFields

TICKS_MAX = 100_000
AFTER_TIMEOUT_S = 3600.0
"""A test without an end of its own runs this much longer than its policy may take."""

_ENDINGS = {
    "refused": Ending.REFUSED,
    "lost": Ending.LOST,
    "deaf": Ending.DEAF,
    "hang": Ending.HANG,
    "fails": Ending.ERROR,
}


@dataclass(frozen=True, slots=True)
class Effect:
    """What signals show once an action has succeeded, `delay_s` later."""

    series: Mapping[str, Series]
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Expectation:
    """What is expected, and where it is written."""

    position: Position
    fields: ExpectFields


@dataclass(frozen=True, slots=True)
class Case:
    """One test with everything looked up.

    Attributes:
        series: every signal that is mentioned. conducts, effects: by step, `action target` or action.
        begin: Unix seconds.
    """

    name: str
    position: Position
    policy: Policy
    interval_s: float
    series: Mapping[str, Series]
    expectations: Sequence[Expectation]
    conducts: Mapping[str, ConductFields] = field(default_factory=dict)
    effects: Mapping[str, Effect] = field(default_factory=dict)
    answers: Sequence[AnswerFields] = ()
    guards: Guards = NO_GUARDS
    people: Mapping[str, frozenset[str]] = field(default_factory=dict)
    mode: Mode = Mode.AUTO
    begin: float = BEGIN
    until_s: float | None = None


class _Script:
    """Implements `stage.World` as a test has it."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._state = SignalState(case.series, case.begin, case.interval_s)
        self.sample = self._state.sample

    def conduct(self, run: Run) -> Conduct:
        """How a run goes: as the test says, or else as the step or the catalogue does."""
        fields = next((self._case.conducts[name] for name in run.names if name in self._case.conducts), None)
        declared_s = self._case.policy.leaf(run.node).takes_s
        takes_s = run.takes_s if declared_s is None else declared_s
        if fields is None:
            return Conduct(takes_s, Ending.HANG if run.is_manual else Ending.OK)
        ending = next(
            (_ENDINGS[kind] for kind in fields.ENDINGS if _concerns(getattr(fields, kind), run.number)), Ending.OK
        )
        if run.is_manual and fields.takes is None and ending is Ending.OK:
            ending = Ending.HANG
        return Conduct(takes_s if fields.takes is None else fields.takes, ending)

    def succeeded(self, run: Run, at: float) -> None:
        """Let the signals take the series that come after this action."""
        effect = next((self._case.effects[name] for name in run.names if name in self._case.effects), None)
        if effect is not None:
            for signal, series in effect.series.items():
                self._state.set(signal, series, at + effect.delay_s)


def _concerns(attempts: int | tuple[int, ...], number: int) -> bool:
    """Whether an attempt is meant: all (True), the first so many, or those listed."""
    if isinstance(attempts, bool):
        return attempts
    return number in attempts if isinstance(attempts, tuple) else number <= attempts


def run_case(case: Case) -> Course:
    """Run a test in virtual time; what came of it is judged by `expectations.judge`."""
    stage = Stage(
        case.policy,
        _Script(case),
        seed=0,
        begin=case.begin,
        mode=case.mode,
        guards=case.guards,
        people=case.people,
        journal=MemoryJournal(),  # so that what no journal can store shows here
    )
    waiting = sorted(case.answers, key=lambda answer: answer.at)
    unheard: list[str] = []
    for _ in range(TICKS_MAX):
        while waiting and waiting[0].at <= stage.elapsed_s:
            _say(stage, waiting.pop(0), unheard)
        stage.tick()
        if _is_over(case, stage):
            break
        stage.wait(case.interval_s)
    else:
        unheard.append(f"it was cut off after {TICKS_MAX} ticks; choose a longer interval or an earlier end")
    unheard += [
        f"at {failure.at - case.begin:g} s: {failure.what}: {failure.error}"
        for failure in stage.failures
        if not isinstance(failure.error, ActuatorError)
    ]
    return Course(case.begin, stage.elapsed_s, tuple(stage.entries), tuple(unheard), case.policy.name)


def _say(stage: Stage, answer: AnswerFields, unheard: list[str]) -> None:
    """Deliver what a person says: to the agent's inbox, or, of a step of people, to the actuator."""
    kind, about = answer.said
    if kind in ("done", "failed"):
        if not stage.actuator.finish(about, well=kind == "done"):
            unheard.append(f"at {stage.elapsed_s:g} s: '{kind}: {about}' is said, and nobody is at work on it")
        return
    number = len(stage.entries)
    is_switch = kind in ("pause", "resume")
    incident = stage.incident
    stage.inbox.say(
        Answer(
            f"answer-{kind}-{about}-{answer.at:g}-{number}",
            AnswerKind(kind),
            answer.by,
            stage.clock.now(),
            incident=None if is_switch else incident.id if incident else "none",
            node=None if is_switch or kind == AnswerKind.TAKE_OVER else about,
            policy=about if is_switch and about != "all" else None,
        )
    )


def _is_over(case: Case, stage: Stage) -> bool:
    """Whether nothing more is wanted: see "A test" in docs/policy-tests.md."""
    elapsed_s = stage.elapsed_s
    if case.until_s is not None:
        return elapsed_s >= case.until_s
    times_s = [expected.fields.at for expected in case.expectations]
    changing_s = max((series.changes_for_s(case.interval_s) for series in case.series.values()), default=0.0)
    named_s = max([at_s for at_s in times_s if at_s is not None] + [answer.at for answer in case.answers], default=0.0)
    if elapsed_s < named_s:
        return False
    if None not in times_s:
        return True
    limit_s = case.policy.trigger.for_s + case.policy.timeout_s + AFTER_TIMEOUT_S
    incident = stage.incident
    if incident is None:
        closed = any(isinstance(entry, e.Closed) for _, entry in stage.entries)
        return (closed and elapsed_s >= changing_s) or elapsed_s >= limit_s
    return elapsed_s >= limit_s or (incident.phase is Phase.ESCALATED and not incident.open_attempts())
