"""How journals tell of a drill: that of the drilled agent, and that of the workspace it was run from."""

from __future__ import annotations

import secrets

from homeostat.app.people import outcome_of
from homeostat.app.settings import Settings
from homeostat.app.store import journal_to_write, put_answer
from homeostat.model.answers import Answer, AnswerKind
from homeostat.model.entries import DrillRan
from homeostat.model.errors import JournalError
from homeostat.model.ports import Batch, Clock
from homeostat.model.streams import AGENT_STREAM
from homeostat.record.inbox import TEXT_MAX
from homeostat.record.writer_lock import WriterLock
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
    )


def tell_workspace(settings: Settings, clock: Clock, by: str, result: DrillResult, wait_s: float) -> bool:
    """Have a workspace's journal say that its policies were drilled; False if no agent took that in within `wait_s`.

    Raises as `put_drill`.
    """
    answer = put_drill(settings, clock, by, drill_entry(result, clock.now(), elsewhere=True))
    return answer is None or outcome_of(settings, clock, answer, wait_s) is not None


def put_drill(settings: Settings, clock: Clock, by: str, ran: DrillRan) -> Answer | None:
    """Write that a drill ran; what an agent has to take in first is given back.

    Where no agent runs it is written here. A journal has one writer, so an agent that runs, or agents that share a
    store, are told through the inbox, where it lies until one of them takes it in.

    Raises:
        UsageError: `by` is no name, or the agent here uses another store.
        JournalError: neither the journal nor the inbox can be written.
    """
    if settings.store.url is None and WriterLock.holder(settings.journal) is None:
        try:
            with journal_to_write(settings) as journal:
                journal.append([Batch(AGENT_STREAM, None, [ran])])
        except JournalError:
            if WriterLock.holder(settings.journal) is None:
                raise
        else:
            return None
    # An agent came up a moment ago, or runs since long.
    answer = Answer(secrets.token_hex(8), AnswerKind.DRILL, by, clock.now(), drill=ran)
    put_answer(settings, answer)
    return answer
