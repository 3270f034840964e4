"""The journal as tidy frames: one row per attempt, per decision, per incident.

Each function takes records from anywhere: a journal (`journal_records`) or an exported recording. `columns` fixes the
columns and dtypes. Signals come as they were known when the decision was made.

Given a policy, a candidate that is a whole subtree is linked to the attempts below it, and the signal columns are that
policy's; without one, only candidates that are leaves have attempts.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from homeostat.learn.columns import ATTEMPT_DTYPES, DECISION_DTYPES, INCIDENT_DTYPES, frame, frame_with_signals
from homeostat.learn.labels import RECURRENCE_S, Label, is_mature, label, last_effective, relapsed_incidents
from homeostat.learn.trace import AttemptTrace, IncidentTrace, trace_incidents
from homeostat.learn.trials import Trial, candidate_leaves, decision_behind, trials_of
from homeostat.model.entries import Decided
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal, Record
from homeostat.model.signals import Value


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
    traces: Sequence[IncidentTrace], policy: Policy | None, recurrence_s: float, as_of: float
) -> pd.DataFrame:
    """The frame of `attempts_frame`, from incidents that are traced already."""
    relapsed = relapsed_incidents(traces, recurrence_s)
    leaves = candidate_leaves(policy)
    rows: list[dict[str, Any]] = []
    contexts: list[Mapping[str, Value]] = []
    for trace in traces:
        trials = trials_of(trace, leaves, relapsed=trace.id in relapsed)
        cure = last_effective(trace.attempts.values()) if trace.id in relapsed else None
        mature = is_mature(trace, recurrence_s, as_of)
        for attempt in trace.attempts.values():
            decision = decision_behind(trials, attempt)
            taught = _label_cells(label(attempt, relapsed=attempt is cure), mature=mature)
            rows.append(_incident_cells(trace) | _attempt_cells(attempt) | _pick_cells(decision) | taught)
            contexts.append(decision.context if decision else {})
    return frame_with_signals(rows, ATTEMPT_DTYPES, contexts, policy)


def decisions_frame(
    records: Iterable[Record],
    policy: Policy | None = None,
    *,
    recurrence_s: float = RECURRENCE_S,
    as_of: float = math.inf,
) -> pd.DataFrame:
    """One row per decision, by incident and then in order; columns: `DECISION_DTYPES`, then signals.

    A `choose` or `try` row is a trial: it also says what came of the pick over all `attempts` it led to, retries
    included. `runs` holds (leaf, action, target) of each, `total_s` runs from the first intent to the last verdict,
    and the label is the last attempt's. `eligible`, `probabilities` and `propensities` are aligned tuples over the
    eligible options.

    Args:
        records: as for `attempts_frame`, and so are the other arguments.
        policy: see above.
        recurrence_s: see `attempts_frame`.
        as_of: see `attempts_frame`.
    """
    return decision_rows(trace_incidents(records), policy, recurrence_s, as_of)


def decision_rows(
    traces: Sequence[IncidentTrace], policy: Policy | None, recurrence_s: float, as_of: float
) -> pd.DataFrame:
    """The frame of `decisions_frame`, from incidents that are traced already."""
    relapsed = relapsed_incidents(traces, recurrence_s)
    leaves = candidate_leaves(policy)
    rows: list[dict[str, Any]] = []
    contexts: list[Mapping[str, Value]] = []
    for trace in traces:
        mature = is_mature(trace, recurrence_s, as_of)
        for trial in trials_of(trace, leaves, relapsed=trace.id in relapsed):
            rows.append(_incident_cells(trace) | _decision_cells(trial) | _label_cells(trial.label, mature=mature))
            contexts.append(trial.decision.context)
    return frame_with_signals(rows, DECISION_DTYPES, contexts, policy)


def incidents_frame(records: Iterable[Record], *, recurrence_s: float = RECURRENCE_S) -> pd.DataFrame:
    """One row per incident, oldest first; columns: `INCIDENT_DTYPES`.

    `mttr_s` runs from the opening to the recovery; NaN without one. `escalation` says why people were called.
    `relapsed`: it closed as recovered, and the policy's next confirmed incident opened within `recurrence_s`.
    """
    return incident_rows(trace_incidents(records), recurrence_s)


def incident_rows(traces: Sequence[IncidentTrace], recurrence_s: float) -> pd.DataFrame:
    """The frame of `incidents_frame`, from incidents that are traced already."""
    relapsed = relapsed_incidents(traces, recurrence_s)
    rows = [
        _incident_cells(trace)
        | {
            "confirmed_at": trace.confirmed_at,
            "recovered_at": trace.recovered_at,
            "closed_at": trace.closed_at,
            "result": trace.result,
            "mttr_s": _difference(trace.recovered_at, trace.opened_at),
            "attempts": len(trace.attempts),
            "escalation": trace.escalation,
            "relapsed": trace.id in relapsed,
        }
        for trace in traces
    ]
    return frame(rows, INCIDENT_DTYPES)


def _incident_cells(trace: IncidentTrace) -> dict[str, Any]:
    return {
        "incident": trace.id,
        "policy": trace.policy,
        "policy_hash": trace.policy_hash,
        "opened_at": trace.opened_at,
    }


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
        "verdict": attempt.verdict,
    }


def _pick_cells(decision: Decided | None) -> dict[str, Any]:
    return {
        "decision_node": decision.node if decision else None,
        "decision_kind": decision.kind if decision else None,
        "candidate": decision.chosen if decision else None,
        "position": len(decision.failed) if decision else None,
        "propensity": _propensity(decision) if decision else None,
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
        "propensity": _propensity(decision),
        "ranking_version": decision.ranking_version,
        "seed": decision.seed,
        "attempts": len(trial.attempts),
        "runs": tuple((attempt.node, attempt.action, attempt.target) for attempt in trial.attempts),
        "started_at": trial.started_at,
        "ended_at": trial.ended_at,
        "total_s": _difference(trial.ended_at, trial.started_at),
        "verdict": last.verdict if last else None,
    }


def _label_cells(taught: Label, *, mature: bool) -> dict[str, Any]:
    return {
        "succeeded": taught.succeeded,
        "relapsed": taught.relapsed,
        "mature": mature,
        "weight": taught.weight,
    }


def _propensity(decision: Decided) -> float | None:
    return next((option.propensity for option in decision.options if option.id == decision.chosen), None)


def _difference(later: float | None, earlier: float | None) -> float | None:
    return None if later is None or earlier is None else later - earlier
