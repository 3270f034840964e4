"""Fit a simulated world to a policy's history, and hold what it simulates against incidents it has not seen."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from homeostat.learn.labels import label
from homeostat.learn.trace import IncidentTrace, newest_incidents
from homeostat.learn.world_fit import ENDED_WELL, fit_world
from homeostat.learn.world_text import unknown_of, world_text
from homeostat.model.errors import UsageError
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal
from homeostat.policy.units import format_seconds
from homeostat.simulate.bench.trial import Fate, run_trials
from homeostat.simulate.bench.world import world_of

INCIDENTS_MAX = 2_000
FILE_NAME = "fitted.world.yaml"
TRIALS = 100
CHECKED_MIN = 4
"""Fewer incidents are not split: there is nothing to hold the world against."""


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What a set of incidents came to. `mttr_s`: from the first sign until it was closed, of the recovered ones."""

    incidents: int
    recovered: float
    mttr_s: float | None
    attempts: float


@dataclass(frozen=True, slots=True)
class Fitted:
    """A fitted world.

    Attributes:
        text: of the file.
        recorded, simulated: of the held-out half, and of a world fitted on the other half; None: too few incidents.
        unknown: what the history could not say.
    """

    text: str
    incidents: int
    recorded: Outcomes | None
    simulated: Outcomes | None
    unknown: tuple[str, ...]


def fitted_world(journal: Journal, policy: Policy, interval_s: float, seed: int = 1) -> Fitted:
    """Fit a world to the newest incidents of a policy.

    Raises:
        UsageError: no incident taught anything.
        PolicyError: the world would be none, as with an interval that is too short.
        JournalCorrupt: the journal cannot be trusted.
    """
    newest = [trace for trace in newest_incidents(journal, policy.name, INCIDENTS_MAX) if trace.closed_at is not None]
    traces = sorted(newest, key=lambda trace: (trace.opened_at, trace.id))
    if not _teaches(traces):
        message = f"the history has no closed incident of '{policy.name}' with an attempt that teaches"
        raise UsageError(f"{message}; record some, or write the world by hand")
    recorded = simulated = None
    told = ["Too few incidents to hold any out: how well this world reproduces its history is not known."]
    seen, held_out = traces[::2], traces[1::2]
    if len(traces) >= CHECKED_MIN and _teaches(seen):
        text = world_text(fit_world(seen, policy), policy, interval_s, ())
        recorded, simulated = _recorded(held_out), _simulated(text, policy, seed)
        told = [
            f"Half of them held out: {_said(recorded)} recorded;",
            f"{_said(simulated)} simulated by a world fitted on the other half, in the written order of candidates.",
        ]
    fitted = fit_world(traces, policy)
    text = world_text(fitted, policy, interval_s, told)
    world_of(text, FILE_NAME, [policy])
    return Fitted(text, len(traces), recorded, simulated, tuple(unknown_of(fitted, policy)))


def _teaches(traces: Iterable[IncidentTrace]) -> bool:
    attempts = (attempt for trace in traces for attempt in trace.attempts.values())
    return any(label(attempt, relapsed=False).weight > 0.0 for attempt in attempts)


def _recorded(traces: Sequence[IncidentTrace]) -> Outcomes:
    well = [trace for trace in traces if trace.result in ENDED_WELL and trace.escalated_at is None]
    times = [trace.closed_at - trace.opened_at for trace in well if trace.closed_at is not None]
    attempts = sum(len(trace.attempts) for trace in traces) / len(traces)
    return Outcomes(len(traces), len(well) / len(traces), _mean(times), attempts)


def _simulated(text: str, policy: Policy, seed: int) -> Outcomes:
    trials = list(run_trials(policy, world_of(text, FILE_NAME, [policy]), TRIALS, seed))
    well = [trial for trial in trials if trial.fate is Fate.RECOVERED]
    attempts = sum(trial.actions for trial in trials) / TRIALS
    return Outcomes(TRIALS, len(well) / TRIALS, _mean([trial.over_s for trial in well]), attempts)


def _mean(times: Sequence[float]) -> float | None:
    return math.fsum(times) / len(times) if times else None


def _said(outcomes: Outcomes) -> str:
    mttr = "-" if outcomes.mttr_s is None else format_seconds(round(outcomes.mttr_s))
    return f"{outcomes.recovered:.0%} recovered in {mttr} with {outcomes.attempts:.2f} attempts ({outcomes.incidents})"
