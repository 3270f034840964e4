"""Where the local tier's payments are kept: a file with the id of a payment on each line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from homeostat.rig.layout import Layout


def paid_file(layout: Layout) -> Path:
    """The file."""
    return layout.folder / "paid.txt"


def count_payments(layout: Layout, identities: Sequence[str]) -> int:
    """How many of these payments are there; 0 without the file."""
    if not paid_file(layout).exists():
        return 0
    kept = set(paid_file(layout).read_text().split("\n"))
    return sum(identity in kept for identity in identities)
