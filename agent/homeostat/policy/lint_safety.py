"""Rules about what may do harm unasked, and what only seems to be safe."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from homeostat.model.errors import Problem
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Choose, Do, Effect, Mode, Node, Try, strictest, walk_nodes
from homeostat.policy.linted import Linted

Rule = Callable[[Linted], Iterator[Problem]]

DESTRUCTIVE_WORDS = frozenset(
    {"delete", "destroy", "drop", "erase", "failover", "format", "purge", "rebuild", "reset", "restore", "terminate"}
    | {"truncate", "wipe"}
)
"""Words of an action's name by which lint takes an unsafe action for a destructive one."""

_SEPARATORS = re.compile(r"[._-]+")


def destructive_without_approval(linted: Linted) -> Iterator[Problem]:
    """W218: what destroys data or moves a whole site is worth a second look.

    The catalogue has the last word (`destructive: true` or `false`); where it says nothing, an unsafe action with a
    telling name counts.
    """
    policy = linted.policy
    for leaf in policy.leaves.values():
        asks = leaf.approval is not None or strictest(policy.mode, leaf.mode) is not Mode.AUTO
        if not asks and not leaf.is_manual and _is_destructive(linted, leaf):
            hint = "add an approval, or say 'destructive: false' of the action"
            message = f"'{leaf.id}' runs {leaf.action.name}, which looks destructive, and asks nobody; {hint}"
            yield linted.warn_node(leaf.id, "W218", message, "do")


def _is_destructive(linted: Linted, leaf: Do) -> bool:
    action = linted.actions.actions.get(leaf.action.name)
    if action is not None and action.destructive is not None:
        return action.destructive
    words = _SEPARATORS.split(leaf.action.name.lower())
    return leaf.effect is Effect.UNSAFE and not DESTRUCTIVE_WORDS.isdisjoint(words)


def verify_reads_own_setting(linted: Linted) -> Iterator[Problem]:
    """W216: a setting reads as it was set; that proves the action, not the cure.

    Decidable only as far as the catalogue says which signals an action writes (`sets`).
    """
    for leaf in linted.policy.leaves.values():
        action = linted.actions.actions.get(leaf.action.name)
        if action is None or leaf.verify is None or not leaf.verify.condition.signals:
            continue
        if set(leaf.verify.condition.signals) <= set(action.sets):
            read = ", ".join(leaf.verify.condition.signals)
            message = f"'{leaf.id}' is verified by {read} alone, which {leaf.action.name} sets itself"
            yield linted.warn_node(leaf.id, "W216", message, "verify")


def unknown_settings(linted: Linted) -> Iterator[Problem]:
    """W230: a name that is no signal would silence W216."""
    actions, signals = linted.actions, linted.signals.specs
    for name in sorted({leaf.action.name for leaf in linted.policy.leaves.values()}):
        action = actions.actions.get(name)
        for place, signal in enumerate(action.sets if action is not None else ()):
            if signal not in signals:
                message = f"the action '{name}' sets '{signal}', which is no signal{did_you_mean(signal, signals)}"
                yield Problem(actions.document.at((*actions.base, name, "sets", place)), "W230", message)


def undo_that_never_runs(linted: Linted) -> Iterator[Problem]:
    """W224: an undo takes back what a verify found useless or the harm condition bad; here there is neither."""
    if linted.policy.harm is not None:
        return
    for leaf in linted.policy.leaves.values():
        if leaf.undo is not None and leaf.verify is None:
            message = f"'{leaf.id}' would be undone by {leaf.undo.action.name}, but with neither a verify nor the "
            yield linted.warn_node(leaf.id, "W224", message + "policy's harm nothing ever asks for it")


def observed_actions(linted: Linted) -> Iterator[Problem]:
    """W225: what is only observed is never started; the plan stops there until people are called."""
    policy = linted.policy
    if policy.mode is Mode.OBSERVE and policy.leaves:
        message = f"mode is observe: none of the {len(policy.leaves)} actions is ever started"
        yield linted.warn_key("mode", "W225", message)
        return
    for leaf in policy.leaves.values():
        if leaf.mode is Mode.OBSERVE:
            message = f"'{leaf.id}' is only observed: it is never started, and the plan waits there until its time-out"
            yield linted.warn_node(leaf.id, "W225", message, "mode")


def unknown_approvers(linted: Linted) -> Iterator[Problem]:
    """W220: a question that goes to nobody is denied by silence. Only where people are given."""
    people = linted.given.people
    if people is None:
        return
    for leaf in linted.policy.leaves.values():
        for name in leaf.approval.approvers if leaf.approval is not None else ():
            if name not in people:
                hint = did_you_mean(name, people) or "; add the name to [people] in homeostat.toml"
                message = f"'{leaf.id}' asks '{name}', whom nobody is{hint}"
                yield linted.warn_node(leaf.id, "W220", message, "approval", "from")


