"""How old the samples behind a value are.

The time in an answer is the time of evaluation. A series whose exporter died goes on answering with its last sample
for the look-back of five minutes, and a range function for its whole range. So every selector of an expression is
asked, in the same batches, for the time of its newest sample.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from homeostat.sense.envelope import Series
from homeostat.sense.promql import Expression

AHEAD_MAX_S = 1.0
"""Evaluation never sees samples later than its own moment; more than rounding means that the source lies."""


def freshness_query(selector: str) -> str:
    """Give the query for the time of a selector's newest sample, in Unix seconds.

    `timestamp()` gives a sample's own time only for a bare selector
    (https://prometheus.io/docs/prometheus/latest/querying/functions/#timestamp).
    """
    return f"max(timestamp({selector}))"


def freshness_queries(expression: Expression) -> list[str]:
    """Give the freshness queries of all of an expression's selectors."""
    return [freshness_query(selector) for selector in expression.selectors]


def sampled_at(queries: Iterable[str], answers: Mapping[str, Sequence[Series]], at: float) -> float | None:
    """Give the oldest among the newest samples of those selectors that have any; None when none has.

    An expression without selectors (`time()`, `vector(1)`) is as fresh as its evaluation: pass no queries.

    A value without a single live sample behind it is made of missing data: `errors or vector(0)` yields 0 and
    `absent(x)` yields 1 just then. Neither may count as success or start an action, so there is no sample time for it,
    and the reading is missing. The same holds for the tail of a range function after its exporter died: staleness
    markers end the selector at once, though `rate()` still finds samples in its range.
    """
    times: list[float] = []
    asked = False
    for query in queries:
        asked = True
        series = answers[query]
        number = series[0].number() if len(series) == 1 else None
        # The comparison is false for NaN, and for an infinity on one side or the other.
        if number is not None and 0 <= number <= at + AHEAD_MAX_S:
            times.append(min(number, at))
        elif series:
            return None
    if not asked:
        return at
    return min(times, default=None)
