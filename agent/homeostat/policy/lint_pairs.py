"""Rules about two of a kind: steps and policies that work against each other, policies with one name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from homeostat.model.errors import Problem
from homeostat.model.policy import Choose, Dag, Do, Policy, Try, walk_nodes
from homeostat.model.signals import Condition
from homeostat.policy.linted import Linted
from homeostat.policy.load import Draft


def taken_back(linted: Linted) -> Iterator[Problem]:
    """W219, within a policy: alternatives of which one is the undo of the other, on one target.

    In strict order that is a plan (drain, repair, undrain). As candidates, or at once, the second only restores what
    the first was to change.
    """
    undo_of = _undo_of(linted)
    for node in linted.policy.nodes():
        if not isinstance(node, Try | Choose | Dag):
            continue
        seen: dict[tuple[str, str], str] = {}
        for child in node.children:
            for leaf in (leaf for leaf in walk_nodes(child) if isinstance(leaf, Do)):
                for name in undo_of.get(leaf.action.name, ()):
                    other = seen.get((name, leaf.target))
                    if other is not None:
                        message = f"'{leaf.id}' takes back on {leaf.target} what '{other}' does ({name})"
                        yield linted.warn_node(leaf.id, "W219", message)
            seen |= {(leaf.action.name, leaf.target): leaf.id for leaf in walk_nodes(child) if isinstance(leaf, Do)}


def _undo_of(linted: Linted) -> dict[str, set[str]]:
    """Action -> actions that it takes back or that take it back, as the catalogue says."""
    pairs: dict[str, set[str]] = {}
    for name, action in linted.actions.actions.items():
        if action.undo is not None:
            pairs.setdefault(name, set()).add(action.undo.do)
            pairs.setdefault(action.undo.do, set()).add(name)
    return pairs


def oscillation(linted: Linted, neighbours: Sequence[Draft]) -> Iterator[Problem]:
    """W219, between policies: each sets the other off, or takes back on one target what the other does there.

    Two signs are looked for, and no others can be decided from the text: the condition that one policy works towards
    is the trigger of the other, and the other way round; or an action of one is the undo of an action of the other.
    """
    policy, undo_of = linted.policy, _undo_of(linted)
    own = _uses(policy)
    for draft in neighbours:
        other = draft.policy
        if other is None or other.name == policy.name:
            continue
        if _text(policy.trigger.condition) in _aims(other) and _text(other.trigger.condition) in _aims(policy):
            message = f"the cure of this policy is the trigger of '{other.name}', and its cure the trigger of this one"
            yield linted.warn_key("trigger", "W219", message)
        theirs = _uses(other)
        for (action, target), leaf_id in own.items():
            for name in sorted(undo_of.get(action, ())):
                if (name, target) in theirs and (name, target) not in own and (action, target) not in theirs:
                    message = f"'{leaf_id}' takes back on {target} what '{theirs[name, target]}' of '{other.name}' does"
                    yield linted.warn_node(leaf_id, "W219", message)


def _uses(policy: Policy) -> dict[tuple[str, str], str]:
    return {(leaf.action.name, leaf.target): leaf.id for leaf in policy.leaves.values()}


def _aims(policy: Policy) -> set[str]:
    """The conditions that a policy works towards."""
    proofs = (leaf.verify.condition for leaf in policy.leaves.values() if leaf.verify is not None)
    return {_text(policy.resolved.condition), *map(_text, proofs)}


def _text(condition: Condition) -> str:
    return " ".join(condition.text.split())


def same_name(draft: Draft, neighbours: Sequence[Draft]) -> Iterator[Problem]:
    """E141: the agent keeps incidents by their policy's name. The file that comes first keeps it."""
    for other in neighbours:
        if other.policy is None or draft.policy is None or other.document.file >= draft.document.file:
            continue
        if other.policy.name == draft.policy.name:
            message = f"the policy in {other.document.file} is named '{draft.policy.name}' already"
            yield Problem(draft.document.at(("policy",)), "E141", message)
            return
