"""The counter-check: agents that know nothing of each other do act twice, and the witness sees it.

Two agents run the same policies, each on a journal of its own, as they would without a shared store.
"""

from __future__ import annotations

from pathlib import Path

from tests.chaos.field import Field
from tests.chaos.plans import make_plans
from tests.chaos.promises import duplicates

POLICIES = 4


def count_naive_duplicates(folder: Path) -> int:
    """How many duplicate effects the witness counts when it must count some."""
    with Field(folder, make_plans(POLICIES), agents=2, store=None) as field:
        field.break_down(*field.plans)
        field.wait_for("effects", lambda: len(field.seen("begin")) >= 2 * POLICIES, within_s=20.0)
        return len(duplicates(field.seen(), field.plans))
