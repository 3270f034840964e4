"""What each node of a plan has come to in an incident, from the fold of its journal alone.

Nothing is walked anew: what is not in the fold has not happened.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from homeostat.decide.guards import may_run_again
from homeostat.decide.lifecycle import ACTIVE
from homeostat.decide.projection import NONE_LEFT, pick_key
from homeostat.model.entries import Decided, Entry
from homeostat.model.incident import Attempt, Incident, Question
from homeostat.model.policy import Choose, Dag, Decide, Do, Escalate, Node, Policy, Steps, Try, Wait, walk_nodes
from homeostat.model.reasons import EscalationReason, Reason, Result


class NodeStatus(StrEnum):
    """Where a node stands, from the least to the most that has come of it.

    not_reached: the plan has not come to it. passed_over: its `if` was false, or another candidate or branch was
    taken. refused: a guard or a person said no, and it did not start. waiting: reached, and held back for now.
    running: at work or being verified. succeeded, failed: how it ended.
    """

    NOT_REACHED = "not_reached"
    PASSED_OVER = "passed_over"
    REFUSED = "refused"
    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"

    @property
    def is_lit(self) -> bool:
        """Whether the node lies on the path that the incident has taken."""
        return self not in (NodeStatus.NOT_REACHED, NodeStatus.PASSED_OVER)


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node's status, and in a few words why."""

    status: NodeStatus
    why: str = ""


NOT_REACHED = NodeState(NodeStatus.NOT_REACHED)
TRIGGER, END = "(trigger)", "(end)"
"""The ids of what is drawn before the plan and after it. No step can have them: a name has no parentheses."""

_OVER = (NodeStatus.SUCCEEDED, NodeStatus.PASSED_OVER)


def refusals(entries: Iterable[Entry]) -> dict[str, Reason]:
    """Why nodes were refused or passed over: node id -> the last reason. The fold keeps only that they were."""
    reasons: dict[str, Reason] = {}
    for entry in entries:
        for option in entry.options if isinstance(entry, Decided) else ():
            if option.reason not in (None, Reason.ALREADY_TRIED):
                reasons[option.id] = Reason(option.reason)
    return reasons


def node_states(
    policy: Policy, incident: Incident, reasons: Mapping[str, Reason] | None = None
) -> dict[str, NodeState]:
    """Give every node of a plan its state: node id -> state, with `TRIGGER` and `END` for what is around the plan.

    Args:
        policy: the version that the incident was decided by.
        incident: folded up to the moment that is to be shown.
        reasons: from `refusals`, where the entries are at hand; they only add words.
    """
    states = _States(incident, reasons or {})
    states.visit(policy.root)
    told = {node.id: states.told.get(node.id, NOT_REACHED) for node in policy.nodes()}
    return {TRIGGER: _trigger(incident), **told, END: _end(incident)}


def _trigger(incident: Incident) -> NodeState:
    if incident.confirmed_at is not None:
        return NodeState(NodeStatus.SUCCEEDED, "confirmed")
    if incident.result is Result.DISMISSED:
        return NodeState(NodeStatus.FAILED, "dismissed")
    return NodeState(NodeStatus.RUNNING, "confirming") if incident.opened_at else NOT_REACHED


def _end(incident: Incident) -> NodeState:
    if incident.result in (Result.RECOVERED, Result.SELF_HEALED):
        return NodeState(NodeStatus.SUCCEEDED, _words(incident.result))
    if incident.escalation is not None:
        return NodeState(NodeStatus.FAILED, f"escalated: {_words(incident.escalation)}")
    return NOT_REACHED


