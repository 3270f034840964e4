"""scikit-learn's logistic regression, one for each candidate by itself: the plainest thing a library offers."""

from __future__ import annotations

import numpy as np
from sklearn.linear_model import LogisticRegression

from homeostat.learn.members.hierarchical import Hierarchical
from homeostat.learn.samples import Samples
from homeostat.model.ranking import LinearModel, MemberModel

INVERSE_PENALTY = 0.1
"""`C` of scikit-learn: a normal prior with variance 0.1 on every weight."""


class Logistic:
    """Implements `Member`. A candidate whose trials all ended alike gets its shrunk rate."""

    name = "logistic"
    quick = False

    def fit(self, samples: Samples, previous: MemberModel | None = None) -> LinearModel:  # noqa: ARG002 - converges alone
        """See `Member`."""
        width = samples.columns.shape[1]
        parameters = np.zeros((samples.candidates, 1 + width + samples.candidates))
        parameters[:, 0] = Hierarchical().fit(samples).intercepts
        columns = np.hstack([samples.columns, samples.failed])
        for candidate in range(samples.candidates):
            rows = samples.candidate == candidate
            if len(np.unique(samples.succeeded[rows])) < 2:
                continue
            varies = np.ptp(columns[rows], axis=0) > 0
            if not varies.any():
                continue
            model = LogisticRegression(C=INVERSE_PENALTY, solver="newton-cholesky", tol=1e-6)
            model.fit(columns[rows][:, varies], samples.succeeded[rows], sample_weight=samples.weight[rows])
            parameters[candidate, 0] = model.intercept_[0]
            parameters[candidate, 1:][varies] = model.coef_[0]
        return LinearModel(
            self.name,
            tuple(parameters[:, 0].tolist()),
            tuple(map(tuple, parameters[:, 1 : 1 + width].tolist())),
            tuple(map(tuple, parameters[:, 1 + width :].tolist())),
        )
