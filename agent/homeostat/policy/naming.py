"""Ids of steps: given ones are unique, missing ones are derived and stay the same while the order of steps does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from homeostat.policy.step_schema import STEP_KINDS

ROOT_ID = "plan"
ESCALATE_ID = "escalate"
UNDO_SUFFIX = ".undo"
"""After a step's id: that of its undo."""

RESERVED_IDS = frozenset({ROOT_ID, ESCALATE_ID})


class NodeIds:
    """Hands out ids in document order; a derived one never takes a given one's place."""

    def __init__(self, raw_steps: object) -> None:
        self._given = frozenset(given_ids(raw_steps))
        self._taken: set[str] = set(RESERVED_IDS)
        self._counts: Counter[str] = Counter()

    def take(self, given: str) -> str | None:
        """Use a given id. Says what is wrong with it; None when nothing is."""
        if given in RESERVED_IDS:
            return f"the id '{given}' is reserved"
        if given in self._taken:
            return f"the id '{given}' is used twice"
        self._taken.add(given)
        return None

    def derive(self, stem: str, *, numbered: bool) -> str:
        """Derive an id: `<stem>-1`, `<stem>-2`, ..., or, for a leaf, `<stem>`, `<stem>-2`, ..."""
        while True:
            self._counts[stem] += 1
            number = self._counts[stem]
            candidate = stem if number == 1 and not numbered else f"{stem}-{number}"
            if candidate not in self._taken and candidate not in self._given:
                self._taken.add(candidate)
                return candidate


def given_ids(raw: object) -> Iterator[str]:
    """Every id that an author wrote, in steps of any kind."""
    if isinstance(raw, list):
        for step in raw:
            yield from given_ids(step)
    elif isinstance(raw, dict):
        if isinstance(raw.get("id"), str):
            yield str(raw["id"])
        for key in (*STEP_KINDS, "else", "fallback"):
            if isinstance(raw.get(key), list | dict):
                yield from given_ids(raw[key])
