"""What changes when one order takes the place of another, in the situations that were logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from homeostat.decide.ranking import rank
from homeostat.learn.columns import SIGNAL, TEXT
from homeostat.model.entries import Option
from homeostat.model.ranking import NodeRanking
from homeostat.model.signals import Value


@dataclass(frozen=True, slots=True)
class Difference:
    """Two orders of one `choose` node at the first decisions of n logged incidents.

    Attributes:
        decisions: n.
        changed: in how many of them the first choice is another one.
        firsts_before, firsts_after: candidate -> how often it is the first choice.
        moves: (first choice before, first choice after) -> how often, the commonest first; only where they differ.
        chances: candidate -> mean chance of success before and after; None where that order knows none.
    """

    decisions: int
    changed: int
    firsts_before: Mapping[str, int]
    firsts_after: Mapping[str, int]
    moves: Mapping[tuple[str, str], int]
    chances: Mapping[str, tuple[float | None, float | None]]


def difference(
    before: NodeRanking | None, after: NodeRanking | None, trials: pd.DataFrame, written: Sequence[str]
) -> Difference:
    """Compare two orders, None for the written one, at each incident's first decision, where that is labelled.

    Args:
        before: of the node.
        after: of the node.
        trials: the node's `labelled_trials`; their options stand as they were ranked then, whatever ruled.
        written: the candidates of today in their written order.
    """
    firsts = trials[trials["failed"].map(len) == 0].drop_duplicates("incident")
    choices: Counter[tuple[str, str]] = Counter()
    chances: dict[str, list[tuple[float | None, float | None]]] = {}
    for row in firsts.to_dict("records"):
        values = values_of(row)
        options = [Option(id=name, eligible=True) for name in written if name in row["eligible"]]
        old, first_before = rank(before, options, values, ())
        new, first_after = rank(after, options, values, ())
        choices[str(first_before), str(first_after)] += 1
        probability_before = {option.id: option.probability for option in old}
        for option in new:
            chances.setdefault(option.id, []).append((probability_before[option.id], option.probability))
    moves = {pair: times for pair, times in choices.most_common() if pair[0] != pair[1]}
    return Difference(
        decisions=len(firsts),
        changed=sum(moves.values()),
        firsts_before=_totals((first, times) for (first, _), times in choices.items()),
        firsts_after=_totals((first, times) for (_, first), times in choices.items()),
        moves=moves,
        chances={
            name: (_mean([old for old, _ in pairs]), _mean([new for _, new in pairs]))
            for name, pairs in chances.items()
        },
    )


def _totals(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for name, times in counts:
        totals[name] += times
    return dict(totals)


def values_of(row: Mapping[Hashable, Any]) -> dict[str, Value]:
    """The signals of a row of a frame; NaN is unknown."""
    values: dict[str, Value] = {}
    for column, value in row.items():
        for prefix in (SIGNAL, TEXT):
            if str(column).startswith(prefix):
                values[str(column).removeprefix(prefix)] = None if pd.isna(value) else value
    return values


def _mean(chances: Sequence[float | None]) -> float | None:
    known = [chance for chance in chances if chance is not None]
    return sum(known) / len(known) if known else None
