"""Guarded exploration: now and then a candidate that is nearly the best, within a budget of harm.

Only a single action is explored, so that one attempt can do one harm at most, and only while the policy's harm
condition is known and false, so that its harm would be seen. Every attempt is held to be harmful until its verdict:
the budget is never exceeded, whatever many incidents and agents explore at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from homeostat.decide.autonomy import mode_earned
from homeostat.decide.turn import Turn
from homeostat.model.entries import Option
from homeostat.model.policy import Choose, Do, Exploration, Mode

INDEX_SHARE_MIN = 0.5
"""What has less than this of the best index is not worth the outage it would prolong."""

_SEED_BITS = 48


@dataclass(frozen=True, slots=True)
class Pick:
    """What was picked of ranked options.

    Attributes:
        options: with their propensities. chosen: None where none is eligible.
        explored: another one than the best. seed: of the draw; None where nothing was drawn.
        detail: why there was no exploring, where there might have been.
    """

    options: tuple[Option, ...]
    chosen: str | None
    explored: bool = False
    seed: int | None = None
    detail: str = ""


def pick(turn: Turn, node: Choose, options: Sequence[Option], best: str | None, number: int) -> Pick:
    """Take the best of ranked options, or explore.

    Args:
        turn: the step being decided.
        node: where.
        options: as `ranking.rank` gives them.
        best: the first of them, if it is eligible.
        number: how many picks at this node came before, in this incident.
    """
    plain = Pick(tuple(options), best)
    exploration = node.explore
    if exploration is None or best is None or turn.observing:
        return plain
    near = _worth_exploring(turn, node, options)
    if len(near) < 2:
        return plain
    refused = _harm_unseen(turn) or budget_spent(turn, node.id, exploration)
    if refused is not None:
        return Pick(plain.options, best, detail=f"nothing is explored: {refused}")
    seed = _seed_of(turn.incident.seed, node.id, number)
    drawn, chosen = draw(options, near, exploration.share, seed)
    return Pick(tuple(drawn), chosen, chosen != best, seed)


def draw(options: Sequence[Option], near: Collection[str], share: float, seed: int) -> tuple[list[Option], str]:
    """Give every option its propensity, and draw one.

    The best has 1 - share + share / n, every other of the n in `near` has share / n, and the rest 0.

    Args:
        options: best first, at least one; the best is in `near`.
        near: ids of what may be explored, the best among them.
        share: with this probability one of `near` is taken, each alike.
        seed: below 2^48; the draw is this share of the whole.
    """
    part = share / len(near)
    propensities = [part if option.id in near else 0.0 for option in options]
    propensities[0] += 1.0 - share
    point, chosen = seed / (1 << _SEED_BITS), options[0].id
    for option, propensity in zip(options, propensities, strict=True):
        if point < propensity:
            chosen = option.id
            break
        point -= propensity
    return [replace(option, propensity=p) for option, p in zip(options, propensities, strict=True)], chosen


def _worth_exploring(turn: Turn, node: Choose, options: Sequence[Option]) -> set[str]:
    """The best, and every single action whose index is near its and that may be started at all."""
    best_index = options[0].index
    if best_index is None:
        return set()
    leaves = [child for child in node.children if isinstance(child, Do) and child.fallback is None]
    earned = {leaf.id: mode_earned(turn.ledger, turn.policy.name, leaf) for leaf in leaves}
    single = {leaf.id for leaf in leaves if Mode.OBSERVE not in (leaf.mode, earned[leaf.id])}
    near = {
        option.id
        for option in options[1:]
        if option.eligible and option.id in single and (option.index or 0.0) >= INDEX_SHARE_MIN * best_index
    }
    return near | {options[0].id}


def _harm_unseen(turn: Turn) -> str | None:
    harm = turn.policy.harm
    if harm is None:
        return "the policy has no 'harm', so nobody would see it"
    truth = turn.truth(harm)
    return None if truth is False else f"'{harm.text}' is {'true' if truth else 'unknown'}"


def budget_spent(turn: Turn, node: str, exploration: Exploration) -> str | None:
    """Say why one more attempt at this node could exceed its harm budget; None when it could not."""
    attempts = [t for t in turn.ledger.explored.values() if (t.policy, t.node) == (turn.policy.name, node)]
    harms = sum(attempt.harmful is True and turn.is_within(attempt.at, exploration.within_s) for attempt in attempts)
    at_work = sum(attempt.harmful is None for attempt in attempts)
    if harms + at_work < exploration.harm_max:
        return None
    also = f", and {at_work} under way that may" if at_work else ""
    days = exploration.within_s / 86_400
    return f"{harms} explored attempts did harm within {days:g} days{also}; at most {exploration.harm_max} may"


def _seed_of(incident_seed: int, node: str, number: int) -> int:
    drawn = hashlib.sha256(f"{incident_seed}/{node}/{number}".encode()).digest()
    return int.from_bytes(drawn[: _SEED_BITS // 8], "big")


def told(turn: Turn, leaf: Do) -> str:
    """What people must know who are asked to start an explored pick; "" of any other."""
    explored = turn.incident.explored.get(leaf.id)
    return "" if explored is None else f"this is an exploration: '{explored.best}' is held to be better"
