"""Every catalogue on the page of the actuators is one that loads."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import jsonschema  # type: ignore[import-untyped]  # shipped without types
import pytest
import yaml
from tests.unit.policy.policy_texts import policy_text

from homeostat.act.sql_transaction import CREATE_TABLE
from homeostat.policy.action_schema import BUILT_IN_ACTUATORS
from homeostat.policy.json_schema import SCHEMAS
from homeostat.policy.lint import Severity, lint
from homeostat.policy.load import load_policy

PAGE = (Path(__file__).parents[2] / "docs/actuators.md").read_text()
BLOCKS = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if block.startswith("# actions.yaml\n")]


def test_there_are_examples() -> None:
    assert BLOCKS


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.findall(r"actuator: (\w+)", block)[0])
def test_an_example_loads(block: str, tmp_path: Path) -> None:
    (tmp_path / "actions.yaml").write_text(block)
    path = tmp_path / "example.homeostat.yaml"
    path.write_text(policy_text("[{wait: 5s}]", actions="actions.yaml"))
    load_policy(path)


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: re.findall(r"actuator: (\w+)", block)[0])
def test_an_example_lints_where_it_is_used_and_editors_are_told_the_same(block: str, tmp_path: Path) -> None:
    (tmp_path / "actions.yaml").write_text(block)
    actions = yaml.safe_load((tmp_path / "actions.yaml").read_text())
    jsonschema.validate(actions, SCHEMAS["actions"]())
    assert {action["actuator"] for action in actions.values()} <= set(BUILT_IN_ACTUATORS)
    values = {"text": "mail_queue", "integer": 3}
    steps = [
        {
            "id": f"s{number}",
            "do": name,
            "target": "service/pay",
            "with": {key: values[kind] for key, kind in action.get("with", {}).items()},
        }
        for number, (name, action) in enumerate(actions.items())
    ]
    path = tmp_path / "example.homeostat.yaml"
    path.write_text(policy_text(json.dumps(steps), actions="actions.yaml"))
    report = lint(path, today=dt.date(2026, 11, 28))
    assert not [str(found) for found in report.findings if found.severity is Severity.ERROR]


def test_the_table_of_keys_is_the_one_that_messages_name() -> None:
    assert f"{CREATE_TABLE};\n" in PAGE
