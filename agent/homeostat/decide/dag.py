"""The walk over a `dag`: all that is ready at once, and after a failure nothing new."""

from __future__ import annotations

from collections.abc import Callable

from homeostat.decide.projection import NONE_LEFT
from homeostat.decide.status import Status
from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.policy import Dag, Node, walk_nodes
from homeostat.model.reasons import Phase

Walk = Callable[[Turn, Node], Status]
"""How a child is brought forward: `walk.walk`, handed in, since it leads back here."""


def walk_dag(turn: Turn, node: Dag, walk: Walk) -> Status:
    """Bring every child forward that has begun, then begin those that are ready.

    The first failure is latched; from then on the node only drains.
    """
    begun = frozenset(turn.incident.picks.get(node.id, ()))
    statuses: dict[str, Status] = {}
    draining = turn.draining or NONE_LEFT in begun
    at_work = [child for child in node.children if child.id in begun]
    for child in _failing_first(turn, at_work):
        statuses[child.id] = _drained(turn, child, walk) if draining else walk(turn, child)
        draining = draining or statuses[child.id] is Status.FAILED
        if turn.incident.phase is Phase.ESCALATED:
            return Status.RUNNING
    if not draining:
        draining = _begin_ready(turn, node, statuses, walk)
        if turn.incident.phase is Phase.ESCALATED:
            return Status.RUNNING
    if not draining:
        done = len(statuses) == len(node.children) and Status.RUNNING not in statuses.values()
        return Status.SUCCEEDED if done else Status.RUNNING
    if NONE_LEFT not in begun and Status.FAILED in statuses.values():
        failed = tuple(child for child, status in statuses.items() if status is Status.FAILED)
        turn.record(e.Decided(at=turn.now, node=node.id, kind="dag", chosen=None, options=(), failed=failed))
    return Status.RUNNING if Status.RUNNING in statuses.values() else Status.FAILED


def _failing_first(turn: Turn, children: list[Node]) -> list[Node]:
    """Look first at children below which an attempt has failed: that failure then holds for all the others."""
    failed = {
        leaf
        for leaf, attempts in turn.incident.attempts.items()
        if attempts[-1].verdict is not None and not attempts[-1].succeeded
    }
    if not failed:
        return children
    failing = {child.id for child in children if any(node.id in failed for node in walk_nodes(child))}
    return sorted(children, key=lambda child: child.id not in failing)


def _drained(turn: Turn, child: Node, walk: Walk) -> Status:
    """Bring what runs to its end, undos included, and begin nothing."""
    outer, turn.draining = turn.draining, True
    try:
        return walk(turn, child)
    finally:
        turn.draining = outer


def _begin_ready(turn: Turn, node: Dag, statuses: dict[str, Status], walk: Walk) -> bool:
    """Begin children whose needs are met, the longest remaining chain first; True when one has failed at once.

    A child that is over at once (passed over, say) may make others ready within the same step.
    """
    limit = len(node.children) if node.concurrency_max is None else node.concurrency_max
    running = sum(status is Status.RUNNING for status in statuses.values())
    while running < limit:
        ready = [child for child in node.children if child.id not in statuses and _is_ready(node, child, statuses)]
        ready.sort(key=lambda child: -node.remaining_s.get(child.id, 0.0))
        some_ended = False
        for child in ready:
            if running >= limit:
                return False
            option = e.Option(id=child.id, eligible=True, propensity=1.0)
            turn.record(e.Decided(at=turn.now, node=node.id, kind="dag", chosen=child.id, options=(option,)))
            statuses[child.id] = walk(turn, child)
            if statuses[child.id] is Status.FAILED or turn.incident.phase is Phase.ESCALATED:
                return statuses[child.id] is Status.FAILED
            if statuses[child.id] is Status.RUNNING:
                running += 1
            else:
                some_ended = True
        if not some_ended:
            return False
    return False


def _is_ready(node: Dag, child: Node, statuses: dict[str, Status]) -> bool:
    return all(statuses.get(need) is Status.SUCCEEDED for need in node.needs.get(child.id, ()))
