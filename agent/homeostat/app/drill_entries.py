"""How journals tell of a drill: that of the drilled agent, and that of the workspace it was run from."""

from __future__ import annotations

import secrets

from homeostat.app.people import outcome_of
from homeostat.app.settings import Settings
from homeostat.app.store import written_or_put
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.entries import DrillRan
from homeostat.model.ports import Clock
from homeostat.record.inbox import TEXT_MAX
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
        why=result.why[:TEXT_MAX],
        tier=result.tier,
        policies=dict(result.policies),
        elsewhere=elsewhere,
        control=result.control,
    )


def tell_workspace(settings: Settings, clock: Clock, by: str, result: DrillResult, wait_s: float) -> bool:
    """Have a workspace's journal say that its policies were drilled; False if no agent took that in within `wait_s`.

    Raises as `put_drill`.
    """
    answer = put_drill(settings, clock, by, drill_entry(result, clock.now(), elsewhere=True))
    return answer is None or outcome_of(settings, clock, answer, wait_s) is not None


def put_drill(settings: Settings, clock: Clock, by: str, ran: DrillRan) -> Answer | None:
    """Write that a drill ran; what an agent has to take in first is given back.

    Raises:
        UsageError: `by` is no name, or the agent here uses another store.
        JournalError: neither the journal nor the inbox can be written.
    """
    answer = Answer(secrets.token_hex(8), AnswerKind.DRILL, by, clock.now(), drill=ran)
    return None if written_or_put(settings, clock, ran, answer) else answer
