"""The promotion gate: may this ranking decide? Its answer is a sentence for every node, and the figures behind it.

A node's learnt order is promoted only when imputed replay of the logged incidents foretells that it recovers sooner
than what rules now, with a lower bound of the gain above zero, when a model of another kind (or doubly robust
estimation, where the log is randomised) does not contradict, nor what rules, where it has learnt from more incidents,
and when no more harm is foretold.

What is replayed is held out: in every part of the incidents, the order of refits that have not seen it; what still is
too good about it is measured and taken off (`evaluation.optimism`). The trained numbers themselves must gain too, and
be what training on the same gives (`evaluation.integrity`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeGuard

import numpy as np
import pandas as pd
from msgspec.structs import replace as changed

from homeostat.learn.baseline import Baseline
from homeostat.learn.evaluation import ASSUMPTION
from homeostat.learn.evaluation.comparison import Comparison, Estimate, compare
from homeostat.learn.evaluation.contradiction import Check, check, elder_check
from homeostat.learn.evaluation.imputation import PARTS, held_out_parts, parts_of
from homeostat.learn.evaluation.integrity import corruption, counted_samples, damage, misfit, refit_each
from homeostat.learn.evaluation.logged import Logged, logged_incidents, newest_trials
from homeostat.learn.evaluation.optimism import optimism_s
from homeostat.learn.evaluation.orders import FixedOrder, HeldOutOrder, Order, RankedOrder
from homeostat.learn.evaluation.resampling import REPLICATES, TimeIsUp
from homeostat.learn.evaluation.support import is_mostly_unknown, never_tried, thin_support, unknown_first_names
from homeostat.learn.ranker import choose_nodes, labelled_trials, samples_of
from homeostat.learn.samples import Bools, Ints, Samples
from homeostat.model.policy import Choose, Policy
from homeostat.model.ranking import GateFigures, NodeRanking, Ranking

ATTEMPTS_MIN = 20
INCIDENTS_MIN = 5
INCIDENTS_MAX = 1_000
"""The newest so many are replayed, which bounds the time it takes."""

HARMS_NEGLIGIBLE = 0.001
"""Harmful attempts in an incident: one more in a thousand, which is as many as are replayed, cannot be seen in them."""

_HELD_OUT, _TRAINED, _RULING = "held out", "trained", "ruling"


@dataclass(frozen=True, slots=True)
class NodeVerdict:
    """What the gate says of one node, and why, in one sentence without its full stop.

    Attributes:
        figures: None where it did not come to an estimate.
        would_harm: it was refused, and more harm than what rules does is the one objection.
        unknown_firsts: it was refused, and might not be if these candidates were deferred, by their ids: it begins
            with them where the log does not know them.
    """

    passed: bool
    sentence: str
    figures: GateFigures | None = None
    would_harm: bool = False
    unknown_firsts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What the gate says of a ranking.

    Attributes:
        nodes: by id of the `choose` node.
        baseline: what heals by itself, for comparison; None where nobody looked.
    """

    nodes: Mapping[str, NodeVerdict] = field(default_factory=dict)
    baseline: Baseline | None = None

    @property
    def passed(self) -> bool:
        """Whether at least one node may take its learnt order."""
        return any(node.passed for node in self.nodes.values())

    @property
    def text(self) -> str:
        """All of it in words."""
        if not self.nodes:
            return "Refused: the policy has no 'choose' node, so there is no order to learn."
        said = [
            f"{'Passed' if verdict.passed else 'Refused'}: '{node}' {verdict.sentence}."
            for node, verdict in self.nodes.items()
        ]
        if any(self.figures.values()):
            said.append(f"Assumed: {ASSUMPTION}.")
            if self.baseline is not None:
                said.append(f"For comparison: {self.baseline.text}.")
        return " ".join(said)

    @property
    def figures(self) -> dict[str, GateFigures]:
        """Of the nodes that have any."""
        return {node: verdict.figures for node, verdict in self.nodes.items() if verdict.figures is not None}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the gate asks for and how much work it does.

    Attributes:
        attempts_min: labelled trials a node needs.
        incidents_min: incidents they must come from; at least 2, else nothing can be held out.
        incidents_max: the newest so many are replayed.
        replicates: resamples behind the interval.
        seed: of the resamples.
        time_is_up: asked between resamples; once it says so the node is refused.
    """

    attempts_min: int = ATTEMPTS_MIN
    incidents_min: int = INCIDENTS_MIN
    incidents_max: int = INCIDENTS_MAX
    replicates: int = REPLICATES
    seed: int = 0
    time_is_up: Callable[[], bool] = lambda: False


BOUNDS = Bounds()


def judge(
    ranking: Ranking,
    decisions: pd.DataFrame,
    policy: Policy,
    *,
    incumbent: Ranking | None = None,
    bounds: Bounds = BOUNDS,
    only: Container[str] | None = None,
) -> GateVerdict:
    """Judge each node of a ranking.

    Args:
        ranking: from `train_ranking`.
        decisions: what it was trained on.
        policy: whose candidates are ordered.
        incumbent: what rules now; None for the written order, which also stands in for nodes it does not know.
        bounds: see `Bounds`.
        only: the nodes to judge, by id; None for all.
    """
    harmed = damage(ranking)
    verdicts: dict[str, NodeVerdict] = {}
    for node in choose_nodes(policy):
        if only is not None and node.id not in only:
            continue
        if harmed is not None:
            verdicts[node.id] = _refused(harmed)
            continue
        verdicts[node.id] = _judge_node(ranking, incumbent, node, decisions, policy, bounds)
    return GateVerdict(verdicts)


def ruling_order(model: NodeRanking | None, logged: Logged) -> Order:
    """The order of what rules: a model's, or the written one; see `_decides`."""
    return RankedOrder(model, logged) if _decides(model, logged) else FixedOrder(logged.candidates)


