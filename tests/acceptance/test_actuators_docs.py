"""Every catalogue on the page of the actuators is one that loads."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.policy.policy_texts import policy_text

from homeostat.act.sql_transaction import CREATE_TABLE
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


def test_the_table_of_keys_is_the_one_that_messages_name() -> None:
    assert f"{CREATE_TABLE};\n" in PAGE
