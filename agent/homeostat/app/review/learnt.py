"""The section on what rankings learn from the incident: labels, when they are final, and which ranking had them."""

from __future__ import annotations

from homeostat.app.review.facts import Facts
from homeostat.app.review.report import Section, duration, moment
from homeostat.learn.labels import WEIGHTS
from homeostat.learn.trials import Trial, candidate_leaves, trials_of
from homeostat.model import entries as e

_TITLE = "What the ranking learnt"
_PICKS = ("choose", "try")


def learnt(facts: Facts) -> Section:
    """One row for each pick of a candidate. What no pick led to teaches no ranking: it had no alternative."""
    trace = facts.trace
    if facts.drill is not None:
        return Section(_TITLE, note="Nothing: it was a drill, and its fault was chosen.")
    trials = trials_of(trace, candidate_leaves(facts.policy), relapsed=facts.relapse is not None)
    picks = [trial for trial in trials if trial.decision.kind in _PICKS and trial.decision.chosen is not None]
    if not picks:
        return Section(_TITLE, note="Nothing: no candidate was picked.")
    rows = tuple(_row(trial, facts) for trial in picks)
    return Section(_TITLE, ("where", "candidate", "label", "why", "in training since"), rows, _note(picks, facts))


def _row(trial: Trial, facts: Facts) -> tuple[str, ...]:
    decision, taught = trial.decision, trial.label
    label = "nothing" if not taught.weight else "worked" if taught.succeeded else "failed"
    since = "-"
    if taught.weight:
        first = _first_trained(facts, decision.node)
        none = "not yet" if decision.kind == "choose" else "never: its order is written"
        since = none if first is None else f"ranking {first.ranking.version[:12]}, {moment(first.at)}"
    return decision.node, decision.chosen or "", label, _why(trial, facts), since


def _why(trial: Trial, facts: Facts) -> str:
    """Why the label is what it is; see `learn.labels` and `learn.trials`."""
    if not trial.attempts:
        return "it was picked and never started"
    last, taught = trial.attempts[-1], trial.label
    if last.verdict is None:
        return "it has no verdict yet"
    if last.after_escalation:
        return f"{last.verdict}, but people had been called: what helped then is not known"
    if taught.relapsed and facts.relapse is not None:
        return f"{last.verdict}, but {facts.relapse.incident} followed {duration(_gap_s(facts))} after the closing"
    if not WEIGHTS[last.verdict]:
        return f"{last.verdict} proves nothing about it"
    if not taught.weight:
        return f"{last.verdict}, but it was given up before its end"
    return str(last.verdict)


def _gap_s(facts: Facts) -> float:
    relapse, closed_at = facts.relapse, facts.trace.closed_at
    return 0.0 if relapse is None or closed_at is None else relapse.opened_at - closed_at


def _final_at(facts: Facts) -> float | None:
    closed_at = facts.trace.closed_at
    return None if closed_at is None else closed_at + facts.recurrence_s


def _first_trained(facts: Facts, node: str) -> e.RankingTrained | None:
    """The first ranking with a model for this node that was trained when the labels were final."""
    final_at = _final_at(facts)
    if final_at is None:
        return None
    return next((it for it in facts.trained if it.at >= final_at and node in it.ranking.nodes), None)


def _note(picks: list[Trial], facts: Facts) -> str:
    final_at, window = _final_at(facts), duration(facts.recurrence_s)
    if not any(trial.label.weight for trial in picks):
        return "Nothing: no pick came to a verdict that counts."
    if final_at is None:
        return f"Labels are final {window} after the incident is closed, if it does not come back; it is still open."
    if final_at > facts.now:
        return f"Labels are not final before {moment(final_at)}: the incident might come back."
    said = f"Labels are final since {moment(final_at)}, {window} after the closing."
    used = [it for trial in picks if trial.label.weight and (it := _first_trained(facts, trial.decision.node))]
    if not used:
        return f"{said} No ranking that this journal holds was trained on them."
    return f"{said} {_ruled(min(used, key=lambda it: it.at), facts)}"


def _ruled(first: e.RankingTrained, facts: Facts) -> str:
    """What became of the first ranking that had them."""
    version = first.ranking.version
    promoted = next((it for it in facts.promoted if it.version == version), None)
    data = f"{first.ranking.attempts} attempts of {first.ranking.incidents} incidents"
    fate = f"It came to rule at {moment(promoted.at)}." if promoted else f"It did not come to rule. {first.gate}"
    return f"The first ranking that was trained when they were, {version[:12]}, was trained on {data}. {fate}"
