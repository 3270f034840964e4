"""What a policy's tests have reached: steps, branches, candidates, fallbacks, undos, and conditions both ways."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from homeostat.model import entries as e
from homeostat.model.policy import Choose, Decide, Do, Escalate, Node, Policy, Try, Wait, walk_nodes
from homeostat.model.reasons import AttemptVerdict, Reason
from homeostat.simulate.bench.course import Course

KINDS = ("step", "branch", "candidate", "fallback", "undo", "condition")


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """One thing to reach.

    Attributes:
        kind: of `KINDS`.
        node: the step it belongs to; "" for the policy as a whole.
        what: the branch, the candidate, or the condition and the way it went (`verify is false`).
    """

    kind: str
    node: str
    what: str = ""

    def __str__(self) -> str:
        place = f"{self.node}: {self.what}" if self.node and self.what else self.node or self.what
        return f"{self.kind} {place}"


@dataclass(slots=True)
class Coverage:
    """Everything there is to reach in a policy, and what was reached."""

    policy: str
    wanted: frozenset[Item]
    reached: set[Item] = field(default_factory=set)

    @property
    def missed(self) -> list[Item]:
        """What no test reached."""
        return sorted(self.wanted - self.reached)

    @property
    def share(self) -> float:
        """The share of things reached, 0 to 1."""
        return len(self.wanted & self.reached) / len(self.wanted)

    def counts(self, kind: str) -> tuple[int, int]:
        """Reached and wanted things of a kind."""
        wanted = {item for item in self.wanted if item.kind == kind}
        return len(wanted & self.reached), len(wanted)

    def take(self, policy: Policy, course: Course) -> None:
        """Note what a run has reached."""
        self.reached.update(_reached(policy, course))


def coverage_of(policy: Policy) -> Coverage:
    """Everything there is to reach in a policy."""
    return Coverage(policy.name, frozenset(_wanted(policy)))


def _both(node: str, what: str) -> Iterator[Item]:
    yield Item("condition", node, f"{what} is true")
    yield Item("condition", node, f"{what} is false")


def _wanted(policy: Policy) -> Iterator[Item]:
    yield from _both("", "trigger")
    yield from _both("", "resolved")
    if policy.harm is not None:
        yield from _both("", "harm")
    for node in policy.nodes():
        if node.condition is not None:
            yield from _both(node.id, "if")
        if not isinstance(node, Escalate) and node.fallback is not None:
            yield Item("fallback", node.id, node.fallback.id)
        yield from _wanted_of(node)


def _wanted_of(node: Node) -> Iterator[Item]:
    match node:
        case Do():
            yield from _wanted_of_leaf(node)
        case Escalate():
            yield Item("step", node.id)
        case Wait():
            yield Item("step", node.id)
            if node.until is not None:
                yield from _both(node.id, "wait")
        case Decide():
            for branch in node.branches:
                yield Item("branch", node.id, branch.child.id)
                if branch.condition is not None:
                    yield from _both(branch.child.id, "branch")
        case Try() | Choose():
            for child in node.children:
                yield Item("candidate", node.id, child.id)


def _wanted_of_leaf(leaf: Do) -> Iterator[Item]:
    yield Item("step", leaf.id)
    if leaf.verify is not None:
        yield from _both(leaf.id, "verify")
    if leaf.approval is not None and leaf.approval.condition is not None:
        yield from _both(leaf.id, "approval")
    if leaf.undo is not None:
        yield Item("undo", leaf.undo.id)


def _reached(policy: Policy, course: Course) -> Iterator[Item]:
    touched: set[str] = set()
    asked: set[str] = set()
    for entry in course.of_incidents():
        match entry:
            case e.Decided():
                yield from _reached_by_decision(entry)
            case e.ActionIntended():
                touched.add(entry.node)
                yield Item("undo" if entry.undoes else "step", entry.node)
                yield Item("condition", "", f"harm is {_word(entry.harm_before)}")
                if entry.node not in asked:
                    yield Item("condition", entry.node, "approval is false")
            case e.AttemptEnded():
                yield from _reached_by_verdict(policy, entry)
            case e.ApprovalRequested():
                asked.add(entry.node)
                yield Item("condition", entry.node, "approval is true")
            case e.WaitStarted():
                touched.add(entry.node)
                yield Item("step", entry.node)
            case e.WaitEnded():
                yield Item("condition", entry.node, f"wait is {_word(entry.succeeded)}")
            case e.Escalated(node=str() as node):
                touched.add(node)
                yield Item("step", node)
            case _:
                yield from _reached_by_lifecycle(entry)
    yield from _fallbacks(policy, touched)


def _reached_by_lifecycle(entry: e.Entry) -> Iterator[Item]:
    match entry:
        case e.Confirmed():
            yield Item("condition", "", "trigger is true")
        case e.Dismissed(reason=Reason.CONDITION_FALSE):
            yield Item("condition", "", "trigger is false")
        case e.ConditionChanged(watch="resolved"):
            yield Item("condition", "", f"resolved is {_word(entry.truth)}")


def _reached_by_decision(entry: e.Decided) -> Iterator[Item]:
    what = "branch" if entry.kind == "decide" else "if"
    for option in entry.options:
        if option.condition is not None:
            yield Item("condition", option.id, f"{what} is {_word(option.truth)}")
    if entry.chosen is not None and entry.kind in ("decide", "try", "choose"):
        yield Item("branch" if entry.kind == "decide" else "candidate", entry.node, entry.chosen)


def _reached_by_verdict(policy: Policy, entry: e.AttemptEnded) -> Iterator[Item]:
    node = entry.key.split("/")[1]
    if entry.verdict is AttemptVerdict.HARMFUL:
        yield Item("condition", "", "harm is true")
    elif node in policy.leaves and policy.leaves[node].verify is not None:
        yield Item("condition", node, f"verify is {_word(entry.succeeded)}")


def _word(truth: bool | None) -> str:  # noqa: FBT001 - a truth is the very thing that is said
    return "unknown" if truth is None else str(truth).lower()


def _fallbacks(policy: Policy, touched: set[str]) -> Iterable[Item]:
    """A fallback has run when anything in it has."""
    for node in policy.nodes():
        fallback = None if isinstance(node, Escalate) else node.fallback
        if fallback is not None and any(below.id in touched for below in walk_nodes(fallback)):
            yield Item("fallback", node.id, fallback.id)
