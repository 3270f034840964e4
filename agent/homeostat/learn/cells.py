"""What one attempt, decision or option puts into the columns of its frame."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from homeostat.learn.trace import AttemptTrace
from homeostat.learn.trials import Trial
from homeostat.model.entries import Decided, Option
from homeostat.model.reasons import AttemptVerdict
from homeostat.model.signals import Snapshot, Value

NO_CONTEXT: Mapping[str, Value] = {}
"""The signals where there was no decision."""


def attempt_cells(attempt: AttemptTrace) -> dict[str, Any]:
    """What an attempt says of itself."""
    return {
        "key": attempt.key,
        "node": attempt.node,
        "action": attempt.action,
        "target": attempt.target,
        "number": attempt.number,
        "intended_at": attempt.intended_at,
        "ended_at": attempt.ended_at,
        "verdict_at": attempt.verdict_at,
        "execution_s": attempt.execution_s,
        "total_s": difference(attempt.verdict_at, attempt.intended_at),
        "outcome": attempt.outcome,
        "held_before": attempt.held_before,
        "held_after": attempt.held_after,
        "harm_before": attempt.harm_before,
        "after_escalation": attempt.after_escalation,
        "verdict": attempt.verdict,
        "harmful": attempt.verdict is AttemptVerdict.HARMFUL,
    }


def pick_cells(decision: Decided | None) -> dict[str, Any]:
    """The pick that led to an attempt; None for none."""
    return {
        "decision_node": decision.node if decision else None,
        "decision_kind": decision.kind if decision else None,
        "candidate": decision.chosen if decision else None,
        "position": len(decision.failed) if decision else None,
        "propensity": getattr(_chosen(decision), "propensity", None) if decision else None,
        "ranking_version": decision.ranking_version if decision else None,
        "failed": decision.failed if decision else (),
    }


def decision_cells(trial: Trial) -> dict[str, Any]:
    """What a decision says, and what came of it."""
    decision = trial.decision
    eligible = [option for option in decision.options if option.eligible]
    last = trial.attempts[-1] if trial.attempts else None
    return {
        "at": decision.at,
        "node": decision.node,
        "kind": decision.kind,
        "chosen": decision.chosen,
        "position": len(decision.failed),
        "failed": decision.failed,
        "eligible": tuple(option.id for option in eligible),
        "probabilities": tuple(option.probability for option in eligible),
        "propensities": tuple(option.propensity for option in eligible),
        **_score_cells(_chosen(decision)),
        "ranking_version": decision.ranking_version,
        "seed": decision.seed,
        "explored": decision.explored,
        "attempts": len(trial.attempts),
        "runs": tuple((attempt.node, attempt.action, attempt.target) for attempt in trial.attempts),
        "started_at": trial.started_at,
        "ended_at": trial.ended_at,
        "total_s": difference(trial.ended_at, trial.started_at),
        "verdict": last.verdict if last else None,
        "harmful": last is not None and last.verdict is AttemptVerdict.HARMFUL,
    }


def option_cells(option: Option, decision: Decided) -> dict[str, Any]:
    """What one option of a decision says."""
    return {
        "at": decision.at,
        "node": decision.node,
        "option": option.id,
        "chosen": option.id == decision.chosen,
        "eligible": option.eligible,
        "reason": option.reason,
        "condition": option.condition,
        "truth": option.truth,
        **_score_cells(option),
        "ranking_version": decision.ranking_version,
    }


_NO_SCORE = Option(id="", eligible=False)


def _score_cells(option: Option | None) -> dict[str, float | None]:
    scored = option or _NO_SCORE
    return {
        "probability": scored.probability,
        "probability_low": scored.probability_low,
        "probability_high": scored.probability_high,
        "cost_s": scored.cost_s,
        "harm_expected": scored.harm,
        "index": scored.index,
        "propensity": option.propensity if option else None,
    }


def _chosen(decision: Decided) -> Option | None:
    return next((option for option in decision.options if option.id == decision.chosen), None)


def readings(seen: Snapshot | None) -> Mapping[str, Value]:
    """Every signal's value in a snapshot."""
    return NO_CONTEXT if seen is None else {name: reading.value for name, reading in seen.readings.items()}


def ages(seen: Snapshot | None, decision: Decided) -> Mapping[str, Value]:
    """How old each signal's newest sample was when the decision was made, in seconds."""
    readings = {} if seen is None else seen.readings
    return {name: difference(decision.at, r.sampled_at) for name, r in readings.items() if r.sampled_at is not None}


def difference(later: float | None, earlier: float | None) -> float | None:
    """Seconds between two times; None where one is unknown."""
    return None if later is None or earlier is None else later - earlier
