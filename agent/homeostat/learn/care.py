"""A more careful order, where only harm or what the log does not know speaks against a learnt one.

The same fitted numbers can be followed with more care, and such an order must pass the whole gate in its place:

- What is sooner and does more harm is refused: harm is a veto. The more seconds of an outage one harm is held to be
  worth, the later comes what has done harm. (The Lagrangian of a constrained choice, with its multiplier raised step by
  step: Altman, "Constrained Markov Decision Processes", 1999, chapter 3.)
- What begins with a candidate that was never tried in such a pattern is refused where too much rests on it. Deferred,
  this candidate comes after all others until something has failed: that is where the log knows it from. (Staying where
  the log has support, as in Fujimoto, Meger, Precup: "Off-Policy Deep Reinforcement Learning without Exploration", ICML
  2019.)

Each step adds to the care before it, and the least careful order that passes is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd
from msgspec.structs import replace as changed

from homeostat.learn.gate import BOUNDS, Bounds, GateVerdict, NodeVerdict, judge
from homeostat.learn.ranker import versioned
from homeostat.model.policy import Policy
from homeostat.model.ranking import NodeRanking, Ranking

CARE = tuple(2.0**step for step in range(1, 11))
"""Times what one harm is held to be worth at first, up to where harm comes before all else.

In steps of four, some orders went from doing more harm to gaining nothing sure in one of them.
"""


def judge_with_care(
    ranking: Ranking,
    decisions: pd.DataFrame,
    policy: Policy,
    *,
    incumbent: Ranking | None = None,
    bounds: Bounds = BOUNDS,
) -> tuple[Ranking, GateVerdict]:
    """Judge each node of a ranking, and of more careful ones where more care answers the one objection.

    It ends: every round weighs harm more, in one of the few steps of `CARE`, or defers one candidate more. Each
    takes as long as judging once; where time is up none is begun, and what was not judged to its end does not rule.

    Args are those of `gate.judge`.

    Returns:
        The ranking, with the nodes that passed with more care in their careful order, and the verdict on it.
    """
    verdict = judge(ranking, decisions, policy, incumbent=incumbent, bounds=bounds)
    nodes, verdicts = dict(ranking.nodes), dict(verdict.nodes)
    careful = _more_careful(ranking, ranking.nodes, verdicts)
    while careful and not bounds.time_is_up():
        tried = versioned(replace(ranking, nodes={**nodes, **careful}))
        again = judge(tried, decisions, policy, incumbent=incumbent, bounds=bounds, only=careful.keys())
        for name, said in again.nodes.items():
            if said.passed:
                nodes[name], verdicts[name] = careful[name], _told(said, ranking.nodes[name], careful[name])
        careful = _more_careful(ranking, careful, again.nodes)
    return (ranking if nodes == ranking.nodes else versioned(replace(ranking, nodes=nodes))), GateVerdict(verdicts)


def _more_careful(
    first: Ranking, judged: Mapping[str, NodeRanking], verdicts: Mapping[str, NodeVerdict]
) -> dict[str, NodeRanking]:
    """The next order of every node that more care may help, by id."""
    careful: dict[str, NodeRanking] = {}
    for name, said in verdicts.items():
        if name not in judged:
            continue
        model = judged[name]
        deferred = tuple(sorted({*model.deferred, *said.unknown_firsts}))
        worth_s = (first.nodes[name].harm_s * times for times in CARE)
        more_s = next((harm_s for harm_s in worth_s if harm_s > model.harm_s), None)
        if deferred != model.deferred:
            careful[name] = changed(model, deferred=deferred)
        elif said.would_harm and more_s is not None:
            careful[name] = changed(model, harm_s=more_s)
    return careful


def _told(passed: NodeVerdict, first: NodeRanking, careful: NodeRanking) -> NodeVerdict:
    said = [passed.sentence]
    if careful.harm_s != first.harm_s:
        said.append(
            f"one harm is held to be worth {careful.harm_s:.0f} s, since at {first.harm_s:.0f} s it would do more"
        )
    if careful.deferred:
        names = " and ".join(f"'{name}'" for name in careful.deferred)
        are = "is" if len(careful.deferred) == 1 else "are"
        said.append(f"{names} {are} deferred until something else has failed, since the log does not know it first")
    return replace(passed, sentence="; ".join(said))
