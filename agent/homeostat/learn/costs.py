"""What an attempt costs: seconds from its start to its verdict, when it works and when it does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from homeostat.learn.features import Floats
from homeostat.model.policy import Choose, Dag, Decide, Do, Escalate, Node, Policy, Steps, Try, Wait, children_of
from homeostat.policy.bounds import longest_chain_s

DECLARED_WEIGHT = 2.0
"""The declared cost counts as much as this many observed ones."""

COST_MIN_S = 0.1
"""The index divides by the cost; nothing is free."""

HARM_S = 600.0
"""One harm is held to be as bad as so many more seconds of the outage."""

ESCALATION_S = 3600.0
"""What calling people costs, where the policy names no recovery time objective."""


@dataclass(frozen=True, slots=True)
class Cost:
    """Expected seconds of a trial that succeeds and of one that fails."""

    success_s: float
    failure_s: float


def declared_cost(node: Node, policy: Policy) -> Cost:
    """What the policy's author lets one expect of a candidate, from `takes`, verify times and retries.

    A success verifies as early as it can, a failure uses up the whole verify window and all retries. Of a sequence
    any step may be the one that fails; of a branch any may be taken; alternatives succeed at the first.
    """
    if isinstance(node, Escalate):
        people_s = policy.rto_s or ESCALATION_S
        return Cost(people_s, people_s)
    own = _own_cost(node, policy)
    if node.fallback is None:
        return own
    fallback = declared_cost(node.fallback, policy)
    return Cost(own.success_s, own.failure_s + fallback.failure_s)


def _own_cost(node: Do | Steps | Dag | Try | Choose | Decide | Wait, policy: Policy) -> Cost:
    """The cost of a node without its fallback."""
    children = [declared_cost(child, policy) for child in children_of(node) if child is not node.fallback]
    match node:
        case Do():
            return _of_leaf(node)
        case Wait():
            return Cost(node.for_s, node.for_s if node.until is None else node.within_s)
        case Dag():
            own_s = {child.id: cost.success_s for child, cost in zip(node.children, children, strict=True)}
            return Cost(longest_chain_s(own_s, node.needs), _mean(child.failure_s for child in children))
        case Steps():
            before_s = list(accumulate((child.success_s for child in children), initial=0.0))
            failures_s = [before + child.failure_s for before, child in zip(before_s, children, strict=False)]
            return Cost(before_s[-1], _mean(failures_s))
        case Try() | Choose():
            first_s = children[0].success_s if children else 0.0
            return Cost(first_s, sum(child.failure_s for child in children))
        case Decide():
            return Cost(_mean(child.success_s for child in children), _mean(child.failure_s for child in children))


def _of_leaf(leaf: Do) -> Cost:
    takes_s = leaf.action.takes_s if leaf.takes_s is None else leaf.takes_s
    verify = leaf.verify
    success_s = takes_s + (verify.settle_s + verify.for_s if verify else 0.0)
    once_s = takes_s + (verify.within_s if verify else 0.0)
    retries = leaf.retry.times_max
    return Cost(success_s, (retries + 1) * once_s + retries * leaf.retry.wait_s)


def longest_s(node: Node) -> float:
    """No trial takes longer by itself; what does was held up by something else, such as an agent that was down."""
    own_s = 0.0
    if isinstance(node, Do):
        within_s = node.verify.within_s if node.verify else 0.0
        own_s = (node.retry.times_max + 1) * (node.timeout_s + within_s + node.retry.wait_s)
    return own_s + sum(longest_s(child) for child in children_of(node))


def shrunk_mean_s(observed_s: Floats, declared_s: float, limit_s: float) -> float:
    """(sum of observed seconds + 2 x declared) / (n + 2), each observation between 0 and `limit_s`."""
    bounded = np.clip(observed_s, 0.0, limit_s)
    mean_s = (float(bounded.sum()) + DECLARED_WEIGHT * declared_s) / (bounded.size + DECLARED_WEIGHT)
    return max(float(mean_s), COST_MIN_S)


def _mean(values: Iterable[float]) -> float:
    listed = list(values)
    return sum(listed) / len(listed) if listed else 0.0
