"""Columns that grow row by row in a few bytes a row, and become a frame at the end.

A million rows of dicts are gigabytes; here a number takes eight bytes, a truth one, and a word, a tuple or a category
four: a code into the vocabulary of what was seen.
"""

from __future__ import annotations

from array import array
from collections.abc import Hashable, Mapping
from typing import Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from homeostat.learn.columns import TIME, TRUTH
from homeostat.model.errors import UsageError

_SECONDS_MAX = 2.0**43
"""Some 279,000 years; microseconds beyond it do not fit 64 bits."""

NONE = -1
"""The code of no value."""


class Buffer(Protocol):
    """One growing column. None is no value."""

    def append(self, value: Any) -> None:
        """Take one more value."""
        ...

    def series(self, rows: NDArray[np.intp] | None) -> pd.Series[Any]:
        """All of it as a column; `rows` chooses and orders, None keeps all."""
        ...


class Numbers:
    """float64; NaN for None. `missing` values come first."""

    def __init__(self, missing: int = 0) -> None:
        self.values = array("d", [np.nan]) * missing

    def append(self, value: float | None) -> None:
        """See `Buffer`."""
        self.values.append(np.nan if value is None else value)

    def array(self) -> NDArray[np.float64]:
        """All values, (n,)."""
        return np.frombuffer(self.values, dtype="float64") if self.values else np.zeros(0)

    def series(self, rows: NDArray[np.intp] | None) -> pd.Series[Any]:
        """See `Buffer`."""
        return pd.Series(_taken(self.array(), rows))


class Times(Numbers):
    """UTC datetimes; Unix seconds go in."""

    def series(self, rows: NDArray[np.intp] | None) -> pd.Series[Any]:
        """See `Buffer`."""
        seconds = _taken(self.array(), rows)
        if np.nanmax(np.abs(seconds), initial=0.0) > _SECONDS_MAX:
            raise UsageError(f"a record's time, {np.nanmax(np.abs(seconds)):g} Unix seconds, is in no calendar")
        unknown = np.isnan(seconds)
        microseconds = np.rint(np.where(unknown, 0.0, seconds) * 1e6).astype("int64").view("datetime64[us]")
        microseconds[unknown] = np.datetime64("NaT")
        return pd.Series(microseconds).dt.tz_localize("UTC")


class Integers:
    """int64, or with None among them Int64."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._values = array("q")
        self._missing = bytearray()

    def append(self, value: int | None) -> None:
        """See `Buffer`."""
        try:
            self._values.append(0 if value is None else value)
        except OverflowError as error:
            raise UsageError(
                f"a record's whole number {value} is beyond 64 bits: the agent wrote no such thing"
            ) from error
        self._missing.append(value is None)

    def series(self, rows: NDArray[np.intp] | None) -> pd.Series[Any]:
        """See `Buffer`."""
        values = _taken(np.array(self._values, dtype="int64"), rows)
        if self._dtype == "int64":
            return pd.Series(values)
        missing = _taken(np.array(self._missing, dtype=bool), rows)
        return pd.Series(pd.arrays.IntegerArray(values, missing))


class Truths:
    """bool, or with None among them boolean."""

    def __init__(self, dtype: str) -> None:
        self._dtype = dtype
        self._values = bytearray()

    def append(self, value: bool | None) -> None:  # noqa: FBT001 - one value of a column of them
        """See `Buffer`."""
        self._values.append(2 if value is None else value)

    def array(self) -> NDArray[np.bool_]:
        """All values, (n,); None counts as False."""
        true: NDArray[np.bool_] = np.array(self._values, dtype="uint8") == 1
        return true

    def series(self, rows: NDArray[np.intp] | None) -> pd.Series[Any]:
        """See `Buffer`."""
        values = _taken(self.array(), rows)
        if self._dtype == "bool":
            return pd.Series(values)
        missing = _taken(np.array(self._values, dtype="uint8") == 2, rows)
        return pd.Series(pd.arrays.BooleanArray(values, missing))


class Coded:
    """Words, categories or tuples: each different one is kept once. `missing` values come first."""

    def __init__(self, dtype: Any, missing: int = 0) -> None:
        self._dtype = dtype
        self._codes = array("i", [NONE]) * missing
        self._places: dict[Hashable, int] = {}
        if isinstance(dtype, pd.CategoricalDtype):
            self._places = {str(word): place for place, word in enumerate(dtype.categories)}

    def append(self, value: Hashable) -> None:
        """See `Buffer`."""
        places = self._places
        self._codes.append(NONE if value is None else places.setdefault(value, len(places)))

    def codes(self) -> NDArray[np.int32]:
        """The place of each value in the vocabulary, (n,); -1 for None."""
        return np.array(self._codes, dtype="int32")

    def series(self, rows: NDArray[np.intp] | None) -> pd.Series[Any]:
        """See `Buffer`."""
        codes = _taken(self.codes(), rows)
        if isinstance(self._dtype, pd.CategoricalDtype):
            return pd.Series(pd.Categorical.from_codes(codes, dtype=self._dtype))
        words = np.empty(len(self._places) + 1, dtype=object)
        words[: len(self._places)] = _as_objects(self._places)
        if self._dtype == "object":
            return pd.Series(words[codes], dtype="object")
        column: pd.Series[Any] = pd.Series(pd.array(words, dtype="str").take(codes))
        return column


def _as_objects(values: Mapping[Hashable, int]) -> NDArray[np.object_]:
    """Tuples stay tuples: numpy would make a matrix of them."""
    objects = np.empty(len(values), dtype=object)
    for place, value in enumerate(values):
        objects[place] = value
    return objects


def buffer_of(dtype: Any) -> Buffer:
    """An empty column of a dtype that `columns` knows."""
    if isinstance(dtype, pd.CategoricalDtype) or dtype in ("str", "object"):
        return Coded(dtype)
    if dtype in ("int64", "Int64"):
        return Integers(dtype)
    if dtype in ("bool", TRUTH):
        return Truths(dtype)
    return Times() if dtype == TIME else Numbers()


class Table:
    """Buffers for all columns of a frame.

    Args:
        dtypes: name -> dtype, in the order of the frame.
    """

    def __init__(self, dtypes: Mapping[str, Any]) -> None:
        self.buffers = {name: buffer_of(dtype) for name, dtype in dtypes.items()}
        self.rows = 0

    def append(self, row: Mapping[str, Any]) -> None:
        """Take one more row; what the frame has no column for is passed over."""
        for name, buffer in self.buffers.items():
            buffer.append(row[name])
        self.rows += 1

    def frame(self) -> pd.DataFrame:
        """All rows, in the order in which they came."""
        return pd.DataFrame(self.columns())

    def columns(self, rows: NDArray[np.intp] | None = None) -> dict[str, pd.Series[Any]]:
        """Each column; `rows` chooses and orders, None keeps all. The buffers are given up one by one: once only."""
        return {name: self.buffers.pop(name).series(rows) for name in list(self.buffers)}


def _taken(values: NDArray[Any], rows: NDArray[np.intp] | None) -> NDArray[Any]:
    """A copy, so that the buffer behind it can go on growing."""
    return values.copy() if rows is None else values[rows]
