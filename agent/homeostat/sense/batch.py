"""Many expressions in one query, and their answers told apart again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from homeostat.model.errors import SensorError
from homeostat.sense.envelope import Series

MARKER = "__sig"
"""The label that says which expression of a batch a series answers. Names with `__` are reserved for internal use."""

_OVERHEAD_BYTES = 48
"""More than what one expression costs beside its own text."""

Batch = tuple[str, ...]


def pack(queries: Iterable[str], size_max: int, bytes_max: int) -> list[Batch]:
    """Put queries into batches, in order; one that is over `bytes_max` by itself gets a batch of its own."""
    batches: list[Batch] = []
    current: list[str] = []
    current_bytes = 0
    for query in queries:
        query_bytes = len(query.encode()) + _OVERHEAD_BYTES
        if current and (len(current) >= size_max or current_bytes + query_bytes > bytes_max):
            batches.append(tuple(current))
            current, current_bytes = [], 0
        current.append(query)
        current_bytes += query_bytes
    if current:
        batches.append(tuple(current))
    return batches


def halves(batch: Batch) -> tuple[Batch, Batch]:
    """Cut a batch of two or more in two."""
    middle = len(batch) // 2
    return batch[:middle], batch[middle:]


def compose(batch: Sequence[str]) -> str:
    """Write a batch as one PromQL query.

    `or` keeps of its right side what has no equal label set on its left; since every label set carries its own marker,
    it keeps everything. The line break ends a comment that an author may have left at the end of an expression.
    """
    return "\nor\n".join(f'label_replace({query}\n,"{MARKER}","{index}","","")' for index, query in enumerate(batch))


def distribute(batch: Sequence[str], series: Iterable[Series]) -> dict[str, list[Series]]:
    """Give every query of a batch its own series, without the marker; none is an empty list.

    Raises:
        SensorError: a series answers nothing that was asked.
    """
    answers: dict[str, list[Series]] = {query: [] for query in batch}
    places = {str(index): answers[query] for index, query in enumerate(batch)}
    for one in series:
        place = places.get(one.metric.pop(MARKER, ""))
        if place is None:
            raise SensorError("the answer holds a series that nobody asked for; a proxy may have rewritten the query")
        place.append(one)
    return answers