def _decides(model: NodeRanking | None, logged: Logged) -> TypeGuard[NodeRanking]:
    """Whether a model decides anything today: where it does not know a candidate, the written order stands."""
    return model is not None and not model.unknown(logged.candidates)


def _held_out_ruling(ruling: NodeRanking, trained_at: float, logged: Logged, part: Ints) -> Order:
    """What rules, as it orders what it has not seen: it was trained on what is older, and would look too good there.

    In every part, refits to the older incidents of the other parts order the older ones; later ones are ordered by its
    own numbers.
    """
    opened = logged.trials["opened_at"].iloc[logged.rows[:, 0]]
    older: Bools = (opened < pd.Timestamp(trained_at, unit="s", tz="UTC")).to_numpy(dtype=bool)
    if older.sum() < PARTS:
        return RankedOrder(ruling, logged)
    counted = counted_samples(ruling, logged.trials, logged.samples)
    refits = refit_each(_of_today(ruling, logged), counted, [seen & older for seen in held_out_parts(part)])
    own = int(part.max()) + 1
    orders = (*(RankedOrder(refit, logged) for refit in refits), RankedOrder(ruling, logged))
    return HeldOutOrder(orders, np.where(older, part, own)[logged.samples.incident])


def _of_today(model: NodeRanking, logged: Logged) -> NodeRanking:
    """What is known of today's candidates in their written order, to be given members."""
    places = model.places
    return changed(model, candidates=tuple(model.candidates[places[name]] for name in logged.candidates))


def _judge_node(
    ranking: Ranking,
    incumbent: Ranking | None,
    node: Choose,
    decisions: pd.DataFrame,
    policy: Policy,
    bounds: Bounds,
) -> NodeVerdict:
    trained = ranking.nodes.get(node.id)
    trials = labelled_trials(decisions, node)
    incidents, incidents_min = trials["incident"].nunique(), max(2, bounds.incidents_min)
    if trained is None or len(trials) < bounds.attempts_min or incidents < incidents_min:
        return _refused(
            f"has {len(trials)} labelled attempts in {incidents} incidents,"
            f" and needs {bounds.attempts_min} in {incidents_min}"
        )
    logged = logged_incidents(newest_trials(trials, bounds.incidents_max), node, policy)
    wrong = misfit(trained, logged)
    if wrong is not None:
        return _refused(wrong)
    counted = counted_samples(trained, trials, samples_of(trials, node, trained.features))
    corrupt = corruption(trained, counted)
    if corrupt is not None:
        return _refused(corrupt)
    try:
        return _replayed(ranking, incumbent, node.id, logged, _last(counted, len(logged)), bounds)
    except TimeIsUp:
        return _refused(f"could not be judged in time on {len(logged)} incidents")


def _last(counted: Samples, incidents: int) -> Samples:
    """The samples of the newest so many incidents, which are numbered from 0."""
    before = int(counted.incident[-1]) + 1 - incidents
    newest = counted.take(counted.incident >= before)
    return replace(newest, incident=newest.incident - before)


