"""What is known of incidents only beside one another: in which order they stand, and which of them came back."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from homeostat.learn.buffers import Buffer, Coded, Times, Truths
from homeostat.learn.columns import OF_INCIDENT
from homeostat.learn.trace import IncidentTrace
from homeostat.model.reasons import Result


class IncidentTable:
    """One row for each incident, in the order they were added; forty bytes and its id each."""

    def __init__(self) -> None:
        self.rows = 0
        self._columns = {"incident": Coded("str"), "policy": Coded("str"), "policy_hash": Coded("str")}
        self._opened_at, self._closed_at = Times(), Times()
        self._confirmed, self._recovered = Truths("bool"), Truths("bool")

    def append(self, trace: IncidentTrace) -> int:
        """Take one more; give its number, which counts from 0."""
        self._columns["incident"].append(trace.id)
        self._columns["policy"].append(trace.policy)
        self._columns["policy_hash"].append(trace.policy_hash)
        self._opened_at.append(trace.opened_at)
        self._closed_at.append(trace.closed_at)
        self._confirmed.append(trace.confirmed_at is not None)
        self._recovered.append(trace.result is Result.RECOVERED)
        self.rows += 1
        return self.rows - 1

    def order(self) -> NDArray[np.intp]:
        """The incidents' numbers, oldest incident first; of those that opened together the lower id first."""
        opened_at = self._opened_at.array()
        if np.all(np.diff(opened_at) > 0.0):
            return np.arange(self.rows)
        return np.lexsort((self._ids().to_numpy(dtype=object).astype(str), opened_at))

    def relapsed(self, recurrence_s: float) -> NDArray[np.bool_]:
        """Whether each incident closed as recovered and came back within `recurrence_s` seconds: (n,).

        A suspicion that was never confirmed is no recurrence, and another policy's incident is none either.
        """
        relapsed = np.zeros(self.rows, dtype=bool)
        order = self.order()
        order = order[self._confirmed.array()[order]]
        order = order[np.argsort(self._columns["policy"].codes()[order], kind="stable")]
        earlier, later = order[:-1], order[1:]
        codes = self._columns["policy"].codes()
        gap_s = self._opened_at.array()[later] - self._closed_at.array()[earlier]
        came_back = (codes[earlier] == codes[later]) & (gap_s >= 0.0) & (gap_s <= recurrence_s)
        relapsed[earlier] = came_back & self._recovered.array()[earlier]
        return relapsed

    def mature(self, recurrence_s: float, as_of: float) -> NDArray[np.bool_]:
        """Whether the labels of each can no longer change at `as_of` (Unix seconds): (n,)."""
        mature: NDArray[np.bool_] = self._closed_at.array() + recurrence_s <= as_of
        return mature

    def columns(self, numbers: NDArray[np.intp]) -> dict[str, pd.Series[Any]]:
        """The columns of `OF_INCIDENT` for rows of these incidents."""
        buffers: dict[str, Buffer] = {**self._columns, "opened_at": self._opened_at, "closed_at": self._closed_at}
        return {name: buffers[name].series(numbers) for name in OF_INCIDENT}

    def _ids(self) -> pd.Series[Any]:
        return self._columns["incident"].series(None)
