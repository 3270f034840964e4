"""Hypothesis strategies for journal entries, derived from the dataclasses' own annotations."""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import strategies as st
from msgspec import Struct

from homeostat.model.entries import ENTRY_TYPES, Entry

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ENTRY_NAMES = sorted(ENTRY_TYPES)

_PLAIN: dict[object, st.SearchStrategy[Any]] = {
    str: TEXT,
    float: FLOATS,
    int: st.integers(-(2**70), 2**70),
    bool: st.booleans(),
    type(None): st.none(),
}


@cache
def values_of(annotation: Any) -> st.SearchStrategy[Any]:
    """Values a field with this annotation may have."""
    if annotation in _PLAIN:
        return _PLAIN[annotation]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(values_of(arguments[0]), max_size=3).map(tuple)
    if origin is Mapping:
        return st.dictionaries(values_of(arguments[0]), values_of(arguments[1]), max_size=3)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(list(annotation))
    if isinstance(annotation, type) and is_dataclass(annotation):
        hints = get_type_hints(annotation)
        return st.builds(annotation, **{field.name: values_of(hints[field.name]) for field in fields(annotation)})
    if isinstance(annotation, type) and issubclass(annotation, Struct):
        hints = get_type_hints(annotation)
        return st.builds(annotation, **{name: values_of(hints[name]) for name in annotation.__struct_fields__})
    raise AssertionError(f"no strategy for {annotation!r}; teach values_of about it")


def entries(name: str) -> st.SearchStrategy[Entry]:
    """Any entry of one type, with every field drawn."""
    entry_type: Any = ENTRY_TYPES[name]
    return values_of(entry_type)


def any_entry() -> st.SearchStrategy[Entry]:
    """Any entry of any type."""
    return st.sampled_from(ENTRY_NAMES).flatmap(entries)
