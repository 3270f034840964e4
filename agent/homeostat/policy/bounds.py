"""The most that a plan can ever do: how many attempts, and for how long.

There are no loops and no recursion, so both are sums over the tree.
"""

from __future__ import annotations

from homeostat.model.policy import Choose, Decide, Do, Escalate, Node, Policy, Steps, Try, Window

TIMEOUT_DEFAULT_MAX_S = 24 * 3600.0
"""A policy that may take longer than this must say so by its own `timeout`."""


def attempts_bound(node: Node) -> int:
    """The most attempts below a node: every candidate fails, every retry is used, the longest branch is taken."""
    match node:
        case Do():
            return 1 + node.retry.times_max
        case Steps(children=children) | Try(children=children) | Choose(children=children):
            return sum(attempts_bound(child) for child in children)
        case Decide(branches=branches):
            return max(attempts_bound(branch.child) for branch in branches)
        case Escalate():
            return 0


def worst_case_s(node: Node) -> float:
    """Seconds a node takes at the most: each attempt its time-out and all of its verification, with all retry waits.

    Waiting for unknown signals, for a target's lock and for a cancelled action to stop comes on top.
    """
    match node:
        case Do(timeout_s=timeout_s, verify=verify, retry=retry):
            proof_s = max(verify.settle_s, verify.within_s) if verify else 0.0
            return (1 + retry.times_max) * (timeout_s + proof_s) + retry.times_max * retry.wait_s
        case Steps(children=children) | Try(children=children) | Choose(children=children):
            return sum(worst_case_s(child) for child in children)
        case Decide(branches=branches):
            return max(worst_case_s(branch.child) for branch in branches)
        case Escalate():
            return 0.0


def incident_worst_case_s(trigger: Window, root: Steps, resolved: Window) -> float:
    """Seconds from the first sign of an incident to its end: confirmation, plan, and the proof of recovery."""
    proof_s = resolved.for_s if resolved.within_s is None else max(resolved.for_s, resolved.within_s)
    return trigger.for_s + worst_case_s(root) + proof_s


def default_timeout_s(trigger: Window, root: Steps, resolved: Window, unknown_s: float) -> float:
    """The time-out of a policy that gives none: its worst case and one wait for unknown signals, at most a day."""
    return min(incident_worst_case_s(trigger, root, resolved) + unknown_s, TIMEOUT_DEFAULT_MAX_S)


def worst_case_of(policy: Policy) -> tuple[int, float]:
    """The bound on attempts and the worst case in seconds of a whole policy, its own limits not counted in."""
    return attempts_bound(policy.root), incident_worst_case_s(policy.trigger, policy.root, policy.resolved)