def not_allowed(linted: Linted) -> Iterator[Problem]:
    """W231: the agent refuses to load such a policy for acting. Only where the workspace's settings are given."""
    allowed = linted.given.allowed
    if allowed is None:
        return
    policy = linted.policy
    for leaf in policy.leaves.values():
        for each in (leaf, leaf.undo):
            why = None if each is None else allowed(policy.name, each.action, each.target)
            if each is not None and why is not None:
                yield linted.warn_node(leaf.id, "W231", f"'{each.id}' is {why}", "manual" if leaf.is_manual else "do")


def idle_exploration(linted: Linted) -> Iterator[Problem]:
    """W232: an action is explored alone, and only where its harm would be seen."""
    for node in linted.policy.nodes():
        if not isinstance(node, Choose) or node.explore is None:
            continue
        single = [child for child in node.children if isinstance(child, Do) and child.fallback is None]
        if linted.policy.harm is None:
            message = f"'{node.id}' explores nothing: the policy has no 'harm', so nobody would see what it costs"
            yield linted.warn_node(node.id, "W232", message, "explore")
        elif not single or len(node.children) < 2:
            message = f"'{node.id}' explores nothing: it has no second candidate that is a single action"
            yield linted.warn_node(node.id, "W232", message, "explore")


def exploring_unsafe(linted: Linted) -> Iterator[Problem]:
    """W233: what is tried to learn of it should be harmless."""
    for node in linted.policy.nodes():
        if not isinstance(node, Choose) or node.explore is None:
            continue
        for child in node.children:
            if isinstance(child, Do) and child.fallback is None and child.effect is Effect.UNSAFE:
                message = f"'{child.id}' may be explored, and is unsafe to run twice; let people decide about it"
                yield linted.warn_node(child.id, "W233", message)


def unearnable_mode(linted: Linted) -> Iterator[Problem]:
    """W234: an attempt counts where it was proved, and where harm would have been seen."""
    for leaf in linted.policy.leaves.values():
        if leaf.earning is not None and (leaf.verify is None or linted.policy.harm is None):
            lacking = "it has no verify" if leaf.verify is None else "the policy has no 'harm'"
            message = f"'{leaf.id}' stays in mode {leaf.earning.start}: {lacking}, so none of its attempts counts"
            yield linted.warn_node(leaf.id, "W234", message, "mode")


def started_by_missing_data(linted: Linted) -> Iterator[Problem]:
    """W235: a candidate whose `if` is unknown is passed over, so the one after it begins for want of data.

    Told of the first candidate of a `try` that has no `if`, where it is unsafe and asks nobody: those after it begin
    because it failed, and below a `choose` the ranking decides. The trigger's own signals are known whenever anything
    begins.
    """
    known = set(linted.policy.trigger.condition.signals)
    for node in linted.policy.nodes():
        if not isinstance(node, Try):
            continue
        before: list[tuple[str, str]] = []
        for child in node.children:
            if child.condition is not None:
                unsure = [name for name in child.condition.signals if name not in known]
                before += [(child.id, unsure[0])] if unsure else []
            elif before:
                yield from _last_resorts(linted, child, *before[0])
                break
            else:
                break


def _last_resorts(linted: Linted, child: Node, before: str, signal: str) -> Iterator[Problem]:
    below = list(walk_nodes(child))
    if any(isinstance(node, Choose) for node in below):
        return
    for leaf in (node for node in below if isinstance(node, Do)):
        if _acts_unasked(linted, leaf):
            message = (
                f"'{leaf.id}' is unsafe and asks nobody; it also begins where '{before}' before it is passed over"
                f" because {signal} is missing; give it an 'if' or an approval"
            )
            yield linted.warn_node(leaf.id, "W235", message)


def _acts_unasked(linted: Linted, leaf: Do) -> bool:
    asks = leaf.approval is not None or strictest(linted.policy.mode, leaf.mode) is not Mode.AUTO
    return leaf.effect is Effect.UNSAFE and leaf.condition is None and not leaf.is_manual and not asks


SAFETY_RULES: tuple[Rule, ...] = (
    destructive_without_approval,
    verify_reads_own_setting,
    unknown_settings,
    undo_that_never_runs,
    observed_actions,
    unknown_approvers,
    not_allowed,
    idle_exploration,
    exploring_unsafe,
    unearnable_mode,
    started_by_missing_data,
)
