"""What would now happen otherwise: two versions of a policy compared by what they mean, in words.

Comments, layout, file names and owners are not compared; nor is what a policy declares and does not use. Steps are
told by their ids. A step that is gone and a new one that does just the same count as one under another name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from homeostat.model.policy import (
    Choose,
    Dag,
    Decide,
    Do,
    Escalate,
    Node,
    Policy,
    Promotion,
    Steps,
    Try,
    Wait,
    Window,
    children_of,
    walk_nodes,
)
from homeostat.policy.bounds import default_timeout_s, worst_case_of
from homeostat.policy.changes_of_steps import Change, changed_step, differs, kind_name
from homeostat.policy.units import format_seconds


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: its parent's id, and its role there."""

    parent: str
    role: str


def changes(old: Policy, new: Policy) -> list[Change]:
    """Say what would happen otherwise under the new version, the most far-reaching first; empty: nothing."""
    renamed = _renamed(old, new)
    new = _named_as(new, renamed) if renamed else new
    found = [
        *_of_policy(old, new),
        *(Change(now, f"`{was}` is now called `{now}`; learning begins anew") for now, was in renamed.items()),
        *_of_plan(old, new),
        *_of_signals(old, new),
        *_of_bounds(old, new),
    ]
    return list(dict.fromkeys(found))


def changes_by_environment(pairs: Mapping[str | None, tuple[Policy, Policy]]) -> list[Change]:
    """Compare in each environment; what only some of them have says which."""
    found = {name: changes(old, new) for name, (old, new) in pairs.items()}
    told: dict[Change, list[str | None]] = {}
    for name, of_environment in found.items():
        for change in of_environment:
            told.setdefault(change, []).append(name)
    return [
        change
        if len(names) == len(found)
        else replace(change, environments=tuple("none" if name is None else name for name in names))
        for change, names in told.items()
    ]


def _of_policy(old: Policy, new: Policy) -> Iterator[Change]:
    if old.name != new.name:
        yield Change("", f"the policy is now called {new.name}, not {old.name}; its history begins anew")
    yield from _of_window("the trigger", old.trigger, new.trigger)
    yield from _of_window("recovery", old.resolved, new.resolved)
    if differs(old.harm, new.harm):
        if new.harm is None:
            yield Change("", "nothing counts as harm any more")
        elif old.harm is None:
            yield Change("", f"an action now counts as harmful when `{new.harm.text}` becomes true")
        else:
            yield Change("", f"an action now counts as harmful when `{new.harm.text}`, not `{old.harm.text}`")
    if old.escalate != new.escalate:
        yield from _of_escalation("", "when the plan fails,", old.escalate, new.escalate)
    yield from _of_learning(old, new)
    if old.mode is not new.mode:
        yield Change("", f"the policy's mode is now {new.mode} instead of {old.mode}")
    for name, was_s, is_s in (("timeout", _own_timeout_s(old), _own_timeout_s(new)), ("rto", old.rto_s, new.rto_s)):
        if was_s != is_s:
            yield Change("", f"the {name} is now {_seconds(is_s)} instead of {_seconds(was_s)}")
    if old.runbook != new.runbook:
        yield Change("", f"people now go by {new.runbook or 'no runbook'} instead of {old.runbook or 'none'}")
    if old.unknown_s != new.unknown_s:
        waits, waited = format_seconds(new.unknown_s), format_seconds(old.unknown_s)
        yield Change("", f"unknown signals are now waited for {waits} instead of {waited} before people are called")


def _of_learning(old: Policy, new: Policy) -> Iterator[Change]:
    if old.promotion is not new.promotion:
        now, was = ("a person" if each.promotion is Promotion.REVIEW else "the gate alone" for each in (new, old))
        yield Change("", f"a new ranking is now let rule by {now} instead of {was}")
    if more := sorted(set(new.learns_from) - set(old.learns_from)):
        yield Change("", f"rankings may now go by {', '.join(more)} too")
    if fewer := sorted(set(old.learns_from) - set(new.learns_from)):
        yield Change("", f"rankings may go by {', '.join(fewer)} only where a condition reads it")


def _own_timeout_s(policy: Policy) -> float | None:
    """The time-out that the policy itself asks for; one that only follows from the worst case is told with that."""
    derived_s = default_timeout_s(policy.trigger, policy.root, policy.resolved, policy.unknown_s)
    return None if policy.timeout_s == derived_s else policy.timeout_s


