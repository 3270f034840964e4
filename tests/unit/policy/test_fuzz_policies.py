"""Whatever is written into a policy: no traceback, every refusal with a place inside the text, in bounded time.

`benchmarks/fuzz.py` does the same by the hundred thousand.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.policy.fuzz_corpus import CONDITIONS, VALUES
from tests.unit.policy.fuzzing import Seed, check, check_condition, corpus, mutated, mutated_condition
from tests.unit.policy.huge import TOP

MUTANTS_S = 2.0
"""Of processor time: some hundred cases, the same ones every time."""
FILE = "p.homeostat.yaml"

scalars = st.sampled_from([value for value in VALUES if not isinstance(value, dict | list)])
conditions = st.sampled_from(["signal_0 > 5%", "signal_1 == 0", "known(signal_2)", "signal_9 >", "nope > 1", ""])
durations = st.sampled_from(["30s", "1m", "0s", "-1s", "5", "40d", 7, None])
names = st.sampled_from(["a", "b", "c", "a.b", "", "x y", "a" * 65, 3, None])
verifies = st.one_of(
    st.just("none"),
    st.fixed_dictionaries({"if": conditions, "within": durations}, optional={"for": durations, "settle": durations}),
)
common = {
    "id": names,
    "if": conditions,
    "needs": st.one_of(names, st.lists(names, max_size=3)),
    "verify": verifies,
    "timeout": durations,
    "takes": durations,
    "retry": st.fixed_dictionaries({"times": st.integers(-1, 12)}, optional={"wait": durations}),
    "approval": st.fixed_dictionaries({"from": names}, optional={"timeout": durations, "if": conditions}),
    "mode": st.sampled_from(["auto", "suggest", "approve", "observe", "never"]),
    "undo": st.one_of(st.just("none"), st.fixed_dictionaries({"do": st.sampled_from(["restart", "nope"])})),
    "cooldown": durations,
    "with": st.dictionaries(names.map(str), scalars, max_size=2),
    "concurrency": st.integers(-1, 3),
}
leaves = st.one_of(
    st.fixed_dictionaries({"do": st.sampled_from(["restart", "nope"]), "target": st.just("svc/a")}, optional=common),
    st.fixed_dictionaries({"manual": st.just("look"), "check": st.just("seen")}, optional=common),
    st.fixed_dictionaries({"wait": st.one_of(durations, st.just({"if": "signal_0 > 1", "within": "1m"}))}),
    st.fixed_dictionaries({"escalate": st.one_of(names, st.just({"to": "x"}))}, optional={"if": conditions}),
    st.fixed_dictionaries({"use": st.sampled_from(["bounce", "nope", "self"])}, optional=common),
    st.sampled_from(VALUES),
)


def _holding(children: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    lists = st.lists(children, max_size=4)
    kinds = [st.fixed_dictionaries({kind: lists}, optional=common) for kind in ("steps", "dag", "try", "choose")]
    branches = st.lists(st.one_of(children, children.map(lambda step: {"else": step})), max_size=3)
    with_fallback = st.fixed_dictionaries(
        {"do": st.just("restart"), "target": st.just("svc/b"), "fallback": children}, optional=common
    )
    return st.one_of(*kinds, branches.map(lambda listed: {"decide": listed}), with_fallback)


steps = st.recursive(leaves, _holding, max_leaves=12)
policies = st.fixed_dictionaries(
    {"steps": st.lists(steps, max_size=4)},
    optional={
        "parameters": st.dictionaries(names.map(str), scalars, max_size=2),
        "procedures": st.just({"bounce": [{"wait": "1s"}], "self": [{"use": "self"}]}),
        "defaults": st.fixed_dictionaries({}, optional={"timeout": durations, "verify": verifies}),
        "timeout": durations,
        "harm": st.fixed_dictionaries({"if": conditions}),
        "covers": st.lists(names, max_size=2),
        "review_by": st.sampled_from(["2030-01-01", "yesterday", 3]),
        "unknown": durations,
    },
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz")


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(written=policies, indent=st.sampled_from([None, 1]))
def test_generated_policies_are_accepted_or_refused_with_a_place(
    folder: Path, written: dict[str, Any], indent: int | None
) -> None:
    text = json.dumps({**TOP, **written}, indent=indent)
    check(Seed(FILE, {FILE: text}), folder)


@settings(max_examples=250, deadline=None)
@given(
    text=st.one_of(
        st.text(max_size=60), st.lists(st.sampled_from([*CONDITIONS, " and ", "(", ")", "not "])).map("".join)
    )
)
def test_any_text_as_a_condition(text: str) -> None:
    check_condition(text)


def test_the_seeds_themselves_are_accepted(folder: Path) -> None:
    seeds = corpus()
    assert len(seeds) >= 4
    for seed in seeds:
        assert check(seed, folder).accepted, seed.main


def test_mutants_of_all_that_is_shipped(folder: Path) -> None:
    seeds, accepted, cases = corpus(), 0, 0
    until = time.process_time() + MUTANTS_S
    while time.process_time() < until:
        random = Random(cases)
        seed = mutated(random.choice(seeds), random)
        try:
            accepted += check(seed, folder).accepted
            for _ in range(5):
                check_condition(mutated_condition(random))
        except Exception as error:
            raise AssertionError(f"case {cases}: {error}\n{seed.texts[seed.main]}") from error
        cases += 1
    assert 0 < accepted < cases, "mutants that are all alike test nothing"
