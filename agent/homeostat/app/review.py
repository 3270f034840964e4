"""The report after an incident: what its journal says, in the order in which somebody who was not there would ask.

Every cell comes from a journalled fact or from the policy version the incident was pinned to; where either is missing
the report says so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from homeostat.app.explain import explain, value_text
from homeostat.app.similar import Similar
from homeostat.learn.labels import label, last_effective
from homeostat.learn.trace import AttemptTrace, IncidentTrace
from homeostat.model import entries as e
from homeostat.model.policy import Policy
from homeostat.model.reasons import AttemptVerdict
from homeostat.policy.units import format_seconds

_UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the report; `note` stands above it, and alone when there are no rows."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Report:
    """What is written about one incident; plain text throughout, to be escaped by whoever renders it."""

    title: str
    summary: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report is made from.

    Attributes:
        policy: the version the incident was pinned to; None where its text is not at hand.
        similar: nearest first. came_back: id of the incident that followed within `recurrence_s`.
        before: id of the one whose closing this incident followed within `recurrence_s`.
        promoted: versions of rankings trained after the incident that came to rule.
    """

    entries: Sequence[e.Entry]
    trace: IncidentTrace
    policy: Policy | None
    similar: Sequence[Similar]
    came_back: str | None
    before: str | None
    recurrence_s: float
    promoted: Sequence[str]


def review(facts: Facts) -> Report:
    """Write the report."""
    trace = facts.trace
    return Report(
        title=f"Incident {trace.id} ({trace.policy})",
        summary=_summary(facts),
        sections=(
            _steps(facts),
            _skipped(facts),
            _decisions(facts),
            _people(facts.entries),
            _learnt(facts),
            _follow_ups(facts),
            _similar(facts),
            _timeline(facts.entries),
        ),
    )


