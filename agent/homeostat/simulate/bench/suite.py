"""Load `*.test.yaml`: every problem at once with its place, or tests with nothing left to look up."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from homeostat.decide.turn import LOOK_GAP_FACTOR
from homeostat.model.errors import PolicyError, Position, Problem, printable
from homeostat.model.guards import NO_GUARDS, Guards
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Mode, Policy
from homeostat.model.signals import SignalSpec, SignalType
from homeostat.policy.fields import ValidationContext, shown
from homeostat.policy.guards_file import guards_from
from homeostat.policy.load import read_draft
from homeostat.policy.schema_errors import validated
from homeostat.policy.sources import FolderSources, SourceError, Sources, beside
from homeostat.policy.units import format_seconds
from homeostat.policy.yaml_tree import Document, Path, read_yaml
from homeostat.simulate.bench.case import Case, Effect, Expectation
from homeostat.simulate.bench.names import known_names
from homeostat.simulate.bench.series import Series, parse_series
from homeostat.simulate.bench.stage import BEGIN
from homeostat.simulate.bench.suite_schema import AnswerFields, CaseFields, EffectFields, ExpectFields, SuiteFields

SUFFIX = ".test.yaml"
_NO_CONTEXT = ValidationContext(None)


@dataclass(slots=True)
class Suite:
    """A test file.

    Attributes:
        cases: its tests, empty where the file is wrong.
        problems: everything wrong with it.
    """

    path: str
    cases: list[Case] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)


def suite_paths(folder: pathlib.Path) -> list[pathlib.Path]:
    """Every test file in a folder and below it, sorted. Raises OSError if it cannot be listed."""
    return sorted(folder.rglob(f"*{SUFFIX}"))


def load_suite(path: pathlib.Path, sources: Sources | None = None) -> Suite:
    """Load a test file and the policy it tests.

    Args:
        path: of the test file.
        sources: where the texts of the policy and its guards come from; the test file's own folder if not given.
    """
    own = FolderSources(path.parent)
    suite = Suite(str(path))
    try:
        document = read_yaml(own.read(path.name), str(path))
    except SourceError as error:
        suite.problems.append(Problem(Position(str(path), 1, 1), "E100", str(error)))
        return suite
    suite.problems += document.problems
    if not document.problems or document.data is not None:
        _Reader(suite, document, sources or own).read()
    suite.problems = sorted({printable(problem) for problem in suite.problems})
    if suite.problems:
        suite.cases = []
    return suite


@dataclass(frozen=True, slots=True)
class _Subject:
    """The policy under test in one environment, and every signal its files know."""

    policy: Policy
    signals: Mapping[str, SignalSpec]


class _Reader:
    """Makes tests of a document, and notes what is wrong."""

    def __init__(self, suite: Suite, document: Document, sources: Sources) -> None:
        self._suite = suite
        self._document = document
        self._sources = sources
        self._subjects: dict[str | None, _Subject | None] = {}
        self._fields: SuiteFields | None = None

    def read(self) -> None:
        """Read the whole file."""
        fields = validated(SuiteFields, self._document.data, self._document, (), _NO_CONTEXT)
        if isinstance(fields, list):
            self._suite.problems += fields
            return
        self._fields = fields
        names: set[str] = set()
        for index, raw in enumerate(fields.tests):
            path: Path = ("tests", index)
            case = validated(CaseFields, raw, self._document, path, _NO_CONTEXT)
            if isinstance(case, list):
                self._suite.problems += case
                continue
            if case.name in names:
                self._wrong((*path, "name"), "E140", f"another test is named {shown(case.name)} already")
            names.add(case.name)
            self._take(case, fields, path)

    def _wrong(self, path: Path, code: str, message: str, *, at_key: bool = False) -> None:
        position = self._document.key_at(path) if at_key else self._document.at(path)
        self._suite.problems.append(Problem(position, code, message))

    def _take(self, case: CaseFields, suite: SuiteFields, path: Path) -> None:
        subject = self._subject(suite, case.environment or suite.environment)
        if subject is None:
            return
        if (case.environment or suite.environment) and subject.policy.environment is None:
            place: Path = (*path, "environment") if case.environment else ("environment",)
            self._wrong(place, "E161", "the policy has no environments")
        guards = self._guards(case, suite, path)
        signals = {**subject.signals, **guards.signals}
        self._check_interval(subject.policy, suite)
        series = dict(self._series(suite.defaults, signals, ("defaults",)))
        series |= dict(self._series(case.signals, signals, (*path, "signals")))
        names = known_names(subject.policy)
        expectations = list(self._expectations(case, subject.policy, names, path))
        effects: dict[str, Effect] = {}
        for setting, base in ((suite, ()), (case, path)):
            self._check_names(setting.actions, names, (*base, "actions"))
            self._check_names(setting.after, names, (*base, "after"))
            self._check_answers(setting.answers or [], subject.policy, (*base, "answers"))
            effects |= dict(self._effects(setting.after, signals, (*base, "after")))
        people = suite.people if case.people is None else case.people
        self._suite.cases.append(
            Case(
                name=case.name,
                position=self._document.at(path),
                policy=subject.policy,
                interval_s=suite.interval,
                series=series,
                expectations=expectations,
                conducts={**suite.actions, **case.actions},
                effects=effects,
                answers=(suite.answers if case.answers is None else case.answers) or (),
                guards=guards,
                people={role: frozenset(members) for role, members in (people or {}).items()},
                mode=case.mode or suite.mode or Mode.AUTO,
                begin=next((clock for clock in (case.clock, suite.clock) if clock is not None), BEGIN),
                until_s=case.until,
            )
        )

    def _subject(self, suite: SuiteFields, environment: str | None) -> _Subject | None:
        """The policy in an environment, loaded once; None when it is wrong."""
        if environment in self._subjects:
            return self._subjects[environment]
        try:
            main = beside("", suite.policy)
            self._sources.read(main)
        except SourceError as error:
            self._wrong(("policy",), "E100", str(error))
            self._subjects[environment] = None
            return None
        draft = read_draft(self._sources, main, environment)
        self._suite.problems += draft.problems
        specs = draft.signals.specs if draft.signals else {}
        subject = None if draft.policy is None or draft.problems else _Subject(draft.policy, specs)
        self._subjects[environment] = subject
        return subject

    def _guards(self, case: CaseFields, suite: SuiteFields, path: Path) -> Guards:
        path = (*path, "guards") if case.guards is not None else ("guards",)
        reference = suite.guards if case.guards is None else case.guards
        if reference is None:
            return NO_GUARDS
        try:
            if isinstance(reference, dict):
                return guards_from(json.dumps(reference), str(self._document.at(path)))
            name = beside("", reference)
            return guards_from(self._sources.read(name), self._sources.display(name))
        except SourceError as error:
            self._wrong(path, "E100", str(error))
        except PolicyError as error:
            self._suite.problems += error.problems
        return NO_GUARDS

    def _check_interval(self, policy: Policy, suite: SuiteFields) -> None:
        for spec in policy.signals.values():
            if suite.interval > LOOK_GAP_FACTOR * spec.max_age_s:
                message = (
                    f"'{spec.name}' has max_age {spec.max_age_s:g}s; an agent that looks so seldom sees no window hold"
                )
                self._wrong(("interval",), "E192", message)
                return

    def _series(
        self, written: Mapping[str, object], signals: Mapping[str, SignalSpec], path: Path
    ) -> Iterator[tuple[str, Series]]:
        for name, value in written.items():
            spec = signals.get(name)
            if spec is None:
                self._wrong(
                    (*path, name), "E121", f"unknown signal {shown(name)}" + did_you_mean(name, signals), at_key=True
                )
                continue
            try:
                yield name, parse_series(value, is_text=spec.type is SignalType.TEXT)
            except ValueError as error:
                self._wrong((*path, name), "E190", f"'{name}': {error}")

    def _effects(
        self, after: Mapping[str, object], signals: Mapping[str, SignalSpec], path: Path
    ) -> Iterator[tuple[str, Effect]]:
        for name, raw in after.items():
            place: Path = (*path, name)
            if not isinstance(raw, dict):
                self._wrong(place, "E112", f"a mapping from signals to series is wanted, not {shown(raw)}")
                continue
            if not isinstance(raw.get("set"), dict):
                yield name, Effect(dict(self._series(raw, signals, place)))
                continue
            fields = validated(EffectFields, raw, self._document, place, _NO_CONTEXT)
            if isinstance(fields, list):
                self._suite.problems += fields
                continue
            yield name, Effect(dict(self._series(fields.set, signals, (*place, "set"))), fields.delay)

    def _check_names(self, given: Iterable[str], known: Iterable[str], path: Path) -> None:
        for name in given:
            if name not in known:
                self._wrong((*path, name), "E191", _unknown(name, known), at_key=True)

    def _check_answers(self, answers: Sequence[AnswerFields], policy: Policy, path: Path) -> None:
        for number, answer in enumerate(answers):
            kind, about = answer.said
            if kind in ("pause", "resume"):
                known = {policy.name, "all"}
            else:
                known = {policy.name} if kind == "take_over" else set(policy.leaves)
            if about not in known:
                message = f"there is no {shown(about)} here{did_you_mean(about, known)}"
                self._wrong((*path, number, kind), "E191", message)
            self._check_time(answer.at, (*path, number, "at"))

    def _check_time(self, at_s: float | None, path: Path) -> None:
        interval_s = self._fields.interval if self._fields else 1.0
        if at_s is not None and abs(at_s / interval_s - round(at_s / interval_s)) > 1e-6:
            self._wrong(path, "E192", f"{at_s:g}s is no tick: ticks are every {interval_s:g}s from 0s")

    def _expectations(
        self, case: CaseFields, policy: Policy, names: frozenset[str], path: Path
    ) -> Iterator[Expectation]:
        for number, raw in enumerate(case.expect):
            place: Path = (*path, "expect", number)
            fields = validated(ExpectFields, raw, self._document, place, _NO_CONTEXT)
            if isinstance(fields, list):
                self._suite.problems += fields
                continue
            self._check_time(fields.at, (*place, "at"))
            if fields.at is not None and case.until is not None and fields.at > case.until:
                late, end = format_seconds(fields.at), format_seconds(case.until)
                self._wrong((*place, "at"), "E192", f"{late} is after the test's end, at {end}")
            self._check_expected(fields, policy, names, place)
            yield Expectation(self._document.at(place), fields)

    def _check_expected(self, fields: ExpectFields, policy: Policy, names: frozenset[str], place: Path) -> None:
        expected = getattr(fields, fields.kind)
        nodes = {node.id for node in policy.nodes()} | set(policy.undos) | {""}
        known = names if fields.kind in ("start", "order", "together", "never", "count") else nodes
        if isinstance(expected, list):
            for index, name in enumerate(expected):
                if name not in known:
                    self._wrong((*place, fields.kind, index), "E191", _unknown(name, known))
        elif isinstance(expected, dict):
            self._check_names(expected, known, (*place, fields.kind))
        if fields.decided is not None:
            for node, chosen in fields.decided.items():
                if chosen not in nodes | {"none"}:
                    self._wrong((*place, "decided", node), "E191", _unknown(chosen, nodes | {"none"}))


def _unknown(name: str, known: Iterable[str]) -> str:
    return f"no step or action of this policy is called {shown(name)}{did_you_mean(name, known)}"
