"""The frames' columns and dtypes: fixed, so that an empty journal gives empty frames of the same shape.

Times are UTC datetimes, durations float seconds with NaN for unknown, closed vocabularies categoricals, ids `str` with
NaN for none. Tuples of ids or numbers are `object`. `docs/frames.md` says what each column means.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

from homeostat.model.reasons import AttemptVerdict, EscalationReason, OutcomeStatus, Reason, Result

SCHEMA_VERSION = 1
"""Of the frames; it grows when a column changes its name, its dtype or its meaning, or goes. New ones may come."""

SIGNAL = "signal:"
"""Prefix of number signals' columns: float, NaN for unknown."""

TEXT = "text:"
"""Prefix of text signals' columns: str, NaN for unknown."""

AGE = "age_s:"
"""Prefix of a signal's age when it was used: seconds since its newest sample."""

AFTER = "after:"
"""Prefix of number signals' columns as they were when the verdict fell."""

TIME: Any = "datetime64[us, UTC]"
TRUTH: Any = "boolean"


def _vocabulary(words: Iterable[str]) -> pd.CategoricalDtype:
    return pd.CategoricalDtype([str(word) for word in words])


_KIND = _vocabulary(("if", "try", "choose", "decide", "dag", "guard"))

OF_INCIDENT: Mapping[str, Any] = {
    "incident": "str",
    "policy": "str",
    "policy_hash": "str",
    "opened_at": TIME,
    "closed_at": TIME,
}
"""Columns that every frame begins with."""

_LABEL: dict[str, Any] = {
    "verdict": _vocabulary(AttemptVerdict),
    "succeeded": "bool",
    "harmful": "bool",
    "relapsed": "bool",
    "mature": "bool",
    "weight": "float64",
}

_SCORE: dict[str, Any] = {
    "probability": "float64",
    "probability_low": "float64",
    "probability_high": "float64",
    "cost_s": "float64",
    "harm_expected": "float64",
    "index": "float64",
    "propensity": "float64",
}

ATTEMPT_DTYPES: Mapping[str, Any] = {
    **OF_INCIDENT,
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
    "intended_at": TIME,
    "ended_at": TIME,
    "verdict_at": TIME,
    "execution_s": "float64",
    "total_s": "float64",
    "outcome": _vocabulary(OutcomeStatus),
    "held_before": TRUTH,
    "held_after": TRUTH,
    "harm_before": TRUTH,
    "after_escalation": "bool",
    **_LABEL,
}
"""Columns of `dataset.attempts_frame` before its signals."""

DECISION_DTYPES: Mapping[str, Any] = {
    **OF_INCIDENT,
    "decision": "int64",
    "at": TIME,
    "node": "str",
    "kind": _KIND,
    "chosen": "str",
    "position": "int64",
    "failed": "object",
    "eligible": "object",
    "probabilities": "object",
    "propensities": "object",
    **_SCORE,
    "ranking_version": "str",
    "seed": "Int64",
    "explored": "bool",
    "attempts": "int64",
    "runs": "object",
    "started_at": TIME,
    "ended_at": TIME,
    "total_s": "float64",
    **_LABEL,
}
"""Columns of `dataset.decisions_frame` before its signals."""

OPTION_DTYPES: Mapping[str, Any] = {
    **OF_INCIDENT,
    "decision": "int64",
    "at": TIME,
    "node": "str",
    "option": "str",
    "chosen": "bool",
    "eligible": "bool",
    "reason": _vocabulary(Reason),
    "condition": "str",
    "truth": TRUTH,
    **_SCORE,
    "ranking_version": "str",
}
"""Columns of `dataset.options_frame`."""

INCIDENT_DTYPES: Mapping[str, Any] = {
    **OF_INCIDENT,
    "seed": "Int64",
    "confirmed_at": TIME,
    "escalated_at": TIME,
    "recovered_at": TIME,
    "result": _vocabulary(Result),
    "mttr_s": "float64",
    "attempts": "int64",
    "escalation": _vocabulary(EscalationReason),
    "relapsed": "bool",
    "mature": "bool",
    "drill": "bool",
}
"""Columns of `dataset.incidents_frame`."""

RANKING_DTYPES: Mapping[str, Any] = {
    "policy": "str",
    "version": "str",
    "trained_at": TIME,
    "promoted_at": TIME,
    "node": "str",
    "place": "int64",
    "candidate": "str",
    **{name: dtype for name, dtype in _SCORE.items() if name != "propensity"},
    "attempts": "float64",
    "successes": "float64",
    "harms": "float64",
    "deferred": "bool",
}
"""Columns of `ranking_frames.rankings_frame`."""

RANKING_EVENT_DTYPES: Mapping[str, Any] = {
    "at": TIME,
    "policy": "str",
    "event": _vocabulary(("trained", "promoted", "rolled_back")),
    "version": "str",
    "replaces": "str",
    "actor": "str",
    "incidents": "Int64",
    "attempts": "Int64",
    "why": "str",
}
"""Columns of `ranking_frames.rankings_history_frame`."""

RELIABILITY_DTYPES: Mapping[str, Any] = {
    "predicted": "float64",
    "predicted_low": "float64",
    "predicted_high": "float64",
    "trials": "int64",
    "observed": "float64",
    "observed_low": "float64",
    "observed_high": "float64",
}
"""Columns of `reliability.reliability_table`."""

REPLAY_DTYPES: Mapping[str, Any] = {
    "incident": "str",
    "opened_at": TIME,
    "recorded": _vocabulary(Result),
    "verdict": _vocabulary(("RECOVERED", "ESCALATED", "UNKNOWN")),
    "duration_s": "float64",
    "shift_s": "float64",
    "starts": "object",
    "why": "str",
}
"""Columns of `History.simulate`."""
