"""How bodies that older releases journalled are read today. Bodies already stored are never touched."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Takes a body as JSON values in one version of its type and gives it in the next."""


def ranking_with_members(ranking: dict[str, Any]) -> dict[str, Any]:
    """Give a ranking of one logistic model per candidate as a node with one linear member; the numbers stay."""
    return {**ranking, "nodes": {name: _node_with_member(node) for name, node in ranking["nodes"].items()}}


def _node_with_member(node: dict[str, Any]) -> dict[str, Any]:
    models = node["candidates"]
    linear = {
        "type": "linear",
        "name": "pooled",
        "intercepts": [model["intercept"] for model in models.values()],
        "weights": [
            [number for pair in zip(model["weights"], model["missing"], strict=True) for number in pair]
            for model in models.values()
        ],
        "failed": [[model["failed"].get(other, 0.0) for other in models] for model in models.values()],
    }
    kept = ("cost_success_s", "cost_failure_s", "attempts", "successes")
    return {
        "features": node["features"],
        "candidates": [{"id": name, **{field: model[field] for field in kept}} for name, model in models.items()],
        "members": [linear],
        "stack": {"intercept": 0.0, "weights": [1.0]},
    }


UPCASTERS: Mapping[tuple[str, int], Upcaster] = {
    ("action.intent", 1): lambda body: {**body, "policy": "", "undoes": None},
    ("action.intent", 2): lambda body: {**body, "spool": "", "effect_key": "", "probe_before": None},
    ("decision.made", 1): lambda body: body,
    ("drill.ran", 1): lambda body: {**body, "tier": "", "policies": {}, "elsewhere": False, "answer": None},
    ("drill.ran", 2): lambda body: {**body, "people": [], "answers": [], "whole_s": None},
    ("policy.loaded", 1): lambda body: {**body, "environment": None},
    ("ranking.promoted", 1): lambda body: {**body, "why": ""},
    ("ranking.trained", 1): lambda body: {**body, "ranking": ranking_with_members(body["ranking"])},
    ("ranking.trained", 2): lambda body: body,
}
"""(entry type, v) -> how to turn a body of version v into version v + 1. A type without any is at version 1.

Whoever changes the fields of an entry type adds one here.
"""
