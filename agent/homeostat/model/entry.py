"""What every journal entry is, and the register of their types."""

from __future__ import annotations

from typing import ClassVar, TypeVar

from msgspec import Struct

ENTRY_TYPES: dict[str, type[Entry]] = {}
"""Name in the journal -> class."""


class Entry(Struct, frozen=True, kw_only=True):
    """One fact.

    Attributes:
        at: Unix seconds on the agent's (injected) clock.
    """

    TYPE: ClassVar[str] = ""
    at: float


E = TypeVar("E", bound=Entry)


def entry_type(kind: type[E]) -> type[E]:
    """Register a type of entry under its name in the journal."""
    ENTRY_TYPES[kind.TYPE] = kind
    return kind
