"""The walk over the policy tree: what each node's children have come to, and what may start next.

One function per kind of node. A node's status is derived from latched decisions and attempts, never stored; a
decision once latched is not read again, so a condition that flips never drops running work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec.structs import replace

from homeostat.decide import exploration, guards
from homeostat.decide.dag import walk_dag
from homeostat.decide.exploration import Pick
from homeostat.decide.leaf import walk_leaf
from homeostat.decide.projection import NONE_LEFT, pick_key
from homeostat.decide.ranking import rank
from homeostat.decide.status import Status
from homeostat.decide.turn import Turn
from homeostat.model import entries as e
from homeostat.model.policy import Choose, Dag, Decide, Do, Escalate, Node, Steps, Try, Wait, walk_nodes
from homeostat.model.reasons import FAILURES, EscalationReason, Phase, Reason
from homeostat.model.signals import Condition


def walk(turn: Turn, node: Node) -> Status:
    """Bring a node as far as this moment allows, its `if` included."""
    if node.condition is not None:
        passed = _passed(turn, node, node.condition)
        if passed is None:
            return Status.RUNNING
        if not passed:
            return Status.SUCCEEDED
    return _carry_out(turn, node)


def _carry_out(turn: Turn, node: Node) -> Status:
    """Bring a node forward whose `if` has been read; its fallback where it has failed for good."""
    status = _CARRY_OUT[type(node)](turn, node)
    if status is Status.FAILED and not isinstance(node, Escalate) and node.fallback is not None:
        return walk(turn, node.fallback) if turn.incident.phase is not Phase.ESCALATED else Status.RUNNING
    return status


def _passed(turn: Turn, node: Node, condition: Condition) -> bool | None:
    """Latch a node's `if`: True to go on, False to pass it over, None to wait for its signals."""
    latched = turn.incident.picks.get(pick_key("if", node.id))
    if latched is not None:
        return bool(latched)
    if turn.draining:
        return True
    truth = turn.truth(condition)
    if truth is None:
        _wait_for_signals(turn, node.id, condition)
        return None
    option = e.Option(id=node.id, eligible=truth, condition=condition.text, truth=truth)
    _decided(turn, node, "if", Pick((option,), node.id if truth else None))
    return truth


def _wait_for_signals(turn: Turn, node_id: str, condition: Condition) -> None:
    unknown = ", ".join(name for name in condition.signals if turn.values[name] is None)
    waited_s = turn.withhold(node_id, Reason.SIGNAL_UNKNOWN, f"{condition.text}: {unknown} unknown")
    if turn.has_lasted(waited_s, turn.policy.unknown_s):
        turn.escalate(EscalationReason.SIGNAL_UNKNOWN, node_id, f"'{condition.text}' stayed unknown")


def _decided(turn: Turn, node: Node, kind: str, pick: Pick, failed: tuple[str, ...] = ()) -> None:
    ranking = turn.moment.ranking
    ranked = kind == "choose" and ranking is not None and node.id in ranking.nodes
    turn.record(
        e.Decided(
            at=turn.now,
            node=node.id,
            kind=kind,
            chosen=pick.chosen,
            options=pick.options,
            context=turn.values,
            failed=failed,
            ranking_version=ranking.version if ranked and ranking is not None else None,
            seed=pick.seed,
            explored=pick.explored,
            detail=pick.detail,
        )
    )


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
        status = _carry_out(turn, _child(node, picked[-1]))
        if status is not Status.FAILED:
            return status
    if turn.draining or turn.incident.phase is Phase.ESCALATED:
        return Status.FAILED
    chosen = _pick(turn, node, picked)
    return _carry_out_pick(turn, node, chosen)


def _carry_out_pick(turn: Turn, node: Try | Choose, chosen: str | None) -> Status:
    """Carry out a fresh pick; one that is refused for good gives way to the next, at most once per child."""
    for _ in node.children:
        if chosen is None:
            return Status.FAILED
        status = _carry_out(turn, _child(node, chosen))
        if status is not Status.FAILED or turn.incident.phase is Phase.ESCALATED:
            return status
        chosen = _pick(turn, node, turn.incident.picks[node.id])
    return Status.FAILED


