"""What is written on a node."""

from __future__ import annotations

from homeostat.model.policy import Choose, Dag, Decide, Do, Escalate, Node, Policy, Scalar, Steps, Try, Verify, Wait
from homeostat.model.signals import Condition
from homeostat.policy.units import format_number, format_seconds


def kind_of(node: Node) -> str:
    """The kind of a node in words that need no manual."""
    match node:
        case Do():
            return "by people" if node.is_manual else "action"
        case Steps():
            return "in order"
        case Dag():
            limit = f", at most {node.concurrency_max}" if node.concurrency_max is not None else ""
            return f"at once{limit}"
        case Try():
            return "until one works"
        case Choose():
            return "until one works, in learnt order"
        case Decide():
            return "the first that is true"
        case Wait():
            return "wait"
        case Escalate():
            return "escalate"


def details_of(node: Node) -> list[str]:
    """Lines below a leaf's name, the most telling first."""
    match node:
        case Do():
            return _leaf(node)
        case Wait():
            if node.until is None:
                return [f"for {format_seconds(node.for_s)}"]
            return [f"until {_held(node.until, node.for_s, node.within_s)}"]
        case Escalate():
            return [f"to {node.to} ({node.severity})", *([node.message] if node.message else [])]
        case _:
            return []


def _leaf(leaf: Do) -> list[str]:
    if leaf.is_manual:
        lines = [str(leaf.action.parameters["instructions"]), f"owner: {leaf.action.parameters['owner']}"]
        check = leaf.action.parameters["check"]
        lines += [f"check: {check}"] if check else []
    else:
        written = {key: _argument(value, in_percent=key in leaf.percents) for key, value in leaf.arguments.items()}
        arguments = ", ".join(f"{key} {value}" for key, value in written.items())
        lines = [f"{leaf.action.name} → {leaf.target}" + (f" ({arguments})" if arguments else "")]
    if leaf.verify is not None:
        lines.append(f"proof: {proof_text(leaf.verify)}")
    extras = []
    if leaf.approval is not None:
        when = f" if {leaf.approval.condition.text}" if leaf.approval.condition is not None else ""
        extras.append(f"asks {' or '.join(leaf.approval.approvers)}{when}")
    if leaf.mode is not None:
        extras.append(f"mode {leaf.mode}")
    if leaf.retry.times_max:
        times = "once" if leaf.retry.times_max == 1 else f"{leaf.retry.times_max} times"
        extras.append(f"retried {times}")
    if leaf.undo is not None:
        extras.append(f"undo {leaf.undo.action.name}")
    return [*lines, " · ".join(extras)] if extras else lines


def _argument(value: Scalar, *, in_percent: bool) -> str:
    """A value as an author writes it."""
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            # 57% is 0.57, a hundred times which is 56.99999999999999.
            return f"{format_number(round(value * 100, 9))}%" if in_percent else format_number(value)
        case _:
            return value


def proof_text(verify: Verify) -> str:
    """A verification in a few words."""
    return _held(verify.condition, verify.for_s, verify.within_s)


def _held(condition: Condition, for_s: float, within_s: float | None = None) -> str:
    """A condition and its window, and after them what its parameters are: a time would read as theirs."""
    text, where = condition.text, ""
    if condition.parameters:
        at = text.rindex(f" where {condition.parameters[0]} = ")
        text, where = text[:at], "," + text[at:]
    held = f" for {format_seconds(for_s)}" if for_s else ""
    within = f", within {format_seconds(within_s)}" if within_s is not None else ""
    return f"{text}{held}{within}{where}"


def trigger_text(policy: Policy) -> str:
    """When an incident begins."""
    return _held(policy.trigger.condition, policy.trigger.for_s)


def end_text(policy: Policy) -> str:
    """When an incident is over."""
    return _held(policy.resolved.condition, policy.resolved.for_s)
