"""The decision matrix, measured: what a policy's simulated incidents come to, beside what is computed of its plan."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from homeostat.model.policy import Policy
from homeostat.policy.bounds import worst_case_of
from homeostat.policy.units import format_seconds
from homeostat.simulate.bench.paths import PATHS_MAX, paths_of
from homeostat.simulate.bench.trial import Fate, Trial

SIMULATED = "simulated"
COMPUTED = "computed"
DECLARED = "declared"

Number = float | int | None


@dataclass(frozen=True, slots=True)
class Measures:
    """All measures of one policy. Shares are of all incidents; None: there is nothing to measure."""

    policy: str
    incidents: int
    recovered: float
    escalated: float
    dismissed: float
    unknown: float
    mttr_mean_s: float | None
    mttr_p50_s: float | None
    mttr_p90_s: float | None
    mttr_p99_s: float | None
    over_mean_s: float
    rto_s: float | None
    rto_attainment: float | None
    actions_mean: float
    concurrency_max: int
    wait_mean_s: float
    audit_steps_mean: float
    paths: int
    worst_attempts: int
    worst_s: float
    mistaken: float = 0.0


def measure(policy: Policy, trials: Sequence[Trial], rto_s: float | None = None) -> Measures:
    """Measure a policy by its trials, at least one.

    Args:
        policy: whose trials they are.
        trials: of the same incidents as those of the policies it is compared with.
        rto_s: instead of the policy's own.
    """
    count = len(trials)
    times_s = sorted(trial.recovered_s for trial in trials if trial.recovered_s is not None)
    rto_s = policy.rto_s if rto_s is None else rto_s
    attempts, worst_s = worst_case_of(policy)
    fates = {fate: sum(trial.fate is fate for trial in trials) / count for fate in Fate}
    return Measures(
        policy=policy.name,
        incidents=count,
        recovered=fates[Fate.RECOVERED],
        escalated=fates[Fate.ESCALATED],
        dismissed=fates[Fate.DISMISSED],
        unknown=fates[Fate.UNKNOWN],
        mttr_mean_s=math.fsum(times_s) / len(times_s) if times_s else None,
        mttr_p50_s=percentile(times_s, 0.50),
        mttr_p90_s=percentile(times_s, 0.90),
        mttr_p99_s=percentile(times_s, 0.99),
        over_mean_s=math.fsum(trial.over_s for trial in trials) / count,
        rto_s=rto_s,
        rto_attainment=None if rto_s is None else sum(time_s <= rto_s for time_s in times_s) / count,
        actions_mean=sum(trial.actions for trial in trials) / count,
        concurrency_max=max(trial.concurrency_max for trial in trials),
        wait_mean_s=math.fsum(trial.wait_s_max for trial in trials) / count,
        audit_steps_mean=sum(trial.audit_steps for trial in trials) / count,
        paths=paths_of(policy),
        worst_attempts=attempts,
        worst_s=worst_s,
        mistaken=fates[Fate.MISTAKEN],
    )


def percentile(ascending: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile (Hyndman and Fan, 1996, definition 1): a value that was there."""
    if not ascending:
        return None
    return ascending[max(math.ceil(share * len(ascending)), 1) - 1]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the matrix: how it is called, where it comes from, and how it is said."""

    label: str
    key: str
    source: str
    say: Callable[[Number], str]

    def value(self, measures: Measures) -> Number:
        """The number itself."""
        number: Number = getattr(measures, self.key)
        return number


def _seconds(number: Number) -> str:
    return "-" if number is None else format_seconds(round(number))


def _share(number: Number) -> str:
    return "-" if number is None else f"{number:.1%}"


def _mean(number: Number) -> str:
    return "-" if number is None else f"{number:.2f}"


def _count(number: Number) -> str:
    return "-" if number is None else f"{number}" if number < PATHS_MAX else f"{PATHS_MAX:.0e} or more"


LINES = (
    Line("recovered", "recovered", SIMULATED, _share),
    Line("escalated to people", "escalated", SIMULATED, _share),
    Line("dismissed", "dismissed", SIMULATED, _share),
    Line("unknown", "unknown", SIMULATED, _share),
    Line("mistaken for recovered", "mistaken", SIMULATED, _share),
    Line("time to recovery, mean", "mttr_mean_s", SIMULATED, _seconds),
    Line("time to recovery, p50", "mttr_p50_s", SIMULATED, _seconds),
    Line("time to recovery, p90", "mttr_p90_s", SIMULATED, _seconds),
    Line("time to recovery, p99", "mttr_p99_s", SIMULATED, _seconds),
    Line("time to the incident's end, mean", "over_mean_s", SIMULATED, _seconds),
    Line("RTO", "rto_s", DECLARED, _seconds),
    Line("recovered within the RTO", "rto_attainment", SIMULATED, _share),
    Line("actions an incident", "actions_mean", SIMULATED, _mean),
    Line("greatest concurrency", "concurrency_max", SIMULATED, _count),
    Line("longest wait, mean", "wait_mean_s", SIMULATED, _seconds),
    Line("audit steps an incident", "audit_steps_mean", SIMULATED, _mean),
    Line("paths to test", "paths", COMPUTED, _count),
    Line("worst case, attempts", "worst_attempts", COMPUTED, _count),
    Line("worst case, time", "worst_s", COMPUTED, _seconds),
)
"""The matrix, line by line. What is computed comes from the plan alone, what is declared from its author."""


def lines_of(measures: Sequence[Measures]) -> list[Line]:
    """The lines that say something of these policies: that of mistakes only where there are any."""
    return [line for line in LINES if line.key != "mistaken" or any(of.mistaken for of in measures)]
