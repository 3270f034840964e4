"""Why candidates stand in this order in one situation: counted in what was logged, and read off the model's numbers.

Counts are the labelled trials themselves, on the situation's side of the split of a signal that separates that
candidate's successes best; what an earlier failure changes is what the model says with it and without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isnan, log

import numpy as np
import pandas as pd
from sklearn.tree import DecisionTreeClassifier

from homeostat.decide.ranking import rank
from homeostat.decide.scoring import feature_columns, success_probabilities
from homeostat.learn.columns import SIGNAL, TEXT
from homeostat.learn.explain import DEFERRED, typical
from homeostat.model.entries import Option
from homeostat.model.ranking import Feature, NodeRanking
from homeostat.model.signals import Value
from homeostat.policy.units import format_reading

TRIALS_MIN = 5
"""On each side of a split; fewer prove nothing."""

GAIN_MIN = 2.0
"""What a split must add to the log likelihood of the outcomes; less is chance (a likelihood ratio test at about 5%)."""

ODDS_RATIO_MIN = 1.25
"""A failure that changes the odds by less is not worth a word."""


@dataclass(frozen=True, slots=True)
class Situation:
    """Where an order is asked for.

    Attributes:
        values: signal -> value; what is not named is unknown.
        failed: ids of candidates that have failed in the incident.
        eligible: ids that may be chosen; None for all that have not failed.
    """

    values: Mapping[str, Value]
    failed: tuple[str, ...] = ()
    eligible: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Counted:
    """How often a candidate worked; `when` says in which trials, "" for all of them."""

    worked: int
    tried: int
    when: str = ""

    def __str__(self) -> str:
        if not self.tried:
            return "never tried"
        return f"{self.worked} of {self.tried} worked" + (f" when {self.when}" if self.when else "")


@dataclass(frozen=True, slots=True)
class FailureEffect:
    """What a failure in this incident says of a candidate: its chance without it and with it."""

    failed: str
    before: float
    after: float

    def __str__(self) -> str:
        word = "likelier" if self.after > self.before else "less likely"
        return f"{self.failed} failed just now, which makes it {word} ({self.before:.0%} -> {self.after:.0%})"


@dataclass(frozen=True, slots=True)
class Reasons:
    """One candidate in a situation.

    Attributes:
        place: 1 for the first to be tried.
        low, high: the chance of success lies between them nine times in ten; None where nothing is known of that.
        harm: expected share of trials that do harm.
        deferred: it comes after the others, whatever its index.
    """

    place: int
    candidate: str
    index: float
    probability: float
    low: float | None
    high: float | None
    cost_s: float
    harm: float
    counted: Counted
    failures: tuple[FailureEffect, ...] = field(default=())
    deferred: bool = False

    @property
    def said(self) -> list[str]:
        """What speaks for its place and against it, in words."""
        return [str(self.counted), *([DEFERRED] if self.deferred else []), *map(str, self.failures)]

    def __str__(self) -> str:
        between = "" if self.low is None or self.high is None else f" ({self.low:.0%} to {self.high:.0%})"
        chance = f"{self.probability:.0%}{between} in about {self.cost_s:.0f} s"
        return "; ".join([f"{self.place}. {self.candidate}: {chance}", *self.said])


def reasons(node: NodeRanking, trials: pd.DataFrame, situation: Situation) -> tuple[Reasons, ...]:
    """Give the order in a situation, best first, with what speaks for it.

    Args:
        node: the model of a `choose` node.
        trials: the node's `labelled_trials`.
        situation: see there; candidates the model does not know are left out.
    """
    eligible = node.places if situation.eligible is None else situation.eligible
    options = [Option(id=name, eligible=True) for name in node.places if name in eligible]
    options = [option for option in options if option.id not in situation.failed]
    ranked, _ = rank(node, options, situation.values, situation.failed)
    return tuple(_reasons_of(node, trials, situation, place, option) for place, option in enumerate(ranked, start=1))


def _reasons_of(node: NodeRanking, trials: pd.DataFrame, situation: Situation, place: int, option: Option) -> Reasons:
    own = trials[trials["chosen"] == option.id]
    return Reasons(
        place,
        option.id,
        index=option.index or 0.0,
        probability=option.probability or 0.0,
        low=option.probability_low,
        high=option.probability_high,
        cost_s=option.cost_s or 0.0,
        harm=option.harm or 0.0,
        counted=_counted(node, own, situation, option.id),
        failures=_failure_effects(node, situation, option.id),
        deferred=option.id in node.deferred and node.places.keys().isdisjoint(situation.failed),
    )


def _counted(node: NodeRanking, own: pd.DataFrame, situation: Situation, candidate: str) -> Counted:
    """The trials like this situation, by the signal that moves the model's odds most here and splits them."""
    for feature in _by_push(node, situation, candidate):
        value = situation.values[feature.signal]
        if feature.categories:
            alike = _of_category(own, feature, str(value))
        else:
            alike = _on_this_side(own, feature, float(value or 0.0))
        if alike is not None:
            return alike
    return Counted(int(own["succeeded"].sum()), len(own))


