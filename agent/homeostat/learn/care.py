"""A more careful order, where harm is all that speaks against a learnt one.

What is sooner and does more harm is refused: harm is a veto. The same model can order its candidates with more care:
the more seconds of an outage one harm is held to be worth, the later comes what has done harm. So where the gate has no
other objection, it judges such orders in its place, the least careful first, and takes the first that it lets pass.
Everything else about them is the same numbers, and each must pass the whole gate.

(The Lagrangian of a constrained choice, with its multiplier raised step by step: Altman, "Constrained Markov Decision
Processes", 1999, chapter 3.)
"""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
from msgspec.structs import replace as changed

from homeostat.learn.gate import BOUNDS, Bounds, GateVerdict, NodeVerdict, judge
from homeostat.learn.ranker import versioned
from homeostat.model.policy import Policy
from homeostat.model.ranking import NodeRanking, Ranking

CARE = (4.0, 16.0, 64.0, 256.0, 1024.0)
"""Times what one harm is held to be worth at first, up to where harm comes before all else.

There are few, since each is one more chance to err.
"""


def judge_with_care(
    ranking: Ranking,
    decisions: pd.DataFrame,
    policy: Policy,
    *,
    incumbent: Ranking | None = None,
    bounds: Bounds = BOUNDS,
) -> tuple[Ranking, GateVerdict]:
    """Judge each node of a ranking, and of a more careful one where harm is the one objection.

    Args are those of `gate.judge`.

    Returns:
        The ranking, with the nodes that passed with more care in their careful order, and the verdict on it.
    """
    verdict = judge(ranking, decisions, policy, incumbent=incumbent, bounds=bounds)
    nodes, verdicts = dict(ranking.nodes), dict(verdict.nodes)
    vetoed = {name for name, said in verdicts.items() if said.would_harm}
    for times in CARE:
        if not vetoed:
            break
        careful = {name: _more_careful(ranking.nodes[name], times) for name in vetoed}
        tried = versioned(replace(ranking, nodes={**nodes, **careful}))
        again = judge(tried, decisions, policy, incumbent=incumbent, bounds=bounds, only=vetoed)
        for name, said in again.nodes.items():
            if said.passed:
                nodes[name], verdicts[name] = careful[name], _told(said, ranking.nodes[name], times)
        vetoed = {name for name, said in again.nodes.items() if said.would_harm}
    return (ranking if nodes == ranking.nodes else versioned(replace(ranking, nodes=nodes))), GateVerdict(verdicts)


def _more_careful(model: NodeRanking, times: float) -> NodeRanking:
    return changed(model, harm_s=model.harm_s * times)


def _told(passed: NodeVerdict, first: NodeRanking, times: float) -> NodeVerdict:
    worth = f"one harm is held to be worth {first.harm_s * times:.0f} s, since at {first.harm_s:.0f} s it would do more"
    return replace(passed, sentence=f"{passed.sentence}; {worth}")
