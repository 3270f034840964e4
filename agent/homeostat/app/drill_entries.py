"""How the journal tells of a drill."""

from __future__ import annotations

from homeostat.model.entries import DrillRan
from homeostat.rig.verdict import DrillResult


def drill_entry(result: DrillResult, at: float, *, elsewhere: bool = False) -> DrillRan:
    """The entry of a drill that is over at `at` (Unix seconds, of the journal it goes to).

    Args:
        result: how it went.
        at: see above.
        elsewhere: it goes to another journal than the drilled agent's.
    """
    return DrillRan(
        at=at,
        fault=result.fault,
        began_at=result.began_at,
        passed=result.passed,
        why=result.why,
        tier=result.tier,
        policies=dict(result.policies),
        elsewhere=elsewhere,
    )
