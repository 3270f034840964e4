"""Put attempts together with the decisions they came from.

A *trial* is one pick of a candidate by a `choose` or `try` node with all attempts it led to, retries included. A node
picks a candidate at most once an incident, so node and candidate name a trial.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from homeostat.learn.labels import TEACHES_NOTHING, Label, label, last_effective
from homeostat.learn.trace import AttemptTrace, IncidentTrace
from homeostat.model import entries as e
from homeostat.model.policy import Do, Node, Policy, children_of

_PICKS = ("choose", "try")


@dataclass(frozen=True, slots=True)
class Trial:
    """A decision with the attempts it led to, oldest first; empty for an `if`, a branch, or a pick never carried out.

    Attributes:
        label: what the last attempt taught: the one by whose verdict the candidate stood or fell. An effective one
            teaches nothing where the candidate did not come to its end: another was picked after it, or people were
            called in the middle of a subtree.
    """

    decision: e.Decided
    attempts: tuple[AttemptTrace, ...]
    label: Label

    @property
    def started_at(self) -> float | None:
        """Unix seconds of the first intent."""
        return self.attempts[0].intended_at if self.attempts else None

    @property
    def ended_at(self) -> float | None:
        """Unix seconds of the last verdict; None while it is open."""
        return self.attempts[-1].verdict_at if self.attempts else None


def leaves_below(node: Node) -> Iterator[Do]:
    """All leaves of a node, itself included, in written order."""
    if isinstance(node, Do):
        yield node
    for child in children_of(node):
        yield from leaves_below(child)


def candidate_leaves(policy: Policy | None) -> dict[str, frozenset[str]]:
    """Ids of the leaves below every node of a policy; without a policy nothing is known."""
    if policy is None:
        return {}
    return {node.id: frozenset(leaf.id for leaf in leaves_below(node)) for node in policy.nodes()}


def trials_of(trace: IncidentTrace, leaves: dict[str, frozenset[str]], *, relapsed: bool) -> list[Trial]:
    """One trial for each decision of an incident, in order.

    Args:
        trace: the incident.
        leaves: from `candidate_leaves`; a candidate it does not know is taken for a leaf.
        relapsed: the incident came back; held against the last trial that ended with an effective attempt.
    """
    attempts = [_attempts_of(trace, decision, leaves) for decision in trace.decisions]
    cure = last_effective(tried[-1] for tried in attempts if tried) if relapsed else None
    given_up = _given_up(trace, leaves)
    trials = []
    for number, (decision, tried) in enumerate(zip(trace.decisions, attempts, strict=True)):
        taught = label(tried[-1], relapsed=tried[-1] is cure) if tried else TEACHES_NOTHING
        in_vain = number in given_up and (taught.succeeded or taught.relapsed)
        trials.append(Trial(decision, tried, TEACHES_NOTHING if in_vain else taught))
    return trials


def _given_up(trace: IncidentTrace, leaves: dict[str, frozenset[str]]) -> set[int]:
    """Numbers of the picks that did not come to their end, or may not have: a success of theirs was but a part."""
    last = {decision.node: number for number, decision in enumerate(trace.decisions) if decision.kind in _PICKS}
    given_up = set()
    for number, decision in enumerate(trace.decisions):
        is_subtree = len(leaves.get(decision.chosen or "", ())) > 1
        if number < last.get(decision.node, -1) or (is_subtree and trace.escalated_at is not None):
            given_up.add(number)
    return given_up


def _attempts_of(
    trace: IncidentTrace, decision: e.Decided, leaves: dict[str, frozenset[str]]
) -> tuple[AttemptTrace, ...]:
    if decision.kind not in _PICKS or decision.chosen is None:
        return ()
    below = leaves.get(decision.chosen, frozenset((decision.chosen,)))
    return tuple(attempt for attempt in trace.attempts.values() if attempt.node in below)


def decision_behind(trials: list[Trial], attempt: AttemptTrace) -> e.Decided | None:
    """The innermost pick that led to an attempt: inner nodes pick after outer ones. None outside `choose` and `try`."""
    for trial in reversed(trials):
        if any(own is attempt for own in trial.attempts):
            return trial.decision
    return None
