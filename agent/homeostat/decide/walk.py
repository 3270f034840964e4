"""The walk over the policy tree: what each node's children have come to, and what may start next.

One function per kind of node. A node's status is derived from latched decisions and attempts, never stored; a
decision once latched is not read again, so a condition that flips never drops running work.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from msgspec.structs import replace

from homeostat.decide import guards
from homeostat.decide.attempts import start_command
from homeostat.decide.projection import NONE_LEFT, pick_key
from homeostat.decide.ranking import rank
from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.policy import Choose, Decide, Do, Escalate, Node, Steps, Try
from homeostat.model.reasons import EscalationReason, Phase, Reason
from homeostat.model.signals import Condition


class Status(Enum):
    """What a node has come to. RUNNING: still at work, waiting, or handed to people."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"


def walk(turn: Turn, node: Node) -> Status:
    """Bring a node as far as this moment allows, its `if` included."""
    if node.condition is not None:
        passed = _passed(turn, node, node.condition)
        if passed is None:
            return Status.RUNNING
        if not passed:
            return Status.SUCCEEDED
    return _CARRY_OUT[type(node)](turn, node)


def _passed(turn: Turn, node: Node, condition: Condition) -> bool | None:
    """Latch a node's `if`: True to go on, False to pass it over, None to wait for its signals."""
    latched = turn.incident.picks.get(pick_key("if", node.id))
    if latched is not None:
        return bool(latched)
    truth = turn.truth(condition)
    if truth is None:
        _wait_for_signals(turn, node.id, condition)
        return None
    option = e.Option(id=node.id, eligible=truth, condition=condition.text, truth=truth)
    _decided(turn, node, "if", node.id if truth else None, (option,))
    return truth


def _wait_for_signals(turn: Turn, node_id: str, condition: Condition) -> None:
    unknown = ", ".join(name for name in condition.signals if turn.values[name] is None)
    waited_s = turn.withhold(node_id, Reason.SIGNAL_UNKNOWN, f"{condition.text}: {unknown} unknown")
    if waited_s >= turn.policy.unknown_s:
        turn.escalate(EscalationReason.SIGNAL_UNKNOWN, node_id, f"'{condition.text}' stayed unknown")


def _decided(
    turn: Turn, node: Node, kind: str, chosen: str | None, options: tuple[e.Option, ...], failed: tuple[str, ...] = ()
) -> None:
    ranking = turn.moment.ranking
    ranked = kind == "choose" and ranking is not None and node.id in ranking.nodes
    turn.record(
        e.Decided(
            at=turn.now,
            node=node.id,
            kind=kind,
            chosen=chosen,
            options=options,
            context=turn.values,
            failed=failed,
            ranking_version=ranking.version if ranked and ranking is not None else None,
        )
    )


def _do(turn: Turn, leaf: Do) -> Status:
    attempts = turn.incident.attempts.get(leaf.id)
    if not attempts:
        return _start(turn, leaf, 1)
    last = attempts[-1]
    if last.verdict_at is None:
        return Status.RUNNING
    if last.succeeded:
        return Status.SUCCEEDED
    if not guards.may_run_again(leaf, attempts):
        return Status.FAILED
    if turn.now < last.verdict_at + leaf.retry.wait_s:
        turn.withhold(leaf.id, Reason.RETRY_WAIT)
        return Status.RUNNING
    return _start(turn, leaf, len(attempts) + 1)


def _start(turn: Turn, leaf: Do, number: int) -> Status:
    """Write the intent and ask for the start, unless a guard says no."""
    if guards.attempts_exhausted(turn):
        turn.escalate(EscalationReason.ATTEMPTS_EXHAUSTED, leaf.id, f"attempts_max is {turn.policy.attempts_max}")
        return Status.RUNNING
    if number == 1 and _refused_for_good(turn, leaf):
        return Status.FAILED
    refusal = guards.refusal(turn, leaf)
    if refusal is not None:
        turn.withhold(leaf.id, *refusal)
        return Status.RUNNING
    harm = turn.policy.harm
    key = f"{turn.incident.id}/{leaf.id}/{number}"
    turn.record(
        e.ActionIntended(
            at=turn.now,
            incident=turn.incident.id,
            key=key,
            node=leaf.id,
            action=leaf.action.name,
            target=leaf.target,
            arguments=leaf.arguments,
            effect=leaf.effect,
            number=number,
            deadline_at=turn.now + leaf.timeout_s,
            held_before=turn.truth(leaf.verify.condition) if leaf.verify else None,
            harm_before=turn.truth(harm) if harm else None,
        )
    )
    turn.commands.append(start_command(leaf, key))
    return Status.RUNNING


