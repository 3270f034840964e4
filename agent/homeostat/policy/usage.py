"""What a policy reads: its conditions and, through them, its signals."""

from __future__ import annotations

from collections.abc import Iterator

from homeostat.model.policy import Decide, Do, Policy, Wait
from homeostat.model.signals import Condition


def conditions_of(policy: Policy) -> Iterator[Condition]:
    """Every condition of a policy: trigger, resolved, harm, and those of its steps in written order."""
    yield policy.trigger.condition
    yield policy.resolved.condition
    if policy.harm is not None:
        yield policy.harm
    for node in policy.nodes():
        if node.condition is not None:
            yield node.condition
        if isinstance(node, Decide):
            yield from (branch.condition for branch in node.branches if branch.condition is not None)
        if isinstance(node, Wait) and node.until is not None:
            yield node.until
        if isinstance(node, Do):
            if node.verify is not None:
                yield node.verify.condition
            yield from (leaf.probe.condition for leaf in (node, node.undo) if leaf is not None and leaf.probe)
            if node.approval is not None and node.approval.condition is not None:
                yield node.approval.condition


def signals_used(policy: Policy) -> list[str]:
    """Names of the signals that any of its conditions reads or its rankings go by, sorted."""
    return sorted({name for condition in conditions_of(policy) for name in condition.signals}.union(policy.learns_from))
