"""Retrain a policy's ranking from the journal, and say what to append: trained, and promoted where the gate agrees.

`retrain` only reads, so it may run on a worker thread; whoever owns the journal appends what it gives back.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from homeostat.decide.projection import promoted_ranking
from homeostat.decide.rulings import speak_of
from homeostat.learn.baseline import HealingTimes
from homeostat.learn.care import judge_with_care
from homeostat.learn.dataset import TRAINING_COLUMNS, decision_rows
from homeostat.learn.evaluation.resampling import TimeIsUp
from homeostat.learn.gate import BOUNDS, Bounds, GateVerdict
from homeostat.learn.labels import RECURRENCE_S
from homeostat.learn.promotion import Promotions, fits, promotions_of, same_numbers, taken_back
from homeostat.learn.ranker import choose_nodes, train_ranking, versioned
from homeostat.learn.trace import newest_incidents
from homeostat.learn.watch import watch_promoted
from homeostat.model.entries import Entry, RankingPromoted, RankingRolledBack, RankingTrained
from homeostat.model.errors import JournalConflict
from homeostat.model.policy import Policy
from homeostat.model.ports import Batch, Journal
from homeostat.model.ranking import NodeRanking, Ranking
from homeostat.model.streams import policy_stream
from homeostat.parallel import IN_PROCESS, Workers

INCIDENTS_MAX = 2_000
"""How many of the newest incidents are trained on."""


@dataclass(frozen=True, slots=True)
class Retrained:
    """What a retraining came to.

    Attributes:
        ranking: the trained one, or the last trained one when nothing new was learnt.
        verdict: what the gate says of it.
        promoted: `entries` let it rule.
        rolled_back: the ruling ranking turned out worse, and `entries` take it back.
        entries: for the stream `policy/<name>`; empty when nothing changes.
    """

    ranking: Ranking
    verdict: GateVerdict
    promoted: bool
    entries: tuple[Entry, ...]
    rolled_back: RankingRolledBack | None = None


def retrain(
    journal: Journal,
    policy: Policy,
    now: float,
    actor: str,
    *,
    promote: bool = True,
    recurrence_s: float = RECURRENCE_S,
    incidents_max: int = INCIDENTS_MAX,
    bounds: Bounds = BOUNDS,
    workers: Workers = IN_PROCESS,
) -> Retrained:
    """Train on the newest incidents whose labels are mature, and let the gate judge.

    Where the gate refuses a node, the node keeps the model that rules it now, or the written order. Training the same
    again gives no entries, so calling this on a schedule does not grow the journal.

    The ruling ranking is watched too: where it turned out worse than what it replaced it is taken back, also when
    `promote` is False, and the same numbers never rule again by themselves.

    Args:
        journal: is only read.
        policy: the version in use.
        now: Unix seconds.
        actor: who asked for it, for the journal.
        promote: False to train and judge only.
        recurrence_s: window after closing in which labels may still change.
        incidents_max: bound on confirmed incidents read.
        bounds: of the gate.
        workers: what trains; the result does not depend on it.

    Raises:
        JournalCorrupt: the journal cannot be trusted, so nothing is learnt from it.
    """
    healing = HealingTimes()
    traces = healing.noting(newest_incidents(journal, policy.name, incidents_max))
    decisions = decision_rows(traces, policy, recurrence_s, as_of=now, columns=TRAINING_COLUMNS)
    known = promotions_of(journal, policy.name)
    back = _rolled_back(decisions, policy, known, now, actor, bounds)
    incumbent = known.ruling if back is None else known.replaced
    fresh = train_ranking(decisions, policy, now, workers)
    fresh, verdict = judge_with_care(fresh, decisions, policy, incumbent=incumbent, bounds=bounds)
    verdict = replace(verdict, baseline=healing.baseline())
    if verdict.passed:
        fresh = _with_nodes(fresh, _accepted(fresh, verdict, incumbent, policy))
    ranking = known.last if known.last is not None and known.last.nodes == fresh.nodes else fresh
    entries: list[Entry] = [] if back is None else [back]
    if ranking is fresh:
        told = RankingTrained(
            at=now, ranking=ranking, gate=verdict.text, passed=verdict.passed, figures=verdict.figures
        )
        entries.append(told)
    rules = incumbent is not None and incumbent.version == ranking.version
    taken_back_now = back is not None and known.ruling is not None and same_numbers(known.ruling, ranking)
    taken_back_before = taken_back_now or known.was_taken_back(ranking)
    promoted = promote and verdict.passed and not rules and not taken_back_before
    if promoted:
        replaces = incumbent.version if incumbent else None
        entries.append(RankingPromoted(at=now, version=ranking.version, actor=actor, replaces=replaces))
    return Retrained(ranking, verdict, promoted, tuple(entries), back)


def _rolled_back(
    decisions: pd.DataFrame, policy: Policy, known: Promotions, now: float, actor: str, bounds: Bounds
) -> RankingRolledBack | None:
    """What lets the replaced ranking rule again, where the ruling one turned out worse."""
    if known.ruling is None:
        return None
    try:
        why = watch_promoted(decisions, policy, known.ruling, known.replaced, known.since, bounds=bounds)
    except TimeIsUp:
        return None
    return taken_back(known.ruling, known.replaced, actor, now, why) if why is not None else None


def apply_retrained(journal: Journal, retrained: Retrained) -> None:
    """Append what a retraining came to.

    Raises:
        JournalConflict: what rules has changed since the training began, or somebody else appended at the same moment;
            nothing was written.
        JournalWriteError: nothing may be assumed written.
    """
    if retrained.entries:
        policy = retrained.ranking.policy
        records = list(journal.read(policy_stream(policy)))
        if not speak_of(promoted_ranking(record.entry for record in records), retrained.entries):
            raise JournalConflict(f"what rules '{policy}' has changed since the training began; retrain once more")
        journal.append([Batch(policy_stream(policy), records[-1].seq if records else 0, retrained.entries)])


def current_ranking(journal: Journal, policy_name: str) -> Ranking | None:
    """The ranking that rules a policy's decisions now; None before the first promotion.

    Raises:
        JournalCorrupt: a ranking was promoted that was never trained.
    """
    return promoted_ranking(record.entry for record in journal.read(policy_stream(policy_name)))


def _accepted(
    fresh: Ranking, verdict: GateVerdict, incumbent: Ranking | None, policy: Policy
) -> Mapping[str, NodeRanking]:
    """Fresh models where the gate passed them; elsewhere the incumbent's, as far as they fit today's candidates."""
    accepted: dict[str, NodeRanking] = {}
    for node in choose_nodes(policy):
        judged = verdict.nodes.get(node.id)
        if judged is not None and judged.passed:
            accepted[node.id] = fresh.nodes[node.id]
        elif incumbent is not None and fits(incumbent.nodes.get(node.id), node):
            accepted[node.id] = incumbent.nodes[node.id]
    return accepted


def _with_nodes(ranking: Ranking, nodes: Mapping[str, NodeRanking]) -> Ranking:
    return versioned(replace(ranking, nodes=dict(nodes)))
