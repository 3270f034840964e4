"""What an attempt's end teaches: success, failure, or nothing; and when that is final.

Only a verdict that was measured counts: `effective` is a success, `ineffective` and `harmful` are failures, with
weight 1. `pre_satisfied`, `self_healed`, `inconclusive`, `cancelled` and `unknown` have weight 0, and so has a verdict
that fell after people were called: what healed the system then is not known. What an incident that was handed to
people did not try has no row and so no label: it is censored, not failed.

A cure that does not hold is no cure: when a policy's next confirmed incident opens within the recurrence window after
one that closed as recovered, the last effective attempt of that one counts as a failure. Labels are therefore mature
only when the window after the closing has passed. Successes and failures mature together, else the young rows would
be failures only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from homeostat.learn.trace import AttemptTrace
from homeostat.model.reasons import AttemptVerdict

RECURRENCE_S = 1800.0
"""Default recurrence window: a new incident of the policy this soon after closing is a relapse."""

WEIGHTS: Mapping[AttemptVerdict, float] = {
    AttemptVerdict.EFFECTIVE: 1.0,
    AttemptVerdict.INEFFECTIVE: 1.0,
    AttemptVerdict.HARMFUL: 1.0,
    AttemptVerdict.SELF_HEALED: 0.0,
    AttemptVerdict.PRE_SATISFIED: 0.0,
    AttemptVerdict.INCONCLUSIVE: 0.0,
    AttemptVerdict.CANCELLED: 0.0,
    AttemptVerdict.UNKNOWN: 0.0,
}
"""How much each verdict counts in training. `self_healed` speaks only for the baseline: what heals by itself."""


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
    if attempt.after_escalation or attempt.verdict is None:
        return TEACHES_NOTHING
    weight = WEIGHTS[attempt.verdict]
    works = attempt.verdict is AttemptVerdict.EFFECTIVE
    return Label(succeeded=works and not relapsed, weight=weight, relapsed=works and relapsed)


def last_effective(attempts: Iterable[AttemptTrace]) -> AttemptTrace | None:
    """The attempt that a relapse is held against; None when none was effective before people were called."""
    effective = [a for a in attempts if a.verdict is AttemptVerdict.EFFECTIVE and not a.after_escalation]
    return max(effective, key=lambda attempt: attempt.verdict_at or 0.0, default=None)