def _replayed(
    ranking: Ranking, incumbent: Ranking | None, node: str, logged: Logged, counted: Samples, bounds: Bounds
) -> NodeVerdict:
    trained, part = ranking.nodes[node], parts_of(len(logged))
    ruling = incumbent.nodes.get(node) if incumbent is not None else None
    ruling = ruling if _decides(ruling, logged) else None
    refits = refit_each(trained, counted, held_out_parts(part))
    held_out = HeldOutOrder(tuple(RankedOrder(refit, logged) for refit in refits), part[logged.samples.incident])
    orders: dict[str, Order] = {
        _HELD_OUT: held_out,
        _TRAINED: RankedOrder(trained, logged),
        _RULING: FixedOrder(logged.candidates)
        if ruling is None or incumbent is None
        else _held_out_ruling(ruling, incumbent.trained_at, logged, part),
    }
    compared = compare(
        orders, logged, over=_RULING, replicates=bounds.replicates, seed=bounds.seed, time_is_up=bounds.time_is_up
    )
    unknown = never_tried(compared.paths[_TRAINED], logged)
    if unknown is not None:
        return replace(_refused(unknown), unknown_firsts=_unknown_firsts(compared, logged))
    checked = check(held_out, orders[_RULING], compared.paths[_HELD_OUT], logged, part)
    elder = None
    if ruling is not None and incumbent is not None and incumbent.incidents > ranking.incidents:
        elder = elder_check(ruling, incumbent.incidents, orders[_TRAINED], logged)
    figures = _figures(compared, checked, optimism_s(trained, counted, orders[_RULING], logged, part))
    objection = _objection(compared, figures, checked, logged, elder)
    said = _said(figures, (checked, elder), "the written order" if ruling is None else "the ruling ranking")
    if objection is None:
        return NodeVerdict(passed=True, sentence=said, figures=figures)
    return replace(objection, sentence=f"{objection.sentence}: {said}", figures=figures)


def _objection(
    compared: Comparison, figures: GateFigures, checked: Check, logged: Logged, elder: Check | None
) -> NodeVerdict | None:
    """Say why this is not enough, or None."""
    if checked.off is not None:
        return _refused(checked.off)
    if is_mostly_unknown(compared.paths[_HELD_OUT], logged):
        return _thin(compared, logged)
    if not figures.gain_low_s > 0.0:
        if figures.gain_low_s + compared.less_at_worst_s(_HELD_OUT, _RULING) > 0.0:
            return _thin(compared, logged)
        return replace(_refused("is not surely better"), unknown_firsts=_unknown_firsts(compared, logged))
    if not compared.gain_s(_TRAINED, _RULING).low() - compared.less_at_worst_s(_TRAINED, _RULING) > 0.0:
        return _refused("is only better when it is refitted, so its numbers are not to be trusted")
    if checked.refutes:
        return _refused("is contradicted by the check")
    if elder is not None and elder.refutes:
        return _refused("is contradicted by what rules, which has learnt from more")
    if (logged.harmful == 1.0).any():
        more = compared.more_harms(_HELD_OUT, _RULING)
        negligible = max(more.error, HARMS_NEGLIGIBLE)
        if more.value > negligible:
            return replace(_refused("would do more harm"), would_harm=True)
        if more.value + compared.more_harms_at_worst(_HELD_OUT) > negligible:
            return _thin(compared, logged)
    return None


def _thin(compared: Comparison, logged: Logged) -> NodeVerdict:
    sentence = thin_support(compared.paths[_HELD_OUT], logged)
    return replace(_refused(sentence), unknown_firsts=_unknown_firsts(compared, logged))


def _unknown_firsts(compared: Comparison, logged: Logged) -> tuple[str, ...]:
    paths = (compared.paths[_HELD_OUT], compared.paths[_TRAINED])
    return tuple(sorted({name for path in paths for name in unknown_first_names(path, logged)}))


def _figures(compared: Comparison, checked: Check, excess: Estimate) -> GateFigures:
    """What was estimated, less what is too good about it and what rests on first choices the log does not know."""
    own, ruling = compared.worst[_HELD_OUT]
    found, less_s = compared.gain_s(_HELD_OUT, _RULING), max(excess.value, 0.0)
    mttr_s, ruling_mttr_s = float(own.seconds.mean()) + less_s, float(ruling.seconds.mean())
    gain = Estimate(ruling_mttr_s - mttr_s, math.hypot(found.error, excess.error))
    return GateFigures(
        incidents=compared.incidents,
        mttr_s=mttr_s,
        ruling_mttr_s=ruling_mttr_s,
        gain_s=gain.value,
        gain_low_s=gain.low(),
        gain_high_s=gain.high(),
        first_success=float(own.first_success.mean()),
        ruling_first_success=compared.first_success(_RULING).value,
        harms=float(own.harms.mean()),
        ruling_harms=compared.harms(_RULING).value,
        check=checked.name,
        check_gain_s=checked.gain_s.value,
    )


def _said(figures: GateFigures, checks: Sequence[Check | None], ruling: str) -> str:
    return (
        f"replayed on {figures.incidents} incidents, it recovers in {figures.mttr_s:.0f} s and {ruling} in"
        f" {figures.ruling_mttr_s:.0f} s: a gain of {figures.gain_s:.0f} s, by resampling at least"
        f" {figures.gain_low_s:.0f} s; first attempts work in"
        f" {figures.first_success:.0%} instead of {figures.ruling_first_success:.0%};"
        f" {100 * figures.harms:.1f} instead of {100 * figures.ruling_harms:.1f} harmful attempts in 100 incidents;"
        f" {'; '.join(str(check) for check in checks if check is not None)}"
    )


def _refused(sentence: str) -> NodeVerdict:
    return NodeVerdict(passed=False, sentence=sentence)
