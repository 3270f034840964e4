"""The policies under test: one a system, each with one action that the witness sees."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

EFFECT = Path(__file__).with_name("effect.py")

ACTION_TIMEOUT_S = 8.0
"""Bounds the action, and so how long a new owner waits for word of one that it cannot ask after."""

SIGNAL_AGE_MAX_S = 4.0
"""An agent whose telemetry is older than this is blind."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One policy, whose action takes `takes_s`. An unsafe one must not run twice for one breakdown."""

    name: str
    unsafe: bool
    takes_s: float

    @property
    def effect(self) -> str:
        return "unsafe" if self.unsafe else "safe"


def make_plans(count: int) -> list[Plan]:
    """Every second one is unsafe; some are quick and some are slow."""
    return [Plan(f"p{number:03d}", number % 2 == 0, 1.0 + number % 3) for number in range(1, count + 1)]


def write_plans(folder: Path, plans: list[Plan], witness: Path) -> None:
    """Write the policies and their actions."""
    folder.mkdir(parents=True)
    for plan in plans:
        (folder / f"{plan.name}.homeostat.yaml").write_text(_policy(plan, witness))


def _policy(plan: Plan, witness: Path) -> str:
    argv = [sys.executable, "-I", "-S", str(EFFECT), str(witness), {"target": "name"}, f"{plan.takes_s:g}"]
    cure = {"actuator": "command", "effect": plan.effect, "takes": "2s", "argv": argv}
    retry = "{times: 0}" if plan.unsafe else "{times: 3, wait: 1s}"
    return (
        f"policy: {plan.name}\nowner: chaos\nactions: {json.dumps({'cure': cure})}\n"
        f"signals: {{errors: {{expr: 'chaos_errors{{policy=\"{plan.name}\"}}', max_age: {SIGNAL_AGE_MAX_S:g}s}}}}\n"
        "trigger: {if: errors > 0, for: 0s}\n"
        "resolved: {if: errors == 0, for: 1s, within: 20s}\n"
        "escalate: {to: oncall}\ntimeout: 2m\nunknown: 30s\n"
        f"steps:\n- id: cure\n  do: cure\n  target: system/{plan.name}\n  retry: {retry}\n"
        f"  timeout: {ACTION_TIMEOUT_S:g}s\n  verify: {{if: errors == 0, for: 1s, within: 6s}}\n"
    )
