"""What a policy's order would have come to over recorded incidents, also where its replay says UNKNOWN."""

from __future__ import annotations

from collections.abc import Sequence

from homeostat.app.recordings import journal_holding
from homeostat.learn.dataset import TRAINING_COLUMNS, decision_rows
from homeostat.learn.evaluation.report import NodeEvaluation, evaluate
from homeostat.learn.labels import RECURRENCE_S
from homeostat.learn.ranker import choose_nodes
from homeostat.learn.trace import newest_incidents
from homeostat.model.policy import Policy
from homeostat.model.ranking import Ranking
from homeostat.record.recording import Recording


def estimates_off_policy(
    policy: Policy, recordings: Sequence[Recording], now: float, *, with_rankings: bool
) -> tuple[NodeEvaluation, ...]:
    """Estimate the time to recovery at each `choose` node over all recordings of the policy; see `evaluate`.

    Args:
        policy: any version of it.
        recordings: those of other policies are passed over.
        now: Unix seconds, at which labels must be mature.
        with_rankings: judge the ranking of the newest recording that has one; otherwise the written order.
    """
    own = [recording for recording in recordings if recording.policy == policy.name]
    if not own or not any(choose_nodes(policy)):
        return ()
    traces = newest_incidents(journal_holding(own), policy.name, len(own))
    decisions = decision_rows(traces, policy, RECURRENCE_S, as_of=now, columns=TRAINING_COLUMNS)
    return evaluate(decisions, policy, _newest_ranking(own) if with_rankings else None)


def _newest_ranking(recordings: Sequence[Recording]) -> Ranking | None:
    rankings = [recording.ranking for recording in recordings if recording.ranking is not None]
    return max(rankings, key=lambda ranking: ranking.trained_at, default=None)
