"""Changed copies of the mappings that states are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

K = TypeVar("K")
V = TypeVar("V")


def put(mapping: Mapping[K, V], key: K, value: V) -> dict[K, V]:
    """The mapping with one more, or another, value."""
    changed = dict(mapping)
    changed[key] = value
    return changed


def without(mapping: Mapping[K, V], key: K) -> Mapping[K, V]:
    """The mapping without a key; itself where the key is not in it."""
    if key not in mapping:
        return mapping
    return {other: value for other, value in mapping.items() if other != key}
