"""Gated latent causes: the context says which hidden cause is likely, the cause says which candidates work.

P(outcomes of an incident | x) = sum over K causes of softmax(W (1, x))_k times the product over its trials of
success[k, a] or 1 - success[k, a]: a mixture of experts (Jacobs, Jordan, Nowlan, Hinton, "Adaptive Mixtures of Local
Experts", 1991) whose experts are constant. All trials of an incident share one cause, so what failed is evidence
without any parameter for it. The posterior has many modes; the search starts where the pooled model stands, with a
cause for each candidate that it cures, and is deterministic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from homeostat.learn.features import Floats
from homeostat.learn.members.pooled import PooledLogistic
from homeostat.learn.samples import Samples
from homeostat.model.ranking import LatentModel, MemberModel

CAUSES_MAX = 8
INCIDENTS_MAX = 20_000
"""The newest so many are learnt from; causes are well known by then, and time is bounded."""

GATE_PRECISION = 3.0
GATE_INTERCEPT_PRECISION = 0.3
SUCCESS_PRECISION = 0.3
"""Inverse variances of the normal priors: gate weights around 0, logits of success around their candidate's mean."""

CURES_LOGIT = 1.5
"""At the start a cause's own candidate is likelier to work than usual by this."""

ITERATIONS_MAX = 60

_CHANCE_MIN = 1e-6


@dataclass(frozen=True, slots=True)
class _Incidents:
    """N incidents: (N, 1 + D) columns when they began, and weighted successes and failures of each candidate (N, M)."""

    columns: Floats
    worked: Floats
    failed: Floats


class LatentCauses:
    """Implements `Member`."""

    name = "latent"
    quick = False

    def __init__(self, causes_max: int = CAUSES_MAX, iterations_max: int = ITERATIONS_MAX) -> None:
        self._causes_max = causes_max
        self._iterations_max = iterations_max

    def fit(self, samples: Samples, previous: MemberModel | None = None) -> LatentModel:  # noqa: ARG002 - where the search starts decides which mode it finds, so it never starts elsewhere
        """See `Member`."""
        samples = samples.newest(INCIDENTS_MAX)
        pooled = PooledLogistic().fit_posterior(samples).mean
        gate, logits = _start(samples, pooled, min(self._causes_max, samples.candidates))
        if samples.succeeded.any() and not samples.succeeded.all():
            gate, logits = self._search(_by_incident(samples), gate, logits)
        success = np.clip(_expit(logits), _CHANCE_MIN, 1.0 - _CHANCE_MIN)
        return LatentModel(
            self.name,
            tuple(gate[:, 0].tolist()),
            tuple(map(tuple, gate[:, 1:].tolist())),
            tuple(map(tuple, success.tolist())),
        )

    def _search(self, incidents: _Incidents, gate: Floats, logits: Floats) -> tuple[Floats, Floats]:
        """The mode near the start. A column that never varies keeps weight 0."""
        used = np.ptp(incidents.columns, axis=0) > 0
        used[0] = True
        seen = _Incidents(np.ascontiguousarray(incidents.columns[:, used]), incidents.worked, incidents.failed)
        shape = (len(gate), int(used.sum()))
        found = minimize(
            _objective,
            np.concatenate([gate[:, used].ravel(), logits.ravel()]),
            args=(seen, shape),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": self._iterations_max, "maxcor": 20},
        ).x
        there = np.zeros_like(gate)
        there[:, used] = found[: shape[0] * shape[1]].reshape(shape)
        return there, found[shape[0] * shape[1] :].reshape(logits.shape)


def _start(samples: Samples, pooled: Floats, causes: int) -> tuple[Floats, Floats]:
    """Gate (K, 1 + D) and logits of success (K, M): a cause for each of the candidates that worked most often."""
    columns = samples.columns.shape[1]
    tried = np.bincount(samples.candidate, samples.weight, minlength=samples.candidates)
    worked = np.bincount(samples.candidate, samples.weight * samples.succeeded, minlength=samples.candidates)
    rates = (worked + 1.0) / (tried + 2.0)
    cures = np.argsort(-worked, kind="stable")[:causes]
    gate = np.zeros((causes, 1 + columns))
    gate[:, 1:] = pooled[cures, 1 : 1 + columns]
    logits = np.tile(np.log(rates / (1.0 - rates)), (causes, 1))
    logits[np.arange(causes), cures] += CURES_LOGIT
    return gate, logits


def _by_incident(samples: Samples) -> _Incidents:
    first = np.flatnonzero(np.r_[True, samples.incident[1:] != samples.incident[:-1]])
    rows = np.arange(len(samples))
    counts = np.zeros((2, len(samples), samples.candidates))
    counts[samples.succeeded.astype(np.intp), rows, samples.candidate] = samples.weight
    failed, worked = np.add.reduceat(counts, first, axis=1)
    return _Incidents(np.column_stack([np.ones(len(first)), samples.columns[first]]), worked, failed)


def _objective(parameters: Floats, incidents: _Incidents, shape: tuple[int, int]) -> tuple[float, Floats]:
    """Negative log posterior and its gradient.

    Arrays are (K, N): sums over the few causes then run along the many incidents, ten times as fast as across them.
    """
    split = shape[0] * shape[1]
    gate, logits = parameters[:split].reshape(shape), parameters[split:].reshape(shape[0], -1)
    prior, by_causes = _log_softmax(gate @ incidents.columns.T)
    works, fails = -np.logaddexp(0.0, -logits), -np.logaddexp(0.0, logits)
    joint = prior + works @ incidents.worked.T + fails @ incidents.failed.T
    highest = joint.max(axis=0)
    shares = np.exp(joint - highest)
    total = shares.sum(axis=0)
    shares /= total
    likelihood = float((highest + np.log(total)).sum())
    success = np.exp(works)
    by_gate = (shares - by_causes) @ incidents.columns
    by_logits = (shares @ incidents.worked) * (1.0 - success) - (shares @ incidents.failed) * success
    penalty, penalty_gate, penalty_logits = _penalty(gate, logits)
    gradient = np.concatenate([(penalty_gate - by_gate).ravel(), (penalty_logits - by_logits).ravel()])
    return penalty - likelihood, gradient


def _penalty(gate: Floats, logits: Floats) -> tuple[float, Floats, Floats]:
    """Negative log prior and its gradients.

    Logits of success lie around their candidate's mean, the means around the mean of all, that around 0, loosely.
    """
    precision = np.full(gate.shape[1], GATE_PRECISION)
    precision[0] = GATE_INTERCEPT_PRECISION
    of_candidate = logits.mean(axis=0)
    overall = float(of_candidate.mean())
    apart, means_apart = logits - of_candidate, of_candidate - overall
    value = 0.5 * float((precision * gate**2).sum())
    value += 0.5 * SUCCESS_PRECISION * float((apart**2).sum() + (means_apart**2).sum()) + 0.005 * overall**2
    by_logits = SUCCESS_PRECISION * (apart + means_apart / len(logits)) + 0.01 * overall / logits.size
    return value, precision * gate, by_logits


def _log_softmax(heights: Floats) -> tuple[Floats, Floats]:
    """Logarithms of the shares of each row in its column, and the shares."""
    heights = heights - heights.max(axis=0)
    shares = np.exp(heights)
    total = shares.sum(axis=0)
    return heights - np.log(total), shares / total


def _expit(logits: Floats) -> Floats:
    chances: Floats = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return chances
