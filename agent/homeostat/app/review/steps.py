"""The sections on what was done, what was not, where the time went, and what was decided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from homeostat.app.explain import value_text
from homeostat.app.review.facts import Facts
from homeostat.app.review.report import Bar, Course, Section, after, duration
from homeostat.learn.trace import AttemptTrace, IncidentTrace
from homeostat.model import entries as e
from homeostat.model.policy import Policy, children_of
from homeostat.model.reasons import AttemptVerdict

_ELSE = "deciding, and waiting"


def course(facts: Facts) -> Course:
    """What the chart shows: each run, and the moments that the incident turned at."""
    trace = facts.trace
    opened_at, end_at = trace.opened_at, max(facts.end_at, facts.entries[-1].at)
    bars = [
        Bar(
            _name(run),
            run.intended_at - opened_at,
            (run.ended_at or run.verdict_at or end_at) - opened_at,
            (run.verdict_at or end_at) - opened_at,
            run.key in trace.undos,
        )
        for run in _runs(trace)
    ]
    rto_at = opened_at + facts.policy.rto_s if facts.policy and facts.policy.rto_s else None
    moments = [
        (at - opened_at, what)
        for at, what in (
            (trace.confirmed_at, "confirmed"),
            (trace.escalated_at, "people called"),
            (rto_at, "RTO"),
            (trace.recovered_at, "recovered"),
        )
        if at is not None and at <= end_at
    ]
    return Course(end_at - opened_at, bars, sorted(moments))


def _runs(trace: IncidentTrace) -> list[AttemptTrace]:
    return sorted((*trace.attempts.values(), *trace.undos.values()), key=lambda run: run.intended_at)


def _name(run: AttemptTrace) -> str:
    again = f" (attempt {run.number})" if run.number > 1 else ""
    return f"{run.node}{again}"


def steps_done(facts: Facts) -> Section:
    """Every run, undos among them, with its times against what was declared and what was learnt."""
    trace, rto_s = facts.trace, facts.policy.rto_s if facts.policy else None
    rows = []
    for run in _runs(trace):
        until_s = None if run.verdict_at is None else run.verdict_at - trace.opened_at
        spent = f"{until_s / rto_s:.0%}" if until_s is not None and rto_s else ""
        rows.append(
            (
                after(run.intended_at - trace.opened_at),
                _name(run),
                f"{run.action} on {run.target}",
                _ended(run, facts.policy),
                _verdict(run, trace),
                spent,
            )
        )
    columns = ("at", "step", "action", "its run", "verdict", "RTO spent by then")
    return Section("Steps done", columns, tuple(rows), _harm_note(facts) if rows else "No step was started.")


def _ended(run: AttemptTrace, policy: Policy | None) -> str:
    leaf = (policy.leaves.get(run.node) or policy.undos.get(run.node)) if policy else None
    declared_s = None if leaf is None else leaf.action.takes_s if leaf.takes_s is None else leaf.takes_s
    said = "no end known" if run.outcome is None else f"{run.outcome} after {duration(run.execution_s)}"
    return said if declared_s is None else f"{said} (declared {duration(declared_s)})"


def _verdict(run: AttemptTrace, trace: IncidentTrace) -> str:
    if run.verdict is None or run.verdict_at is None:
        return "none yet"
    said = f"{run.verdict} after {duration(run.verdict_at - run.intended_at)}"
    expected_s = _learnt_s(trace, run)
    if expected_s is not None:
        said += f" (learnt {duration(expected_s)})"
    return said + (", after people were called" if run.after_escalation else "")


def _learnt_s(trace: IncidentTrace, run: AttemptTrace) -> float | None:
    """The expected seconds of the step, verification included, as the ranking had it when the step was picked."""
    costs = [
        option.cost_s
        for decision in trace.decisions
        for option in decision.options
        if decision.at <= run.intended_at and decision.chosen == option.id == run.node
    ]
    return costs[-1] if costs else None


def _harm_note(facts: Facts) -> str:
    harmful = [run.node for run in _runs(facts.trace) if run.verdict is AttemptVerdict.HARMFUL]
    if harmful:
        return f"Harm was done, as the plan defines harm, by {', '.join(harmful)}."
    if facts.policy is not None and facts.policy.harm is None:
        return "The plan does not say what harm would be, so none could be seen."
    return "No step is known to have done harm."


def steps_not_done(facts: Facts) -> Section:
    """Every step of the plan that was not started, with the last that was said about it."""
    title = "Steps not done"
    if facts.policy is None:
        return Section(title, note="The text of the plan is not in this journal, so what else it held is not known.")
    started = {run.node for run in facts.trace.attempts.values()}
    why, above = _reasons(facts.entries), _parents(facts.policy)
    rows = tuple((leaf, _why(leaf, why, above)) for leaf in facts.policy.leaves if leaf not in started)
    return Section(title, ("step", "why"), rows, "" if rows else "Every step of the plan was started.")


def _why(leaf: str, why: Mapping[str, str], above: Mapping[str, str]) -> str:
    """What was said about a step, or about the nearest step above it."""
    node: str | None = leaf
    while node is not None:
        if node in why:
            return why[node] if node == leaf else f"{node}: {why[node]}"
        node = above.get(node)
    return "the plan did not come to it"


def _parents(policy: Policy) -> Mapping[str, str]:
    return {child.id: node.id for node in policy.nodes() for child in children_of(node)}


def _reasons(entries: Sequence[e.Entry]) -> Mapping[str, str]:
    """The last thing the journal says about why a node did not start."""
    why: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, e.Decided):
            why |= _passed_over(entry)
        elif isinstance(entry, e.DecisionWithheld) and entry.reason is not None:
            why[entry.node] = f"held back: {entry.reason}" + (f" ({entry.detail})" if entry.detail else "")
        elif isinstance(entry, e.ApprovalDenied):
            why[entry.node] = f"refused by {entry.by}"
        elif isinstance(entry, e.ApprovalExpired):
            why[entry.node] = "nobody agreed in time"
    return why


def _passed_over(decision: e.Decided) -> Mapping[str, str]:
    why = {}
    for option in decision.options:
        if option.reason is not None:
            why[option.id] = f"not eligible at {decision.node}: {option.reason}"
        elif option.id != decision.chosen:
            why[option.id] = f"{decision.chosen or 'nothing'} was chosen at {decision.node}"
    return why


def time_spent(facts: Facts) -> Section:
    """How the time to the recovery, or to the end, was spent; every second counts once, for the first that holds."""
    opened_at, end_at = facts.trace.opened_at, facts.end_at
    whole_s = end_at - opened_at
    if whole_s <= 0.0:
        return Section("Where the time went", note="The incident took no time.")
    parts: dict[str, float] = {}
    spans = list(_spans(facts))
    edges = sorted({opened_at, end_at, *(edge for span in spans for edge in span[1:] if opened_at < edge < end_at)})
    for begin, end in pairwise(edges):
        what = next((name for name, since, until in spans if since <= begin and end <= until), _ELSE)
        parts[what] = parts.get(what, 0.0) + end - begin
    rows = [(what, duration(spent_s), f"{spent_s / whole_s:.0%}") for what, spent_s in parts.items()]
    return Section("Where the time went", ("what", "time", "share"), tuple(rows))


def _spans(facts: Facts) -> Iterator[tuple[str, float, float]]:
    """(what, from, until) in Unix seconds; of those that overlap the first counts."""
    trace, end_at = facts.trace, facts.end_at
    yield "confirming that it is one", trace.opened_at, trace.confirmed_at or trace.closed_at or end_at
    for run in _runs(trace):
        yield "actions running", run.intended_at, run.ended_at or run.verdict_at or end_at
    asked: dict[str, float] = {}
    waited: dict[str, float] = {}
    for entry in facts.entries:
        if isinstance(entry, e.ApprovalRequested):
            asked[entry.node] = entry.at
        elif isinstance(entry, (e.ApprovalGranted, e.ApprovalDenied, e.ApprovalExpired)) and entry.node in asked:
            yield "waiting for a person's agreement", asked.pop(entry.node), entry.at
        elif isinstance(entry, e.WaitStarted):
            waited[entry.node] = entry.at
        elif isinstance(entry, e.WaitEnded) and entry.node in waited:
            yield "waiting as the plan says", waited.pop(entry.node), entry.at
    for node_at in asked.values():
        yield "waiting for a person's agreement", node_at, end_at
    for run in _runs(trace):
        if run.ended_at is not None:
            yield "watching whether they help", run.ended_at, run.verdict_at or end_at
    if trace.escalated_at is not None:
        yield "in people's hands", trace.escalated_at, end_at
    verdicts = [run.verdict_at for run in _runs(trace) if run.verdict_at is not None]
    if trace.recovered_at is not None and verdicts:
        yield "watching that it stays well", max(verdicts), trace.recovered_at


def decisions(facts: Facts) -> Section:
    """What was chosen, what was not, with the scores that were known then."""
    columns = ("at", "where", "chosen", "not chosen", "by", "on these signals")
    rows, before = [], ""
    for decision in facts.trace.decisions:
        signals = ", ".join(f"{name} {value_text(value)}" for name, value in decision.context.items())
        rows.append(
            (
                after(decision.at - facts.trace.opened_at),
                decision.node,
                _chosen(decision),
                "\n".join(_not_chosen(decision)) or "-",
                _by(decision),
                "the same" if signals and signals == before else signals,
            )
        )
        before = signals
    note = "In brackets, as it was estimated then: the chance to work, the time until the verdict, the chance of harm."
    return Section("Decisions", columns, tuple(rows), note if rows else "Nothing was decided.")


def _by(decision: e.Decided) -> str:
    if decision.kind not in ("choose", "try"):
        return f"its {decision.kind}"
    return f"ranking {decision.ranking_version[:12]}" if decision.ranking_version else "written order"


def _chosen(decision: e.Decided) -> str:
    chosen = next((option for option in decision.options if option.id == decision.chosen), None)
    said = _score(chosen) if chosen else decision.chosen or "nothing"
    return f"{said}, to learn of it" if decision.explored else said


def _not_chosen(decision: e.Decided) -> Iterator[str]:
    """What could have been, each with its scores; then what could not, by the reason."""
    refused: dict[str, list[str]] = {}
    for option in decision.options:
        if option.id == decision.chosen:
            continue
        if option.reason is None:
            yield _score(option)
        else:
            refused.setdefault(option.reason, []).append(option.id)
    for reason, options in refused.items():
        yield f"{reason}: {', '.join(options)}"


def _score(option: e.Option) -> str:
    parts = []
    if option.probability is not None:
        parts.append(f"{option.probability:.0%}")
    if option.cost_s is not None:
        parts.append(duration(option.cost_s))
    if option.harm is not None:
        parts.append(f"harm {option.harm:.1%}")
    return f"{option.id} ({', '.join(parts)})" if parts else option.id
