"""Entries about what is tried in order to learn, in a policy's stream. Read them as `entries`, with all the others."""

from __future__ import annotations

from typing import ClassVar

from homeostat.model.entry import Entry, entry_type


@entry_type
class ExplorationStarted(Entry, frozen=True, kw_only=True):
    """A trial of an explored pick is about to start; from here on it counts against the harm budget of `node`."""

    TYPE: ClassVar[str] = "exploration.started"
    policy: str
    node: str
    key: str


@entry_type
class ExplorationEnded(Entry, frozen=True, kw_only=True):
    """A trial of an explored pick has its verdict. `harmful`: it did harm, or nobody can say whether it ran."""

    TYPE: ClassVar[str] = "exploration.ended"
    policy: str
    node: str
    key: str
    harmful: bool
