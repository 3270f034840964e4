"""What a run shows of four dangers: taking back and doing over, leaving the bounds, acting blind, doing harm."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from homeostat.model import entries as e
from homeostat.model.policy import MANUAL, Decide, Node, Policy, children_of
from homeostat.model.reasons import Reason
from homeostat.model.signals import Condition, Snapshot
from homeostat.policy.bounds import attempts_bound
from homeostat.policy.units import format_seconds
from homeostat.simulate.bench.course import Course
from homeostat.simulate.bench.simulated_incident import SimulatedIncident
from homeostat.simulate.bench.stage import BEGIN
from homeostat.simulate.bench.trial import play
from homeostat.simulate.bench.world import World

REPEATS_MAX = 3
"""The same remedy in so many incidents of one strike, one after the other, is done over and over."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one incident showed.

    Attributes:
        oscillation, excess, blind: in words what was seen; None: nothing of the kind.
        recovered, harmed: whether `resolved` was true of the world at the end, and whether `harm` ever was.
        recovered_alone, harmed_alone: the same where nobody did anything in the very same incident.
    """

    number: int
    oscillation: str | None
    excess: str | None
    blind: str | None
    recovered: bool
    recovered_alone: bool
    harmed: bool
    harmed_alone: bool


def look(policy: Policy, world: World, number: int, seed: int) -> Sight:
    """Play one incident of a world twice, with the policy and without anybody, and look at both."""
    simulated, course = play(policy, world, number, seed)
    alone = SimulatedIncident(world, policy, seed, number, BEGIN)
    end = BEGIN + world.fields.incident_max
    until = min(max(simulated.state.changes_until, alone.state.changes_until), end)
    return Sight(
        number,
        _oscillation(policy, course),
        _excess(policy, world, course),
        _blind(policy, course),
        simulated.holds(policy.resolved.condition, end),
        alone.holds(policy.resolved.condition, end),
        _is_harmed(policy, world, simulated, until),
        _is_harmed(policy, world, alone, until),
    )


def _is_harmed(policy: Policy, world: World, simulated: SimulatedIncident, until: float) -> bool:
    """Whether `harm` is true of the world at any poll until it changes no more."""
    if policy.harm is None:
        return False
    interval_s = world.fields.interval
    ticks = int((until - BEGIN) / interval_s) + 2
    return any(simulated.holds(policy.harm, BEGIN + tick * interval_s) for tick in range(ticks))


def take_backs(policy: Policy) -> set[frozenset[tuple[str, str]]]:
    """Pairs of (action, target) of which one is the undo of the other."""
    return {
        frozenset(((leaf.action.name, leaf.target), (leaf.undo.action.name, leaf.undo.target)))
        for leaf in policy.leaves.values()
        if leaf.undo is not None
    }


def _starts(course: Course) -> list[e.ActionIntended]:
    return [entry for entry in course.of_incidents() if isinstance(entry, e.ActionIntended)]


def _told(start: e.ActionIntended) -> str:
    with_what = ", ".join(f"{name} {value}" for name, value in start.arguments.items())
    return f"{start.action} on {start.target}{f' ({with_what})' if with_what else ''}"


def _oscillation(policy: Policy, course: Course) -> str | None:
    starts = _starts(course)
    return _back_and_forth(take_backs(policy), starts) or _over_and_over(starts)


def _back_and_forth(pairs: set[frozenset[tuple[str, str]]], starts: Sequence[e.ActionIntended]) -> str | None:
    """A, what takes A back, and A again. A step's own undo between two of its own tries in one incident is no sign."""
    for place, first in enumerate(starts):
        for between in range(place + 1, len(starts)):
            second = starts[between]
            if not _takes_back(pairs, first, second):
                continue
            for third in starts[between + 1 :]:
                same = (third.action, third.target, third.arguments) == (first.action, first.target, first.arguments)
                own = second.undoes is not None and (third.incident, third.node) == (first.incident, first.node)
                if same and not own:
                    return f"{_told(first)}, then {_told(second)}, then {_told(third)} again"
    return None


def _takes_back(pairs: set[frozenset[tuple[str, str]]], first: e.ActionIntended, second: e.ActionIntended) -> bool:
    """Whether one is the undo of the other, or sets the same thing to another value."""
    one, other = (first.action, first.target), (second.action, second.target)
    if one == other:
        return dict(first.arguments) != dict(second.arguments)
    return frozenset((one, other)) in pairs


