"""A series' labels: an immutable sorted tuple of (name, value) pairs, the metric's name among them as `__name__`.

A label with an empty value is the same as no label, as in Prometheus.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from homeostat.record.series_name import METRIC_NAME as METRIC_NAME
from homeostat.record.series_name import Labels as Labels

NO_LABELS: Labels = ()
_CACHED_MAX = 16_384

_LABEL_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")


def is_label_name(text: str) -> bool:
    """Whether `text` can name a label."""
    return _LABEL_NAME.fullmatch(text) is not None


def is_metric_name(text: str) -> bool:
    """Whether `text` can name a metric."""
    return _METRIC.fullmatch(text) is not None


def labels_of(pairs: Mapping[str, str]) -> Labels:
    """Labels from a mapping."""
    return tuple(sorted((name, value) for name, value in pairs.items() if value))


def label_value(labels: Labels, name: str) -> str:
    """The value of one label; "" when it is not there."""
    for each, value in labels:
        if each == name:
            return value
    return ""


@lru_cache(maxsize=_CACHED_MAX)
def without_labels(labels: Labels, names: frozenset[str]) -> Labels:
    """`labels` less those in `names`."""
    return tuple(pair for pair in labels if pair[0] not in names)


@lru_cache(maxsize=_CACHED_MAX)
def only_labels(labels: Labels, names: frozenset[str]) -> Labels:
    """Those of `labels` that are in `names`."""
    return tuple(pair for pair in labels if pair[0] in names)


@lru_cache(maxsize=_CACHED_MAX)
def without_metric_name(labels: Labels) -> Labels:
    """`labels` less the metric's name."""
    return tuple(pair for pair in labels if pair[0] != METRIC_NAME)


@lru_cache(maxsize=_CACHED_MAX)
def with_label(labels: Labels, name: str, value: str) -> Labels:
    """`labels` with one label set; "" takes it away."""
    rest = [pair for pair in labels if pair[0] != name]
    if value:
        rest.append((name, value))
        rest.sort()
    return tuple(rest)
