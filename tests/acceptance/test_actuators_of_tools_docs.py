"""What the page about actuators says of ansible, terraform and systemd: examples that load, and keys that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from homeostat.policy.action_schema import BUILT_IN_ACTUATORS
from homeostat.policy.load import load_policy

PAGE = (Path(__file__).parents[2] / "docs/actuators.md").read_text()
TOOLS = ("ansible", "terraform", "systemd")
SECTIONS = [section for section in PAGE.split("\n## ")[1:] if section.startswith(TOOLS)]
POLICY = """policy: shop
owner: shop-sre
signals: {up: up}
actions: actions.yaml
trigger: {if: up < 1, for: 1m}
resolved: {if: up >= 1, for: 1m, within: 5m}
escalate: {to: shop-oncall, severity: critical}
steps:
"""


def test_there_are_examples() -> None:
    assert len(SECTIONS) == len(TOOLS)


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.partition("\n")[0])
def test_an_example_loads_and_its_keys_are_those_of_the_actuator(section: str, tmp_path: Path) -> None:
    (catalogue,) = re.findall(r"```yaml\n(# actions.yaml\n.*?)```", section, re.DOTALL)
    (tmp_path / "actions.yaml").write_text(catalogue)
    steps = [
        f"- {{id: s{number}, do: {name}, target: service/pay{', with: {size: 3}' if name == 'pool.plan' else ''}}}\n"
        for number, name in enumerate(re.findall(r"^([a-z.]+):$", catalogue, re.MULTILINE))
    ]
    path = tmp_path / "shop.homeostat.yaml"
    path.write_text(POLICY + "".join(steps))
    policy = load_policy(path)
    assert len(policy.leaves) == len(steps)
    (actuator,) = {leaf.action.actuator for leaf in policy.leaves.values()}
    known = {field.alias or name for name, field in BUILT_IN_ACTUATORS[actuator].model_fields.items()}
    told = {
        key for row in re.findall(r"^\| (`[^|]*) \|", section, re.MULTILINE) for key in re.findall(r"`([a-z_]+)`", row)
    }
    assert told
    assert told <= known
