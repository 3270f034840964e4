"""A column for each signal: those a policy declares, or those that are met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from homeostat.learn.buffers import Coded, Numbers
from homeostat.learn.columns import SIGNAL, TEXT
from homeostat.model.policy import Policy
from homeostat.model.signals import SignalType, Value


class SignalNumbers:
    """Number columns, in order of their names; NaN where a row does not have the signal.

    Args:
        prefix: of the columns' names.
        policy: whose number signals become columns; None for every signal that is met.
    """

    def __init__(self, prefix: str, policy: Policy | None) -> None:
        self._prefix = prefix
        self._is_fixed = policy is not None
        self._buffers = {name: Numbers() for name in _declared(policy, SignalType.NUMBER)}
        self._rows = 0

    def append(self, values: Mapping[str, Value]) -> None:
        """Take one more row."""
        if not self._is_fixed:
            for name in values.keys() - self._buffers.keys():
                self._buffers[name] = Numbers(self._rows)
        for name, buffer in self._buffers.items():
            value = values.get(name)
            buffer.append(value if isinstance(value, (int, float)) else None)
        self._rows += 1

    def columns(self, rows: NDArray[np.intp] | None) -> dict[str, pd.Series[Any]]:
        """The columns by their names, prefix included. The buffers are given up one by one: once only."""
        return {self._prefix + name: self._buffers.pop(name).series(rows) for name in sorted(self._buffers)}


class SignalTexts:
    """Text columns, in order of their names; NaN where a row does not have the signal. `policy` as above."""

    def __init__(self, policy: Policy | None) -> None:
        self._is_fixed = policy is not None
        self._buffers = {name: Coded("str") for name in _declared(policy, SignalType.TEXT)}
        self._rows = 0

    def append(self, values: Mapping[str, Value]) -> None:
        """Take one more row."""
        if not self._is_fixed:
            for name, value in values.items():
                if isinstance(value, str) and name not in self._buffers:
                    self._buffers[name] = Coded("str", self._rows)
        for name, buffer in self._buffers.items():
            value = values.get(name)
            buffer.append(value if isinstance(value, str) else None)
        self._rows += 1

    def columns(self, rows: NDArray[np.intp] | None) -> dict[str, pd.Series[Any]]:
        """The columns by their names, prefix included. The buffers are given up one by one: once only."""
        return {TEXT + name: self._buffers.pop(name).series(rows) for name in sorted(self._buffers)}


class SignalValues:
    """The values a decision was made on: number columns, then text columns. A signal that ever was text is text."""

    def __init__(self, policy: Policy | None) -> None:
        self._numbers, self._texts = SignalNumbers(SIGNAL, policy), SignalTexts(policy)

    def append(self, values: Mapping[str, Value]) -> None:
        """Take one more row."""
        self._numbers.append(values)
        self._texts.append(values)

    def columns(self, rows: NDArray[np.intp] | None) -> dict[str, pd.Series[Any]]:
        """The columns by their names, prefix included."""
        numbers, texts = self._numbers.columns(rows), self._texts.columns(rows)
        text_names = {name.removeprefix(TEXT) for name in texts}
        return {name: c for name, c in numbers.items() if name.removeprefix(SIGNAL) not in text_names} | texts


def _declared(policy: Policy | None, signal_type: SignalType) -> list[str]:
    signals = {} if policy is None else policy.signals
    return [name for name, spec in sorted(signals.items()) if spec.type is signal_type]
