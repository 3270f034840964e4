"""The frames' columns and dtypes: fixed, so that an empty journal gives empty frames of the same shape.

Times are UTC datetimes, durations float seconds with NaN for unknown, closed vocabularies categoricals, ids `str` with
NaN for none. Tuples of ids or numbers are `object`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from homeostat.model.policy import Policy
from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Result
from homeostat.model.signals import SignalType, Value

SIGNAL = "signal:"
"""Prefix of number signals' columns: float, NaN for unknown."""

TEXT = "text:"
"""Prefix of text signals' columns: str, NaN for unknown."""

Row = Mapping[str, Any]

_TIME = "datetime64[us, UTC]"


def _vocabulary(words: Iterable[str]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype([str(word) for word in words])


_KIND = _vocabulary(("if", "try", "choose", "decide", "guard"))

_INCIDENT: dict[str, Any] = {"incident": "str", "policy": "str", "policy_hash": "str", "opened_at": _TIME}
_LABEL: dict[str, Any] = {
    "verdict": _vocabulary(AttemptVerdict),
    "succeeded": "bool",
    "relapsed": "bool",
    "mature": "bool",
    "weight": "float64",
}

ATTEMPT_DTYPES: Mapping[str, Any] = {
    **_INCIDENT,
    "key": "str",
    "node": "str",
    "decision_node": "str",
    "decision_kind": _KIND,
    "candidate": "str",
    "action": "str",
    "target": "str",
    "number": "int64",
    "position": "Int64",
    "propensity": "float64",
    "ranking_version": "str",
    "failed": "object",
    "intended_at": _TIME,
    "ended_at": _TIME,
    "verdict_at": _TIME,
    "execution_s": "float64",
    "total_s": "float64",
    "outcome": _vocabulary(OutcomeStatus),
    **_LABEL,
}
"""Columns of `dataset.attempts_frame` before its signals."""

DECISION_DTYPES: Mapping[str, Any] = {
    **_INCIDENT,
    "at": _TIME,
    "node": "str",
    "kind": _KIND,
    "chosen": "str",
    "position": "int64",
    "failed": "object",
    "eligible": "object",
    "probabilities": "object",
    "propensities": "object",
    "propensity": "float64",
    "ranking_version": "str",
    "seed": "Int64",
    "attempts": "int64",
    "runs": "object",
    "started_at": _TIME,
    "ended_at": _TIME,
    "total_s": "float64",
    **_LABEL,
}
"""Columns of `dataset.decisions_frame` before its signals."""

INCIDENT_DTYPES: Mapping[str, Any] = {
    **_INCIDENT,
    "confirmed_at": _TIME,
    "recovered_at": _TIME,
    "closed_at": _TIME,
    "result": _vocabulary(Result),
    "mttr_s": "float64",
    "attempts": "int64",
    "escalation": _vocabulary(EscalationReason),
    "relapsed": "bool",
}
"""Columns of `dataset.incidents_frame`."""


def frame(rows: Sequence[Row], dtypes: Mapping[str, Any]) -> pd.DataFrame:
    """Give `rows` as a frame with exactly the columns of `dtypes`; times in the rows are Unix seconds or None."""
    return pd.DataFrame({name: _column([row[name] for row in rows], dtype) for name, dtype in dtypes.items()})


def frame_with_signals(
    rows: Sequence[Row], dtypes: Mapping[str, Any], contexts: Sequence[Mapping[str, Value]], policy: Policy | None
) -> pd.DataFrame:
    """Give `rows` as a frame with the columns of `dtypes` and one for each signal of the rows' `contexts`.

    The signals are the policy's; without one, those the contexts name, where a signal that ever was text is text.
    """
    types = _types_declared(policy) if policy else _types_seen(contexts)
    numbers = {
        SIGNAL + name: _column([_number(context.get(name)) for context in contexts], "float64")
        for name, signal_type in types.items()
        if signal_type is SignalType.NUMBER
    }
    texts = {
        TEXT + name: _column([_text(context.get(name)) for context in contexts], "str")
        for name, signal_type in types.items()
        if signal_type is SignalType.TEXT
    }
    return pd.concat([frame(rows, dtypes), pd.DataFrame(numbers | texts)], axis="columns")


def _column(values: Sequence[Any], dtype: Any) -> pd.Series[Any]:
    if dtype == _TIME:
        seconds = np.array([np.nan if value is None else value for value in values], dtype="float64")
        times: pd.Series[Any] = pd.Series(pd.to_datetime(seconds, unit="s", utc=True)).astype(dtype)
        return times
    if isinstance(dtype, pd.CategoricalDtype):
        values = [None if value is None else str(value) for value in values]
    column: pd.Series[Any] = pd.Series(list(values), dtype=dtype)
    return column


def _types_declared(policy: Policy) -> dict[str, SignalType]:
    return {name: spec.type for name, spec in sorted(policy.signals.items())}


def _types_seen(contexts: Sequence[Mapping[str, Value]]) -> dict[str, SignalType]:
    types: dict[str, SignalType] = {}
    for context in contexts:
        for name, value in context.items():
            if isinstance(value, str):
                types[name] = SignalType.TEXT
            else:
                types.setdefault(name, SignalType.NUMBER)
    return dict(sorted(types.items()))


def _number(value: Value) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan


def _text(value: Value) -> str | None:
    return value if isinstance(value, str) else None
