from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]  # shipped without types
import pytest
from tests.unit.policy.policy_texts import RESTART, policy_text, problems

from homeostat.model.errors import UsageError
from homeostat.policy.json_schema import SCHEMAS, json_schema, schema_of
from homeostat.policy.parts import LINK
from homeostat.policy.yaml_tree import read_yaml

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def complaints(steps: str, **top: str | None) -> list[tuple[str, str]]:
    document: Any = read_yaml(policy_text(steps, **top), "p.yaml").data
    found = [("/".join(map(str, error.path)), error.message) for error in VALIDATOR.iter_errors(document)]
    return sorted(found)


def test_it_is_a_draft_7_schema_without_loose_ends() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert LINK not in str(SCHEMA)
    assert "$defs" not in str(SCHEMA)


@pytest.mark.parametrize(
    "steps",
    [
        f"[{RESTART}]",
        f"[{{try: [{RESTART}, {{choose: [{RESTART}], rank_by: time_to_recover, if: rps > 1}}]}}]",
        f"[{{steps: [{RESTART}]}}, {{decide: [{{if: rps > 1, do: slow, target: a/b}}, {{else: {{escalate: x}}}}]}}]",
        "[{escalate: {}}]",
        "[{escalate: {to: x, severity: info}}]",
        "[{do: restart, target: a/b, verify: none, retry: {times: 2, wait: 1m30s}, effect: unsafe}]",
    ],
)
def test_what_loads_is_valid(steps: str) -> None:
    assert problems(steps) == []
    assert complaints(steps) == []


@pytest.mark.parametrize(
    ("steps", "path", "words"),
    [
        ("[{do: restart, targt: a/b}]", "steps/0", "'targt' was unexpected"),
        ("[{do: restart}]", "steps/0", "'target' is a required property"),
        ("[{try: [{do: restart}]}]", "steps/0/try/0", "'target' is a required property"),
        ("[{dug: []}]", "steps/0", "is not valid under any of the given schemas"),
        ("[{dag: []}]", "steps/0/dag", "[] should be non-empty"),
        ("[{decide: [{do: restart, target: a/b}]}]", "steps/0/decide/0", "'if' is a required property"),
        ("[{decide: [{else: {do: restart}}]}]", "steps/0/decide/0/else", "'target' is a required property"),
        ("[]", "steps", "[] should be non-empty"),
    ],
)
def test_an_editor_hears_of_the_kind_that_was_meant(steps: str, path: str, words: str) -> None:
    assert problems(steps) != []
    found = complaints(steps)
    assert {where for where, _ in found} == {path}
    assert any(words in message for _, message in found)


POLICIES = Path(__file__).parents[3] / "policies"


def complaints_of(kind: str, text: str) -> list[tuple[str, str]]:
    document: Any = read_yaml(text, "file.yaml").data
    validator = jsonschema.Draft7Validator(schema_of(kind))
    return sorted(("/".join(map(str, error.path)), error.message) for error in validator.iter_errors(document))


@pytest.mark.parametrize("path", sorted(POLICIES.rglob("*.yaml")), ids=lambda path: path.name)
def test_it_accepts_every_shipped_file(path: Path) -> None:
    kind = "policy" if path.name.endswith(".homeostat.yaml") else path.stem
    if kind in SCHEMAS:
        assert complaints_of(kind, path.read_text()) == []


@pytest.mark.parametrize("kind", sorted(SCHEMAS))
def test_every_schema_is_a_draft_7_schema(kind: str) -> None:
    schema = schema_of(kind)
    jsonschema.Draft7Validator.check_schema(schema)
    assert LINK not in str(schema)


def test_an_unknown_kind_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean 'signals'"):
        schema_of("signal")


@pytest.mark.parametrize(
    ("kind", "text", "path"),
    [
        ("actions", "restart: {actuator: command, argv: systemctl}", "restart/argv"),
        ("actions", "restart: {actuator: command, argv: [x], tiemout: 1m}", "restart"),
        ("actions", "restart: {argv: [x]}", "restart"),
        ("signals", "up: {expr: up, max_age: 60}", "up/max_age"),
        ("signals", "2up: up", ""),
    ],
)
def test_typical_mistakes_are_told_at_their_place(kind: str, text: str, path: str) -> None:
    assert path in {where for where, _ in complaints_of(kind, text)}


def test_a_parameter_may_stand_for_any_plain_value() -> None:
    steps = "[{do: scale, target: {param: t}, with: {replicas: {param: n}}, timeout: {param: d}, verify: none}]"
    given = {"parameters": "{t: a/b, n: 3, d: {type: duration, default: 5m}}", "rto": "{param: d}"}
    assert problems(steps, **given) == []
    assert complaints(steps, **given) == []
    assert [where for where, _ in complaints(steps, **{**given, "rto": "{parm: d}"})] == ["rto"]
