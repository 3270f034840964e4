"""The sections on who was asked, who said what, and what is still open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from homeostat.app.explain import explain
from homeostat.app.review.facts import Facts
from homeostat.app.review.report import Section, after, duration, moment
from homeostat.model import entries as e
from homeostat.model.feedback import RATING_MAX, Feedback
from homeostat.model.reasons import AttemptVerdict, OutcomeStatus

_SAID = (
    e.ApprovalGranted,
    e.ApprovalDenied,
    e.StepRequested,
    e.TakenOver,
    e.Paused,
    e.Resumed,
    e.AnswerRefused,
    e.IncidentAcknowledged,
)


def people(facts: Facts) -> Section:
    """Who was asked or called, and who answered what, by name."""
    rows = []
    for entry in sorted((*facts.entries, *facts.switched), key=lambda entry: entry.at):
        told = _told(entry, facts)
        if told is not None:
            rows.append((_when(entry.at, facts), *told))
    columns = ("at", "who", "what", "note")
    return Section("People", columns, tuple(rows), "" if rows else "Nobody was asked, called or heard.")


def _when(at: float, facts: Facts) -> str:
    since_s = at - facts.trace.opened_at
    return after(since_s) if since_s >= 0.0 else moment(at)


def _told(entry: e.Entry, facts: Facts) -> tuple[str, str, str] | None:
    if isinstance(entry, e.ApprovalRequested):
        return ", ".join(entry.approvers), f"asked about {entry.node}: {entry.action} on {entry.target}", entry.detail
    if isinstance(entry, e.ApprovalExpired):
        return "nobody", f"{entry.node} not agreed to in time", entry.detail
    if isinstance(entry, e.Escalated):
        return entry.to, f"called ({entry.severity}): {entry.reason}", entry.detail
    if isinstance(entry, e.ActionEnded) and _is_manual(entry.key, facts):
        return "by hand", f"{_node_of(entry.key, facts)} ended: {entry.status}", entry.detail
    if isinstance(entry, _SAID):
        (line,) = explain([entry])
        return entry.by, line.headline, " ".join(line.details)
    return None


def _node_of(key: str, facts: Facts) -> str:
    run = facts.trace.attempts.get(key) or facts.trace.undos.get(key)
    return key if run is None else run.node


def _is_manual(key: str, facts: Facts) -> bool:
    node, policy = _node_of(key, facts), facts.policy
    leaf = (policy.leaves.get(node) or policy.undos.get(node)) if policy else None
    return leaf is not None and leaf.is_manual


def feedback(facts: Facts) -> Section:
    """What the team said of it afterwards."""
    columns = ("who", "clarity", "usability", "confidence", "wrong step", "missing step", "note")
    rows = tuple(
        (entry.by, *_rated(entry.feedback), entry.feedback.wrong_step, entry.feedback.missing_step, entry.feedback.note)
        for entry in facts.surveys
    )
    return Section("What the team said", columns, rows, "" if rows else "Nobody has answered the survey.")


def _rated(said: Feedback) -> tuple[str, ...]:
    return tuple(f"{rating} of {RATING_MAX}" for rating in (said.clarity, said.usability, said.confidence))


def follow_ups(facts: Facts) -> Section:
    """What somebody should still look at."""
    rows = tuple(_open_ends(facts))
    return Section("To follow up", ("what", "detail"), rows, "" if rows else "Nothing is known to be left open.")


def _open_ends(facts: Facts) -> Iterator[tuple[str, str]]:
    trace, window = facts.trace, duration(facts.recurrence_s)
    if trace.closed_at is None:
        yield "open", "the incident is not closed; this report says what is known so far"
    if trace.escalation is not None:
        yield "escalated", f"{trace.escalation}: people took over; what they did is here only where they reported it"
    yield from _of_runs(facts)
    for name, absences in _absent(facts).items():
        yield "missing data", f"{name}: unknown in {absences} snapshots"
    for entry in facts.entries:
        if isinstance(entry, e.JournalInterrupted):
            yield "journal", f"it could not be written for {duration(entry.at - entry.since)}: {entry.error}"
    if facts.relapse is not None:
        yield "relapse", f"{facts.relapse.incident} opened within {window} of the closing: the cure did not last"
    if facts.relapse_of is not None:
        yield (
            "relapse",
            f"{facts.relapse_of.incident} had closed as recovered less than {window} before this one opened",
        )
    if facts.policy is None:
        yield "plan", "the text of the plan that ruled is not at hand"


def _of_runs(facts: Facts) -> Iterator[tuple[str, str]]:
    trace = facts.trace
    for run in (*trace.attempts.values(), *trace.undos.values()):
        if run.verdict is AttemptVerdict.HARMFUL:
            yield "harm", f"{run.node} made it worse, as the plan defines harm"
        elif run.verdict in (None, AttemptVerdict.UNKNOWN, AttemptVerdict.INCONCLUSIVE):
            yield "outcome", f"{run.node}: {run.verdict or 'no verdict yet'}; what it did is not known"
        elif run.key in trace.undos and run.outcome is not OutcomeStatus.OK:
            yield "undo", f"{run.node}: {run.outcome or 'no end known'}; it may not have been taken back"
    for key, detail in _in_doubt(facts).items():
        yield "in doubt", f"nobody could say whether {_node_of(key, facts)} ran to its end: {detail}"


def _in_doubt(facts: Facts) -> Mapping[str, str]:
    return {entry.key: entry.detail for entry in facts.entries if isinstance(entry, e.ActionInDoubt)}


def _absent(facts: Facts) -> Mapping[str, str]:
    """By signal: in how many of how many snapshots it was unknown."""
    snapshots = [entry.snapshot for entry in facts.entries if isinstance(entry, e.Observed)]
    counts: dict[str, int] = {}
    for snapshot in snapshots:
        if snapshot.error is not None:
            counts["the whole source"] = counts.get("the whole source", 0) + 1
        for name, reading in snapshot.readings.items():
            if reading.absence is not None:
                counts[name] = counts.get(name, 0) + 1
    return {name: f"{count} of {len(snapshots)}" for name, count in counts.items()}