def _refused_for_good(turn: Turn, leaf: Do) -> bool:
    """Latch a cooldown's refusal: waiting it out in silence would only hide that the last cure did not hold."""
    if turn.incident.picks.get(pick_key("guard", leaf.id)) is not None:
        return True
    if not guards.cooling_down(turn, leaf):
        return False
    _decided(turn, leaf, "guard", None, (e.Option(id=leaf.id, eligible=False, reason=Reason.COOLDOWN_ACTIVE),))
    return True


def _steps(turn: Turn, node: Steps) -> Status:
    for child in node.children:
        status = walk(turn, child)
        if status is not Status.SUCCEEDED:
            return status
    return Status.SUCCEEDED


def _until_one_succeeds(turn: Turn, node: Try | Choose) -> Status:
    picked = turn.incident.picks.get(node.id, ())
    if picked:
        if picked[-1] == NONE_LEFT:
            return Status.FAILED
        status = _carry_out_child(turn, _child(node, picked[-1]))
        if status is not Status.FAILED:
            return status
    chosen = _pick(turn, node, picked)
    return _carry_out_pick(turn, node, chosen)


def _carry_out_pick(turn: Turn, node: Try | Choose, chosen: str | None) -> Status:
    """Carry out a fresh pick; one that is refused for good gives way to the next, at most once per child."""
    for _ in node.children:
        if chosen is None:
            return Status.FAILED
        status = _carry_out_child(turn, _child(node, chosen))
        if status is not Status.FAILED or turn.incident.phase is Phase.ESCALATED:
            return status
        chosen = _pick(turn, node, turn.incident.picks[node.id])
    return Status.FAILED


def _carry_out_child(turn: Turn, child: Node) -> Status:
    """Bring a picked child forward; its `if` was read when it was picked."""
    return _CARRY_OUT[type(child)](turn, child)


def _child(node: Try | Choose, child_id: str) -> Node:
    return next(child for child in node.children if child.id == child_id)


def _pick(turn: Turn, node: Try | Choose, picked: tuple[str, ...]) -> str | None:
    """Decide which candidate is next, on the signals as they are now and on what has failed."""
    failed = tuple(child for child in picked if child != NONE_LEFT)
    options = [_option(turn, child, failed) for child in node.children]
    if isinstance(node, Try):
        options, chosen = _first_after(options, failed)
    else:
        model = turn.moment.ranking.nodes.get(node.id) if turn.moment.ranking else None
        options, chosen = rank(model, options, turn.values, failed)
    _decided(turn, node, "try" if isinstance(node, Try) else "choose", chosen, tuple(options), failed)
    return chosen


def _first_after(options: list[e.Option], failed: tuple[str, ...]) -> tuple[list[e.Option], str | None]:
    """Take the first eligible option after the last one tried: what was passed over stays passed over."""
    position = max((place for place, option in enumerate(options) if option.id in failed), default=-1)
    for place in range(position + 1, len(options)):
        if options[place].eligible:
            options[place] = replace(options[place], propensity=1.0)
            return options, options[place].id
    return options, None


def _option(turn: Turn, child: Node, tried: tuple[str, ...]) -> e.Option:
    condition = child.condition
    text = condition.text if condition else None
    truth = turn.truth(condition) if condition else None
    reason = Reason.ALREADY_TRIED if child.id in tried else guards.ineligible(turn, child)
    return e.Option(id=child.id, eligible=reason is None, condition=text, truth=truth, reason=reason)


def _decide(turn: Turn, node: Decide) -> Status:
    picked = turn.incident.picks.get(node.id)
    if picked is None:
        picked = _branch(turn, node)
        if picked is None:
            return Status.RUNNING
    for branch in node.branches:
        if branch.child.id in picked:
            return walk(turn, branch.child)
    return Status.FAILED


def _branch(turn: Turn, node: Decide) -> tuple[str, ...] | None:
    """Latch the first true branch; None while an earlier one is unknown."""
    options: list[e.Option] = []
    chosen: str | None = None
    for branch in node.branches:
        truth = turn.truth(branch.condition) if branch.condition else True
        if truth is None and branch.condition is not None:
            _wait_for_signals(turn, node.id, branch.condition)
            return None
        text = branch.condition.text if branch.condition else "else"
        options.append(e.Option(id=branch.child.id, eligible=truth is True, condition=text, truth=truth))
        if truth:
            chosen = branch.child.id
            break
    _decided(turn, node, "decide", chosen, tuple(options))
    return () if chosen is None else (chosen,)


def _escalate(turn: Turn, node: Escalate) -> Status:
    turn.record(
        e.Escalated(
            at=turn.now,
            reason=EscalationReason.PLAN_SAYS_SO,
            to=node.to,
            severity=node.severity,
            node=node.id,
            detail=node.message,
        )
    )
    return Status.RUNNING


_CARRY_OUT: dict[type[Node], Callable[[Turn, Any], Status]] = {
    Do: _do,
    Steps: _steps,
    Try: _until_one_succeeds,
    Choose: _until_one_succeeds,
    Decide: _decide,
    Escalate: _escalate,
}
