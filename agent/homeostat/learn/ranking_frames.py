"""Rankings as tidy frames: what rules, and what was ever trained, promoted and taken back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from homeostat.decide.projection import promoted_ranking
from homeostat.decide.ranking import rank
from homeostat.learn.buffers import Table
from homeostat.learn.columns import RANKING_DTYPES, RANKING_EVENT_DTYPES
from homeostat.learn.explain import typical
from homeostat.model.entries import Entry, Option, RankingPromoted, RankingRolledBack, RankingTrained
from homeostat.model.ranking import NodeRanking


def rankings_frame(of_policies: Mapping[str, Sequence[Entry]]) -> pd.DataFrame:
    """One row per candidate of each policy's ruling ranking, best first; columns: `RANKING_DTYPES`.

    Scores are those at typical signals, every number at its median, with nothing failed yet.

    Args:
        of_policies: policy -> the entries of its stream.

    Raises:
        JournalCorrupt: a ranking was let rule that was never trained.
    """
    table = Table(RANKING_DTYPES)
    for policy, entries in of_policies.items():
        ranking = promoted_ranking(entries)
        if ranking is None:
            continue
        cells = {
            "policy": policy,
            "version": ranking.version,
            "trained_at": ranking.trained_at,
            "promoted_at": _ruling_since(entries),
        }
        for name, node in ranking.nodes.items():
            for row in _candidate_rows(node):
                table.append({**cells, "node": name, **row})
    return table.frame()


def rankings_history_frame(of_policies: Mapping[str, Iterable[Entry]]) -> pd.DataFrame:
    """One row per ranking that was trained, promoted or rolled back, oldest first; columns: `RANKING_EVENT_DTYPES`.

    `version` is the ranking trained, promoted, or taken back; `replaces` is what ruled before a promotion, or what
    rules again after a roll-back; NaN for the written order. `why` is the gate's finding, or what the roll-back said.
    """
    events = [(entry.at, policy, entry) for policy, entries in of_policies.items() for entry in entries]
    table = Table(RANKING_EVENT_DTYPES)
    for at, policy, entry in sorted(events, key=lambda event: event[:2]):
        cells = _event_cells(entry)
        if cells is not None:
            table.append({**_NO_EVENT, "at": at, "policy": policy, **cells})
    return table.frame()


_NO_EVENT: Mapping[str, Any] = dict.fromkeys(RANKING_EVENT_DTYPES)


def _event_cells(entry: Entry) -> dict[str, Any] | None:
    match entry:
        case RankingTrained(ranking=ranking, gate=gate):
            numbers = {"incidents": ranking.incidents, "attempts": ranking.attempts}
            return {"event": "trained", "version": ranking.version, "why": gate, **numbers}
        case RankingPromoted(version=version, replaces=replaces, actor=actor):
            return {"event": "promoted", "version": version, "replaces": replaces, "actor": actor}
        case RankingRolledBack(version=version, to=to, actor=actor, why=why):
            return {"event": "rolled_back", "version": version, "replaces": to, "actor": actor, "why": why}
    return None


def _ruling_since(entries: Sequence[Entry]) -> float | None:
    changes = [entry.at for entry in entries if isinstance(entry, (RankingPromoted, RankingRolledBack))]
    return changes[-1] if changes else None


def _candidate_rows(node: NodeRanking) -> Iterable[dict[str, Any]]:
    options = [Option(id=candidate.id, eligible=True) for candidate in node.candidates]
    ranked, _ = rank(node, options, typical(node), ())
    for place, option in enumerate(ranked, start=1):
        candidate = node.candidates[node.places[option.id]]
        yield {
            "place": place,
            "candidate": option.id,
            "probability": option.probability,
            "probability_low": option.probability_low,
            "probability_high": option.probability_high,
            "cost_s": option.cost_s,
            "harm_expected": option.harm,
            "index": option.index,
            "attempts": candidate.attempts,
            "successes": candidate.successes,
            "harms": candidate.harms,
            "deferred": option.id in node.deferred,
        }
