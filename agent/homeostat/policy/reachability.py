"""Steps and branches that no incident can ever reach.

Only what is certain: conditions that are constant or written twice, and siblings behind a step after which the plan
is over for sure.
"""

from __future__ import annotations

from collections.abc import Iterator

from homeostat.model.policy import Branch, Choose, Decide, Do, Escalate, Node, Steps, Try, children_of
from homeostat.model.signals import Condition


def constant(condition: Condition | None) -> bool | None:
    """The truth of a condition that reads no signal; None when it reads any or there is none."""
    if condition is None or condition.signals:
        return None
    return condition.evaluate({})


def unreachable(root: Node) -> Iterator[tuple[str, str]]:
    """Give (node id, why) for every node that is never reached; nothing below one of them again."""
    for child in children_of(root):
        why = _why_never(root, child)
        if why is None:
            yield from unreachable(child)
        else:
            yield child.id, why


def may_succeed(node: Node) -> bool:
    """Whether a node can end well, so that the next step of a sequence is reached. Passed over counts as well."""
    if _may_be_passed_over(node):
        return True
    match node:
        case Escalate():
            return False
        case Do():
            return True
        case Steps(children=children):
            return all(may_succeed(child) for child in children)
        case Try(children=children) | Choose(children=children):
            return any(may_succeed(child) for child in children)
        case Decide(branches=branches):
            return any(may_succeed(branch.child) for branch in branches)


def may_fail(node: Node) -> bool:
    """Whether a node can end badly or be passed over, so that the next candidate is reached."""
    if _may_be_passed_over(node):
        return True
    match node:
        case Escalate():
            return False
        case Do():
            return True
        case Steps(children=children):
            return any(may_fail(child) for child in children)
        case Try(children=children) | Choose(children=children):
            return all(may_fail(child) for child in children)
        case Decide(branches=branches):
            has_else = any(branch.condition is None for branch in branches)
            return not has_else or any(may_fail(branch.child) for branch in branches)


def _may_be_passed_over(node: Node) -> bool:
    return node.condition is not None and constant(node.condition) is not True


def _why_never(parent: Node, child: Node) -> str | None:
    if constant(child.condition) is False:
        return "its 'if' is never true"
    match parent:
        case Decide(branches=branches):
            return _why_no_branch(branches, child)
        case Steps(children=children):
            blocking = next((node for node in _before(children, child) if not may_succeed(node)), None)
            return f"'{blocking.id}' before it always ends the plan" if blocking else None
        case Try(children=children) | Choose(children=children):
            blocking = next((node for node in _before(children, child) if not may_fail(node)), None)
            return f"'{blocking.id}' before it always ends the plan" if blocking else None
        case _:
            return None


def _before(children: tuple[Node, ...], child: Node) -> tuple[Node, ...]:
    return children[: children.index(child)]


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
