"""Gather from a journal what a report on one incident is made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from homeostat.app.feedback import feedback_of
from homeostat.app.pinned import pinned_policy
from homeostat.app.review.similar import Past, Similar, past_of, similar_to
from homeostat.app.why_nothing import paused_now
from homeostat.learn.drills import drill_records
from homeostat.learn.trace import IncidentTrace, newest_incidents, trace_incidents
from homeostat.model import entries as e
from homeostat.model.errors import PolicyError, UsageError
from homeostat.model.policy import Policy
from homeostat.model.ports import Journal
from homeostat.model.reasons import Result
from homeostat.model.streams import policy_stream

_INCIDENTS_MAX = 2_000
"""How many of the policy's newest incidents are looked at for similar ones and recurrences; as many are learnt from."""


@dataclass(frozen=True, slots=True)
class Facts:
    """What a report is made from.

    Attributes:
        now: Unix seconds at which the report is written.
        policy: the version the incident was pinned to; None where its text is not at hand.
        switched: pauses that held when the incident opened, and what was paused and resumed while it was open.
        drill: the one in which the incident opened.
        relapse: the policy's next incident, where it opened within `recurrence_s` after this one had recovered.
        relapse_of: the same, seen from this incident: the one that came back.
        trained, promoted: rankings of the policy, oldest first, from the opening on.
        surveys: what the team said afterwards, one a person.
    """

    entries: Sequence[e.Entry]
    trace: IncidentTrace
    now: float
    recurrence_s: float
    policy: Policy | None = None
    switched: Sequence[e.Paused | e.Resumed] = ()
    drill: e.DrillRan | None = None
    similar: Sequence[Similar] = ()
    relapse: Past | None = None
    relapse_of: Past | None = None
    trained: Sequence[e.RankingTrained] = ()
    promoted: Sequence[e.RankingPromoted] = ()
    surveys: Sequence[e.FeedbackGiven] = ()

    @property
    def end_at(self) -> float:
        """Unix seconds: the recovery, without one the closing, without that the last entry."""
        trace = self.trace
        if trace.recovered_at is not None:
            return trace.recovered_at
        return self.entries[-1].at if trace.closed_at is None else trace.closed_at


def facts_of(
    journal: Journal,
    incident: str,
    recurrence_s: float,
    now: float,
    policy_named: Callable[[str], Policy] | None = None,
) -> Facts:
    """Gather them.

    Args:
        journal: is only read.
        incident: the id of one.
        recurrence_s: a new incident this soon after closing is a recurrence.
        now: Unix seconds.
        policy_named: finds a policy of the workspace by name, for journals without the text of the version that was
            pinned (recordings); it counts only if it is that very version. Raises UsageError, PolicyError.

    Raises:
        JournalError: it cannot be read. UsageError: the stream is no incident's.
    """
    records = list(journal.read(incident))
    trace = next(trace_incidents(records), None)
    if trace is None:
        raise UsageError(f"{incident} does not begin with the opening of an incident: there is nothing to review")
    entries = [record.entry for record in records]
    of_policy = [record.entry for record in journal.read(policy_stream(trace.policy))]
    others = [past_of(it) for it in newest_incidents(journal, trace.policy, _INCIDENTS_MAX) if it.id != trace.id]
    itself, later = past_of(trace), [it for it in of_policy if it.at >= trace.opened_at]
    drill = _drill(journal, trace.opened_at)
    is_known = trace.confirmed_at is not None
    return Facts(
        entries,
        trace,
        now,
        recurrence_s,
        pinned_policy(journal, trace.policy, trace.policy_hash) or _same_version(trace, policy_named),
        _switched(journal, trace, entries[-1].at),
        drill,
        similar_to(itself, others) if is_known else (),
        _relapse(itself, others, recurrence_s) if drill is None else None,
        _relapse_of(itself, others, recurrence_s) if is_known and drill is None else None,
        [it for it in later if isinstance(it, e.RankingTrained)],
        [it for it in later if isinstance(it, e.RankingPromoted)],
        feedback_of(journal, trace.id),
    )


def _same_version(trace: IncidentTrace, policy_named: Callable[[str], Policy] | None) -> Policy | None:
    if policy_named is None:
        return None
    try:
        known = policy_named(trace.policy)
    except (PolicyError, UsageError):
        return None
    return known if known.hash == trace.policy_hash else None


def _switched(journal: Journal, trace: IncidentTrace, until: float) -> Sequence[e.Paused | e.Resumed]:
    said = [record.entry for record in journal.since(0.0, {e.Paused.TYPE, e.Resumed.TYPE})]
    switches = [entry for entry in said if isinstance(entry, (e.Paused, e.Resumed)) and entry.at <= until]
    held = paused_now(entry for entry in switches if entry.at < trace.opened_at)
    meant = [*held, *(entry for entry in switches if entry.at >= trace.opened_at)]
    return [entry for entry in meant if entry.policy in (None, trace.policy)]


def _drill(journal: Journal, opened_at: float) -> e.DrillRan | None:
    ran = [record.entry for record in drill_records(journal)]
    here = [it for it in ran if isinstance(it, e.DrillRan) and not it.elsewhere]
    return next((it for it in here if it.began_at <= opened_at <= it.at), None)


def _relapse(one: Past, others: Sequence[Past], recurrence_s: float) -> Past | None:
    """The next incident, where `learn.labels` has it that this one's cure did not hold."""
    later = [other for other in others if _order(other) > _order(one)]
    following = min(later, key=_order, default=None)
    return following if following is not None and _came_back(one, following, recurrence_s) else None


def _relapse_of(one: Past, others: Sequence[Past], recurrence_s: float) -> Past | None:
    """The incident of which this one is the recurrence."""
    earlier = [other for other in others if _order(other) < _order(one)]
    last = max(earlier, key=_order, default=None)
    return last if last is not None and _came_back(last, one, recurrence_s) else None


def _order(of: Past) -> tuple[float, str]:
    return of.opened_at, of.incident


def _came_back(first: Past, then: Past, recurrence_s: float) -> bool:
    if first.closed_at is None or first.result is not Result.RECOVERED:
        return False
    return 0.0 <= then.opened_at - first.closed_at <= recurrence_s
