"""What an action has changed is taken back when its proof fails, also when people have been called meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest

from homeostat.simulate.bench.testing import load_suites, run_suites

POLICY = """\
policy: p
owner: team
signals: {errors: e, hint: h, rps: r}
actions:
  switch: {actuator: fake, effect: safe, takes: 1m, timeout: 2m}
  back: {actuator: fake, effect: safe, takes: 30s, timeout: 2m}
trigger: {if: errors > 5%, for: 1m}
resolved: {if: errors < 1% and rps > 1, for: 2m, within: 10m}
escalate: {to: oncall}
timeout: TIMEOUT
steps:
- dag:
  - {id: switch, do: switch, target: a/b, undo: {do: back}, verify: {if: errors < 1%, for: 1m, within: 4m}}
  - {id: other, if: hint > 1, do: switch, target: a/c, verify: {if: errors < 1%, for: 1m, within: 4m}}
"""
SUITE = """\
policy: p.homeostat.yaml
defaults: {errors: 8%, rps: 10}
tests:
- name: it is taken back
  signals: {hint: HINT}
  until: 20m
  expect:
  - {count: {switch: 1, switch.undo: 1}}
  - {verdict: {switch: ineffective}}
  - {result: escalated}
"""


@pytest.mark.parametrize(
    ("timeout", "hint"),
    [
        pytest.param("1h", "_", id="people called for an unknown sibling"),
        pytest.param("5m", "0", id="timed out in mid-proof"),
        pytest.param("1h", "0", id="nobody called meanwhile"),
    ],
)
def test_a_failed_action_is_taken_back(timeout: str, hint: str, tmp_path: Path) -> None:
    (tmp_path / "p.homeostat.yaml").write_text(POLICY.replace("TIMEOUT", timeout))
    (tmp_path / "p.test.yaml").write_text(SUITE.replace("HINT", hint))
    failed = run_suites(load_suites([tmp_path])).failed
    assert [str(miss) for outcome in failed for miss in outcome.misses] == []


def test_what_must_not_be_done_twice_is_left_to_people_once_they_have_it(tmp_path: Path) -> None:
    once = POLICY.replace("TIMEOUT", "5m").replace(
        "back: {actuator: fake, effect: safe", "back: {actuator: fake, effect: unsafe"
    )
    (tmp_path / "p.homeostat.yaml").write_text(once)
    suite = SUITE.replace("HINT", "0").replace("switch.undo: 1", "switch.undo: 0")
    (tmp_path / "p.test.yaml").write_text(suite)
    failed = run_suites(load_suites([tmp_path])).failed
    assert [str(miss) for outcome in failed for miss in outcome.misses] == []
