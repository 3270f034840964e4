"""Judge a run: one function per kind of expectation, each gives None or what was there instead."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from homeostat.model import entries as e
from homeostat.model.errors import Position
from homeostat.model.incident import Incident
from homeostat.model.reasons import Phase, Result
from homeostat.policy.units import format_seconds
from homeostat.simulate.bench.case import Case, Expectation
from homeostat.simulate.bench.course import Course, Started
from homeostat.simulate.bench.suite_schema import ExpectFields


@dataclass(frozen=True, slots=True)
class Miss:
    """An expectation that was not met: where it stands, what it wanted and what there was."""

    position: Position
    message: str


def judge(case: Case, course: Course) -> list[Miss]:
    """Hold a run against its test; an empty list: it passed."""
    misses = [Miss(case.position, trouble) for trouble in course.troubles]
    for expectation in case.expectations:
        message = _JUDGES[expectation.fields.kind](expectation.fields, course)
        if message is not None:
            misses.append(_placed(expectation, message))
    return misses


def _placed(expectation: Expectation, message: str) -> Miss:
    fields = expectation.fields
    when = "" if fields.at is None else f" at {format_seconds(fields.at)}"
    return Miss(expectation.position, f"{fields.kind}{when}: {message}")


def _all(names: list[str]) -> str:
    return ", ".join(names) if names else "nothing"


def _start(fields: ExpectFields, course: Course) -> str | None:
    expected = fields.start or []
    started = [start for start in course.starts() if start.after_s == fields.at]
    unmet = [name for name in expected if not any(start.is_called(name) for start in started)]
    extra = [start for start in started if not any(start.is_called(name) for name in expected)]
    if unmet or extra or len(expected) != len(started):
        return f"{_all(expected)} expected, {_all([start.node for start in started])} started"
    return None


def _order(fields: ExpectFields, course: Course) -> str | None:
    after_s = -1.0
    for name in fields.order or []:
        later = [start.after_s for start in course.starts() if start.is_called(name) and start.after_s > after_s]
        if not later:
            before = "" if after_s < 0 else f" after {format_seconds(after_s)}"
            return f"{name} is not started{before}; there was {_sequence(course.starts())}"
        after_s = later[0]
    return None


def _sequence(starts: list[Started]) -> str:
    return _all([f"{start.node} at {format_seconds(start.after_s)}" for start in starts])


def _together(fields: ExpectFields, course: Course) -> str | None:
    expected = fields.together or []
    for at_s in dict.fromkeys(start.after_s for start in course.starts()):
        here = [start for start in course.starts() if start.after_s == at_s]
        if all(any(start.is_called(name) for start in here) for name in expected):
            return None
    return f"{_all(expected)} do not start in one tick; there was {_sequence(course.starts())}"


def _never(fields: ExpectFields, course: Course) -> str | None:
    wrong = [start for start in course.starts() if any(start.is_called(name) for name in fields.never or [])]
    return f"{_sequence(wrong)} was started" if wrong else None


def _count(fields: ExpectFields, course: Course) -> str | None:
    for name, count in (fields.count or {}).items():
        started = [start for start in course.starts() if start.is_called(name)]
        if len(started) != count:
            return f"{name} {count} times expected, there were {len(started)}: {_sequence(started)}"
    return None


def result_of(incident: Incident | None) -> str:
    """How an incident stands, in the words of `suite_schema.RESULTS`."""
    if incident is None:
        return "none"
    if incident.result is Result.ESCALATED or incident.phase is Phase.ESCALATED:
        return "escalated"
    return "open" if incident.result is None else incident.result.value


def _result(fields: ExpectFields, course: Course) -> str | None:
    found = result_of(course.incident_at(fields.at))
    wanted = ("recovered", "self_healed") if fields.result == "resolved" else (fields.result,)
    if found not in wanted:
        return f"{fields.result} expected, it is {found}"
    called = [entry for entry in _until(fields, course) if isinstance(entry, e.Escalated)]
    for name in ("to", "severity", "reason"):
        expected = getattr(fields, name)
        actual = getattr(called[-1], name) if called else None
        if expected is not None and expected != actual:
            return f"escalated with {name} {expected} expected, it is {actual}"
    return None


def _until(fields: ExpectFields, course: Course) -> Iterator[e.Entry]:
    return (entry for entry in course.of_incidents() if fields.at is None or course.after_s(entry) <= fields.at)


def _then(fields: ExpectFields, course: Course) -> Iterator[e.Entry]:
    return (entry for entry in course.of_incidents() if fields.at is None or course.after_s(entry) == fields.at)


def _state(fields: ExpectFields, course: Course) -> str | None:
    incident = course.incident_at(fields.at)
    phase = Phase.DORMANT if incident is None else incident.phase
    return None if phase is fields.state else f"{fields.state} expected, it is {phase}"


def _withheld(fields: ExpectFields, course: Course) -> str | None:
    for node, reason in (fields.withheld or {}).items():
        reasons: list[str] = []
        for entry in _then(fields, course):
            if isinstance(entry, e.DecisionWithheld) and entry.node == node and entry.reason is not None:
                reasons.append(entry.reason)
            if isinstance(entry, e.Decided):
                reasons += [option.reason for option in entry.options if option.id == node and option.reason]
        if reason not in reasons:
            return f"{node or 'the incident'} {reason} expected, there was {_all(list(dict.fromkeys(reasons)))}"
    return None


def _decided(fields: ExpectFields, course: Course) -> str | None:
    for node, chosen in (fields.decided or {}).items():
        decisions = [entry for entry in _then(fields, course) if isinstance(entry, e.Decided) and entry.node == node]
        made = [entry.chosen or "none" for entry in decisions]
        if chosen not in made:
            return f"{node}: {chosen} expected, {_all(made)} chosen"
    return None


def _verdict(fields: ExpectFields, course: Course) -> str | None:
    for node, verdict in (fields.verdict or {}).items():
        ended = [
            entry.verdict
            for entry in _until(fields, course)
            if isinstance(entry, e.AttemptEnded) and entry.key.split("/")[1] == node
        ]
        if not ended or ended[-1] is not verdict:
            return f"{node}: {verdict} expected, {ended[-1] if ended else 'it has no verdict'}"
    return None


def _asked(fields: ExpectFields, course: Course) -> str | None:
    asked = [entry.node for entry in _then(fields, course) if isinstance(entry, e.ApprovalRequested)]
    return (
        None
        if sorted(asked) == sorted(fields.asked or [])
        else f"{_all(fields.asked or [])} expected, {_all(asked)} asked"
    )


def _refused(fields: ExpectFields, course: Course) -> str | None:
    for node, reason in (fields.refused or {}).items():
        reasons = [
            entry.reason for entry in _then(fields, course) if isinstance(entry, e.AnswerRefused) and entry.node == node
        ]
        if reason not in reasons:
            return f"{node}: {reason} expected, {_all([str(found) for found in reasons])} refused"
    return None


_JUDGES: dict[str, Callable[[ExpectFields, Course], str | None]] = {
    "start": _start,
    "order": _order,
    "together": _together,
    "never": _never,
    "count": _count,
    "result": _result,
    "state": _state,
    "withheld": _withheld,
    "decided": _decided,
    "verdict": _verdict,
    "asked": _asked,
    "refused": _refused,
}
