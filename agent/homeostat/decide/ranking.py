"""Order candidates by the learnt index p / c, with propensities.

Sorting by success probability over expected cost minimises the expected time to the first success when attempts are
independent (an exchange argument), also when harm is counted as lost time; on probabilities conditioned on what has
failed already it is the greedy 4-approximation of pipelined set cover (Munagala, Babu, Motwani, Widom: "The Pipelined
Set Cover Problem", ICDT 2005).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from homeostat.decide.scoring import feature_columns, interval, logit_sds, success_probabilities
from homeostat.model.entries import Option
from homeostat.model.ranking import Candidate, NodeRanking
from homeostat.model.signals import Value


def rank(
    node: NodeRanking | None, options: Sequence[Option], values: Mapping[str, Value], failed: Sequence[str]
) -> tuple[list[Option], str | None]:
    """Score the eligible options; give all of them, best first and ineligible ones last, and the id of the chosen one.

    Without a model for the node, or for every eligible option, the written order stands: a half-known order would
    compare numbers with guesses. What is deferred comes after the others until something has failed. The first
    eligible option gets propensity 1; there is no exploration.
    """
    eligible = [option for option in options if option.eligible]
    places = node.places if node is not None else {}
    if node is not None and all(option.id in places for option in eligible):
        eligible = _best_first(node, eligible, places, values, failed)
    ineligible = [option for option in options if not option.eligible]
    if not eligible:
        return ineligible, None
    eligible[0] = replace(eligible[0], propensity=1.0)
    return eligible + ineligible, eligible[0].id


def _best_first(
    node: NodeRanking,
    options: Sequence[Option],
    places: Mapping[str, int],
    values: Mapping[str, Value],
    failed: Sequence[str],
) -> list[Option]:
    columns = feature_columns(node.features, values)
    failed_at = [places[name] for name in failed if name in places]
    probabilities = success_probabilities(node, columns, failed_at)
    sds = logit_sds(node.uncertainty, columns) if node.uncertainty is not None else None
    scored = []
    for option in options:
        place = places[option.id]
        logit_sd = None if sds is None else sds[place]
        scored.append(_scored(option, node.candidates[place], probabilities[place], logit_sd, node.harm_s))
    deferred = () if failed_at else node.deferred
    return sorted(scored, key=lambda option: (option.id in deferred, -(option.index or 0.0)))


def _scored(option: Option, candidate: Candidate, probability: float, logit_sd: float | None, harm_s: float) -> Option:
    low, high = (None, None) if logit_sd is None or candidate.certain else interval(probability, logit_sd)
    cost_s = probability * candidate.cost_success_s + (1.0 - probability) * candidate.cost_failure_s
    return replace(
        option,
        probability=probability,
        probability_low=low,
        probability_high=high,
        cost_s=cost_s,
        harm=candidate.harm,
        index=probability / (cost_s + harm_s * candidate.harm),
    )
