"""A small policy, its tests and its worlds, as texts in a folder."""

from __future__ import annotations

from pathlib import Path

from homeostat.model.errors import PolicyError
from homeostat.model.policy import Policy
from homeostat.policy.load import load_policy
from homeostat.simulate.bench.suite import Suite, load_suite
from homeostat.simulate.bench.testing import Outcome, run_suites
from homeostat.simulate.bench.trial import Trial, run_trials
from homeostat.simulate.bench.world import World, load_world

POLICY = """\
policy: p
owner: team
signals:
  errors: up
  phase: {expr: info, type: text, label: phase}
actions:
  restart: {actuator: command, argv: [restart], effect: safe, timeout: 2m, takes: 30s}
  rollback: {actuator: command, argv: [rollback], effect: unsafe, timeout: 5m, takes: 1m}
trigger: {if: errors > 5%, for: 1m}
resolved: {if: errors < 1%, for: 1m, within: 5m}
escalate: {to: oncall, severity: critical}
rto: 30m
"""
STEPS = """\
steps:
- try:
  - {id: again, do: restart, target: svc/a}
  - {id: back, do: rollback, target: svc/a, if: phase == "new"}
  id: cure
  verify: {if: errors < 1%, for: 1m, within: 2m}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def policy_in(folder: Path, steps: str = STEPS, top: str = POLICY) -> Policy:
    return load_policy(write(folder, "p.homeostat.yaml", top + steps))


def suite_in(folder: Path, tests: str, steps: str = STEPS, head: str = "", top: str = POLICY) -> Suite:
    """A suite of tests, given as YAML list items, of the policy with these steps."""
    write(folder, "p.homeostat.yaml", top + steps)
    defaults = "" if "defaults:" in head else "defaults: {errors: 8%, phase: old}\n"
    return load_suite(write(folder, "p.test.yaml", f"policy: p.homeostat.yaml\n{defaults}{head}tests:\n{tests}"))


def outcomes(folder: Path, tests: str, steps: str = STEPS, head: str = "", top: str = POLICY) -> list[Outcome]:
    """Run such a suite, which must be right."""
    suite = suite_in(folder, tests, steps, head, top)
    if suite.problems:
        raise PolicyError(suite.problems)
    return run_suites([suite]).outcomes


def misses(folder: Path, expect: str, more: str = "", steps: str = STEPS, top: str = POLICY) -> list[str]:
    """What one test with these expectations (a YAML flow list) complains of."""
    (outcome,) = outcomes(folder, f"- name: t\n{more}  expect: {expect}\n", steps, top=top)
    return [miss.message for miss in outcome.misses]


def world_in(folder: Path, text: str, policy: Policy) -> World:
    return load_world(write(folder, "w.world.yaml", f"world: w\n{text}"), [policy])


def trials_in(folder: Path, text: str, count: int = 20, seed: int = 1, steps: str = STEPS) -> list[Trial]:
    policy = policy_in(folder, steps)
    return list(run_trials(policy, world_in(folder, text, policy), count, seed))
