"""Worlds made from public classification data: the class is the hidden cause, the features are the signals.

`segments`: seven kinds of surface by 18 measurements (Statlog image segmentation, as river ships it). `digits`: ten
digits by 64 pixel counts (as scikit-learn ships them). Their densities are not known, so the oracle is given the
out-of-fold class probabilities of classifiers trained on other rows with the same cells missing, mixed and
sharpened by one exponent, so that their log loss is least. That is an estimate: a method can do as well as this oracle,
or by luck a little better, while no method sees so many rows with their class.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.learning.synthetic import (
    BROAD,
    CATEGORY_LEVELS,
    NARROW,
    PATTERNS,
    draw_candidates,
    draw_codes,
    draw_success,
    facts_of,
    in_written_order,
    posterior,
)
from benchmarks.learning.worlds import (
    HELD_OUT,
    INCIDENTS,
    STREAM,
    Codes,
    Draws,
    Floats,
    Truth,
    World,
    mean_run_s,
    outcomes,
)
from sklearn.datasets import load_digits
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

MISSING = 0.02
HELD_OUT_ROWS = 0.2
"""Share of the rows that only held-out incidents come from."""
FOLDS = 5


@dataclass(frozen=True)
class Rows:
    """(R, D) features and (R,) classes below K."""

    features: Floats
    classes: Codes


def rows_of(name: str, peers: Path) -> Rows:
    """Read the data of a world; `peers` is the environment that holds river.

    Raises:
        FileNotFoundError: it does not.
    """
    if name == "digits":
        digits = load_digits()
        return Rows(np.asarray(digits.data, dtype=float), np.asarray(digits.target, dtype=np.int64))
    found = sorted(peers.glob("lib/python*/site-packages/river/datasets/segment.csv.zip"))
    if not found:
        raise FileNotFoundError(f"segments needs river's data in {peers}; run `python -m benchmarks.learning`")
    table = pd.read_csv(found[0], compression="zip")
    classes = pd.factorize(table.pop("category"), sort=True)[0]
    return Rows(table.to_numpy(dtype=float), np.asarray(classes, dtype=np.int64))


def classification(name: str, seed: int, rows: Rows) -> World:
    """A world of these rows. A row keeps the cells that are missing, however often it is drawn."""
    random = np.random.default_rng([seed, 3])
    causes = int(rows.classes.max()) + 1
    features = rows.features.copy()
    features[random.random(features.shape) < MISSING] = np.nan
    prior = random.dirichlet([1.5] * causes)
    candidates = draw_candidates(random, NARROW, BROAD)
    candidates, rates = in_written_order(random, candidates, draw_success(random, causes, NARROW, BROAD))
    chosen = _choose_rows(random, rows.classes, prior)
    cause = rows.classes[chosen]
    shares = [random.dirichlet([1.5] * count, causes) for count in (*CATEGORY_LEVELS, PATTERNS)]
    codes = np.stack([draw_codes(random, share, cause) for share in shares], axis=1)
    log_joint = class_log_probabilities(Rows(features, rows.classes), seed)[chosen] + np.log(prior)
    for share, values in zip(shares, codes.T, strict=True):
        log_joint += np.log(share[:, values]).T
    success = np.broadcast_to(rates, (INCIDENTS, *rates.shape))
    works, runs_s, harms = outcomes(random, success, candidates.median_s, candidates.harm, cause)
    return World(
        name,
        seed,
        facts_of(candidates, features, PATTERNS),
        Draws(features[chosen], codes[:, :-1], codes[:, -1], works, runs_s, harms),
        Truth(posterior(log_joint), success, mean_run_s(candidates.median_s)),
    )


def _choose_rows(random: np.random.Generator, classes: Codes, prior: Floats) -> Codes:
    """(N,) rows: classes by `prior`, rows of a class evenly, none in both the stream and the held-out incidents."""
    held_out = random.random(len(classes)) < HELD_OUT_ROWS
    chosen = []
    for count, pool in ((STREAM, ~held_out), (HELD_OUT, held_out)):
        wanted = random.choice(len(prior), count, p=prior)
        chosen += [random.choice(np.flatnonzero(pool & (classes == each))) for each in wanted]
    return np.array(chosen)


def class_log_probabilities(rows: Rows, seed: int) -> Floats:
    """(R, K): each row's from models that have not seen it, as if all classes were equally frequent."""
    models = (
        make_pipeline(
            SimpleImputer(strategy="median"),
            ExtraTreesClassifier(300, min_samples_leaf=1, random_state=seed, n_jobs=1),
        ),
        make_pipeline(
            QuantileTransformer(n_quantiles=100, output_distribution="normal", random_state=seed),
            SimpleImputer(strategy="median"),
            LogisticRegression(C=1.0, max_iter=500),
        ),
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    trees, logistic = (
        np.log(
            np.clip(cross_val_predict(model, rows.features, rows.classes, cv=folds, method="predict_proba"), 1e-4, 1.0)
        )
        for model in models
    )
    mixed = [
        sharpness * (share * trees + (1 - share) * logistic)
        for share in (0.0, 0.25, 0.5, 0.75, 1.0)
        for sharpness in (0.7, 1.0, 1.4, 2.0, 2.8)
    ]
    best = min(mixed, key=lambda logs: log_loss(rows.classes, posterior(logs)))
    return np.asarray(best - np.log(np.bincount(rows.classes)))
