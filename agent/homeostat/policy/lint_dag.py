"""Rules about steps that may run at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from homeostat.model.errors import Problem
from homeostat.model.policy import Dag, Do, Node, walk_nodes
from homeostat.policy.bounds import needed_first
from homeostat.policy.linted import Linted

Rule = Callable[[Linted], Iterator[Problem]]

WIDTH_CHILDREN_MAX = 100
"""Up to so many children a dag's width is computed; above, only a limit of at least their number is called idle."""


def parallel_conflict(linted: Linted) -> Iterator[Problem]:
    """W215: two children that nothing puts in an order touch one target.

    A warning and no error: the target's lock keeps them apart, and the worst case counts their queue. But which one
    goes first is chance, and the time that the dag was to save is lost.
    """
    for node in linted.policy.nodes():
        if isinstance(node, Dag):
            yield from _conflicts(linted, node)


def _conflicts(linted: Linted, dag: Dag) -> Iterator[Problem]:
    after = _before(dag)
    touching: dict[str, list[tuple[int, Node]]] = {}
    for place, child in enumerate(dag.children):
        for target in {leaf.target: None for leaf in walk_nodes(child) if isinstance(leaf, Do)}:
            touching.setdefault(target, []).append((place, child))
    for target, children in touching.items():
        for position, (place, child) in enumerate(children):
            # The nearest earlier one is enough: each finding is about one child, not about every pair of many.
            for other_place, other in reversed(children[:position]):
                if not (after[child.id] >> other_place & 1 or after[other.id] >> place & 1):
                    message = f"'{child.id}' and '{other.id}' may run at once and both touch {target}: one waits for "
                    hint = f"the other, whichever comes first; write needs: [{_written(other)}] if that is the order"
                    yield linted.warn_node(child.id, "W215", message + hint)
                    break


def _written(node: Node) -> str:
    return node.id.rpartition(".")[2]


def _before(dag: Dag) -> dict[str, int]:
    """Per child, the children that are over before it begins, as a bit mask of their places."""
    place = {child.id: number for number, child in enumerate(dag.children)}
    before: dict[str, int] = {}
    for child in needed_first(tuple(place), dag.needs):
        mask = 0
        for need in dag.needs.get(child, ()):
            mask |= before[need] | 1 << place[need]
        before[child] = mask
    return before


def idle_concurrency(linted: Linted) -> Iterator[Problem]:
    """W223: the needs alone let no more children run at once than the limit does."""
    for node in linted.policy.nodes():
        if isinstance(node, Dag) and node.concurrency_max is not None:
            most = width(node)
            if node.concurrency_max >= most:
                message = f"'{node.id}' allows {node.concurrency_max} steps at once, but no more than {most} ever could"
                yield linted.warn_node(node.id, "W223", message, "concurrency")


def width(dag: Dag) -> int:
    """The most children that can be at work at once, as far as their needs go.

    The largest set of children of which none waits for another: their number less a maximum matching of "is over
    before" (Dilworth, "A decomposition theorem for partially ordered sets", 1950). A large dag: its children's number.
    """
    count = len(dag.children)
    if count > WIDTH_CHILDREN_MAX:
        return count
    before = _before(dag)
    masks = [before[child.id] for child in dag.children]
    taken: dict[int, int] = {}

    def augment(later: int, seen: set[int]) -> bool:
        for earlier in range(count):
            if masks[later] >> earlier & 1 and earlier not in seen:
                seen.add(earlier)
                if earlier not in taken or augment(taken[earlier], seen):
                    taken[earlier] = later
                    return True
        return False

    return count - sum(augment(later, set()) for later in range(count))


DAG_RULES: tuple[Rule, ...] = (parallel_conflict, idle_concurrency)
