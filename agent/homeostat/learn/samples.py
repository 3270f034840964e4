"""Labelled trials of one node as arrays: what members learn from."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from homeostat.learn.features import Floats

Bools = NDArray[np.bool_]
Ints = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Samples:
    """n labelled trials of a node with M candidates and D columns, oldest first.

    Attributes:
        columns: (n, D), see `model.ranking.Feature`.
        failed: (n, M), the candidates that had failed before in the same incident.
        candidate: (n,), which one was tried, in 0..M-1.
        succeeded: (n,), the label.
        weight: (n,), how much it counts, above 0.
        incident: (n,), a number for each incident; its trials stand together.
        seconds: (n,), from the start of the trial to its verdict, NaN where unknown.
        verified: (n,), whether it ended as a success does, which is sooner; a relapse verified and did not succeed.
        harmful: (n,), whether it did harm.
        candidates: M.
    """

    columns: Floats
    failed: Bools
    candidate: Ints
    succeeded: Bools
    weight: Floats
    incident: Ints
    seconds: Floats
    verified: Bools
    harmful: Bools
    candidates: int

    def __len__(self) -> int:
        return len(self.candidate)

    def take(self, rows: Ints | Bools | slice) -> Samples:
        """The same of some rows: places, a mask, or a slice."""
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "candidates"}
        return Samples(**{name: array[rows] for name, array in arrays.items()}, candidates=self.candidates)

    def newest(self, incidents_max: int) -> Samples:
        """The rows of the newest so many incidents, without copying any."""
        starts = np.flatnonzero(np.r_[True, self.incident[1:] != self.incident[:-1]]) if len(self) else ()
        return self if len(starts) <= incidents_max else self.take(slice(int(starts[-incidents_max]), None))
