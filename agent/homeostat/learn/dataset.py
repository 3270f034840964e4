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
from collections.abc import Collection, Iterable, Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from homeostat.learn.cells import (
    NO_CONTEXT,
    ages,
    attempt_cells,
    decision_cells,
    difference,
    option_cells,
    pick_cells,
    readings,
)
from homeostat.learn.columns import AFTER, AGE, ATTEMPT_DTYPES, DECISION_DTYPES, INCIDENT_DTYPES, OPTION_DTYPES
from homeostat.learn.drills import Drills, drill_records
from homeostat.learn.labels import RECURRENCE_S, Label, label, last_effective
from homeostat.learn.rows import Rows
from homeostat.learn.signal_buffers import SignalNumbers, SignalValues
from homeostat.learn.trace import IncidentTrace, trace_incidents
from homeostat.learn.trials import candidate_leaves, decision_behind, trials_of
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal, Record

TRAINING_COLUMNS = frozenset(("incident", "opened_at", "node", "kind", "chosen", "failed", "eligible", "runs"))
TRAINING_COLUMNS |= {"propensities", "propensity", "total_s", "verdict", "harmful"}
TRAINING_COLUMNS |= {"succeeded", "relapsed", "mature", "weight"}
"""Of `DECISION_DTYPES`, what learning and judging need."""


def journal_records(journal: Journal) -> Iterator[Record]:
    """All records of all incidents in a journal, oldest incident first, and then those that tell of drills."""
    for stream in journal.incidents():
        yield from journal.read(stream)
    yield from drill_records(journal)


def attempts_frame(
    records: Iterable[Record],
    policy: Policy | None = None,
    *,
    recurrence_s: float = RECURRENCE_S,
    as_of: float = math.inf,
) -> pd.DataFrame:
    """One row per attempt, by incident and then in order of their intents; columns: `ATTEMPT_DTYPES`, then signals.

    `node` is the leaf. `decision_node`, `decision_kind` and `candidate` name the innermost `choose` or `try` pick that
    led to it; `position` counts the candidates that had failed there before, `failed` names them, `propensity` is the
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
            rows.append(attempt_cells(attempt) | pick_cells(decision), taught)
            values.append(decision.context if decision else NO_CONTEXT)
            after.append(readings(attempt.seen_after))
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
    values, sample_ages = SignalValues(policy), SignalNumbers(AGE, policy)
    dtypes = {name: dtype for name, dtype in DECISION_DTYPES.items() if columns is None or name in columns}
    rows = Rows(dtypes, (values, sample_ages) if columns is None else (values,))
    for trace in traces:
        rows.begin(trace)
        trials = trials_of(trace, leaves, relapsed=True)
        for number, (trial, seen) in enumerate(zip(trials, trace.seen, strict=True)):
            rows.append(decision_cells(trial) | {"decision": number}, trial.label)
            values.append(trial.decision.context)
            if columns is None:
                sample_ages.append(ages(seen, trial.decision))
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
                rows.append(option_cells(option, decision) | {"decision": number})
    return rows.frame(0.0, 0.0)


def incidents_frame(
    records: Iterable[Record], *, recurrence_s: float = RECURRENCE_S, as_of: float = math.inf
) -> pd.DataFrame:
    """One row per incident, oldest first; columns: `INCIDENT_DTYPES`.

    `mttr_s` runs from the opening to the recovery; NaN without one. `escalation` says why people were called.
    `relapsed`: it closed as recovered, and the policy's next confirmed incident opened within `recurrence_s`.
    `drill`: it opened during a drill that `records` tell of.
    """
    drills = Drills()
    return incident_rows(trace_incidents(drills.noting(records)), recurrence_s, as_of, drills)


def incident_rows(
    traces: Iterable[IncidentTrace],
    recurrence_s: float = RECURRENCE_S,
    as_of: float = math.inf,
    drills: Drills | None = None,
) -> pd.DataFrame:
    """The frame of `incidents_frame`, from traced incidents in any order.

    `drills` are looked at once all of `traces` are read: a journal tells of a drill when it is over.
    """
    rows = Rows({name: dtype for name, dtype in INCIDENT_DTYPES.items() if name != "drill"})
    for trace in traces:
        rows.begin(trace)
        rows.append(
            {
                "seed": trace.seed,
                "confirmed_at": trace.confirmed_at,
                "escalated_at": trace.escalated_at,
                "recovered_at": trace.recovered_at,
                "result": trace.result,
                "mttr_s": difference(trace.recovered_at, trace.opened_at),
                "attempts": len(trace.attempts),
                "escalation": trace.escalation,
            },
            Label(succeeded=False, weight=0.0, relapsed=True),
        )
    frame = rows.frame(recurrence_s, as_of)
    frame["drill"] = _within(frame["opened_at"], [] if drills is None else drills.spans)
    return frame


def _within(opened_at: pd.Series[Any], spans: Iterable[tuple[float, float]]) -> NDArray[np.bool_]:
    """Whether each time lies in one of `spans` (Unix seconds): (n,). Frames keep whole microseconds."""
    times = opened_at.to_numpy(dtype="datetime64[us]").astype(np.int64)
    found = np.zeros(len(times), dtype=bool)
    for began, ended in spans:
        found |= (times >= math.floor(began * 1e6)) & (times <= math.ceil(ended * 1e6))
    return found
