"""Stability: what proves a danger, what a plan rules out, and what was only never seen."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from tests.unit.simulate.bench_texts import POLICY, policy_in, world_in

from homeostat.model.policy import Policy
from homeostat.policy.lint import lint
from homeostat.simulate.bench.stability import Danger, Judgement, Verdict, judge, share_max, sights_of

CAUSE = "signals: {errors: 0.1%, phase: old}\ncauses: [{name: leak, sets: {errors: 8%}, cures: {restart: 90%}}]\n"
PAIRED = POLICY.replace("effect: safe, ", "effect: safe, undo: {do: rollback}, ")
SWINGS = """\
steps:
- try:
  - {id: out, do: restart, target: svc/a, undo: none}
  - {id: back, do: rollback, target: svc/a}
  id: swing
  verify: {if: errors < 1%, for: 1m, within: 2m}
"""
BLIND = """\
steps:
- try:
  - {id: again, do: restart, target: svc/a, if: phase == "old"}
  - {id: back, do: rollback, target: svc/a}
  id: cure
  verify: {if: errors < 1%, for: 1m, within: 2m}
"""
CALM = "steps: [{id: again, do: restart, target: svc/a, cooldown: 6h, verify: {if: errors < 1%, within: 2m}}]\n"


def verdicts(folder: Path, policy: Policy, world: str, count: int = 20) -> dict[Danger, Verdict]:
    loaded = world_in(folder, world, policy)
    return {verdict.danger: verdict for verdict in judge(policy, loaded, sights_of(policy, loaded, count, 1))}


def codes(folder: Path) -> set[str]:
    report = lint(folder / "p.homeostat.yaml", today=date(2026, 1, 1))
    return {finding.problem.code for finding in report.findings}


def test_a_policy_that_takes_back_what_it_did_is_caught_here_and_by_lint(tmp_path: Path) -> None:
    top = PAIRED.replace("rollback: {", "rollback: {undo: {do: restart}, ")
    policy = policy_in(tmp_path, SWINGS, top)
    world = CAUSE.replace("restart: 90%", "rollback: 100%") + "faults: {relapses: {probability: 100%, after: 20m}}\n"
    verdict = verdicts(tmp_path, policy, world, 3)[Danger.OSCILLATES]
    assert (verdict.judgement, verdict.incident) == (Judgement.PROVED, 1)
    assert verdict.evidence == "restart on svc/a, then rollback on svc/a, then restart on svc/a again"
    assert "W219" in codes(tmp_path)


def test_the_same_remedy_for_every_relapse_is_caught_and_a_cooldown_rules_it_out(tmp_path: Path) -> None:
    world = CAUSE.replace("90%", "100%") + "faults: {relapses: {probability: 100%, after: 20m}}\n"
    over = verdicts(tmp_path, policy_in(tmp_path, CALM.replace("cooldown: 6h, ", "")), world, 3)[Danger.OSCILLATES]
    assert (over.judgement, over.found) == (Judgement.PROVED, 3)
    assert over.evidence == "restart on svc/a in 3 incidents one after the other"
    rested = verdicts(tmp_path, policy_in(tmp_path, CALM.replace("6h", "7h")), world, 3)[Danger.OSCILLATES]
    assert rested.judgement is Judgement.REFUTED


def test_a_policy_that_missing_data_starts_is_caught_here_and_by_lint(tmp_path: Path) -> None:
    policy = policy_in(tmp_path, BLIND)
    found = verdicts(tmp_path, policy, CAUSE + "faults: {missing: 20%}\n")[Danger.BLIND]
    assert found.judgement is Judgement.PROVED
    assert found.evidence == "back began because 'phase == \"old\"' of again before it was unknown"
    assert "W235" in codes(tmp_path)
    known = verdicts(tmp_path, policy, CAUSE)[Danger.BLIND]
    assert known.judgement is Judgement.NOT_FOUND
    assert known.share_max == pytest.approx(3 / 20)


def test_a_step_that_begins_long_after_its_reason_was_read_is_caught(tmp_path: Path) -> None:
    again = "{id: again, do: restart, target: svc/a, verify: none}"
    steps = f'steps: [{{if: phase == "old", steps: [{{wait: 10m}}, {again}]}}]\n'
    policy = policy_in(tmp_path, steps)
    world = CAUSE.replace("{errors: 8%}", "{errors: 8%, phase: {0s: old, 5m: _}}")
    found = verdicts(tmp_path, policy, world, 2)[Danger.BLIND]
    assert (found.judgement, found.found) == (Judgement.PROVED, 2)
    assert found.evidence.startswith("again began while 'phase == \"old\"'")


def test_a_plan_rules_out_endless_and_blind_acting(tmp_path: Path) -> None:
    found = verdicts(tmp_path, policy_in(tmp_path, CALM), CAUSE + "faults: {missing: 20%}\n", 10)
    assert found[Danger.EXCEEDS].judgement is Judgement.REFUTED
    assert found[Danger.EXCEEDS].evidence.startswith("no loops: at most 1 attempts")
    assert found[Danger.BLIND].judgement is Judgement.REFUTED


def test_a_policy_that_is_worse_than_nothing_is_caught_beside_doing_nothing(tmp_path: Path) -> None:
    heals = CAUSE.replace("cures: {restart: 90%}", "heals: {after: 10m}")
    policy = policy_in(tmp_path, CALM, POLICY + "harm: {if: errors > 50%}\n")
    worse = verdicts(tmp_path, policy, heals + "actions: {restart: {sets: {errors: 60%}}}\n", 8)[Danger.WORSENS]
    assert (worse.judgement, worse.found) == (Judgement.PROVED, 8)
    assert "recovered only by it 0, only without it 8; harm only with it 8" in worse.evidence
    same = verdicts(tmp_path, policy, heals, 8)[Danger.WORSENS]
    assert same.judgement is Judgement.NOT_FOUND


def test_bounds_of_shares_are_those_of_the_literature() -> None:
    assert share_max(0, 100) == pytest.approx(1 - 0.05 ** (1 / 100), abs=1e-6)
    assert share_max(0, 100) == pytest.approx(3 / 100, rel=0.02)
    assert share_max(2, 20) == pytest.approx(0.2826, abs=1e-3)  # Clopper and Pearson's table, one-sided
    assert share_max(5, 5) == 1.0
