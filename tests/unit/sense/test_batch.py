from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from promql_parser import parse

from homeostat.model.errors import SensorError
from homeostat.sense.batch import MARKER, compose, distribute, halves, pack
from homeostat.sense.envelope import Series

QUERIES = st.lists(st.text("ab{}", min_size=1, max_size=30), max_size=40)


@given(QUERIES, st.integers(1, 9), st.integers(60, 400))
def test_packing_keeps_order_and_bounds(queries: list[str], size_max: int, bytes_max: int) -> None:
    batches = pack(queries, size_max, bytes_max)
    assert [query for batch in batches for query in batch] == queries
    for batch in batches:
        assert 1 <= len(batch) <= size_max
        assert len(batch) == 1 or len(compose(batch).encode()) <= bytes_max


@given(st.lists(st.integers(), min_size=2, max_size=99).map(lambda items: tuple(map(str, items))))
def test_halves_are_smaller_and_complete(batch: tuple[str, ...]) -> None:
    first, second = halves(batch)
    assert first
    assert second
    assert first + second == batch


def test_a_batch_is_one_expression_even_after_comments() -> None:
    parse(compose(["a # or", "sum(b)", "c or d", "vector(1\n)"]))


def test_answers_go_to_their_questions() -> None:
    series = [
        Series({MARKER: "1", "a": "x"}, (1.0, "1")),
        Series({MARKER: "0"}, (1.0, "2")),
        Series({MARKER: "1", "a": "y"}, (1.0, "3")),
    ]
    answers = distribute(["p", "q", "r"], series)
    assert [(one.metric, one.number()) for one in answers["q"]] == [({"a": "x"}, 1.0), ({"a": "y"}, 3.0)]
    assert [(one.metric, one.number()) for one in answers["p"]] == [({}, 2.0)]
    assert answers["r"] == []


@pytest.mark.parametrize("labels", [{}, {MARKER: "2"}, {MARKER: ""}, {MARKER: "-1"}, {MARKER: "00"}])
def test_what_nobody_asked_for_spoils_the_answer(labels: dict[str, str]) -> None:
    with pytest.raises(SensorError, match="nobody asked"):
        distribute(["p", "q"], [Series(labels, (1.0, "1"))])
