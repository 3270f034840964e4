"""Signals and failures so far as numbers, over frames; `decide/scoring.py` does the same for one decision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from homeostat.decide.scoring import FEATURE_BOUND
from homeostat.learn.columns import SIGNAL, TEXT
from homeostat.model.policy import Policy
from homeostat.model.ranking import Feature
from homeostat.model.signals import SignalType

_VALUE_BOUND = 1e150
"""Beyond this a sum or a difference of two values could overflow; medians and spreads are taken of bounded values."""

_SPREAD_OF_NORMAL = 1.349
"""Interquartile range of a normal distribution, in standard deviations."""

CATEGORIES_MAX = 12
"""Of a text signal's values so many get a column; the rest are rare enough to be called other."""

Floats = NDArray[np.float64]


def fit_features(decisions: pd.DataFrame, policy: Policy) -> tuple[Feature, ...]:
    """Take each number signal's median and spread, and each text signal's categories, over rows of `decisions_frame`.

    A text that never varied, and categories beyond the `CATEGORIES_MAX` commonest, get no column.
    """
    features = []
    for name, spec in sorted(policy.signals.items()):
        if spec.type is SignalType.NUMBER:
            features.append(fit_number(name, _numbers(decisions, name)))
        else:
            counts = decisions.get(TEXT + name, pd.Series(dtype="str")).value_counts()
            common = tuple(sorted(str(category) for category in counts.index[:CATEGORIES_MAX]))
            if len(common) > 1:
                features.append(Feature(name, categories=common))
    return tuple(features)


def fit_number(signal: str, values: Floats) -> Feature:
    """Take the median and the spread of a number signal's values, NaN where unknown.

    A signal that was never seen, or never moved, gets a harmless scale: nothing is learnt from it anyway.

    An alarm that is 0 in three quarters of the rows has no interquartile range; its standard deviation stands in.
    """
    seen = np.clip(values[np.isfinite(values)], -_VALUE_BOUND, _VALUE_BOUND)
    if seen.size == 0:
        return Feature(signal, 0.0, 1.0)
    low, median, high = np.quantile(seen, [0.25, 0.5, 0.75])
    spread = float(high - low) or _SPREAD_OF_NORMAL * _standard_deviation(seen - median)
    return Feature(signal, float(median), spread or 1.0)


def _standard_deviation(centred: Floats) -> float:
    """Scaled before it is squared, so that huge values do not overflow and small ones do not vanish."""
    largest = float(np.max(np.abs(centred)))
    return largest * float(np.std(centred / largest)) if largest > 0 else 0.0


def feature_columns(decisions: pd.DataFrame, features: Sequence[Feature]) -> Floats:
    """Give rows of `decisions_frame` as a model sees them: (n, D). A signal without a column is unknown everywhere."""
    blocks = [
        text_columns(feature, decisions.get(TEXT + feature.signal, pd.Series(None, decisions.index, dtype="str")))
        if feature.categories
        else number_columns(feature, _numbers(decisions, feature.signal))
        for feature in features
    ]
    return np.hstack(blocks) if blocks else np.zeros((len(decisions), 0))


def number_columns(feature: Feature, values: Floats) -> Floats:
    """Value and missing flag: (n, 2)."""
    with np.errstate(over="ignore"):
        scaled = np.arcsinh(1.35 * (values - feature.median) / feature.spread)
    missing = np.isnan(values)
    numbers = np.where(missing, 0.0, np.clip(scaled, -FEATURE_BOUND, FEATURE_BOUND))
    return np.column_stack([numbers, missing.astype("float64")])


def text_columns(feature: Feature, values: pd.Series[str]) -> Floats:
    """One flag for each category, and one for everything else: (n, categories + 1)."""
    places = pd.Index(feature.categories).get_indexer(pd.Index(values))
    flags: Floats = np.eye(feature.width)[np.where(places < 0, len(feature.categories), places)]
    return flags


def named_flags(rows: Sequence[Sequence[str]], candidates: Sequence[str]) -> NDArray[np.bool_]:
    """Which candidates each of n rows names: (n, M)."""
    flags = np.array([[candidate in row for candidate in candidates] for row in rows], dtype=bool)
    return flags.reshape(len(rows), len(candidates))


def _numbers(decisions: pd.DataFrame, signal: str) -> Floats:
    if SIGNAL + signal not in decisions:
        return np.full(len(decisions), np.nan)
    return decisions[SIGNAL + signal].to_numpy(dtype="float64")