def moment(at: float) -> str:
    """A time in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _seconds(value_s: float | None) -> str:
    return _UNKNOWN if value_s is None else format_seconds(round(value_s, 1))


def _summary(facts: Facts) -> str:
    trace = facts.trace
    began = f"The trigger of {trace.policy} became true at {moment(trace.opened_at)}"
    tried = f"{len(trace.attempts)} step{'' if len(trace.attempts) == 1 else 's'} run"
    if trace.confirmed_at is None:
        return f"{began} and was never confirmed. Nothing was done."
    cure = last_effective(trace.attempts.values())
    if trace.recovered_at is not None:
        took_s = trace.recovered_at - trace.opened_at
        by = f"; what cured it was {cure.node}" if cure else "; no step is known to have cured it"
        called = f", after people were called ({trace.escalation})" if trace.escalation else ""
        return f"{began}. It recovered after {_seconds(took_s)} with {tried}{by}{called}{_against_rto(facts, took_s)}."
    if trace.escalated_at is not None:
        took_s = trace.escalated_at - trace.opened_at
        return f"{began}. People were called after {_seconds(took_s)} ({trace.escalation}), with {tried}."
    ended = f"It closed as {trace.result}" if trace.result else "It is still open"
    return f"{began}. {ended}, with {tried}."


def _against_rto(facts: Facts, took_s: float) -> str:
    rto_s = facts.policy.rto_s if facts.policy else None
    if rto_s is None:
        return ""
    return f", {'within' if took_s <= rto_s else 'past'} its RTO of {_seconds(rto_s)}"


def _planned_s(facts: Facts, node: str) -> float | None:
    leaf = facts.policy.leaves.get(node) if facts.policy else None
    return None if leaf is None else leaf.action.takes_s if leaf.takes_s is None else leaf.takes_s


def _learnt_s(trace: IncidentTrace, attempt: AttemptTrace) -> float | None:
    costs = [
        option.cost_s
        for decision in trace.decisions
        for option in decision.options
        if decision.at <= attempt.intended_at and decision.chosen == option.id == attempt.node
    ]
    return costs[-1] if costs else None


def _steps(facts: Facts) -> Section:
    rows = []
    for attempt in facts.trace.attempts.values():
        took_s = None if attempt.verdict_at is None else attempt.verdict_at - attempt.intended_at
        rows.append(
            (
                f"+{_seconds(attempt.intended_at - facts.trace.opened_at)}",
                attempt.node,
                f"{attempt.action} on {attempt.target}",
                str(attempt.verdict or _UNKNOWN) + (" (after people were called)" if attempt.after_escalation else ""),
                _seconds(attempt.execution_s),
                _seconds(took_s),
                _seconds(_planned_s(facts, attempt.node)),
                _seconds(_learnt_s(facts.trace, attempt)),
            )
        )
    columns = ("at", "step", "action", "verdict", "ran", "until verdict", "declared", "learnt")
    return Section("Steps done", columns, tuple(rows), "" if rows else "No step was started.")


def _skipped(facts: Facts) -> Section:
    if facts.policy is None:
        note = "The text of the policy version is not in this journal: what it held besides is not known."
        return Section("Steps not done", (), (), note)
    done = {attempt.node for attempt in facts.trace.attempts.values()}
    why = _reasons(facts.entries)
    rows = tuple(
        (leaf, why.get(leaf, "the plan did not come to it")) for leaf in facts.policy.leaves if leaf not in done
    )
    return Section("Steps not done", ("step", "why"), rows, "" if rows else "Every step of the plan was done.")


def _reasons(entries: Sequence[e.Entry]) -> Mapping[str, str]:
    """The last thing the journal says about why a node did not start."""
    why: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, e.Decided):
            for option in entry.options:
                if option.reason is not None:
                    why[option.id] = f"refused at {entry.node}: {option.reason}"
                elif option.id != entry.chosen:
                    why[option.id] = f"{entry.chosen or 'nothing'} was chosen at {entry.node}"
        elif isinstance(entry, e.DecisionWithheld) and entry.reason is not None:
            why[entry.node] = f"held back: {entry.reason}" + (f" ({entry.detail})" if entry.detail else "")
        elif isinstance(entry, e.ApprovalDenied):
            why[entry.node] = f"refused by {entry.by}"
        elif isinstance(entry, e.ApprovalExpired):
            why[entry.node] = "nobody agreed in time"
    return why


def _decisions(facts: Facts) -> Section:
    rows = []
    for decision in facts.trace.decisions:
        others = [_score(option) for option in decision.options if option.id != decision.chosen]
        chosen = next((option for option in decision.options if option.id == decision.chosen), None)
        signals = ", ".join(f"{name} {value_text(value)}" for name, value in decision.context.items())
        rows.append(
            (
                f"+{_seconds(decision.at - facts.trace.opened_at)}",
                decision.node,
                (_score(chosen) if chosen else decision.chosen or "nothing")
                + (" (explored)" if decision.explored else ""),
                "; ".join(others) or "none",
                (decision.ranking_version or "written order")[:13],
                signals,
            )
        )
    columns = ("at", "where", "chosen", "not taken", "ranking", "signals")
    return Section("Decisions", columns, tuple(rows), "" if rows else "Nothing was decided.")


def _score(option: e.Option) -> str:
    parts = []
    if option.probability is not None:
        parts.append(f"works with {option.probability:.0%}")
    if option.cost_s is not None:
        parts.append(f"costs {option.cost_s:.0f} s")
    if option.harm is not None:
        parts.append(f"harms with {option.harm:.1%}")
    if option.reason is not None:
        parts.append(f"refused: {option.reason}")
    return f"{option.id} ({', '.join(parts)})" if parts else option.id


def _people(entries: Sequence[e.Entry]) -> Section:
    started_at = entries[0].at
    said = (e.ApprovalGranted, e.ApprovalDenied, e.StepRequested, e.Paused, e.Resumed, e.AnswerRefused)
    rows = []
    for entry in entries:
        at = f"+{_seconds(entry.at - started_at)}"
        if isinstance(entry, e.ApprovalRequested):
            rows.append((at, ", ".join(entry.approvers), f"asked about {entry.node}", entry.detail))
        elif isinstance(entry, e.Escalated):
            rows.append((at, entry.to, f"called ({entry.severity}): {entry.reason}", entry.detail))
        elif isinstance(entry, said):
            (line,) = explain([entry])
            rows.append((at, entry.by, line.headline, " ".join(line.details)))
    return Section("People", ("at", "who", "what", "note"), tuple(rows), "" if rows else "Nobody was asked or called.")


def _learnt(facts: Facts) -> Section:
    cure = last_effective(facts.trace.attempts.values())
    rows = []
    for attempt in facts.trace.attempts.values():
        taught = label(attempt, relapsed=facts.came_back is not None and attempt is cure)
        meaning = "nothing" if not taught.weight else "success" if taught.succeeded else "failure"
        harm = "yes" if attempt.verdict is AttemptVerdict.HARMFUL else "no"
        rows.append((attempt.node, meaning, "yes" if taught.weight else "no", harm))
    promoted = ", ".join(version[:12] for version in facts.promoted) or "none"
    note = (
        f"Rankings that came to rule after this incident: {promoted}."
        if rows
        else "No step ran, so nothing was learnt."
    )
    return Section("What the ranking learnt", ("step", "label", "counts", "did harm"), tuple(rows), note)


def _follow_ups(facts: Facts) -> Section:
    trace, window = facts.trace, _seconds(facts.recurrence_s)
    rows = []
    if trace.closed_at is None:
        rows.append(("open", "the incident is not closed"))
    if trace.escalation is not None:
        rows.append(("escalated", f"{trace.escalation}: what people did is not in the journal unless they reported it"))
    rows += [("in doubt", f"nobody can say whether {key} ran to its end") for key in _in_doubt(facts.entries)]
    rows += [
        ("no verdict", f"{attempt.node}: {attempt.verdict or 'still open'}")
        for attempt in trace.attempts.values()
        if attempt.verdict in (None, AttemptVerdict.UNKNOWN, AttemptVerdict.INCONCLUSIVE)
    ]
    rows += [
        ("missing data", f"{name} was unknown in {count} of the snapshots") for name, count in _absent(facts).items()
    ]
    if facts.came_back:
        rows.append(("came back", f"{facts.came_back} opened within {window} of its closing"))
    if facts.before:
        rows.append(("recurrence", f"{facts.before} had closed less than {window} before"))
    return Section("Follow-ups", ("what", "detail"), tuple(rows), "" if rows else "None are known.")


def _in_doubt(entries: Sequence[e.Entry]) -> list[str]:
    return [entry.key for entry in entries if isinstance(entry, e.ActionInDoubt)]


def _absent(facts: Facts) -> Mapping[str, int]:
    counts: dict[str, int] = {}
    for entry in facts.entries:
        if isinstance(entry, e.Observed):
            for name, reading in entry.snapshot.readings.items():
                if reading.absence is not None:
                    counts[name] = counts.get(name, 0) + 1
    return counts


def _similar(facts: Facts) -> Section:
    rows = tuple(
        (one.incident, moment(one.opened_at), one.result, one.cured_by or "nothing known", f"{one.distance:.2f}")
        for one in facts.similar
    )
    note = "0 is alike in every signal of the first decision; 1 is as far apart as incidents of this policy get."
    columns = ("incident", "opened", "result", "cured by", "distance")
    return Section("Similar incidents", columns, rows, note if rows else "None of this policy are known.")


def _timeline(entries: Sequence[e.Entry]) -> Section:
    rows = tuple(
        (f"{line.after_s:+.1f}s", moment(entries[0].at + line.after_s), line.headline, "\n".join(line.details))
        for line in explain(entries)
    )
    return Section("Time line", ("after", "at", "what", "details"), rows)