def _child(node: Try | Choose, child_id: str) -> Node:
    return next(child for child in node.children if child.id == child_id)


def _pick(turn: Turn, node: Try | Choose, picked: tuple[str, ...]) -> str | None:
    """Decide which candidate is next, on the signals as they are now and on what has failed."""
    tried = tuple(child for child in picked if child != NONE_LEFT)
    failed = tuple(child for child in tried if _was_seen_to_fail(turn, _child(node, child)))
    options = [_option(turn, child, tried) for child in node.children]
    if isinstance(node, Try):
        options, chosen = _first_after(options, tried)
        _decided(turn, node, "try", Pick(tuple(options), chosen), failed)
        return chosen
    model = turn.moment.ranking.nodes.get(node.id) if turn.moment.ranking else None
    options, best = rank(model, options, turn.values, failed)
    picked_now = exploration.pick(turn, node, options, best, len(tried))
    _decided(turn, node, "choose", picked_now, failed)
    return picked_now.chosen


def _was_seen_to_fail(turn: Turn, candidate: Node) -> bool:
    """Whether an attempt below it was measured to fail.

    A refused start, or an end that nobody could judge, says nothing of what it does.
    """
    below = (turn.incident.attempts.get(node.id, ()) for node in walk_nodes(candidate))
    return any(attempt.verdict in FAILURES for attempts in below for attempt in attempts)


def _first_after(options: list[e.Option], tried: tuple[str, ...]) -> tuple[list[e.Option], str | None]:
    """Take the first eligible option after the last one tried: what was passed over stays passed over."""
    position = max((place for place, option in enumerate(options) if option.id in tried), default=-1)
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
    if picked is None and turn.draining:
        return Status.FAILED
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
    _decided(turn, node, "decide", Pick(tuple(options), chosen))
    return () if chosen is None else (chosen,)


def _wait(turn: Turn, node: Wait) -> Status:
    """Let time pass, or wait until a condition has held; how it ended is latched."""
    begun = turn.incident.waits.get(node.id)
    if begun is not None and begun.succeeded is not None:
        return Status.SUCCEEDED if begun.succeeded else Status.FAILED
    if turn.draining:
        return Status.FAILED
    if begun is None:
        turn.record(e.WaitStarted(at=turn.now, node=node.id))
        begun = turn.incident.waits[node.id]
    waited_s = turn.now - begun.started_at
    if node.until is None:
        over, in_vain = turn.has_lasted(waited_s, node.for_s), False
    else:
        held_s = turn.watch(f"wait:{node.id}", node.until)
        over = held_s is not None and turn.has_lasted(held_s, node.for_s)
        in_vain = not over and turn.has_lasted(waited_s, node.within_s)
    if not over and not in_vain:
        return Status.RUNNING
    turn.record(e.WaitEnded(at=turn.now, node=node.id, succeeded=over))
    return Status.SUCCEEDED if over else Status.FAILED


def _dag(turn: Turn, node: Dag) -> Status:
    return walk_dag(turn, node, walk)


def _escalate(turn: Turn, node: Escalate) -> Status:
    if turn.draining:
        return Status.FAILED
    turn.record(
        e.Escalated(
            at=turn.now,
            reason=EscalationReason.PLAN_SAYS_SO,
            to=node.to,
            severity=node.severity,
            node=node.id,
            detail=node.message,
            observed=turn.observing,
        )
    )
    return Status.RUNNING


_CARRY_OUT: dict[type[Node], Callable[[Turn, Any], Status]] = {
    Do: walk_leaf,
    Steps: _steps,
    Dag: _dag,
    Wait: _wait,
    Try: _until_one_succeeds,
    Choose: _until_one_succeeds,
    Decide: _decide,
    Escalate: _escalate,
}
