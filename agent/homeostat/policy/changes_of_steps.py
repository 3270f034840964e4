"""What one step would now do otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from homeostat.model.policy import (
    Approval,
    Choose,
    Dag,
    Decide,
    Do,
    Escalate,
    Exploration,
    Node,
    Retry,
    Steps,
    Try,
    Verify,
    Wait,
)
from homeostat.model.signals import Condition
from homeostat.policy.units import format_seconds


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that would now happen otherwise.

    Attributes:
        step: the id of the step it is about; empty where it is about the whole policy.
        told: in words.
        environments: in which alone; empty: in all.
    """

    step: str
    told: str
    environments: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.told} (in {', '.join(self.environments)})" if self.environments else self.told


_KINDS: dict[type[Node], str] = {
    Steps: "steps in order", Dag: "steps at once", Try: "candidates", Choose: "candidates in learnt order",
    Decide: "a decision", Wait: "a wait", Escalate: "an escalation",
}  # fmt: skip


def kind_name(node: Node) -> str:
    """What a node is, for a sentence."""
    if isinstance(node, Do):
        return "people's work" if node.is_manual else f"{node.action.name} on {node.target}"
    return _KINDS[type(node)]


def differs(old: Condition | None, new: Condition | None) -> bool:
    """Whether two conditions are written otherwise, spaces aside."""
    return _plain(old) != _plain(new)


def _plain(condition: Condition | None) -> str | None:
    return None if condition is None else " ".join(condition.text.split())


def changed_step(old: Node, new: Node) -> Iterator[Change]:
    """Compare two steps of one id; what is below them is compared by itself."""
    name = f"`{new.id}`"
    if type(old) is not type(new):
        yield Change(new.id, f"{name} is now {kind_name(new)} instead of {kind_name(old)}")
        return
    for told in (*_condition(name, old.condition, new.condition), *_of_kind(name, old, new)):
        yield Change(new.id, told)


def _condition(name: str, old: Condition | None, new: Condition | None) -> Iterator[str]:
    if not differs(old, new):
        return
    if old is None and new is not None:
        yield f"{name} is now done only if `{new.text}`"
    elif new is None and old is not None:
        yield f"{name} is now done always, not only if `{old.text}`"
    elif old is not None and new is not None:
        yield f"{name} is now done if `{new.text}` instead of `{old.text}`"


def _of_kind(name: str, old: Node, new: Node) -> Iterator[str]:
    match old, new:
        case Do(), Do():
            yield from _leaf(name, old, new)
        case Wait(), Wait():
            yield from _wait(name, old, new)
        case Dag(), Dag():
            yield from _dag(name, old, new)
        case Decide(), Decide():
            yield from _branches(old, new)
        case Choose(), Choose():
            if old.explore != new.explore:
                yield f"{name} now explores {_exploration(new.explore)} instead of {_exploration(old.explore)}"
        case Escalate(), Escalate():
            if (old.to, old.severity, old.message) != (new.to, new.severity, new.message):
                yield f"{name} now calls {new.to} ({new.severity}): {new.message or 'without a message'}"
        case _:
            return


def _leaf(name: str, old: Do, new: Do) -> Iterator[str]:
    if old.is_manual and new.is_manual:
        for key in ("instructions", "owner", "check"):
            was, now = old.action.parameters[key], new.action.parameters[key]
            if was != now:
                yield f"the {key} of {name} is now “{now}” instead of “{was}”"
    elif old.action.name != new.action.name:
        yield f"{name} now runs {new.action.name} instead of {old.action.name}"
    elif (old.action.actuator, old.action.parameters) != (new.action.actuator, new.action.parameters):
        yield f"{name}: the action {new.action.name} itself now runs otherwise ({_parameters(old, new)})"
    follows_owner = old.is_manual and new.is_manual and new.target.startswith("people/")
    if old.target != new.target and not follows_owner:
        yield f"{name} now works on {new.target} instead of {old.target}"
    yield from _arguments(name, old.arguments, new.arguments)
    if old.effect is not new.effect:
        yield f"{name} now counts as {new.effect} to run twice instead of {old.effect}"
    if old.probe != new.probe and None not in (old.probe, new.probe):
        yield f"whether {name} happened is now told by {_probe(new)} instead of {_probe(old)}"
    if old.timeout_s != new.timeout_s:
        yield f"{name} is now stopped after {format_seconds(new.timeout_s)} instead of {format_seconds(old.timeout_s)}"
    yield from _verify(name, old.verify, new.verify)
    yield from _retry(name, old.retry, new.retry)
    if old.cooldown_s != new.cooldown_s:
        cooldown, before = format_seconds(new.cooldown_s), format_seconds(old.cooldown_s)
        yield f"{name} now waits {cooldown} instead of {before} between two starts"
    yield from _approval(name, old.approval, new.approval)
    if _mode(old) != _mode(new):
        yield f"the mode of {name} is now {_mode(new)} instead of {_mode(old)}"
    yield from _undo(name, old.undo, new.undo)


def _mode(leaf: Do) -> str:
    mode = leaf.mode or "that of the policy"
    return f"{mode}, to be earned from {leaf.earning.start} on" if leaf.earning else mode


def _exploration(explore: Exploration | None) -> str:
    if explore is None:
        return "nothing"
    budget = f"{explore.harm_max} harmful attempts within {format_seconds(explore.within_s)}"
    return f"{100 * explore.share:g}% of its picks, with {budget} at most"


def _probe(leaf: Do) -> str:
    probe = leaf.probe
    return "nothing" if probe is None else f"{probe.condition.text} within {format_seconds(probe.within_s)}"