class _States:
    """Visits the nodes that were reached, parents first; a node that is not visited was not reached."""

    def __init__(self, incident: Incident, reasons: Mapping[str, Reason]) -> None:
        self.incident = incident
        self.reasons = reasons
        self.told: dict[str, NodeState] = {}
        self.is_open = incident.phase in ACTIVE

    def visit(self, node: Node, *, taken: bool = False) -> NodeState:
        """Tell the state of a node that its parent has come to. `taken`: its `if` was read by its parent."""
        state = self._state(node, taken=taken)
        fallback = None if isinstance(node, Escalate) else node.fallback
        if state.status in (NodeStatus.FAILED, NodeStatus.REFUSED) and fallback is not None:
            instead = self.visit(fallback)
            if instead.status is not NodeStatus.NOT_REACHED:
                self.told[node.id] = state
                return instead
        self.told[node.id] = state
        return state

    def _state(self, node: Node, *, taken: bool) -> NodeState:
        if node.condition is not None and not taken:
            passed = self.incident.picks.get(pick_key("if", node.id))
            if passed == ():
                return NodeState(NodeStatus.PASSED_OVER, "its 'if' was false")
            if passed is None and not self._has_begun(node):
                return self._withheld(node.id)
        match node:
            case Do():
                return self._leaf(node)
            case Wait():
                return self._wait(node)
            case Steps():
                return self._steps(node)
            case Dag():
                return self._dag(node)
            case Try() | Choose():
                return self._candidates(node)
            case Decide():
                return self._branches(node)
            case Escalate():
                return self._escalate(node)

    def _has_begun(self, node: Node) -> bool:
        known = (self.incident.attempts, self.incident.waits, self.incident.questions, self.incident.picks)
        return any(part.id in facts for part in walk_nodes(node) for facts in known)

    def _withheld(self, node_id: str) -> NodeState:
        """A node whose turn has come and that has not begun: held back, or refused when the incident is over."""
        withheld = self.incident.withheld.get(node_id)
        if withheld is None:
            return NOT_REACHED
        status = NodeStatus.WAITING if self.is_open else NodeStatus.REFUSED
        return NodeState(status, _words(withheld.reason))

    def _leaf(self, leaf: Do) -> NodeState:
        attempts = self.incident.attempts.get(leaf.id, ())
        if attempts:
            return self._attempted(leaf, attempts)
        if self.incident.picks.get(pick_key("guard", leaf.id)) is not None:
            reason = self.reasons.get(leaf.id)
            return NodeState(NodeStatus.REFUSED, "a guard said no" if reason is None else _words(reason))
        question = self.incident.questions.get(leaf.id)
        if question is not None and question.granted is not True:
            return self._asked(question)
        return self._withheld(leaf.id)

    def _asked(self, question: Question) -> NodeState:
        who = " or ".join(question.approvers)
        if question.granted is None and self.is_open:
            return NodeState(NodeStatus.WAITING, f"asks {who}")
        return NodeState(NodeStatus.REFUSED, f"not approved by {who}")

    def _attempted(self, leaf: Do, attempts: tuple[Attempt, ...]) -> NodeState:
        last = attempts[-1]
        again = f", attempt {last.number}" if last.number > 1 else ""
        if last.verdict is None:
            doing = "in doubt" if last.in_doubt else "verifying" if last.verifying else "running"
            return NodeState(NodeStatus.RUNNING, doing + again)
        undone = self.incident.attempts.get(leaf.undo.id, ()) if leaf.undo is not None else ()
        taken_back = ", taken back" if undone and undone[-1].succeeded else ", being taken back" if undone else ""
        if last.succeeded:
            return NodeState(NodeStatus.SUCCEEDED, _words(last.verdict) + again)
        if self.is_open and may_run_again(leaf, attempts):
            return NodeState(NodeStatus.WAITING, f"{_words(last.verdict)}{taken_back}, will retry")
        return NodeState(NodeStatus.FAILED, _words(last.verdict) + taken_back + again)

    def _wait(self, node: Wait) -> NodeState:
        wait = self.incident.waits.get(node.id)
        if wait is None:
            return self._withheld(node.id)
        if wait.succeeded is None:
            return NodeState(NodeStatus.RUNNING if self.is_open else NodeStatus.REFUSED, "waiting")
        return NodeState(NodeStatus.SUCCEEDED) if wait.succeeded else NodeState(NodeStatus.FAILED, "not in time")

    def _steps(self, node: Steps) -> NodeState:
        states = []
        for child in node.children:
            states.append(self.visit(child))
            if states[-1].status not in _OVER:
                break
        done = len(states) == len(node.children)
        return _together(states, all_done=done)

    def _dag(self, node: Dag) -> NodeState:
        begun = self.incident.picks.get(node.id, ())
        states = [self.visit(child) for child in node.children if child.id in begun]
        return _together(states, all_done=len(states) == len(node.children))

    def _candidates(self, node: Try | Choose) -> NodeState:
        picked = self.incident.picks.get(node.id, ())
        if not picked:
            return self._withheld(node.id)
        states = {child.id: self.visit(child, taken=True) for child in node.children if child.id in picked}
        places = {child.id: place for place, child in enumerate(node.children)}
        latest = len(places) if picked[-1] == NONE_LEFT else places[picked[-1]]
        for child, place in places.items():
            refused = isinstance(node, Choose) and child in self.reasons
            if child not in picked and (
                refused or picked[-1] == NONE_LEFT or (isinstance(node, Try) and place < latest)
            ):
                reason = self.reasons.get(child)
                self.told[child] = NodeState(NodeStatus.PASSED_OVER, "" if reason is None else _words(reason))
        if picked[-1] == NONE_LEFT:
            return NodeState(NodeStatus.FAILED, "no candidate is left")
        last = states[picked[-1]]
        if last.status in (NodeStatus.FAILED, NodeStatus.REFUSED) and self.is_open:
            return NodeState(NodeStatus.RUNNING)
        return NodeState(last.status)

    def _branches(self, node: Decide) -> NodeState:
        picked = self.incident.picks.get(node.id)
        if picked is None:
            return self._withheld(node.id)
        state = NodeState(NodeStatus.FAILED, "no branch was true")
        for branch in node.branches:
            if branch.child.id in picked:
                state = NodeState(self.visit(branch.child).status)
            else:
                self.told[branch.child.id] = NodeState(NodeStatus.PASSED_OVER)
        return state

    def _escalate(self, node: Escalate) -> NodeState:
        if self.incident.escalation is EscalationReason.PLAN_SAYS_SO:
            return NodeState(NodeStatus.SUCCEEDED, f"called {node.to}")
        return NOT_REACHED


def _together(states: list[NodeState], *, all_done: bool) -> NodeState:
    """What several children, all of which must succeed, have come to so far."""
    statuses = {state.status for state in states}
    if not statuses or statuses == {NodeStatus.NOT_REACHED}:
        return NOT_REACHED
    for status in (NodeStatus.RUNNING, NodeStatus.FAILED, NodeStatus.REFUSED, NodeStatus.WAITING):
        if status in statuses:
            return NodeState(NodeStatus.FAILED if status is NodeStatus.REFUSED else status)
    return NodeState(
        NodeStatus.SUCCEEDED if all_done and NodeStatus.NOT_REACHED not in statuses else NodeStatus.RUNNING
    )


def _words(name: StrEnum) -> str:
    return name.value.replace("_", " ")
