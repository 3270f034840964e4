"""Hidden causes as the judge sees them: what would have happened had something else been tried.

A mixture of experts as in `members/latent.py`, with one difference that matters under logs without exploration: what
was never seen to work for a cause is held to work rarely (`UNSEEN_LOGIT`), whatever the candidate's rate elsewhere. A
candidate that was only tried after others had failed has a high rate, and would else be believed to cure everything.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from homeostat.learn.evaluation.logged import Logged
from homeostat.learn.features import Floats
from homeostat.model.ranking import LatentModel

GATE_PRECISION = 3.0
GATE_INTERCEPT_PRECISION = 0.3
SUCCESS_PRECISION = 0.3
UNSEEN_LOGIT = -2.2
"""Of 10%: the mean of the normal prior on logits of success."""

_CHANCE_MIN = 1e-4


@dataclass(frozen=True, slots=True)
class Imputation:
    """Hidden causes of N incidents, after all that is known of them.

    Attributes:
        beliefs: (N, K), the probability of each cause.
        success: (N, K, M), how likely each candidate works given the cause.
    """

    beliefs: Floats
    success: Floats


class HiddenCauses:
    """The likelihood of N incidents: parameters are gate weights (K, 1 + D) and logits of success (K, M), in a row."""

    def __init__(self, logged: Logged, model: LatentModel) -> None:
        columns = logged.samples.columns[logged.rows[:, 0]]
        self._used = np.flatnonzero(np.ptp(columns, axis=0) > 0)
        self._columns = np.column_stack([np.ones(len(columns)), columns[:, self._used]])
        self._worked = (logged.outcome == 1.0).astype("float64")
        self._failed = (logged.outcome == 0.0).astype("float64")
        self._causes, self._width = len(model.gate_intercepts), self._columns.shape[1]
        self._precision = np.full(self._width, GATE_PRECISION)
        self._precision[0] = GATE_INTERCEPT_PRECISION

    def start(self, model: LatentModel) -> Floats:
        """A model's parameters: where to climb from."""
        weights = np.reshape(model.gate_weights, (self._causes, -1))[:, self._used]
        gate = np.column_stack([np.asarray(model.gate_intercepts), weights])
        return np.concatenate([gate.ravel(), _logits(model).ravel()])

    def climb(self, start: Floats, counts: Floats, steps_max: int) -> Floats:
        """Go a few steps up the penalised likelihood, each incident counted `counts` times (N,)."""
        drawn = counts > 0
        data = (self._columns[drawn], self._worked[drawn], self._failed[drawn], counts[drawn])
        found: Floats = minimize(
            self._objective, start, args=data, jac=True, method="L-BFGS-B", options={"maxiter": steps_max}
        ).x
        return found

    def impute(self, parameters: Floats) -> Imputation:
        """Causes and outcomes given all that happened in each incident."""
        gate, logits = self._split(parameters)
        shares, _ = _shares(self._heights(gate, logits, self._columns, self._worked, self._failed))
        success = _expit(logits)
        return Imputation(shares, np.broadcast_to(success, (len(shares), *success.shape)))

    def _split(self, parameters: Floats) -> tuple[Floats, Floats]:
        gate = parameters[: self._causes * self._width].reshape(self._causes, self._width)
        return gate, parameters[gate.size :].reshape(self._causes, -1)

    def _heights(self, gate: Floats, logits: Floats, columns: Floats, worked: Floats, failed: Floats) -> Floats:
        """Logarithms of prior times likelihood: (n, K)."""
        _, prior = _shares(columns @ gate.T)
        heights: Floats = prior - worked @ np.logaddexp(0.0, -logits).T - failed @ np.logaddexp(0.0, logits).T
        return heights

    def _objective(
        self, parameters: Floats, columns: Floats, worked: Floats, failed: Floats, counts: Floats
    ) -> tuple[float, Floats]:
        """Negative penalised log likelihood and its gradient."""
        gate, logits = self._split(parameters)
        by_gate, _ = _shares(columns @ gate.T)
        heights = self._heights(gate, logits, columns, worked, failed)
        shares, logs = _shares(heights)
        likelihood = counts @ (heights[:, 0] - logs[:, 0])
        success = _expit(logits)
        counted, apart = shares * counts[:, None], logits - UNSEEN_LOGIT
        gradient_gate = self._precision * gate - (counted - by_gate * counts[:, None]).T @ columns
        gradient_logits = SUCCESS_PRECISION * apart
        gradient_logits -= (counted.T @ worked) * (1.0 - success) - (counted.T @ failed) * success
        penalty = 0.5 * float((self._precision * gate**2).sum() + SUCCESS_PRECISION * (apart**2).sum())
        return penalty - float(likelihood), np.concatenate([gradient_gate.ravel(), gradient_logits.ravel()])


def _shares(heights: Floats) -> tuple[Floats, Floats]:
    """Softmax over the last axis, and its logarithm."""
    logs = heights - heights.max(axis=1, keepdims=True)
    logs = logs - np.log(np.exp(logs).sum(axis=1, keepdims=True))
    return np.exp(logs), logs


def _logits(model: LatentModel) -> Floats:
    chances = np.clip(np.asarray(model.success), _CHANCE_MIN, 1.0 - _CHANCE_MIN)
    logits: Floats = np.log(chances / (1.0 - chances))
    return logits


def _expit(logits: Floats) -> Floats:
    chances: Floats = 0.5 * (1.0 + np.tanh(0.5 * logits))
    return chances
