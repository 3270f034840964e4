"""Where the local tier's payments are kept: a file with the id of a payment on each line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from homeostat.rig.layout import Layout


def ledger(layout: Layout) -> Path:
    """The file."""
    return layout.folder / "ledger.txt"


def count_payments(layout: Layout, identities: Sequence[str]) -> int:
    """How many of these payments are there; 0 without a ledger."""
    if not ledger(layout).exists():
        return 0
    kept = set(ledger(layout).read_text().split("\n"))
    return sum(identity in kept for identity in identities)