def _by_push(node: NodeRanking, situation: Situation, candidate: str) -> list[Feature]:
    """The known signals, the one first that moves the candidate's odds furthest from those at its typical value."""
    usual = typical(node)
    here = _logit(node, situation.values, situation.failed, candidate)
    pushes: list[tuple[float, Feature]] = []
    for feature in node.features:
        value = situation.values.get(feature.signal)
        is_known = value is not None and not (isinstance(value, float) and isnan(value))
        if not is_known or isinstance(value, str) != bool(feature.categories):
            continue  # what was a text once may be a number today, and the other way round: it is unknown then
        without = {**situation.values, feature.signal: usual[feature.signal]}
        pushes.append((abs(here - _logit(node, without, situation.failed, candidate)), feature))
    return [feature for _, feature in sorted(pushes, key=lambda push: -push[0])]


def _on_this_side(own: pd.DataFrame, feature: Feature, value: float) -> Counted | None:
    """Split the candidate's trials where the signal separates its successes best."""
    column = SIGNAL + feature.signal
    if column not in own:
        return None
    known = own[np.isfinite(own[column].to_numpy(dtype="float64"))]
    if len(known) < 2 * TRIALS_MIN or known["succeeded"].nunique() < 2:
        return None
    stump = DecisionTreeClassifier(max_depth=1, min_samples_leaf=TRIALS_MIN, criterion="log_loss", random_state=0)
    stump.fit(known[[column]].to_numpy(), known["succeeded"].to_numpy(dtype=bool))
    if _log_likelihood_gain(stump) < GAIN_MIN:
        return None
    threshold = float(stump.tree_.threshold[0])
    below = value <= threshold
    side = known[known[column].le(threshold) == below]
    sign = "<=" if below else ">"
    return Counted(int(side["succeeded"].sum()), len(side), f"{feature.signal} {sign} {format_reading(threshold)}")


def _log_likelihood_gain(stump: DecisionTreeClassifier) -> float:
    """What the split adds to the log likelihood; the tree's impurities are entropies in bits."""
    bits = stump.tree_.impurity * stump.tree_.n_node_samples
    return float(bits[0] - bits[1:].sum()) * log(2.0) if len(bits) > 1 else 0.0


def _of_category(own: pd.DataFrame, feature: Feature, value: str) -> Counted | None:
    column = TEXT + feature.signal
    if column not in own:
        return None
    alike = own[own[column] == value]
    if len(alike) < TRIALS_MIN:
        return None
    return Counted(int(alike["succeeded"].sum()), len(alike), f'{feature.signal} is "{value}"')


def _failure_effects(node: NodeRanking, situation: Situation, candidate: str) -> tuple[FailureEffect, ...]:
    effects = []
    with_it = _chance(node, situation.values, situation.failed, candidate)
    for failed in situation.failed:
        others = tuple(name for name in situation.failed if name != failed)
        without = _chance(node, situation.values, others, candidate)
        if abs(_log_odds(with_it) - _log_odds(without)) >= log(ODDS_RATIO_MIN):
            effects.append(FailureEffect(failed, without, with_it))
    return tuple(effects)


def _chance(node: NodeRanking, values: Mapping[str, Value], failed: Sequence[str], candidate: str) -> float:
    columns = feature_columns(node.features, values)
    places = [node.places[name] for name in failed if name in node.places]
    return success_probabilities(node, columns, places)[node.places[candidate]]


def _logit(node: NodeRanking, values: Mapping[str, Value], failed: Sequence[str], candidate: str) -> float:
    return _log_odds(_chance(node, values, failed, candidate))


def _log_odds(probability: float) -> float:
    bounded = min(max(probability, 1e-12), 1.0 - 1e-12)
    return log(bounded / (1.0 - bounded))
