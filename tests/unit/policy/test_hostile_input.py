"""Input that was made to hurt is refused, or handled, in about a second of CPU."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from tests.unit.policy.fuzzing import check_condition, check_positions
from tests.unit.policy.huge import TOP, policy_of_nodes

from homeostat.policy import fields, lint_rules, parameter_values, promql, schema_errors, units, yaml_tree
from homeostat.policy.load import Draft, read_draft
from homeostat.policy.sources import GivenSources

FILE = "p.homeostat.yaml"
CPU_S_MAX = 5.0
"""An idle core needs at most one second for each; the tests share cores, and their caches, with others."""
LEAF = {"do": "restart", "target": "svc/a", "verify": "none"}


def top(**keys: Any) -> str:
    return json.dumps({**TOP, "steps": [LEAF], **keys})


def chained(lists: int, uses: int, last: object = LEAF) -> dict[str, Any]:
    """Procedures of which each uses the one before it so often."""
    return {"p0": [last], **{f"p{n}": [{"use": f"p{n - 1}"}] * uses for n in range(1, lists)}}


def children(count: int, **more: Callable[[int], Any]) -> list[dict[str, Any]]:
    leaves = []
    for place in range(count):
        extra = {key: give(place) for key, give in more.items()}
        leaf = {**LEAF, "id": f"s{place}", "target": f"svc/s{place}"} | extra
        leaves.append({key: value for key, value in leaf.items() if value != []})
    return leaves


def nested(levels: int) -> dict[str, Any]:
    step: dict[str, Any] = LEAF
    for _ in range(levels):
        step = {"steps": [step]}
    return step


def fallbacks(levels: int) -> dict[str, Any]:
    step: dict[str, Any] = LEAF
    for _ in range(levels):
        step = {**LEAF, "fallback": step}
    return step


REFUSED: dict[str, Callable[[], str]] = {
    "50,000 brackets": lambda: "[" * 50_000,
    "50,000 pairs of brackets": lambda: "a: " + "[" * 50_000 + "]" * 50_000,
    "50,000 braces": lambda: "{a: " * 50_000,
    "50,000 dashes": lambda: "- " * 50_000,
    "a staircase": lambda: "\n".join(" " * depth + "a:" for depth in range(1400)),
    "a megabyte in quotes": lambda: f'policy: "{"x" * 1_000_000}"',
    "a megabyte as a key": lambda: "k" * 1_000_000 + ": 1",
    "two megabytes": lambda: "a: " + "x" * 2_000_000,
    "a megabyte of digits": lambda: "timeout: " + "9" * 1_000_000,
    "a megabyte of comment": lambda: "#" * 1_000_000,
    "100,000 keys": lambda: "\n".join(f"k{number}: {number}" for number in range(100_000)),
    "40,000 unknown keys": lambda: "{" + ",".join(f"k{number}: {number}" for number in range(40_000)) + "}",
    "20,000 equal keys": lambda: "a: 1\n" * 20_000,
    "49,000 steps that are none": lambda: "steps: [" + "1," * 49_000 + "]",
    "200,000 escapes": lambda: '"' + "\\x41" * 200_000 + '"',
    "a billion laughs": lambda: "\n".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1000)),
    "a condition of brackets": lambda: top(trigger={"if": "(" * 400 + "signal_0" + ")" * 400}),
    "a condition of nots": lambda: top(trigger={"if": "not " * 240 + "signal_0 > 1"}),
    "a condition of minus signs": lambda: top(trigger={"if": "-" * 990 + "1 > 1"}),
    "a condition of a megabyte": lambda: top(trigger={"if": "a" * 900_000}),
    "PromQL of brackets": lambda: top(signals={"signal_0": "(" * 990 + "x" + ")" * 990}),
    "PromQL of plus signs": lambda: top(signals={"signal_0": "+".join(["x"] * 900)}),
    "100 of those": lambda: top(signals={f"signal_{n}": "+".join(["x"] * 900) for n in range(100)}),
    "2 to the 60 procedures": lambda: top(procedures=chained(60, 2), steps=[{"use": "p59"}]),
    "10 to the 29 procedures": lambda: top(procedures=chained(30, 10), steps=[{"use": "p29"}]),
    "2 to the 40 wrong procedures": lambda: top(procedures=chained(40, 2, {"bad": 1}), steps=[{"use": "p39"}]),
    "900 procedures deep": lambda: top(procedures=chained(900, 1), steps=[{"use": "p899"}]),
    "procedures in a circle": lambda: top(
        procedures={"a": [{"use": "b"}] * 50, "b": [{"use": "a"}] * 50}, steps=[{"use": "a"}] * 50
    ),
    "a dag in a circle": lambda: top(steps=[{"dag": children(1900, needs=lambda n: [f"s{(n + 1) % 1900}"])}]),
    "a dag of wrong needs": lambda: top(steps=[{"dag": children(1500, needs=lambda n: [f"t{n}"])}]),
    "1,900 unknown actions": lambda: top(
        actions={f"action_{n}": {"actuator": "plant"} for n in range(900)},
        steps=children(1900, do=lambda n: f"acti_{n}"),
    ),
    "1,900 unknown signals": lambda: top(
        signals={f"{'s' * 58}{n}": "x" for n in range(900)},
        steps=children(1900, **{"if": lambda n: f"{'s' * 57}t{n} > 1"}),
    ),
    "1,900 equal ids": lambda: top(steps=children(1900, id=lambda _: "same")),
}

HANDLED: dict[str, Callable[[], str]] = {
    "a dag in which all need all before them": lambda: top(
        steps=[{"dag": children(300, needs=lambda n: [f"s{before}" for before in range(n)])}]
    ),
    "a wide dag": lambda: top(steps=[{"dag": children(1900)}]),
    "a long dag": lambda: top(steps=[{"dag": children(1900, needs=lambda n: [f"s{n - 1}"] if n else [])}]),
    "a dag with one target": lambda: top(steps=[{"dag": children(1500, target=lambda _: "svc/a")}]),
    "22 levels": lambda: top(steps=[nested(22)]),
    "40 fallbacks": lambda: top(steps=[fallbacks(40)]),
    "1,500 branches": lambda: top(
        steps=[{"decide": children(1500, **{"if": lambda n: f"signal_0 > {n}"})}, {"escalate": "x"}]
    ),
}


def read(text: str) -> tuple[Draft, float]:
    began = time.process_time()
    draft = read_draft(GivenSources({FILE: text}), FILE)
    return draft, time.process_time() - began


@pytest.mark.parametrize("make", REFUSED.values(), ids=list(REFUSED))
def test_it_is_refused_in_time_and_with_a_place(make: Callable[[], str]) -> None:
    text = make()
    draft, cpu_s = read(text)
    assert draft.policy is None
    assert draft.problems
    check_positions(draft.problems, {FILE: text})
    assert cpu_s < CPU_S_MAX


@pytest.mark.parametrize("make", HANDLED.values(), ids=list(HANDLED))
def test_it_is_handled_in_time(make: Callable[[], str]) -> None:
    draft, cpu_s = read(make())
    assert not draft.problems
    assert draft.policy is not None
    assert cpu_s < CPU_S_MAX


def test_no_more_is_told_than_a_person_reads() -> None:
    draft, _ = read(REFUSED["1,900 unknown actions"]())
    assert 100 <= len(draft.problems) <= 110
    assert "did you mean 'action_0'?" in str(draft.problems)


def test_ten_times_the_nodes_cost_about_ten_times_as_much() -> None:
    """The quickest of several, since equal conditions are compiled once and the cores are shared."""
    cpu_s = {}
    for nodes in (100, 1000):
        drafts = [read(policy_of_nodes(nodes)) for _ in range(4)]
        policy = drafts[0][0].policy
        assert policy is not None
        assert sum(1 for _ in policy.nodes()) == nodes
        cpu_s[nodes] = min(took_s for _, took_s in drafts)
    assert cpu_s[1000] < 15 * cpu_s[100] + 0.1


def patterns() -> dict[str, re.Pattern[str]]:
    """Every regular expression that the room matches whole texts against, by module and name."""
    modules = (fields, lint_rules, parameter_values, promql, schema_errors, units, yaml_tree)
    found = {
        f"{module.__name__.rpartition('.')[2]}.{name}": value
        for module in modules
        for name, value in vars(module).items()
        if isinstance(value, re.Pattern)
    }
    written = {"name": fields.NAME_PATTERN, "target": fields.TARGET_PATTERN, "duration": units.DURATION_PATTERN}
    return found | {name: re.compile(pattern, re.ASCII) for name, pattern in written.items()}


ALPHABET = ("1", "1d", "1.1", "1e1", "1ms", "a", "a.", "a/", "-", "_", ".", "'", '"', " ", "%", "env:a", "/", "é", "\0")
ENDS = ("", "!", "\n", "é")
PATTERN_CPU_S_MAX = 1.0


@pytest.mark.parametrize("name", patterns())
def test_no_pattern_runs_away(name: str) -> None:
    pattern = patterns()[name]
    began = time.process_time()
    for piece in ALPHABET:
        for end in ENDS:
            text = piece * (2000 // len(piece)) + end
            pattern.fullmatch(text)
            pattern.match(text)
    assert time.process_time() - began < PATTERN_CPU_S_MAX


def test_no_condition_and_no_unit_runs_away() -> None:
    """The scanner's pattern only ever matches from a place on, and never has to end where the text does."""
    began = time.process_time()
    for piece in ALPHABET:
        for end in ENDS:
            text = piece * (900 // len(piece)) + end
            check_condition(text)
            for parse in (units.parse_duration, units.parse_quantity):
                with pytest.raises(ValueError):
                    parse(text)
    assert time.process_time() - began < CPU_S_MAX


@pytest.mark.parametrize(
    "expression",
    [
        "rate(x[1e999])",
        "x offset 1e30",
        "x offset -9999999999999999999999",
        "x offset Inf",
        "rate(x[5m:1e30])",
        "x[1e19]",
    ],
)
def test_no_number_makes_the_promql_parser_panic(expression: str) -> None:
    draft, _ = read(top(signals={"signal_0": expression}))
    assert any(problem.code == "E134" for problem in draft.problems)


@pytest.mark.parametrize("expression", ["rate(x[300])", "x offset 1e3", 'x{a=~"[1e999]"} > 1e999', "rate(x[5m:1m])"])
def test_numbers_that_are_none_too_large_are_left_alone(expression: str) -> None:
    draft, _ = read(top(signals={"signal_0": expression}))
    assert not [problem for problem in draft.problems if problem.code == "E134"]