def _over_and_over(starts: Sequence[e.ActionIntended]) -> str | None:
    """The same remedy in `REPEATS_MAX` incidents of one strike that follow one another, or by as many steps of one."""
    by_incident: dict[str, dict[str, set[str]]] = {}
    for start in starts:
        if start.undoes is None and start.action != MANUAL:
            by_incident.setdefault(start.incident, {}).setdefault(_told(start), set()).add(start.node)
    row: Counter[str] = Counter()
    for remedies in by_incident.values():
        row = Counter({told: row[told] + 1 for told in remedies})
        for told, nodes in remedies.items():
            if len(nodes) >= REPEATS_MAX:
                return f"{told} by {len(nodes)} steps of one incident"
            if row[told] >= REPEATS_MAX:
                return f"{told} in {row[told]} incidents one after the other"
    return None


def attempts_declared(policy: Policy) -> int:
    """The most attempts in an incident, by the plan and by what its author declared."""
    return min(policy.attempts_max, attempts_bound(policy.root))


def _excess(policy: Policy, world: World, course: Course) -> str | None:
    """More attempts than declared, or more time than the incident's own bound and the polls and halts on top of it."""
    restarts = world.fields.faults.restarts
    slack_s = 3.0 * world.fields.interval + (0.0 if restarts is None else restarts.down)
    for entries in course.streams().values():
        attempts = sum(isinstance(entry, e.ActionIntended) and entry.undoes is None for entry in entries)
        if attempts > attempts_declared(policy):
            return f"{attempts} attempts in one incident, where at most {attempts_declared(policy)} are declared"
        ends = [entry.at for entry in entries if isinstance(entry, e.Closed | e.Escalated)]
        lasted_s = (ends[0] if ends else course.begin + course.duration_s) - entries[0].at
        if lasted_s > policy.timeout_s + slack_s:
            return (
                f"open for {format_seconds(lasted_s)}, longer than its time-out of {format_seconds(policy.timeout_s)}"
            )
    return None


def reasons(policy: Policy) -> Mapping[str, tuple[tuple[str, Condition], ...]]:
    """By leaf: the conditions that lead to it, each with the node that has it: `if`s and branches above and its own."""
    return {name: found for name, found in _reasons(policy.root, ()) if name in policy.leaves}


def _reasons(
    node: Node, above: tuple[tuple[str, Condition], ...]
) -> Iterator[tuple[str, tuple[tuple[str, Condition], ...]]]:
    here = above if node.condition is None else (*above, (node.id, node.condition))
    yield node.id, here
    if isinstance(node, Decide):
        for branch in node.branches:
            own = () if branch.condition is None else ((node.id, branch.condition),)
            yield from _reasons(branch.child, (*here, *own))
        if node.fallback is not None:
            yield from _reasons(node.fallback, here)
        return
    for child in children_of(node):
        yield from _reasons(child, here)


def _blind(policy: Policy, course: Course) -> str | None:
    """The first step that began while a reason of its could not be told, or because another's could not."""
    conditions = reasons(policy)
    parents = {child.id: node.id for node in policy.nodes() for child in children_of(node)}
    for entries in course.streams().values():
        seen: Snapshot | None = None
        picks: dict[str, e.Decided] = {}
        for entry in entries:
            match entry:
                case e.Observed(snapshot=snapshot):
                    seen = snapshot
                case e.Decided(kind="try" | "choose"):
                    picks[entry.node] = entry
                case e.ActionIntended(undoes=None) if seen is not None:
                    values = seen.values(policy.signals, entry.at)
                    unknown = [
                        f"'{condition.text}' of {name}"
                        for name, condition in conditions.get(entry.node, ())
                        if condition.evaluate(values) is None
                    ]
                    if unknown:
                        return f"{entry.node} began while {unknown[0]} was unknown"
                    passed = _passed_over(entry.node, parents, picks)
                    if passed is not None:
                        return passed
    return None


def _passed_over(node: str, parents: Mapping[str, str], picks: Mapping[str, e.Decided]) -> str | None:
    """Whether a candidate without an `if` of its own was taken because an earlier one's was unknown."""
    above: str | None = node
    while above is not None:
        pick = picks.get(parents.get(above, ""))
        if pick is not None and pick.chosen == above:
            place = next(place for place, option in enumerate(pick.options) if option.id == above)
            if pick.options[place].condition is None:
                for option in pick.options[:place]:
                    unknown = option.condition is not None and option.truth is None
                    if unknown and option.reason is not Reason.ALREADY_TRIED:
                        return f"{node} began because '{option.condition}' of {option.id} before it was unknown"
        above = parents.get(above)
    return None
