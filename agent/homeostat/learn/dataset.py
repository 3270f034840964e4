"""The journal as tidy frames: one row per attempt, per decision, per option of a decision, per incident.

Each function takes records from anywhere: a journal (`journal_records`) or an exported recording. `columns` fixes the
columns and dtypes, `docs/frames.md` says what they mean. Signals come as they were known when the decision was made.

Given a policy, a candidate that is a whole subtree is linked to the attempts below it, and the signal columns are that
policy's; without one, only candidates that are leaves have attempts.

Incidents are read one at a time, and only numbers and codes are kept of them, so a million attempts fit a small
machine; what depends on later incidents, relapses and the order, is put in at the end.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import pandas as pd

from homeostat.learn.columns import AFTER, AGE, ATTEMPT_DTYPES, DECISION_DTYPES, INCIDENT_DTYPES, OPTION_DTYPES
from homeostat.learn.labels import RECURRENCE_S, Label, label, last_effective
from homeostat.learn.rows import Rows
from homeostat.learn.signal_buffers import SignalNumbers, SignalValues
from homeostat.learn.trace import AttemptTrace, IncidentTrace, trace_incidents
from homeostat.learn.trials import Trial, candidate_leaves, decision_behind, trials_of
from homeostat.model.entries import Decided, Option
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal, Record
from homeostat.model.reasons import AttemptVerdict
from homeostat.model.signals import Snapshot, Value

TRAINING_COLUMNS = frozenset(("incident", "opened_at", "node", "kind", "chosen", "failed", "eligible", "runs"))
TRAINING_COLUMNS |= {"propensities", "propensity", "total_s", "verdict", "harmful"}
TRAINING_COLUMNS |= {"succeeded", "relapsed", "mature", "weight"}
"""Of `DECISION_DTYPES`, what learning and judging need."""

_NO_CONTEXT: Mapping[str, Value] = {}


def journal_records(journal: Journal) -> Iterator[Record]:
    """All records of all incidents in a journal, oldest incident first."""
    for stream in journal.incidents():
        yield from journal.read(stream)


def attempts_frame(
    records: Iterable[Record],
    policy: Policy | None = None,
    *,
    recurrence_s: float = RECURRENCE_S,
    as_of: float = math.inf,
) -> pd.DataFrame:
    """One row per attempt, by incident and then in order of their intents; columns: `ATTEMPT_DTYPES`, then signals.

    `node` is the leaf. `decision_node`, `decision_kind` and `candidate` name the innermost `choose` or `try` pick that
    led to it; `position` counts the candidates tried there before, `failed` names them, `propensity` is the
    probability with which it was picked. `total_s` runs from the intent to the verdict. `succeeded`, `weight`,
    `relapsed` and `mature` are the label (see `labels`).

    Args:
        records: of any number of incidents; each stream in its own order.
        policy: see above.
        recurrence_s: a new incident of the policy within this after closing is a relapse.
        as_of: Unix seconds; rows of incidents not closed by `as_of - recurrence_s` are not mature.
    """
    return attempt_rows(trace_incidents(records), policy, recurrence_s, as_of)


def attempt_rows(
    traces: Iterable[IncidentTrace], policy: Policy | None, recurrence_s: float, as_of: float
) -> pd.DataFrame:
    """The frame of `attempts_frame`, from traced incidents in any order."""
    leaves = candidate_leaves(policy)
    values, after = SignalValues(policy), SignalNumbers(AFTER, policy)
    rows = Rows(ATTEMPT_DTYPES, (values, after))
    for trace in traces:
        rows.begin(trace)
        trials = trials_of(trace, leaves, relapsed=True)
        cure = last_effective(trace.attempts.values())
        for attempt in trace.attempts.values():
            decision = decision_behind(trials, attempt)
            taught = label(attempt, relapsed=attempt is cure)
            rows.append(_attempt_cells(attempt) | _pick_cells(decision), taught)
            values.append(decision.context if decision else _NO_CONTEXT)
            after.append(_readings(attempt.seen_after))
    return rows.frame(recurrence_s, as_of)


def decisions_frame(
    records: Iterable[Record],
    policy: Policy | None = None,
    *,
    recurrence_s: float = RECURRENCE_S,
    as_of: float = math.inf,
) -> pd.DataFrame:
    """One row per decision, by incident and then in order; columns: `DECISION_DTYPES`, then signals and their ages.

    `decision` counts the incident's decisions from 0.

    A `choose` or `try` row is a trial: it also says what came of the pick over all `attempts` it led to, retries
    included. `runs` holds (leaf, action, target) of each, `total_s` runs from the first intent to the last verdict,
    and the label is the last attempt's. `eligible`, `probabilities` and `propensities` are aligned tuples over the
    eligible options; `probability` and what follows it are the chosen one's.

    Args:
        records: as for `attempts_frame`, and so are the other arguments.
        policy: see above.
        recurrence_s: see `attempts_frame`.
        as_of: see `attempts_frame`.
    """
    return decision_rows(trace_incidents(records), policy, recurrence_s, as_of)


def decision_rows(
    traces: Iterable[IncidentTrace],
    policy: Policy | None,
    recurrence_s: float,
    as_of: float,
    columns: Collection[str] | None = None,
) -> pd.DataFrame:
    """The frame of `decisions_frame`, from traced incidents in any order.

    Args:
        traces: are forgotten as soon as they are read.
        policy: see `decisions_frame`, and so are the next two.
        recurrence_s: see `decisions_frame`.
        as_of: see `decisions_frame`.
        columns: only these before the signals, and no ages; None for all.
    """
    leaves = candidate_leaves(policy)
    values, ages = SignalValues(policy), SignalNumbers(AGE, policy)
    dtypes = {name: dtype for name, dtype in DECISION_DTYPES.items() if columns is None or name in columns}
    rows = Rows(dtypes, (values, ages) if columns is None else (values,))
    for trace in traces:
        rows.begin(trace)
        trials = trials_of(trace, leaves, relapsed=True)
        for number, (trial, seen) in enumerate(zip(trials, trace.seen, strict=True)):
            rows.append(_decision_cells(trial) | {"decision": number}, trial.label)
            values.append(trial.decision.context)
            if columns is None:
                ages.append(_ages(seen, trial.decision))
    return rows.frame(recurrence_s, as_of)


def options_frame(records: Iterable[Record]) -> pd.DataFrame:
    """One row per option of each decision, in the order they were ranked; columns: `OPTION_DTYPES`.

    `incident` and `decision` name the row of `decisions_frame`. `reason` says why an option was not eligible.
    """
    return option_rows(trace_incidents(records))


def option_rows(traces: Iterable[IncidentTrace]) -> pd.DataFrame:
    """The frame of `options_frame`, from traced incidents in any order."""
    rows = Rows(OPTION_DTYPES)
    for trace in traces:
        rows.begin(trace)
        for number, decision in enumerate(trace.decisions):
            for option in decision.options:
                rows.append(_option_cells(option, decision) | {"decision": number})
    return rows.frame(0.0, 0.0)


def incidents_frame(
    records: Iterable[Record], *, recurrence_s: float = RECURRENCE_S, as_of: float = math.inf
) -> pd.DataFrame:
    """One row per incident, oldest first; columns: `INCIDENT_DTYPES`.

    `mttr_s` runs from the opening to the recovery; NaN without one. `escalation` says why people were called.
    `relapsed`: it closed as recovered, and the policy's next confirmed incident opened within `recurrence_s`.
    """
    return incident_rows(trace_incidents(records), recurrence_s, as_of)


def incident_rows(
    traces: Iterable[IncidentTrace], recurrence_s: float = RECURRENCE_S, as_of: float = math.inf
) -> pd.DataFrame:
    """The frame of `incidents_frame`, from traced incidents in any order."""
    rows = Rows(INCIDENT_DTYPES)
    for trace in traces:
        rows.begin(trace)
        rows.append(
            {
                "seed": trace.seed,
                "confirmed_at": trace.confirmed_at,
                "escalated_at": trace.escalated_at,
                "recovered_at": trace.recovered_at,
                "result": trace.result,
                "mttr_s": _difference(trace.recovered_at, trace.opened_at),
                "attempts": len(trace.attempts),
                "escalation": trace.escalation,
            },
            Label(succeeded=False, weight=0.0, relapsed=True),
        )
    return rows.frame(recurrence_s, as_of)


def _attempt_cells(attempt: AttemptTrace) -> dict[str, Any]:
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
        "total_s": _difference(attempt.verdict_at, attempt.intended_at),
        "outcome": attempt.outcome,
        "held_before": attempt.held_before,
        "held_after": attempt.held_after,
        "harm_before": attempt.harm_before,
        "after_escalation": attempt.after_escalation,
        "verdict": attempt.verdict,
        "harmful": attempt.verdict is AttemptVerdict.HARMFUL,
    }


def _pick_cells(decision: Decided | None) -> dict[str, Any]:
    return {
        "decision_node": decision.node if decision else None,
        "decision_kind": decision.kind if decision else None,
        "candidate": decision.chosen if decision else None,
        "position": len(decision.failed) if decision else None,
        "propensity": getattr(_chosen(decision), "propensity", None) if decision else None,
        "ranking_version": decision.ranking_version if decision else None,
        "failed": decision.failed if decision else (),
    }


def _decision_cells(trial: Trial) -> dict[str, Any]:
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
        "total_s": _difference(trial.ended_at, trial.started_at),
        "verdict": last.verdict if last else None,
        "harmful": last is not None and last.verdict is AttemptVerdict.HARMFUL,
    }


def _option_cells(option: Option, decision: Decided) -> dict[str, Any]:
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


def _readings(seen: Snapshot | None) -> Mapping[str, Value]:
    return _NO_CONTEXT if seen is None else {name: reading.value for name, reading in seen.readings.items()}


def _ages(seen: Snapshot | None, decision: Decided) -> Mapping[str, Value]:
    readings = {} if seen is None else seen.readings
    return {name: _difference(decision.at, r.sampled_at) for name, r in readings.items() if r.sampled_at is not None}


def _difference(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else later - earlier
