"""How many ways lead through a plan: what a complete set of tests would have to walk.

Counted are success and failure of every step, the branches of every `decide`, an `if` that passes its node over, and
the orders in which candidates may fail. Retries and time are not told apart. Steps of a `dag` that may run together
count as if each level of it ended before the next begins, which is the least there can be.
"""

from __future__ import annotations

from math import prod

from homeostat.model.policy import Choose, Dag, Decide, Do, Escalate, Node, Policy, Steps, Try, Wait
from homeostat.policy.bounds import needed_first

PATHS_MAX = 10**12
"""More than this is only said to be more."""

_Ways = tuple[int, int]
"""In how many ways a node succeeds, and fails."""


def paths_of(policy: Policy) -> int:
    """The number of ways through a policy's plan, at most `PATHS_MAX`."""
    return min(sum(_ways(policy.root)), PATHS_MAX)


def _ways(node: Node) -> _Ways:
    well, ill = _ways_in(node)
    if not isinstance(node, Escalate) and node.fallback is not None:
        well_after, ill_after = _ways(node.fallback)
        well, ill = well + ill * well_after, ill * ill_after
    if node.condition is not None:
        well += 1
    return well, ill


def _ways_in(node: Node) -> _Ways:
    match node:
        case Do():
            return 1, 1
        case Wait():
            return 1, 0 if node.until is None else 1
        case Escalate():
            return 0, 1
        case Steps(children=children):
            return _in_a_row([_ways(child) for child in children])
        case Dag():
            return _in_levels(node)
        case Decide(branches=branches):
            ways = [_ways(branch.child) for branch in branches]
            no_branch = int(branches[-1].condition is not None)
            return sum(well for well, _ in ways), sum(ill for _, ill in ways) + no_branch
        case Try(children=children):
            return _in_turn([_candidate(child) for child in children])
        case Choose(children=children):
            return _in_any_order([_candidate(child) for child in children])


def _in_a_row(ways: list[_Ways]) -> _Ways:
    well, ill = 1, 0
    for well_here, ill_here in ways:
        well, ill = well * well_here, ill + well * ill_here
    return well, ill


def _in_levels(dag: Dag) -> _Ways:
    level: dict[str, int] = {}
    for child in needed_first(tuple(child.id for child in dag.children), dag.needs):
        level[child] = 1 + max((level[need] for need in dag.needs.get(child, ())), default=-1)
    levels: list[_Ways] = []
    for number in range(1 + max(level.values(), default=-1)):
        ways = [_ways(child) for child in dag.children if level[child.id] == number]
        well = prod(way[0] for way in ways)
        levels.append((well, prod(map(sum, ways)) - well))
    return _in_a_row(levels)


def _candidate(child: Node) -> _Ways:
    """A candidate's `if` that is not true passes it over, which is one more way for it not to be the one."""
    well, ill = _ways(child)
    return (well, ill) if child.condition is None else (well - 1, ill + 1)


def _in_turn(ways: list[_Ways]) -> _Ways:
    well, ill = 0, 1
    for well_here, ill_here in ways:
        well, ill = well + ill * well_here, ill * ill_here
    return well, ill


def _in_any_order(ways: list[_Ways]) -> _Ways:
    """Candidates in an order that is learnt: every sequence of failures, and then one success or none."""
    well = 0
    for place, (well_here, _) in enumerate(ways):
        others = [ill for other, (_, ill) in enumerate(ways) if other != place]
        well += well_here * _sequences(others)
        if well > PATHS_MAX:
            return PATHS_MAX, 0
    factorial = prod(range(1, len(ways) + 1))
    return well, factorial * prod(ill for _, ill in ways)


def _sequences(ills: list[int]) -> int:
    """All ordered sequences of distinct failures, the empty one among them: sum over k of k! e_k."""
    symmetric = [1]
    for ill in ills:
        grown = [*symmetric, 0]
        for size in range(len(symmetric), 0, -1):
            grown[size] += symmetric[size - 1] * ill
        symmetric = grown
    return sum(prod(range(1, size + 1)) * value for size, value in enumerate(symmetric))
