"""Signals and failures so far as numbers, over frames; `decide/ranking.py` does the same for one decision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from homeostat.decide.ranking import FEATURE_BOUND
from homeostat.learn.columns import SIGNAL
from homeostat.model.policy import Policy
from homeostat.model.ranking import Feature
from homeostat.model.signals import SignalType

_VALUE_BOUND = 1e150
"""Beyond this a sum or a difference of two values could overflow; medians and spreads are taken of bounded values."""

_SPREAD_OF_NORMAL = 1.349
"""Interquartile range of a normal distribution, in standard deviations."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class FeatureMatrix:
    """What a model sees of n decisions, with J features and K candidates that may have failed.

    Attributes:
        numbers: (n, J); 0 where the signal is unknown.
        missing: (n, J); 1 where it is unknown.
        failed: (n, K); 1 where the candidate has failed before in the incident.
    """

    numbers: Floats
    missing: Floats
    failed: Floats

    def columns(self) -> Floats:
        """All of it side by side: (n, 2 J + K)."""
        return np.hstack([self.numbers, self.missing, self.failed])


def number_signals(policy: Policy) -> list[str]:
    """Names of the policy's number signals, sorted: the features of its rankings."""
    return sorted(name for name, spec in policy.signals.items() if spec.type is SignalType.NUMBER)


def fit_features(decisions: pd.DataFrame, signals: Sequence[str]) -> tuple[Feature, ...]:
    """Take each signal's median and spread over the rows of `decisions_frame`."""
    values = _values(decisions, signals)
    return tuple(_fit_feature(signal, values[:, place]) for place, signal in enumerate(signals))


def _fit_feature(signal: str, values: Floats) -> Feature:
    """A signal that was never seen, or never moved, gets a harmless scale: nothing is learnt from it anyway.

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


def feature_matrix(decisions: pd.DataFrame, features: Sequence[Feature], candidates: Sequence[str]) -> FeatureMatrix:
    """Give the rows of `decisions_frame` as a model sees them. A signal without a column is unknown everywhere."""
    values = _values(decisions, [feature.signal for feature in features])
    medians = np.array([feature.median for feature in features])
    spreads = np.array([feature.spread for feature in features])
    with np.errstate(over="ignore"):
        scaled = np.arcsinh(1.35 * (values - medians) / spreads)
    missing = np.isnan(values)
    numbers = np.where(missing, 0.0, np.clip(scaled, -FEATURE_BOUND, FEATURE_BOUND))
    failed = np.array([[candidate in row for candidate in candidates] for row in decisions["failed"]], dtype=float)
    return FeatureMatrix(numbers, missing.astype(float), failed.reshape(len(decisions), len(candidates)))


def _values(decisions: pd.DataFrame, signals: Sequence[str]) -> Floats:
    wanted = decisions.reindex(columns=[SIGNAL + signal for signal in signals])
    return wanted.to_numpy(dtype="float64").reshape(len(decisions), len(signals))
