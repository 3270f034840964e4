"""The most that a plan can ever do: how many attempts, and for how long; and how long it usually takes.

There are no loops and no recursion, so all of them are sums over the tree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from homeostat.model.policy import Choose, Dag, Decide, Do, Escalate, Node, Policy, Steps, Try, Wait, Window, walk_nodes

TIMEOUT_DEFAULT_MAX_S = 24 * 3600.0
"""A policy that may take longer than this must say so by its own `timeout`."""


def attempts_bound(node: Node) -> int:
    """The most attempts below a node: every candidate fails, every retry is used, the longest branch is taken.

    Undos are not counted: they only take back.
    """
    fallback = 0 if isinstance(node, Escalate) or node.fallback is None else attempts_bound(node.fallback)
    match node:
        case Do():
            return 1 + node.retry.times_max + fallback
        case Steps(children=children) | Dag(children=children) | Try(children=children) | Choose(children=children):
            return sum(attempts_bound(child) for child in children) + fallback
        case Decide(branches=branches):
            return max(attempts_bound(branch.child) for branch in branches) + fallback
        case Wait() | Escalate():
            return fallback


def worst_case_s(node: Node) -> float:
    """Seconds a node takes at the most: each attempt its time-out, all of its verification, its undo, all waits.

    Waiting for unknown signals, for a guard, for a target's lock and for a cancelled action to stop comes on top.
    """
    fallback_s = 0.0 if isinstance(node, Escalate) or node.fallback is None else worst_case_s(node.fallback)
    match node:
        case Do():
            return _worst_leaf_s(node) + fallback_s
        case Steps(children=children) | Try(children=children) | Choose(children=children):
            return sum(worst_case_s(child) for child in children) + fallback_s
        case Dag():
            return _worst_dag_s(node) + fallback_s
        case Decide(branches=branches):
            return max(worst_case_s(branch.child) for branch in branches) + fallback_s
        case Wait():
            return (node.for_s if node.until is None else node.within_s) + fallback_s
        case Escalate():
            return 0.0


def _worst_leaf_s(leaf: Do) -> float:
    proof_s = max(leaf.verify.settle_s, leaf.verify.within_s) if leaf.verify else 0.0
    undo_s = (1 + leaf.undo.retry.times_max) * leaf.undo.timeout_s if leaf.undo else 0.0
    asking_s = leaf.approval.timeout_s if leaf.approval else 0.0
    runs = 1 + leaf.retry.times_max
    return asking_s + runs * (leaf.timeout_s + proof_s + undo_s) + leaf.retry.times_max * leaf.retry.wait_s


def _worst_dag_s(dag: Dag) -> float:
    """The longest chain; with a limit, Graham's bound on list schedules. Children that share a target queue up."""
    own_s = {child.id: worst_case_s(child) for child in dag.children}
    chain_s = longest_chain_s(own_s, dag.needs)
    if dag.concurrency_max is not None:
        share = 1.0 / dag.concurrency_max
        chain_s = sum(own_s.values()) * share + chain_s * (1.0 - share)
    targets = {child.id: {node.target for node in walk_nodes(child) if isinstance(node, Do)} for child in dag.children}
    uses = Counter(target for touched in targets.values() for target in touched)
    queueing_s = sum(own_s[child] for child, touched in targets.items() if any(uses[target] > 1 for target in touched))
    return min(chain_s + queueing_s, sum(own_s.values()))


def longest_chain_s(own_s: Mapping[str, float], needs: Mapping[str, tuple[str, ...]]) -> float:
    """Seconds of a dag's critical path, given each child's own."""
    ends_s: dict[str, float] = {}
    for child in needed_first(tuple(own_s), needs):
        ends_s[child] = own_s[child] + max((ends_s[need] for need in needs.get(child, ())), default=0.0)
    return max(ends_s.values(), default=0.0)


def needed_first(children: tuple[str, ...], needs: Mapping[str, tuple[str, ...]]) -> list[str]:
    """A dag's children in an order in which each comes after all it needs (Kahn, 1962). Cycles are left out."""
    waiting = {child: len(needs.get(child, ())) for child in children}
    needed_by: dict[str, list[str]] = {child: [] for child in children}
    for child, wanted in needs.items():
        for need in wanted:
            needed_by[need].append(child)
    order = [child for child in children if waiting[child] == 0]
    for child in order:
        for later in needed_by[child]:
            waiting[later] -= 1
            if waiting[later] == 0:
                order.append(later)
    return order


def remaining_s(own_s: Mapping[str, float], needs: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
    """Per child of a dag: seconds of the longest chain that begins with it, given each child's own."""
    after_s = dict.fromkeys(own_s, 0.0)
    remaining: dict[str, float] = {}
    for child in reversed(needed_first(tuple(own_s), needs)):
        remaining[child] = own_s[child] + after_s[child]
        for need in needs.get(child, ()):
            after_s[need] = max(after_s[need], remaining[child])
    return remaining


def expected_s(node: Node) -> float:
    """Seconds a node usually takes when all goes well: declared durations and the windows of its proofs."""
    match node:
        case Do():
            proof_s = node.verify.settle_s + node.verify.for_s if node.verify else 0.0
            return (node.action.takes_s if node.takes_s is None else node.takes_s) + proof_s
        case Steps(children=children):
            return sum(expected_s(child) for child in children)
        case Dag():
            return max(node.remaining_s.values(), default=0.0)
        case Try(children=children) | Choose(children=children):
            return expected_s(children[0]) if children else 0.0
        case Decide(branches=branches):
            return max(expected_s(branch.child) for branch in branches)
        case Wait():
            return node.for_s
        case Escalate():
            return 0.0


def incident_worst_case_s(trigger: Window, root: Steps, resolved: Window) -> float:
    """Seconds from the first sign of an incident to its end: confirmation, plan, and the proof of recovery."""
    return trigger.for_s + worst_case_s(root) + _proof_s(resolved)


def _proof_s(resolved: Window) -> float:
    return resolved.for_s if resolved.within_s is None else max(resolved.for_s, resolved.within_s)


def default_timeout_s(trigger: Window, root: Steps, resolved: Window, unknown_s: float) -> float:
    """The time-out of a policy that gives none: its worst case and one wait for unknown signals, at most a day."""
    return min(incident_worst_case_s(trigger, root, resolved) + unknown_s, TIMEOUT_DEFAULT_MAX_S)


def worst_case_of(policy: Policy) -> tuple[int, float]:
    """The bound on attempts and the worst case in seconds of a whole policy, its own limits not counted in."""
    return attempts_bound(policy.root), incident_worst_case_s(policy.trigger, policy.root, policy.resolved)
