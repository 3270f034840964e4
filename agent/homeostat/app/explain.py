"""Why this action, why not that one: the journal in words.

Every line comes from a journalled fact; nothing is computed anew, so what is said is what was known then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from homeostat.app.alert_words import alert_said, alerts_missing
from homeostat.app.decision_words import TRUTH, decided
from homeostat.app.drill_words import drilled
from homeostat.model import entries as e
from homeostat.model.feedback import RATING_MAX
from homeostat.model.incident import VERIFY_WINDOWS
from homeostat.model.signals import Reading, Snapshot, Truth, Value
from homeostat.policy.units import format_reading


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened, `after_s` seconds after the stream's first entry, with what is to be known about it.

    `number` is its entry's place in the stream, from 1.
    """

    after_s: float
    headline: str
    details: tuple[str, ...] = ()
    number: int = 0


def explain(entries: Sequence[e.Entry]) -> list[Line]:
    """Say in words what a stream's entries say. Snapshots are told where a decision was made from them."""
    lines: list[Line] = []
    snapshot: Snapshot | None = None
    started_at = entries[0].at if entries else 0.0
    for number, entry in enumerate(entries, start=1):
        if isinstance(entry, e.Observed):
            snapshot = entry.snapshot
            continue
        say = _SAY.get(type(entry))
        if say is None:
            continue
        headline, details = say(entry)
        if isinstance(entry, (e.Decided, e.Suspected, e.DecisionWithheld)):
            details = [*details, *_signals(entry, snapshot)]
        lines.append(Line(entry.at - started_at, headline, tuple(details), number))
    return lines


def _signals(entry: e.Entry, snapshot: Snapshot | None) -> list[str]:
    if isinstance(entry, e.Decided) and entry.context:
        return ["signals: " + ", ".join(f"{name} {value_text(value)}" for name, value in entry.context.items())]
    if snapshot is None or isinstance(entry, e.Suspected):
        return []
    if snapshot.error is not None:
        return [f"source: {snapshot.error}"]
    return ["signals: " + ", ".join(f"{name} {_reading(reading)}" for name, reading in snapshot.readings.items())]


def value_text(value: Value) -> str:
    """A signal's value as a person reads it."""
    if value is None:
        return "unknown"
    return value if isinstance(value, str) else format_reading(value)


def _reading(reading: Reading) -> str:
    return value_text(reading.value) if reading.absence is None else f"unknown ({reading.absence})"


def _suspected(entry: e.Suspected) -> tuple[str, list[str]]:
    return f"suspected: the trigger of {entry.policy} is true", [f"policy version {entry.policy_hash[:12]}"]


def _dismissed(entry: e.Dismissed) -> tuple[str, list[str]]:
    return f"dismissed before confirmation: {entry.reason}", []


def _escalated(entry: e.Escalated) -> tuple[str, list[str]]:
    place = f" at {entry.node}" if entry.node else ""
    return f"escalated to {entry.to} ({entry.severity}): {entry.reason}{place}", [entry.detail] if entry.detail else []


def _condition(entry: e.ConditionChanged) -> tuple[str, list[str]]:
    watch = "verification" if entry.watch.startswith(VERIFY_WINDOWS) else f"'{entry.watch}'"
    return f"{watch} became {TRUTH[entry.truth]}", []


def _withheld(entry: e.DecisionWithheld) -> tuple[str, list[str]]:
    place = entry.node or entry.policy or "the whole plan"
    if entry.reason is None:
        return f"{place} may go on", []
    return f"{place} held back: {entry.reason}", [entry.detail] if entry.detail else []


def _intended(entry: e.ActionIntended) -> tuple[str, list[str]]:
    arguments = ", ".join(f"{name}={value}" for name, value in entry.arguments.items())
    details = [f"key {entry.key}", f"effect {entry.effect}, attempt {entry.number}"]
    if arguments:
        details.append(f"with {arguments}")
    if entry.effect_key:
        details.append(f"told the target the key of the run in doubt, {entry.effect_key}")
    before = _known_before(entry.held_before)
    undoing = "undo: " if entry.undoes else ""
    return f"{undoing}action {entry.action} on {entry.target}", [*details, *before]


