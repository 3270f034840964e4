"""Steps and branches that no incident can ever reach.

Only what is certain: conditions that are constant or written twice, and siblings behind a step after which the plan
is over for sure.
"""

from __future__ import annotations

from collections.abc import Iterator

from homeostat.model.policy import (
    Branch,
    Choose,
    Dag,
    Decide,
    Do,
    Escalate,
    Node,
    Steps,
    Try,
    Wait,
    children_of,
)
from homeostat.model.signals import Condition


def constant(condition: Condition | None) -> bool | None:
    """The truth of a condition that reads no signal; None when it reads any or there is none.

    One that names a parameter is not constant: in another environment it is another.
    """
    if condition is None or condition.signals or condition.parameters:
        return None
    return condition.evaluate({})


def unreachable(root: Node) -> Iterator[tuple[str, str]]:
    """Give (node id, why) for every node that is never reached; nothing below one of them again."""
    for child, why in _children(root):
        if why is None:
            yield from unreachable(child)
        else:
            yield child.id, why


def may_succeed(node: Node) -> bool:
    """Whether a node can end well, so that the next step of a sequence is reached. Passed over counts as well."""
    if _may_be_passed_over(node):
        return True
    if not isinstance(node, Escalate) and node.fallback is not None and may_succeed(node.fallback):
        return True
    match node:
        case Escalate():
            return False
        case Do() | Wait():
            return True
        case Steps(children=children) | Dag(children=children):
            return all(may_succeed(child) for child in children)
        case Try(children=children) | Choose(children=children):
            return any(may_succeed(child) for child in children)
        case Decide(branches=branches):
            return any(may_succeed(branch.child) for branch in branches)


def may_fail(node: Node) -> bool:
    """Whether a node can end badly or be passed over, so that the next candidate is reached."""
    if _may_be_passed_over(node):
        return True
    if not isinstance(node, Escalate) and node.fallback is not None:
        return may_fail(node.fallback)
    return _may_fail_itself(node)


def _may_fail_itself(node: Node) -> bool:
    match node:
        case Escalate():
            return False
        case Do():
            return True
        case Wait():
            return node.until is not None
        case Steps(children=children) | Dag(children=children):
            return any(may_fail(child) for child in children)
        case Try(children=children) | Choose(children=children):
            return all(may_fail(child) for child in children)
        case Decide(branches=branches):
            has_else = any(branch.condition is None for branch in branches)
            return not has_else or any(may_fail(branch.child) for branch in branches)


def _may_be_passed_over(node: Node) -> bool:
    return node.condition is not None and constant(node.condition) is not True


def _children(parent: Node) -> Iterator[tuple[Node, str | None]]:
    """Each child in order, with why it is never reached; None where it may be."""
    blocking: Node | None = None
    fallback = None if isinstance(parent, Escalate) else parent.fallback
    for child in children_of(parent):
        if child is fallback:
            never_fails = not _may_fail_itself(parent)
            yield child, f"'{parent.id}' cannot fail" if never_fails else None
        elif constant(child.condition) is False:
            yield child, "its 'if' is never true"
        elif isinstance(parent, Decide):
            yield child, _why_no_branch(parent.branches, child)
        else:
            yield child, f"'{blocking.id}' before it always ends the plan" if blocking else None
            goes_on = may_fail(child) if isinstance(parent, Try | Choose) else may_succeed(child)
            if blocking is None and not goes_on and not isinstance(parent, Dag):
                blocking = child


def _why_no_branch(branches: tuple[Branch, ...], child: Node) -> str | None:
    earlier: dict[str, str] = {}
    for branch in branches:
        text = " ".join(branch.condition.text.split()) if branch.condition else "else"
        if branch.child is child:
            if constant(branch.condition) is False:
                return "its 'if' is never true"
            if text in earlier:
                return f"an earlier branch, '{earlier[text]}', has the same 'if'"
            return None
        if constant(branch.condition) is True:
            return f"the 'if' of '{branch.child.id}' before it is always true"
        earlier[text] = branch.child.id
    return None
