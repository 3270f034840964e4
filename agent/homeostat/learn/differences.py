"""What changes when one order takes the place of another, in the situations that were logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

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
        moves: (first choice before, first choice after) -> how often, the commonest first; only where they differ.
        chances: candidate -> mean chance of success before and after; None where that order knows none.
    """

    decisions: int
    changed: int
    moves: Mapping[tuple[str, str], int]
    chances: Mapping[str, tuple[float | None, float | None]]


def difference(before: NodeRanking | None, after: NodeRanking | None, trials: pd.DataFrame) -> Difference:
    """Compare two orders, None for the written one, at each incident's first labelled decision.

    Args:
        before: of the node.
        after: of the node.
        trials: the node's `labelled_trials`.
    """
    firsts = trials[trials["failed"].map(len) == 0].drop_duplicates("incident")
    moves: Counter[tuple[str, str]] = Counter()
    chances: dict[str, list[tuple[float | None, float | None]]] = {}
    for row in firsts.to_dict("records"):
        values = values_of(row)
        options = [Option(id=name, eligible=True) for name in row["eligible"]]
        old, first_before = rank(before, options, values, ())
        new, first_after = rank(after, options, values, ())
        if first_before is not None and first_after is not None and first_before != first_after:
            moves[first_before, first_after] += 1
        p_before = {option.id: option.probability for option in old}
        for option in new:
            chances.setdefault(option.id, []).append((p_before[option.id], option.probability))
    means = {name: (_mean(pair[0] for pair in pairs), _mean(pair[1] for pair in pairs)) for name, pairs in chances.items()}
    return Difference(len(firsts), moves.total(), dict(moves.most_common()), means)


def values_of(row: Mapping[str, object]) -> dict[str, Value]:
    """The signals of a row of a frame; NaN is unknown."""
    values: dict[str, Value] = {}
    for column, value in row.items():
        for prefix in (SIGNAL, TEXT):
            if column.startswith(prefix):
                known = isinstance(value, str) or (isinstance(value, float) and value == value)  # noqa: PLR0124 - NaN
                values[column.removeprefix(prefix)] = value if known else None  # type: ignore[assignment] # narrowed
    return values


def _mean(chances: object) -> float | None:
    known = [chance for chance in chances if chance is not None]  # type: ignore[attr-defined] # any iterable
    return sum(known) / len(known) if known else None