def _parameters(old: Do, new: Do) -> str:
    was, now = old.action.parameters, new.action.parameters
    keys = sorted(key for key in was.keys() | now.keys() if was.get(key) != now.get(key))
    if old.action.actuator != new.action.actuator:
        keys.insert(0, f"actuator {new.action.actuator}")
    return ", ".join(keys)


def _arguments(name: str, old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[str]:
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            was, now = old.get(key, "nothing"), new.get(key, "nothing")
            yield f"{name} is now given {key} {now} instead of {was}"


def _verify(name: str, old: Verify | None, new: Verify | None) -> Iterator[str]:
    if old is None or new is None:
        if new is not None:
            yield f"{name} must now prove `{new.condition.text}` within {format_seconds(new.within_s)}"
        elif old is not None:
            yield f"{name} no longer proves `{old.condition.text}`: that it ran is enough"
        return
    if differs(old.condition, new.condition):
        yield f"{name} is now proved by `{new.condition.text}` instead of `{old.condition.text}`"
    for what, was_s, now_s in (
        ("must hold for", old.for_s, new.for_s),
        ("must come within", old.within_s, new.within_s),
        ("settles for", old.settle_s, new.settle_s),
    ):
        if was_s != now_s:
            yield f"the proof of {name} now {what} {format_seconds(now_s)} instead of {format_seconds(was_s)}"


def _retry(name: str, old: Retry, new: Retry) -> Iterator[str]:
    if old.times_max != new.times_max:
        yield f"{name} is now retried {_times(new.times_max)} instead of {_times(old.times_max)}"
    elif new.times_max and old.wait_s != new.wait_s:
        yield f"{name} is now retried after {format_seconds(new.wait_s)} instead of {format_seconds(old.wait_s)}"
    elif new.times_max and old.explicit != new.explicit:
        who = "its own word" if new.explicit else "the policy's defaults"
        yield f"the retry of {name} now rests on {who}, which matters where its effect is not repeatable"


def _times(count: int) -> str:
    return "never" if count == 0 else "once" if count == 1 else f"{count} times"


def _approval(name: str, old: Approval | None, new: Approval | None) -> Iterator[str]:
    if old is None or new is None:
        if new is not None:
            when = f" if `{new.condition.text}`" if new.condition is not None else ""
            yield f"{name} now asks {' or '.join(new.approvers)} first{when}, for {format_seconds(new.timeout_s)}"
        elif old is not None:
            yield f"{name} no longer asks {' or '.join(old.approvers)}"
        return
    if set(old.approvers) != set(new.approvers):
        yield f"{name} now asks {' or '.join(new.approvers)} instead of {' or '.join(old.approvers)}"
    if differs(old.condition, new.condition):
        asked = f"if `{new.condition.text}`" if new.condition is not None else "always"
        yield f"{name} now asks {asked}"
    if old.timeout_s != new.timeout_s:
        stands, stood = format_seconds(new.timeout_s), format_seconds(old.timeout_s)
        yield f"the approval of {name} may now be waited for {stands} instead of {stood}"


def _undo(name: str, old: Do | None, new: Do | None) -> Iterator[str]:
    was, now = (None if undo is None else undo.action.name for undo in (old, new))
    if was != now:
        if now is None:
            yield f"{name} is no longer taken back by {was}"
        else:
            yield f"{name} is now taken back by {now}{f' instead of {was}' if was else ' when it does not help'}"
    elif old is not None and new is not None:
        before, after = ((undo.arguments, undo.timeout_s, undo.action) for undo in (old, new))
        if before != after:
            yield f"the undo of {name}, {now}, now runs otherwise"


def _wait(name: str, old: Wait, new: Wait) -> Iterator[str]:
    if differs(old.until, new.until):
        until = f"until `{new.until.text}`" if new.until is not None else f"for {format_seconds(new.for_s)}"
        yield f"{name} now waits {until}"
    elif old.for_s != new.for_s:
        yield f"{name} now waits {format_seconds(new.for_s)} instead of {format_seconds(old.for_s)}"
    if new.until is not None and old.until is not None and old.within_s != new.within_s:
        yield f"{name} now gives up after {format_seconds(new.within_s)} instead of {format_seconds(old.within_s)}"


def _dag(name: str, old: Dag, new: Dag) -> Iterator[str]:
    if old.concurrency_max != new.concurrency_max:
        most, before = (
            ("all" if limit is None else str(limit)) for limit in (new.concurrency_max, old.concurrency_max)
        )
        yield f"{name} now runs {most} steps at once instead of {before}"
    both = {child.id for child in old.children} & {child.id for child in new.children}
    for child in (child.id for child in new.children):
        if child in both:
            was, now = set(old.needs.get(child, ())), set(new.needs.get(child, ()))
            if now - was:
                yield f"`{child}` now also waits for {_listed(now - was)}"
            if was - now:
                yield f"`{child}` no longer waits for {_listed(was - now)}"


def _listed(ids: set[str]) -> str:
    return " and ".join(f"`{node}`" for node in sorted(ids))


def _branches(old: Decide, new: Decide) -> Iterator[str]:
    was = {branch.child.id: branch.condition for branch in old.branches}
    for branch in new.branches:
        if branch.child.id in was and differs(was[branch.child.id], branch.condition):
            now = f"if `{branch.condition.text}`" if branch.condition is not None else "when nothing else is true"
            before = was[branch.child.id]
            then = f"if `{before.text}`" if before is not None else "when nothing else is true"
            yield f"`{branch.child.id}` is now chosen {now} instead of {then}"
