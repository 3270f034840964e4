"""The questions of a tabletop: the moments of one incident at which people can be asked what they would do next.

What the policy does at each was decided by `step`, in a test, a simulated incident or the replay of a recorded one, and
is only read here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from homeostat.decide.projection import fold
from homeostat.model import entries as e
from homeostat.model.drill_entries import TabletopVerdict
from homeostat.model.errors import UsageError
from homeostat.model.incident import Incident
from homeostat.model.policy import Decide, Do, Node, Policy, children_of
from homeostat.model.reasons import Reason, Result
from homeostat.model.signals import Condition, Value

NOTHING = "nothing"
ESCALATE = "escalate"
OTHER = "other"
"""Something that is not in the plan, and never what the policy does."""
WORDS = (NOTHING, ESCALATE, OTHER)
"""Answers that name no step."""

_Way = tuple[tuple[str, ...], tuple[Condition, ...]]
"""The ids and the conditions on the way to a step, its own last."""

_BY_PEOPLE = frozenset({Reason.MODE_OBSERVE, Reason.MODE_SUGGEST})
"""The policy has chosen a step, and leaves its start to people."""
_MEANWHILE = frozenset({Reason.RETRY_WAIT, Reason.APPROVAL_PENDING, Reason.ALREADY_TRIED})
"""Waits that follow from what was asked before."""
_DECIDING = (
    e.Decided,
    e.DecisionWithheld,
    e.ActionIntended,
    e.ApprovalRequested,
    e.WaitStarted,
    e.Escalated,
)
"""What is shown only after people have answered; everything else is news."""


@dataclass(frozen=True, slots=True)
class Question:
    """A moment at which people are asked.

    Attributes:
        after_s: seconds since the incident began.
        news: what has happened since the question before.
        values: every signal of the policy as it stands.
        expected: what the policy does: ids of the steps it starts or asks for, or NOTHING, or ESCALATE.
        refusals: step -> why the policy would refuse to start it now.
        decision: the entries that say so, and why.
    """

    after_s: float
    news: tuple[e.Entry, ...]
    values: Mapping[str, Value]
    expected: tuple[str, ...]
    refusals: Mapping[str, str]
    decision: tuple[e.Entry, ...]

    def verdict(self, picked: Sequence[str]) -> TabletopVerdict:
        """What an answer comes to. What the policy does is never forbidden."""
        chosen, expected = set(picked), set(self.expected)
        if chosen == expected:
            return TabletopVerdict.AGREES
        if any(step in self.refusals for step in chosen - expected):
            return TabletopVerdict.FORBIDDEN
        return TabletopVerdict.PARTLY if chosen and chosen < expected else TabletopVerdict.DIFFERS


@dataclass(frozen=True, slots=True)
class Scenario:
    """One incident as a tabletop.

    Attributes:
        began_at: Unix seconds of the incident's first entry.
        after: what happens after the last question.
        result: how it ended; None where the scenario does not say.
        ended_s: when it ended, seconds after it began; None as above.
        why: for people, what the scenario cannot say.
    """

    name: str
    policy: Policy
    questions: tuple[Question, ...]
    began_at: float
    after: tuple[e.Entry, ...]
    result: Result | None
    ended_s: float | None
    why: str = ""


def steps_of(policy: Policy) -> tuple[str, ...]:
    """Every step that people can name, in written order.

    Raises:
        UsageError: a step has the name of another answer.
    """
    steps = tuple(node.id for node in policy.nodes() if isinstance(node, Do))
    for word in WORDS:
        if word in steps:
            raise UsageError(f"a step of {policy.name} has the id '{word}', an answer at a tabletop; rename it")
    return steps


def scenario_of(name: str, policy: Policy, entries: Sequence[e.Entry], why: str = "") -> Scenario:
    """Make a tabletop of one incident's entries.

    Args:
        name: for people and the journal.
        policy: whose decisions the entries are.
        entries: from the incident's suspicion on, in order.
        why: what a replay could not say.

    Raises:
        UsageError: nothing is ever asked: there is no incident in it, or no decision.
    """
    if not entries or not isinstance(entries[0], e.Suspected):
        raise UsageError(f"'{name}': the trigger of {policy.name} is never true in it, so there is nothing to ask")
    began_at = entries[0].at
    questions, after = _Questions(policy, began_at).ask(entries)
    if not questions:
        raise UsageError(f"'{name}': {policy.name} decides nothing in it, so there is nothing to ask")
    end = None if why else next((entry for entry in entries if isinstance(entry, (e.Closed, e.Escalated))), None)
    result = end.result if isinstance(end, e.Closed) else Result.ESCALATED if end else None
    ended_s = None if end is None else end.at - began_at
    return Scenario(name, policy, questions, began_at, after, result, ended_s, why)


class _Questions:
    """Goes through an incident, moment by moment."""

    def __init__(self, policy: Policy, began_at: float) -> None:
        self._policy = policy
        self._began_at = began_at
        self._ways = dict(_ways(policy.root, ((), ())))
        self._asked_for: set[str] = set()
        """Steps that the policy has chosen already: a start after a yes is no new decision."""
        self._withheld: set[tuple[str, Reason]] = set()

    def ask(self, entries: Sequence[e.Entry]) -> tuple[tuple[Question, ...], tuple[e.Entry, ...]]:
        """Give the questions, and the news after the last."""
        questions: list[Question] = []
        news: list[e.Entry] = []
        before: list[e.Entry] = []
        values: Mapping[str, Value] = {}
        for at, group in groupby(entries, key=lambda entry: entry.at):
            now = list(group)
            decision = tuple(entry for entry in now if isinstance(entry, _DECIDING))
            told = [entry for entry in now if not isinstance(entry, _DECIDING)]
            values = self._values(now, values)
            news += told
            incident = fold([*before, *told]) if decision or not before else None
            expected = () if incident is None else self._expected(now, decision, incident)
            if incident is not None and expected:
                refusals = self._refusals(incident, decision, values)
                question = Question(at - self._began_at, tuple(news), values, expected, refusals, decision)
                questions.append(question)
                news = []
            else:
                news += decision
            before += now
        return tuple(questions), tuple(news)

    def _values(self, now: Sequence[e.Entry], known: Mapping[str, Value]) -> Mapping[str, Value]:
        for entry in now:
            if isinstance(entry, e.Observed):
                known = entry.snapshot.values(self._policy.signals, entry.at)
        return known

    def _expected(self, now: Sequence[e.Entry], decision: Sequence[e.Entry], incident: Incident) -> tuple[str, ...]:
        """What the policy does at this moment; empty where there is nothing to ask."""
        steps = tuple(dict.fromkeys(self._chosen(decision)))
        if steps:
            return steps
        if any(isinstance(entry, e.Escalated) for entry in decision):
            return (ESCALATE,)
        is_new = any(isinstance(entry, e.Suspected) for entry in now)
        if is_new and not any(isinstance(entry, (e.Confirmed, e.Dismissed)) for entry in now):
            return (NOTHING,)
        is_quiet = not any(attempt.in_flight for attempt in incident.open_attempts())
        holds_back = self._holds_back(decision)
        waits = any(isinstance(entry, e.WaitStarted) for entry in decision)
        return (NOTHING,) if is_quiet and (holds_back or waits) else ()

    def _chosen(self, decision: Sequence[e.Entry]) -> Iterator[str]:
        for entry in decision:
            match entry:
                case e.ActionIntended(undoes=None):
                    if entry.node not in self._asked_for:
                        yield entry.node
                    self._asked_for.discard(entry.node)
                case e.ApprovalRequested():
                    self._asked_for.add(entry.node)
                    yield entry.node
                case e.DecisionWithheld(reason=reason) if reason in _BY_PEOPLE and entry.node:
                    if entry.node not in self._asked_for:
                        yield entry.node
                    self._asked_for.add(entry.node)

    def _holds_back(self, decision: Sequence[e.Entry]) -> bool:
        """Whether the policy begins, for a reason it has not given before, to hold something back."""
        found = {
            (entry.node, entry.reason)
            for entry in decision
            if isinstance(entry, e.DecisionWithheld)
            and entry.reason is not None
            and entry.reason not in _MEANWHILE | _BY_PEOPLE
        }
        is_new = not found <= self._withheld
        self._withheld |= found
        return is_new

    def _refusals(
        self, incident: Incident, decision: Sequence[e.Entry], values: Mapping[str, Value]
    ) -> Mapping[str, str]:
        said = _said(decision)
        refusals: dict[str, str] = {}
        for step in self._policy.leaves:
            ids, conditions = self._ways[step]
            why = _attempted(incident, step) or _condition(conditions, values)
            why = why or next((said[one] for one in ("", *ids) if one in said), None)
            if why is not None:
                refusals[step] = why
        return refusals


def _ways(node: Node, above: _Way) -> Iterator[tuple[str, _Way]]:
    """Every leaf at and below a node, with the way to it."""
    ids, conditions = (*above[0], node.id), above[1]
    if node.condition is not None:
        conditions = (*conditions, node.condition)
    if isinstance(node, Do):
        yield node.id, (ids, conditions)
    branches = {id(branch.child): branch.condition for branch in node.branches} if isinstance(node, Decide) else {}
    for child in children_of(node):
        condition = branches.get(id(child))
        yield from _ways(child, (ids, conditions if condition is None else (*conditions, condition)))


def _said(decision: Sequence[e.Entry]) -> dict[str, str]:
    """What the policy refuses at this moment, by node; "" is the whole plan."""
    said: dict[str, str] = {}
    for entry in decision:
        match entry:
            case e.Decided():
                refused = {option.id: option.reason for option in entry.options}
                said |= {node: f"refused: {reason}" for node, reason in refused.items() if reason is not None}
            case e.DecisionWithheld(reason=reason) if reason is not None and reason not in _BY_PEOPLE:
                detail = f" ({entry.detail})" if entry.detail else ""
                said[entry.node] = f"held back: {reason}{detail}"
    return said


def _attempted(incident: Incident, step: str) -> str | None:
    """Why a step that has been started is not started again, unless the plan retries it."""
    attempts = [attempt for attempt in incident.every_attempt() if attempt.node == step]
    if any(attempt.in_flight for attempt in attempts):
        return "it is running already"
    if any(attempt.verdict is None for attempt in attempts):
        return "whether it has helped is not known yet"
    if attempts:
        return "it has been done already" if attempts[-1].succeeded else "it was tried already, and did not help"
    return None


def _condition(conditions: Sequence[Condition], values: Mapping[str, Value]) -> str | None:
    for condition in conditions:
        truth = condition.evaluate({name: values.get(name) for name in condition.signals})
        if truth is not True:
            return f"its condition {condition.text} is {'unknown' if truth is None else 'not true'}"
    return None
