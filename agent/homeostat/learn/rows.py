"""Rows of a frame while incidents are read, and what only all incidents together can say, put in at the end."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from homeostat.learn.buffers import Table, Truths
from homeostat.learn.columns import OF_INCIDENT
from homeostat.learn.incident_table import IncidentTable
from homeostat.learn.labels import TEACHES_NOTHING, Label
from homeostat.learn.trace import IncidentTrace

_OF_LABEL = ("succeeded", "relapsed", "mature")
"""They depend on incidents that come later."""


class MoreColumns(Protocol):
    """Columns that somebody else appends to, one value a row."""

    def columns(self, rows: NDArray[np.intp] | None) -> dict[str, pd.Series[Any]]:
        """The columns by their names."""
        ...


class Rows:
    """Gathers rows incident by incident.

    Args:
        dtypes: the frame's columns; those of the incident and of the label are filled in here.
        more: columns to stand after them.
    """

    def __init__(self, dtypes: Mapping[str, Any], more: Sequence[MoreColumns] = ()) -> None:
        self._names = list(dtypes)
        self._more = more
        own = {name: dtype for name, dtype in dtypes.items() if name not in OF_INCIDENT and name not in _OF_LABEL}
        self._weighs = own.pop("weight", None) is not None
        self._table = Table(own | ({"weight": "float64"} if self._weighs else {}))
        self._incidents = IncidentTable()
        self._incident = array("i")
        self._works, self._relapses = Truths("bool"), Truths("bool")

    def begin(self, trace: IncidentTrace) -> None:
        """The rows that follow are this incident's."""
        self._incidents.append(trace)

    def append(self, cells: dict[str, Any], taught: Label = TEACHES_NOTHING) -> None:
        """Take one more row.

        Args:
            cells: what stands in the frame's own columns.
            taught: the label it has if its incident relapses; `relapsed` says that the row is what would not hold.
        """
        if self._weighs:
            cells["weight"] = taught.weight
        self._table.append(cells)
        self._incident.append(self._incidents.rows - 1)
        self._works.append(taught.succeeded or taught.relapsed)
        self._relapses.append(taught.relapsed)

    def frame(self, recurrence_s: float, as_of: float) -> pd.DataFrame:
        """All rows, by incident, oldest first; see `dataset.attempts_frame` for the arguments.

        What was gathered is given up column by column, so that there are never two of all of it: once only.
        """
        rows, owner = self._sorted()
        relapsed = self._relapses.array()[rows] & self._incidents.relapsed(recurrence_s)[owner]
        columns: dict[str, Any] = {
            **self._incidents.columns(owner),
            **self._table.columns(rows),
            "succeeded": self._works.array()[rows] & ~relapsed,
            "relapsed": relapsed,
            "mature": self._incidents.mature(recurrence_s, as_of)[owner],
        }
        frame = {name: columns[name] for name in self._names}
        for more in self._more:
            frame |= more.columns(rows)
        return pd.DataFrame(frame)

    def _sorted(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Rows in the order of their incidents, and the incident of each."""
        owner = np.array(self._incident, dtype=np.intp)
        place = np.empty(self._incidents.rows, dtype=np.intp)
        place[self._incidents.order()] = np.arange(self._incidents.rows)
        rows = np.argsort(place[owner], kind="stable")
        return rows, owner[rows]