def _seconds(value_s: float | None) -> str:
    return "none" if value_s is None else format_seconds(value_s)


def _of_window(name: str, old: Window, new: Window) -> Iterator[Change]:
    if differs(old.condition, new.condition):
        yield Change("", f"{name} is now `{new.condition.text}` instead of `{old.condition.text}`")
    if old.for_s != new.for_s:
        yield Change("", f"{name} now waits {format_seconds(new.for_s)} instead of {format_seconds(old.for_s)}")
    if old.within_s != new.within_s:
        yield Change("", f"{name} must now come within {_seconds(new.within_s)} instead of {_seconds(old.within_s)}")


def _of_escalation(node: str, when: str, old: Escalate, new: Escalate) -> Iterator[Change]:
    if old.to != new.to:
        yield Change(node, f"{when} {new.to} is now called instead of {old.to}")
    if old.severity != new.severity:
        yield Change(node, f"{when} people are now called as {new.severity} instead of {old.severity}")
    if old.message != new.message:
        yield Change(node, f"{when} people are now told “{new.message}” instead of “{old.message}”")


def _of_plan(old: Policy, new: Policy) -> Iterator[Change]:
    before, after = _indexed(old), _indexed(new)
    was_at, is_at = _places(old), _places(new)
    for node_id, node in before.items():
        if node_id not in after and was_at[node_id].parent in after:
            inside = sum(isinstance(part, Do) for part in walk_nodes(node)) - isinstance(node, Do)
            with_it = f" and the {inside} actions in it" if inside else ""
            yield Change(node_id, f"`{node_id}` ({kind_name(node)}) is no longer done{with_it}")
    for node_id, node in after.items():
        if node_id not in before and is_at[node_id].parent in before:
            yield Change(node_id, f"`{node_id}` ({kind_name(node)}) is new, {_where(node_id, after, is_at)}")
    for node_id in before.keys() & after.keys():
        if was_at.get(node_id) != is_at.get(node_id):
            yield Change(node_id, f"`{node_id}` is now {_where(node_id, after, is_at)}")
    for node_id, node in after.items():
        if node_id in before and node_id != new.root.id:
            yield from changed_step(before[node_id], node)
        if node_id in before:
            yield from _of_order(before[node_id], node)


def _indexed(policy: Policy) -> dict[str, Node]:
    return {node.id: node for node in policy.nodes()}


def _places(policy: Policy) -> dict[str, _Place]:
    places = {policy.root.id: _Place("", "")}
    for node in policy.nodes():
        fallback = None if isinstance(node, Escalate) else node.fallback
        for child in children_of(node):
            places[child.id] = _Place(node.id, "fallback" if child is fallback else "")
    return places


def _where(node_id: str, nodes: Mapping[str, Node], places: Mapping[str, _Place]) -> str:
    place = places[node_id]
    parent = nodes[place.parent]
    if place.role == "fallback":
        return f"done when `{parent.id}` fails"
    inside = "" if not places[parent.id].parent else f" in `{parent.id}`"
    siblings = [child.id for child in children_of(parent)]
    at = siblings.index(node_id)
    if isinstance(parent, Choose | Dag):
        return f"one of the {'candidates' if isinstance(parent, Choose) else 'parallel steps'}{inside}"
    if isinstance(parent, Decide):
        return f"a branch{inside}"
    verb = "tried" if isinstance(parent, Try) else "done"
    return f"{verb} {f'after `{siblings[at - 1]}`' if at else 'first'}{inside}"


def _of_order(old: Node, new: Node) -> Iterator[Change]:
    """Steps that both versions have here and that stand in another order: the fewest moves that explain it."""
    if type(old) is not type(new) or isinstance(new, Dag):
        return
    after = [child.id for child in children_of(new)]
    before = [child.id for child in children_of(old) if child.id in set(after)]
    after = [child for child in after if child in set(before)]
    stays = _longest_common(before, after)
    for place, child in enumerate(after):
        if child not in stays:
            follows = next((other for other in after[place + 1 :] if other in stays), None)
            side, other = ("before", follows) if follows is not None else ("after", after[place - 1])
            match new:
                case Try():
                    told = f"`{child}` is now tried {side} `{other}`"
                case Choose():
                    told = f"`{child}` is now tried {side} `{other}` as long as nothing is learnt"
                case Decide():
                    told = f"the branch `{child}` is now looked at {side} `{other}`"
                case _:
                    told = f"`{child}` is now done {side} `{other}`"
            yield Change(child, told)


