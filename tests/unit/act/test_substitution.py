from __future__ import annotations

import pytest
from tests.unit.act.act_world import command

from homeostat.act.substitution import RefusedError, as_argument, as_json, as_text
from homeostat.model.policy import Scalar

ARGUMENTS: dict[str, Scalar] = {
    "n": 6,
    "share": 0.5,
    "whole": 6.0,
    "yes": True,
    "text": "a b; rm -rf /",
    "minus": -3,
    "option": "--force",
    "inf": float("inf"),
    "nul": "a\0b",
    "empty": "",
}
ASKED = command(["x"], target="deploy/pay/eu", arguments=ARGUMENTS)


@pytest.mark.parametrize(
    ("value", "filled"),
    [
        ("-literal", "-literal"),
        ({"target": "full"}, "deploy/pay/eu"),
        ({"target": "kind"}, "deploy"),
        ({"target": "name"}, "pay/eu"),
        ({"with": "n"}, "6"),
        ({"with": "share"}, "0.5"),
        ({"with": "whole"}, "6"),
        ({"with": "yes"}, "true"),
        ({"with": "text"}, "a b; rm -rf /"),
        ({"with": "empty"}, ""),
        ({"with": "minus", "prefix": "--by="}, "--by=-3"),
        ({"with": "option", "prefix": ""}, "--force"),
    ],
)
def test_one_value_becomes_one_argument(value: object, filled: str) -> None:
    assert as_argument(value, ASKED) == filled


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"with": "minus"}, "would be read as an option"),
        ({"with": "option"}, "would be read as an option"),
        ({"with": "inf"}, "not a finite number"),
        ({"with": "nul"}, "NUL"),
        ("a\0b", "NUL"),
        ({"with": "absent"}, "gives no argument 'absent'"),
        ({"target": "port"}, "stands for nothing"),
        ({"secret": "env:X"}, "stands for nothing"),
        ({"with": "n", "target": "name"}, "stands for nothing"),
        (6, "text is wanted"),
        (None, "text is wanted"),
        ([], "text is wanted"),
    ],
)
def test_what_must_not_be_filled_in(value: object, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        as_argument(value, ASKED)


def test_a_target_that_begins_with_a_dash_is_no_option() -> None:
    with pytest.raises(RefusedError, match="option"):
        as_argument({"target": "full"}, command(["x"], target="--all/now"))


@pytest.mark.parametrize("target", ["pay", "/pay", "deploy/", ""])
def test_a_target_without_both_parts_has_none(target: str) -> None:
    with pytest.raises(RefusedError, match="kind/name"):
        as_text({"target": "name"}, command(["x"], target=target))


def test_json_keeps_types_and_reserves_the_mappings() -> None:
    filled = as_json(
        {"n": {"with": "n"}, "s": {"with": "share"}, "y": {"with": "yes"}, "other": {"with": "x", "a": 1}}, ASKED
    )
    assert filled == {"n": 6, "s": 0.5, "y": True, "other": {"with": "x", "a": 1}}


def test_endless_json_is_refused() -> None:
    deep: object = 1
    for _ in range(100):
        deep = [deep]
    with pytest.raises(RefusedError, match="nested deeper"):
        as_json(deep, ASKED)
