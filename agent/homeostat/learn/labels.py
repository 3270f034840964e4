"""What an attempt's end teaches: success, failure, or nothing; and when that is final.

Only a verdict that was measured counts: `effective` is a success, `ineffective` and `harmful` are failures, with
weight 1. `pre_satisfied`, `self_healed`, `inconclusive`, `cancelled` and `unknown` have weight 0, and so has a verdict
that fell after people were called: what healed the system then is not known.

A cure that does not hold is no cure: when a policy's next confirmed incident opens within the recurrence window after
one that closed as recovered, the last effective attempt of that one counts as a failure. Labels are therefore mature
only when the window after the closing has passed. Successes and failures mature together, else the young rows would
be failures only.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from homeostat.learn.trace import AttemptTrace, IncidentTrace
from homeostat.model.reasons import AttemptVerdict, Result

RECURRENCE_S = 1800.0
"""Default recurrence window: a new incident of the policy this soon after closing is a relapse."""

_FAILURES = frozenset({AttemptVerdict.INEFFECTIVE, AttemptVerdict.HARMFUL})


@dataclass(frozen=True, slots=True)
class Label:
    """What one attempt, or one trial of a candidate, teaches.

    Attributes:
        succeeded: never True with weight 0.
        relapsed: it was effective, and the incident came back within the recurrence window.
    """

    succeeded: bool
    weight: float
    relapsed: bool = False


TEACHES_NOTHING = Label(succeeded=False, weight=0.0)


def label(attempt: AttemptTrace, *, relapsed: bool) -> Label:
    """Give an attempt its label; `relapsed`: the incident's cure did not hold, and this attempt was that cure."""
    if attempt.after_escalation:
        return TEACHES_NOTHING
    if attempt.verdict is AttemptVerdict.EFFECTIVE:
        return Label(succeeded=not relapsed, weight=1.0, relapsed=relapsed)
    if attempt.verdict in _FAILURES:
        return Label(succeeded=False, weight=1.0)
    return TEACHES_NOTHING


def last_effective(attempts: Iterable[AttemptTrace]) -> AttemptTrace | None:
    """The attempt that a relapse is held against; None when none was effective before people were called."""
    effective = [a for a in attempts if a.verdict is AttemptVerdict.EFFECTIVE and not a.after_escalation]
    return max(effective, key=lambda attempt: attempt.verdict_at or 0.0, default=None)


def relapsed_incidents(traces: Sequence[IncidentTrace], recurrence_s: float) -> frozenset[str]:
    """Ids of incidents that closed as recovered and came back within `recurrence_s` seconds.

    A suspicion that was never confirmed is no recurrence.
    """
    relapsed: set[str] = set()
    latest: dict[str, IncidentTrace] = {}
    for trace in sorted((t for t in traces if t.confirmed_at is not None), key=lambda t: (t.opened_at, t.id)):
        previous = latest.get(trace.policy)
        if previous is not None and _came_back(previous, trace, recurrence_s):
            relapsed.add(previous.id)
        latest[trace.policy] = trace
    return frozenset(relapsed)


def _came_back(previous: IncidentTrace, trace: IncidentTrace, recurrence_s: float) -> bool:
    closed_at = previous.closed_at
    if closed_at is None or previous.result is not Result.RECOVERED:
        return False
    return 0.0 <= trace.opened_at - closed_at <= recurrence_s


def is_mature(trace: IncidentTrace, recurrence_s: float, as_of: float) -> bool:
    """Whether the incident's labels can no longer change at `as_of` (Unix seconds)."""
    return trace.closed_at is not None and trace.closed_at + recurrence_s <= as_of
