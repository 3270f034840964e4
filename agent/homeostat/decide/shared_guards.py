"""The guards that all policies share: rates, blast radius, storm, recurrence, maintenance, telemetry.

Their settings are in `model/guards.py`; the facts they judge are in the ledger, a fold of the journal, and so hold
over restarts.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from homeostat.decide.turn import Turn
from homeostat.model.guards import BlastRadius, Maintenance, Rate, Recurrence
from homeostat.model.incident import Start
from homeostat.model.policy import Do
from homeostat.model.reasons import Reason

Refusal = tuple[Reason, str]
"""Why, as a reason and in words."""

_ROUNDING = 1e-9
"""29% of 100 targets are 29, whatever binary fractions make of it."""


def frozen(turn: Turn) -> str | None:
    """Say why the data as a whole are too poor to act on; None when they are not."""
    telemetry = turn.moment.guards.telemetry
    if telemetry is None:
        return None
    if telemetry.condition is not None and telemetry.condition.evaluate(turn.moment.guard_values) is not True:
        return f"'{telemetry.condition.text}' is not true"
    values = turn.condition_values
    known = sum(value is not None for value in values)
    if known < telemetry.known_min * len(values):
        return f"{known} of {len(values)} signals are known, less than {telemetry.known_min:.0%}"
    return None


def held_back(turn: Turn, leaf: Do) -> Refusal | None:
    """Why this leaf must wait: a storm of incidents, or people at work on its target."""
    for window in turn.moment.guards.maintenance:
        turn.may_differ_at_any_look()  # a calendar opens and closes it
        if window.covers(turn.now) and _concerns(window, turn.policy.name, leaf.target):
            return Reason.MAINTENANCE, f"'{window.name}' is on"
    storm = turn.moment.guards.storm
    if storm is not None:
        opened = sum(1 for opening in turn.ledger.openings if turn.is_within(opening.at, storm.within_s))
        if opened > storm.incidents_max:
            return (
                Reason.STORM,
                f"{opened} incidents opened within {storm.within_s:g} s; has the watching broken?",
            )
    return None


def _concerns(window: Maintenance, policy: str, target: str) -> bool:
    return any(fnmatchcase(policy, glob) for glob in window.policies) and any(
        fnmatchcase(target, glob) for glob in window.targets
    )


def spent(turn: Turn, leaf: Do) -> Refusal | None:
    """Which budget this leaf's start would exceed; None when all of them allow it."""
    for rate in turn.moment.guards.rates:
        if not _meant(rate, leaf.action.name, leaf.target):
            continue
        count = sum(1 for _ in _counted(turn, leaf, rate))
        if count >= rate.starts_max:
            return Reason.RATE_LIMIT, f"{count} starts within {rate.within_s:g} s{_per(rate)}"
    for radius in turn.moment.guards.blast_radius:
        exceeded = _exceeded(turn, leaf, radius)
        if exceeded is not None:
            return Reason.BLAST_RADIUS, exceeded
    for recurrence in turn.moment.guards.recurrence:
        if _meant(recurrence, leaf.action.name, leaf.target):
            spent_on = _no_cure(turn, leaf, recurrence)
            if spent_on is not None:
                return Reason.RECURRENCE, spent_on
    return None


def _meant(guard: Rate | Recurrence, action: str, target: str) -> bool:
    return fnmatchcase(action, guard.actions) and fnmatchcase(target, guard.targets)


def _recent(turn: Turn, within_s: float) -> Iterator[Start]:
    """Starts within a window. All are looked at: where the clock was set back, their order is not that of time."""
    return (start for start in turn.ledger.starts if turn.is_within(start.at, within_s))


def _counted(turn: Turn, leaf: Do, rate: Rate) -> Iterator[Start]:
    for start in _recent(turn, rate.within_s):
        if not _meant(rate, start.action, start.target):
            continue
        same_policy = "policy" not in rate.per or start.policy == turn.policy.name
        same_action = "action" not in rate.per or start.action == leaf.action.name
        if same_policy and same_action and ("target" not in rate.per or start.target == leaf.target):
            yield start


def _per(rate: Rate) -> str:
    return f" per {' and '.join(sorted(rate.per))}" if rate.per else ""


def _exceeded(turn: Turn, leaf: Do, radius: BlastRadius) -> str | None:
    """Whether one more target would be too many. An unknown number of eligible targets allows none by share."""
    if not fnmatchcase(leaf.target, radius.targets):
        return None
    touched = {start.target for start in _recent(turn, radius.within_s) if fnmatchcase(start.target, radius.targets)}
    would_be = len(touched | {leaf.target})
    if radius.count_max is not None and would_be > radius.count_max:
        return f"{would_be} of {radius.targets} within {radius.within_s:g} s; at most {radius.count_max}"
    if radius.share_max is None:
        return None
    eligible = radius.eligible
    if isinstance(eligible, str):
        value = turn.moment.guard_values.get(eligible)
        if not isinstance(value, int | float):
            return f"nobody knows how many {radius.targets} there are: '{eligible}' is unknown"
        eligible = value
    if eligible is None or would_be > radius.share_max * eligible + _ROUNDING:
        return f"{would_be} of {eligible or 0:g} {radius.targets}; at most {radius.share_max:.0%}"
    return None


def _no_cure(turn: Turn, leaf: Do, recurrence: Recurrence) -> str | None:
    """An action that had to be used in one incident after another heals nothing."""
    incidents = {
        start.incident
        for start in _recent(turn, recurrence.within_s)
        if (start.policy, start.action, start.target) == (turn.policy.name, leaf.action.name, leaf.target)
    } - {turn.incident.id}
    if len(incidents) < recurrence.incidents_max:
        return None
    used = f"used in {len(incidents)} incidents within {recurrence.within_s:g} s"
    return f"{leaf.action.name} on {leaf.target} was {used}, and it came back"