def _known_before(held: Truth) -> list[str]:
    return ["its verify condition held already: success would prove nothing"] if held is True else []


def _ended(entry: e.ActionEnded) -> tuple[str, list[str]]:
    code = f", exit {entry.exit_code}" if entry.exit_code is not None else ""
    details = [entry.detail] if entry.detail else []
    details += [f"| {line}" for line in entry.output.strip().splitlines()[-5:]]
    return f"action ended: {entry.status} after {entry.duration_s:.1f} s{code}", details


_PROBED: Mapping[Truth, str] = {
    True: "the signals say that the action has happened",
    False: "the signals say that the action has not happened",
    None: "the signals cannot say whether the action has happened",
}


def _verdict(entry: e.AttemptEnded) -> tuple[str, list[str]]:
    return f"verdict: {entry.verdict}", [] if entry.succeeded else ["the plan goes on as after a failure"]


def _loaded(entry: e.PolicyLoaded) -> tuple[str, list[str]]:
    return f"policy {entry.policy} version {entry.policy_hash[:12]} in use", []


def _surveyed(entry: e.FeedbackGiven) -> tuple[str, list[str]]:
    said = entry.feedback
    ratings = f"clarity {said.clarity}, usability {said.usability}, confidence {said.confidence}, of {RATING_MAX}"
    wrong = f"wrong step: {said.wrong_step}" if said.wrong_step else ""
    missing = f"missing step: {said.missing_step}" if said.missing_step else ""
    return f"{entry.by} on incident {said.incident}: {ratings}", list(filter(None, [said.note, wrong, missing]))


def _trained(entry: e.RankingTrained) -> tuple[str, list[str]]:
    ranking = entry.ranking
    data = f"trained on {ranking.attempts} attempts of {ranking.incidents} incidents"
    return f"ranking {ranking.version[:12]} trained", [data, entry.gate]


def _asked(entry: e.ApprovalRequested) -> tuple[str, list[str]]:
    who = f"wanted by {entry.requester}; until {entry.expires_at - entry.at:g} s from here, then it counts as no"
    what = f"asked {', '.join(entry.approvers)} about {entry.node}: {entry.action} on {entry.target}"
    return what, [who, entry.detail] if entry.detail else [who]


def _shown_by(entry: e.AttemptCounted) -> str:
    if entry.harmful:
        return "did harm: it loses a level of autonomy"
    return f"speaks {'for' if entry.succeeded else 'against'} its autonomy"


_Noted = (
    e.ApprovalGranted | e.ApprovalDenied | e.StepRequested | e.TakenOver | e.StepCrossChecked | e.Paused | e.Resumed
)


def _noted(text: str, entry: _Noted) -> tuple[str, list[str]]:
    return f"{text} by {entry.by}", [entry.note] if entry.note else []


def _cross_checked(entry: e.StepCrossChecked) -> tuple[str, list[str]]:
    headline, details = _noted(f"{entry.node} read and found done as written", entry)
    return headline, [f"carried out by {entry.executor}", *details]


def scope_of(entry: e.Paused | e.Resumed) -> str:
    """What a kill switch holds back, in words."""
    return f"policy {entry.policy}" if entry.policy else "everything"