def _longest_common(before: Sequence[str], after: Sequence[str]) -> set[str]:
    """Children that need not move: a longest increasing run of places (Schensted, 1961), by simple O(n^2) steps."""
    place = {child: number for number, child in enumerate(before)}
    best: list[list[str]] = []
    for child in after:
        before_it = [run for run in best if place[run[-1]] < place[child]]
        longest = max(before_it, key=len) if before_it else []
        best.append([*longest, child])
    # Of runs of one length the last one stays: what was moved is then said to come before, and not after.
    longest_run: list[str] = max(reversed(best), key=len) if best else []
    return set(longest_run)


def _of_signals(old: Policy, new: Policy) -> Iterator[Change]:
    for name in sorted(old.signals.keys() & new.signals.keys()):
        was, now = old.signals[name], new.signals[name]
        if (was.expr, was.type, was.label) != (now.expr, now.type, now.label):
            yield Change("", f"the signal `{name}` now reads `{now.expr}` instead of `{was.expr}`")
        if was.max_age_s != now.max_age_s:
            age, before = format_seconds(now.max_age_s), format_seconds(was.max_age_s)
            yield Change("", f"the signal `{name}` is now stale after {age} instead of {before}")


def _of_bounds(old: Policy, new: Policy) -> Iterator[Change]:
    (attempts_before, worst_before_s), (attempts, worst_s) = worst_case_of(old), worst_case_of(new)
    if worst_before_s != worst_s:
        verb = "grows" if worst_s > worst_before_s else "shrinks"
        yield Change("", f"the worst case {verb} from {_minutes(worst_before_s)} to {_minutes(worst_s)}")
    if attempts_before != attempts:
        yield Change("", f"the most attempts in one incident are now {attempts} instead of {attempts_before}")
    tighter_before, tighter = old.attempts_max < attempts_before, new.attempts_max < attempts
    if (tighter or tighter_before) and old.attempts_max != new.attempts_max:
        yield Change("", f"an incident now ends after {new.attempts_max} attempts instead of {old.attempts_max}")


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds % 60 == 0 else f"{seconds / 60:.1f} min"


def _renamed(old: Policy, new: Policy) -> dict[str, str]:
    """New id -> old id, of leaves that are the same but for their id and of which there is only one of each."""
    gone = [leaf for leaf in old.leaves.values() if leaf.id not in _indexed(new)]
    come = [leaf for leaf in new.leaves.values() if leaf.id not in _indexed(old)]
    renamed: dict[str, str] = {}
    for leaf in come:
        same = [other for other in gone if _anonymous(other) == _anonymous(leaf)]
        twins = [other for other in come if _anonymous(other) == _anonymous(leaf)]
        if len(same) == 1 and len(twins) == 1:
            renamed[leaf.id] = same[0].id
    return renamed


def _anonymous(leaf: Do) -> Do:
    undo = None if leaf.undo is None else replace(leaf.undo, id="")
    return replace(leaf, id="", undo=undo, fallback=None)


def _named_as(policy: Policy, names: Mapping[str, str]) -> Policy:
    """The policy with some steps under other ids, so that they are compared with what they were."""
    root = _node_named_as(policy.root, names)
    return replace(policy, root=root) if isinstance(root, Steps) else policy


def _node_named_as(node: Node, names: Mapping[str, str]) -> Node:
    if isinstance(node, Escalate):
        return node
    fallback = None if node.fallback is None else _node_named_as(node.fallback, names)
    match node:
        case Do():
            return replace(node, id=names.get(node.id, node.id), fallback=fallback)
        case Decide():
            branches = tuple(replace(branch, child=_node_named_as(branch.child, names)) for branch in node.branches)
            return replace(node, branches=branches, fallback=fallback)
        case Dag():
            needs = {
                names.get(child, child): tuple(names.get(need, need) for need in wanted)
                for child, wanted in node.needs.items()
            }
            children = tuple(_node_named_as(child, names) for child in node.children)
            return replace(node, children=children, needs=needs, fallback=fallback)
        case Steps() | Try() | Choose():
            children = tuple(_node_named_as(child, names) for child in node.children)
            return replace(node, children=children, fallback=fallback)
        case Wait():
            return replace(node, fallback=fallback)
