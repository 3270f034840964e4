"""Policies of any size, for tests and benchmarks of what size costs."""

from __future__ import annotations

import json
from typing import Any

GROUP = 10
KINDS = ("steps", "try", "choose", "dag")

TOP: dict[str, Any] = {
    "policy": "huge",
    "owner": "team",
    "review_by": "2030-01-01",
    "signals": {f"signal_{number}": f"metric_{number}" for number in range(30)},
    "actions": {
        "restart": {"actuator": "command", "effect": "safe", "timeout": "1m", "argv": ["restart", {"target": "name"}]}
    },
    "trigger": {"if": "signal_0 > 5%", "for": "1m"},
    "resolved": {"if": "signal_0 < 1%", "for": "2m", "within": "10m"},
    "escalate": {"to": "on-call"},
    "timeout": "30d",
}


def policy_of_nodes(nodes: int) -> str:
    """A policy of so many nodes: groups of ten leaves in all kinds that hold several."""
    groups: list[dict[str, Any]] = []
    left = nodes - 1  # the root is one
    while left > 1:
        size = min(GROUP, left - 1)
        number = len(groups)
        leaves = [_leaf(number * GROUP + place) for place in range(size)]
        groups.append({"id": f"group-{number}", KINDS[number % len(KINDS)]: leaves})
        left -= size + 1
    if left:
        groups.append(_leaf(nodes))
    return json.dumps({**TOP, "steps": groups}, indent=1)


def _leaf(number: int) -> dict[str, Any]:
    seen = f"signal_{number % 30}"
    return {
        "id": f"leaf-{number}",
        "if": f"{seen} > {number} or {seen} < 1%",
        "do": "restart",
        "target": f"svc/s{number}",
        "verify": {"if": f"{seen} < 1% and signal_0 < 5%", "for": "1m", "within": "5m"},
    }
