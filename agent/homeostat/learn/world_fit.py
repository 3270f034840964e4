"""A simulated world from recorded incidents: their signals as they were, and chances and durations learnt from them.

Every recorded incident becomes a cause of its own, so signals stay together as they were seen (a bootstrap of whole
incidents). What cures it is learnt over all incidents that look alike: the latent causes of `members.latent`, fitted on
the signals at confirmation and on what worked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from homeostat.learn.columns import SIGNAL, TEXT
from homeostat.learn.features import Floats, feature_columns, fit_features
from homeostat.learn.labels import RECURRENCE_S, label
from homeostat.learn.members.latent import LatentCauses
from homeostat.learn.samples import Samples
from homeostat.learn.trace import AttemptTrace, IncidentTrace
from homeostat.model.policy import MANUAL, Policy
from homeostat.model.ranking import LatentModel
from homeostat.model.reasons import OutcomeStatus, Result
from homeostat.model.signals import SignalType, Value

CAUSES_MAX = 300
"""So many incidents, evenly spaced over those there are, become causes."""

ENDED_WELL = (Result.RECOVERED, Result.SELF_HEALED)

TRIED_MIN = 0.5
"""Below so many attempts under a cause its chance to cure is the prior's word, not the history's."""

SUCCEEDS_PRIOR = 20.0
"""Before anything is known an action ends well; that counts as much as so many runs."""


@dataclass(frozen=True, slots=True)
class FittedAction:
    """How an action went. `runs`: with a known duration; None: never ran to its end. `spread`: as worlds have it."""

    runs: int
    mean_s: float | None
    spread: float
    succeeds: float
    tried: int


@dataclass(frozen=True, slots=True)
class FittedCause:
    """One recorded incident: which hidden cause it is taken for, and what it showed.

    Attributes:
        heals_s: it recovered by itself, so long after its confirmation.
    """

    hidden: int
    incident: str
    sets: Mapping[str, Value]
    heals_s: float | None


@dataclass(frozen=True, slots=True)
class FittedWorld:
    """What history says of a policy's incidents.

    Attributes:
        healthy: by signal; None: never seen in a recovered incident.
        cures: (K, M) chance that an action cures, given that it ends well; tried: (K, M) attempts behind each.
        relapses: share of recoveries that did not last, and after how many seconds on average.
    """

    healthy: Mapping[str, Value]
    names: tuple[str, ...]
    actions: Mapping[str, FittedAction]
    causes: tuple[FittedCause, ...]
    cures: Floats
    tried: Floats
    missing: float
    relapses: tuple[float, float] | None
    incidents: int


def name_of(attempt: AttemptTrace) -> str:
    """What a world calls it: the action on its target, or the step of a person."""
    return attempt.node if attempt.action == MANUAL else f"{attempt.action} {attempt.target}"


def fit_world(traces: Sequence[IncidentTrace], policy: Policy) -> FittedWorld:
    """Fit a world to confirmed incidents of a policy, oldest first, of which at least one attempt teaches."""
    attempts = [attempt for trace in traces for attempt in trace.attempts.values()]
    names = tuple(sorted({name_of(attempt) for attempt in attempts}))
    confirmed = [_values(trace, policy) for trace in traces]
    samples = _samples(traces, names, _columns(confirmed, policy))
    model = LatentCauses().fit(samples)
    shares, tried = _shares(model, samples, len(traces))
    actions = {name: _action([one for one in attempts if name_of(one) == name]) for name in names}
    succeeds = np.array([actions[name].succeeds for name in names])
    places = np.unique(np.linspace(0, len(traces) - 1, min(len(traces), CAUSES_MAX)).round().astype(int))
    healthy = _healthy(traces, policy)
    readings = [value for values in confirmed for name, value in values.items() if healthy[name] is not None]
    return FittedWorld(
        healthy,
        names,
        actions,
        tuple(_cause(traces[place], confirmed[place], int(shares[place].argmax()), healthy) for place in places),
        np.minimum(np.array(model.success) / succeeds, 1.0),
        tried,
        sum(value is None for value in readings) / max(len(readings), 1),
        _relapses(traces),
        len(traces),
    )


def _values(trace: IncidentTrace, policy: Policy) -> dict[str, Value]:
    """The signals as they were known at confirmation."""
    seen, at = trace.seen_confirmed, trace.confirmed_at
    if seen is None or at is None:
        return dict.fromkeys(policy.signals)
    return seen.values(policy.signals, at)


def _columns(confirmed: Sequence[Mapping[str, Value]], policy: Policy) -> Floats:
    frame = pd.DataFrame(index=range(len(confirmed)))
    for name, spec in policy.signals.items():
        seen = [values[name] for values in confirmed]
        if spec.type is SignalType.TEXT:
            frame[TEXT + name] = pd.Series(seen, dtype="str")
        else:
            frame[SIGNAL + name] = pd.Series(seen, dtype="float64")
    return feature_columns(frame, fit_features(frame, policy))


def _samples(traces: Sequence[IncidentTrace], names: Sequence[str], columns: Floats) -> Samples:
    """Every attempt that teaches, as a trial. A relapse is a cure here: that it did not last is told apart."""
    rows = []
    for place, trace in enumerate(traces):
        failed = np.zeros(len(names), dtype=bool)
        for attempt in trace.attempts.values():
            taught, candidate = label(attempt, relapsed=False), names.index(name_of(attempt))
            if taught.weight > 0.0:
                rows.append((place, candidate, taught.succeeded, taught.weight, failed.copy()))
                failed[candidate] |= not taught.succeeded
    count = len(rows)
    incident = np.array([row[0] for row in rows], dtype=np.intp)
    succeeded = np.array([row[2] for row in rows], dtype=bool)
    return Samples(
        columns[incident],
        np.array([row[4] for row in rows], dtype=bool).reshape(count, len(names)),
        np.array([row[1] for row in rows], dtype=np.intp),
        succeeded,
        np.array([row[3] for row in rows], dtype=np.float64),
        incident,
        np.full(count, np.nan),
        succeeded,
        np.zeros(count, dtype=bool),
        len(names),
    )


def _shares(model: LatentModel, samples: Samples, incidents: int) -> tuple[Floats, Floats]:
    """How likely each incident had each cause, by its signals and by what came of it (N, K); attempts by cause (K, M).

    An incident that taught nothing is taken for the commonest cause.
    """
    success = np.array(model.success)
    heights = np.array(model.gate_intercepts) + samples.columns @ np.array(model.gate_weights).T
    by_incident = np.zeros((incidents, len(success)))
    taught = np.zeros(incidents, dtype=bool)
    by_incident[samples.incident], taught[samples.incident] = heights, True
    of_trial = np.where(samples.succeeded, success[:, samples.candidate], 1.0 - success[:, samples.candidate])
    np.add.at(by_incident, samples.incident, (samples.weight * np.log(of_trial)).T)
    shares = np.exp(by_incident - by_incident.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    shares[~taught] = shares[taught].mean(axis=0)
    tried = np.zeros_like(success)
    np.add.at(tried.T, samples.candidate, samples.weight[:, None] * shares[samples.incident])
    return shares, tried


def _action(attempts: Sequence[AttemptTrace]) -> FittedAction:
    """Durations of runs that ended by themselves; one that was cancelled or timed out says only that it took longer."""
    ended = [attempt for attempt in attempts if attempt.outcome in (OutcomeStatus.OK, OutcomeStatus.ERROR)]
    seconds = np.array([one.execution_s for one in ended if one.execution_s is not None and one.execution_s > 0.0])
    failed = sum(one.outcome in (OutcomeStatus.ERROR, OutcomeStatus.TIMEOUT) for one in attempts)
    counted = failed + sum(one.outcome is OutcomeStatus.OK for one in attempts)
    succeeds = (counted - failed + SUCCEEDS_PRIOR) / (counted + SUCCEEDS_PRIOR)
    if not seconds.size:
        return FittedAction(0, None, 0.0, succeeds, len(attempts))
    logs = np.log(seconds)
    variance = float(logs.var(ddof=1)) if len(logs) > 1 else 0.0
    mean_s = float(np.exp(logs.mean() + variance / 2.0))
    return FittedAction(len(seconds), mean_s, float(np.sqrt(np.expm1(variance))), succeeds, len(attempts))


def _healthy(traces: Sequence[IncidentTrace], policy: Policy) -> dict[str, Value]:
    """The median, or the commonest text, of each signal where incidents were recovered from."""
    last = [trace for trace in traces if trace.result in ENDED_WELL and trace.snapshot is not None]
    seen = [trace.snapshot.values(policy.signals, trace.snapshot.at) for trace in last if trace.snapshot is not None]
    healthy: dict[str, Value] = {}
    for name, spec in policy.signals.items():
        known = [values[name] for values in seen if values[name] is not None]
        if not known:
            healthy[name] = None
        elif spec.type is SignalType.TEXT:
            healthy[name] = Counter(known).most_common(1)[0][0]
        else:
            healthy[name] = float(np.quantile(np.array(known, dtype=np.float64), 0.5, method="nearest"))
    return healthy


def _cause(trace: IncidentTrace, values: Mapping[str, Value], hidden: int, healthy: Mapping[str, Value]) -> FittedCause:
    sets = {name: value for name, value in values.items() if value is not None and healthy[name] is not None}
    worked = any(label(attempt, relapsed=False).succeeded for attempt in trace.attempts.values())
    alone = trace.result in ENDED_WELL and not worked and trace.escalated_at is None
    heals_s = None
    if alone and trace.recovered_at is not None and trace.confirmed_at is not None:
        heals_s = max(trace.recovered_at - trace.confirmed_at, 1.0)
    return FittedCause(hidden, trace.id, sets, heals_s)


def _relapses(traces: Sequence[IncidentTrace]) -> tuple[float, float] | None:
    """Share of recoveries after which the next incident came within `RECURRENCE_S`, and the mean time until then."""
    recovered = 0
    gaps_s = []
    for trace, after in zip(traces, [*traces[1:], None], strict=True):
        if trace.result in ENDED_WELL and trace.closed_at is not None:
            recovered += 1
            gap_s = None if after is None else after.opened_at - trace.closed_at
            if gap_s is not None and 0.0 <= gap_s <= RECURRENCE_S:
                gaps_s.append(after.opened_at - (trace.recovered_at or trace.closed_at) if after is not None else 0.0)
    return (len(gaps_s) / recovered, float(np.mean(gaps_s))) if gaps_s else None
