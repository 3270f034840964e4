"""Gather from a journal what a report on one incident is made from."""

from __future__ import annotations

from homeostat.app.review import Facts
from homeostat.app.similar import nearest
from homeostat.learn.trace import IncidentTrace, newest_incidents, trace_incidents
from homeostat.model import entries as e
from homeostat.model.errors import PolicyError, UsageError
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal
from homeostat.model.reasons import Result
from homeostat.model.streams import policy_stream
from homeostat.policy.load import load_journalled

_INCIDENTS_MAX = 5000
"""How many of the policy's newest incidents are looked at for similar ones."""


def facts_of(journal: Journal, incident: str, recurrence_s: float) -> Facts:
    """Gather them. Raises JournalError: it cannot be read; UsageError: the stream is no incident's."""
    records = list(journal.read(incident))
    trace = next(trace_incidents(records), None)
    if trace is None:
        raise UsageError(f"{incident} does not begin with the opening of an incident: there is nothing to review")
    of_policy = [record.entry for record in journal.read(policy_stream(trace.policy))]
    others = [other for other in newest_incidents(journal, trace.policy, _INCIDENTS_MAX) if other.id != trace.id]
    promoted = [it.version for it in of_policy if isinstance(it, e.RankingPromoted) and it.at >= trace.opened_at]
    return Facts(
        entries=[record.entry for record in records],
        trace=trace,
        policy=_pinned(of_policy, trace.policy_hash),
        similar=nearest(trace, others),
        came_back=next((it.id for it in others if _follows(trace, it, recurrence_s)), None),
        before=next((it.id for it in others if _follows(it, trace, recurrence_s)), None),
        recurrence_s=recurrence_s,
        promoted=promoted,
    )


def _pinned(of_policy: list[e.Entry], policy_hash: str) -> Policy | None:
    try:
        return load_journalled(of_policy, policy_hash)
    except (PolicyError, UsageError):
        return None


def _follows(first: IncidentTrace, then: IncidentTrace, recurrence_s: float) -> bool:
    """Whether `then` is a recurrence of `first`, as `labels` has it."""
    if first.closed_at is None or first.result is not Result.RECOVERED or then.confirmed_at is None:
        return False
    return 0.0 <= then.opened_at - first.closed_at <= recurrence_s
