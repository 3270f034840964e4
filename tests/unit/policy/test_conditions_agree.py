"""Scalar = vector = reference, for any condition and any values."""

import os

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.policy.kleene import NUMBERS, SPECS, TEXTS, Reference, Tree, conditions, readings, write

from homeostat.model.signals import Value
from homeostat.policy.conditions import compile_condition, compile_masks

EXAMPLES = int(os.environ.get("HOMEOSTAT_EXAMPLES", "250"))


@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(tree=conditions, rows=st.lists(readings, min_size=1, max_size=5))
def test_scalar_and_vector_agree_with_kleenes_tables(tree: Tree, rows: list[dict[str, Value]]) -> None:
    text = write(tree)
    scalar = compile_condition(text, SPECS)
    columns = {name: np.array([np.nan if row[name] is None else row[name] for row in rows]) for name in NUMBERS}
    columns |= {name: np.array([row[name] for row in rows], dtype=object) for name in TEXTS}
    true, false = compile_masks(text, SPECS)(columns)
    assert true.shape == false.shape == (len(rows),)
    for row, certainly_true, certainly_false in zip(rows, true, false, strict=True):
        expected = Reference(row).truth(tree)
        assert scalar.evaluate(row) is expected, text
        assert (bool(certainly_true), bool(certainly_false)) == (expected is True, expected is False), text
