"""Imputed replay: follow an order on each logged incident.

What was logged is a fact. What was not is expected: over the hidden causes, given everything that happened in that
very incident (`Imputation`). An incident ends with the first success, so all failures before it are known when a
candidate is chosen, and the order followed is one path for each incident, whatever is imputed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from homeostat.learn.evaluation.causes import Imputation
from homeostat.learn.evaluation.imputation import Costs
from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.evaluation.orders import Order, next_choice
from homeostat.learn.features import Floats
from homeostat.learn.samples import Bools, Ints


@dataclass(frozen=True, slots=True)
class Replayed:
    """What an order comes to in each of N incidents.

    Attributes:
        seconds: expected time from the first choice to recovery.
        first_success: probability that the first choice works.
        harms: expected number of harmful attempts.
    """

    seconds: Floats
    first_success: Floats
    harms: Floats


def follow(order: Order, logged: Logged) -> Ints:
    """(N, M): the candidates in the order in which they would be tried while none works, -1 after the last.

    While the path is the logged one the signals are those read at the logged decision; from where it leaves it, those
    read last.
    """
    numbers: Ints = np.arange(len(logged))
    path: Ints = np.full(logged.eligible.shape, -1, dtype=np.intp)
    failed = np.zeros(logged.eligible.shape, dtype=bool)
    known_end = _ends(logged)
    step, as_logged = np.zeros(len(logged), dtype=np.intp), np.ones(len(logged), dtype=bool)
    going = np.ones(len(logged), dtype=bool)
    for at in range(path.shape[1]):
        left = logged.eligible & ~failed & going[:, None]
        choice = next_choice(order, logged.rows[numbers, step], failed, left)
        going = choice >= 0
        if not going.any():
            break
        path[:, at] = choice
        tried = np.maximum(choice, 0)
        failed[numbers[going], tried[going]] = True
        going &= ~known_end[numbers, tried]
        as_logged &= logged.chosen[numbers, step] == choice
        step = np.where(as_logged, _next_step(logged, step), step)
    return path


def value(path: Ints, logged: Logged, imputed: Imputation, costs: Costs) -> Replayed:
    """What the paths of `follow` come to."""
    numbers: Ints = np.arange(len(logged))
    alive = imputed.beliefs.copy()
    seconds, harms, first = np.zeros(len(logged)), np.zeros(len(logged)), np.zeros(len(logged))
    for at in range(path.shape[1]):
        choice = np.maximum(path[:, at], 0)
        tried = path[:, at] >= 0
        if not tried.any():
            break
        fact, fact_s = logged.outcome[numbers, choice], logged.seconds[numbers, choice]
        fact_harm = logged.harmful[numbers, choice]
        by_cause = np.take_along_axis(imputed.success, choice[:, None, None], axis=2)[:, :, 0]
        works = np.where(np.isnan(fact)[:, None], by_cause, fact[:, None])
        works = np.where(logged.certain[choice, None], 1.0, works) * tried[:, None]
        reached, worked = alive.sum(axis=1), (alive * works).sum(axis=1)
        expected_s = worked * costs.success_s[choice] + (reached - worked) * costs.failure_s[choice]
        seconds += tried * np.where(np.isnan(fact_s), expected_s, reached * fact_s)
        harms += tried * reached * np.where(np.isnan(fact_harm), costs.harm[choice], fact_harm)
        if at == 0:
            first = worked
        alive *= 1.0 - works
    return Replayed(seconds + alive.sum(axis=1) * logged.people_s, first, harms)


def _ends(logged: Logged) -> Bools:
    ends: Bools = (logged.outcome == 1.0) | logged.certain
    return ends


def _next_step(logged: Logged, step: Ints) -> Ints:
    """The step after, as far as the log goes."""
    following = np.minimum(step + 1, logged.rows.shape[1] - 1)
    there = logged.rows[np.arange(len(logged)), following] >= 0
    stepped: Ints = np.where(there, following, step)
    return stepped
