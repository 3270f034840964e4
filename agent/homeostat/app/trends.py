"""Trends of what a journal holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd

from homeostat.app.feedback import feedback_of
from homeostat.app.pinned import pinned_policy
from homeostat.learn.dataset import attempt_rows, incident_rows
from homeostat.learn.drills import Drills
from homeostat.learn.trace import IncidentTrace, trace_incidents
from homeostat.learn.trends import RATINGS, trends
from homeostat.model.errors import UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.ports import Journal
from homeostat.model.streams import POLICY_STREAMS
from homeostat.record.stored import StoredJournal


def trends_of(
    journal: StoredJournal,
    *,
    recurrence_s: float,
    as_of: float,
    policy: str | None = None,
    since: float | None = None,
    window: int | None = None,
) -> pd.DataFrame:
    """See `learn.trends.trends`.

    Args:
        journal: is only read.
        recurrence_s: a new incident of the policy within this after closing is a relapse.
        as_of: Unix seconds at which it must be certain whether an incident came back.
        policy: only its incidents.
        since: Unix seconds; only incidents that opened then or later.
        window: so many incidents are a period; None: a month is.

    Raises:
        UsageError: there is no such policy. JournalError: the journal cannot be read.
    """
    incidents = incident_rows(_traces(journal, policy), recurrence_s, as_of, Drills.of(journal))
    if policy is not None and incidents.empty:
        _require_known(journal, policy)
    attempts = attempt_rows(_traces(journal, policy), None, recurrence_s, as_of)
    if since is not None:
        incidents = incidents[incidents["opened_at"] >= pd.Timestamp(since, unit="s", tz="UTC")]
    attempts["planned_s"] = _planned_s(journal, attempts)
    return trends(incidents, attempts, _feedback(journal), window=window)


def _traces(journal: Journal, policy: str | None) -> Iterator[IncidentTrace]:
    """One policy's incidents, or all. Nothing is kept of an incident that has passed."""
    records = (record for stream in journal.incidents() for record in journal.read(stream))
    return (trace for trace in trace_incidents(records) if policy in (None, trace.policy))


def _require_known(journal: StoredJournal, policy: str) -> None:
    loaded = {stream.removeprefix(POLICY_STREAMS) for stream in journal.streams(POLICY_STREAMS)}
    if policy not in loaded:
        known = sorted(loaded | {trace.policy for trace in _traces(journal, None)})
        hint = did_you_mean(policy, known) or f"; known: {', '.join(known) or 'none'}"
        raise UsageError(f"the journal knows no policy '{policy}'{hint}")


def _planned_s(journal: Journal, attempts: pd.DataFrame) -> pd.Series[Any]:
    """Of each attempt, how long its action usually takes, as its version of the policy has it; NaN: not journalled."""
    planned: dict[tuple[str, str], float] = {}
    for name, version in attempts[["policy", "policy_hash"]].drop_duplicates().itertuples(index=False):
        policy = pinned_policy(journal, name, version)
        leaves = policy.leaves.values() if policy else ()
        planned |= {
            (version, leaf.id): leaf.action.takes_s if leaf.takes_s is None else leaf.takes_s for leaf in leaves
        }
    keys = zip(attempts["policy_hash"], attempts["node"], strict=True)
    return pd.Series([planned.get(key) for key in keys], index=attempts.index, dtype="float64")


def _feedback(journal: Journal) -> pd.DataFrame:
    surveys = [entry.feedback for entry in feedback_of(journal)]
    rows = [(said.incident, said.clarity, said.usability, said.confidence) for said in surveys]
    return pd.DataFrame(rows, columns=["incident", *RATINGS]).astype(dict.fromkeys(RATINGS, "float64"))