_SAY: dict[type[e.Entry], Callable[[Any], tuple[str, list[str]]]] = {
    e.Suspected: _suspected,
    e.Confirmed: lambda _: ("confirmed: the trigger held for its window", []),
    e.Dismissed: _dismissed,
    e.Escalated: _escalated,
    e.Recovered: lambda _: ("recovered: 'resolved' held for its window", []),
    e.Closed: lambda entry: (f"closed: {entry.result}", []),
    e.ConditionChanged: _condition,
    e.Decided: decided,
    e.DecisionWithheld: _withheld,
    e.ActionIntended: _intended,
    e.ActionStarted: lambda entry: (f"action runs{f' as {entry.handle}' if entry.handle else ''}", []),
    e.CancelRequested: lambda entry: (f"action told to stop: {entry.reason}", []),
    e.ActionEnded: _ended,
    e.ActionInDoubt: lambda entry: ("nobody can say whether the action ran to its end", [entry.detail]),
    e.ActionProbed: lambda entry: (_PROBED[entry.happened], []),
    e.ActionReconciled: lambda _: ("the action had never started; started now under the same key", []),
    e.AttemptEnded: _verdict,
    e.JournalInterrupted: lambda entry: (
        f"the journal could be written again, after {entry.at - entry.since:.0f} s",
        [entry.error],
    ),
    e.LeaseAcquired: lambda entry: (f"agent {entry.agent} took over, as owner {entry.fence}", []),
    e.WaitStarted: lambda entry: (f"waiting: {entry.node}", []),
    e.WaitEnded: lambda entry: (f"{entry.node}: {'waited' if entry.succeeded else 'waited in vain'}", []),
    e.ApprovalRequested: _asked,
    e.ApprovalGranted: lambda entry: _noted(f"{entry.node} agreed to", entry),
    e.ApprovalDenied: lambda entry: _noted(f"{entry.node} refused", entry),
    e.ApprovalExpired: lambda entry: (f"{entry.node} not agreed to", [entry.detail] if entry.detail else []),
    e.StepRequested: lambda entry: _noted(f"{entry.node} requested", entry),
    e.TakenOver: lambda entry: _noted("taken over", entry),
    e.StepCrossChecked: _cross_checked,
    e.IncidentAcknowledged: lambda entry: _noted("acknowledged", entry),
    e.NotificationSent: lambda entry: (f"{entry.channel} was told ({entry.topic})", list(entry.messages)),
    e.NotificationFailed: lambda entry: (f"{entry.channel} could not be told ({entry.topic})", [entry.error]),
    e.AnswerRefused: lambda entry: (f"an answer of {entry.by} changed nothing: {entry.reason}", []),
    e.Paused: lambda entry: _noted(f"{scope_of(entry)} paused", entry),
    e.Resumed: lambda entry: _noted(f"{scope_of(entry)} resumed", entry),
    e.ExplorationStarted: lambda entry: (
        f"explores at {entry.node}: an attempt that counts against its harm budget",
        [f"key {entry.key}"],
    ),
    e.ExplorationEnded: lambda entry: (
        f"the attempt explored at {entry.node} {'is one of its harm budget' if entry.harmful else 'did no harm'}",
        [f"key {entry.key}"],
    ),
    e.AttemptCounted: lambda entry: (
        f"an attempt of {entry.node} {_shown_by(entry)}",
        [f"key {entry.key}"],
    ),
    e.SuccessRelapsed: lambda entry: (f"the last success of {entry.node} did not last", [f"incident {entry.incident}"]),
    e.GuardsLoaded: lambda entry: (f"guards version {entry.hash[:12] or 'none'} in use", []),
    e.PolicyLoaded: _loaded,
    e.PolicyRefused: lambda entry: (f"changed policies refused, the old ones stay: {entry.file}", list(entry.problems)),
    e.RankingTrained: _trained,
    e.RankingPromoted: lambda entry: (
        f"ranking {entry.version[:12]} rules from here on, by {entry.actor}",
        [entry.why] if entry.why else [],
    ),
    e.RankingRolledBack: lambda entry: (
        f"ranking {entry.version[:12]} no longer rules, by {entry.actor}",
        [entry.why, f"{entry.to[:12] if entry.to else 'the written order'} rules from here on"],
    ),
    e.AlertReceived: alert_said,
    e.AlertsLeftOut: alerts_missing,
    e.AgentStarted: lambda entry: (f"agent {entry.agent} came up, version {entry.version}", []),
    e.DrillRan: drilled,
    e.FeedbackGiven: _surveyed,
    e.AgentStopped: lambda entry: (
        f"agent {entry.agent} went down in order",
        [f"left running: {k}" for k in entry.running],
    ),
}


def render(lines: Iterable[Line]) -> str:
    """The lines as plain text."""
    text: list[str] = []
    for line in lines:
        text.append(f"{line.after_s:+9.1f}s  {line.headline}")
        text += [f"{'':12}{detail}" for detail in line.details]
    return "\n".join(text)
