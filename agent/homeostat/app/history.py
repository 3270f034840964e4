"""What `homeostat.open` gives: a journal or recorded incidents as tidy frames, for notebooks and reports.

Promise: nothing is ever written. It may be read while agents write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import pandas as pd

from homeostat.learn.dataset import attempt_rows, decision_rows, incident_rows, journal_records
from homeostat.learn.labels import RECURRENCE_S
from homeostat.learn.trace import IncidentTrace, trace_incidents
from homeostat.model.policy import Policy
from homeostat.record.stored import StoredJournal


@dataclass(frozen=True, slots=True)
class Source:
    """What a history is read from.

    Attributes:
        name: for people: the place that was opened.
        journal: is only read.
        policy_named: gives a policy by its name or the path of its file; raises UsageError, PolicyError.
        now: gives Unix seconds.
        recurrence_s: the recurrence window, where a call does not say another.
        opened: what is to be released at the end.
    """

    name: str
    journal: StoredJournal
    policy_named: Callable[[str], Policy]
    now: Callable[[], float]
    recurrence_s: float = RECURRENCE_S
    opened: ExitStack = field(default_factory=ExitStack)


PolicyGiven = Policy | Path | str | None
"""A policy, its name, or the path of its file; None for all policies."""


class History:
    """Past incidents, decisions, attempts and rankings as frames; `docs/frames.md` describes every column.

    A context manager; without `with`, call `close` at the end. Every call reads anew, so it shows what was written
    since. Where a policy can be given, it is a `Policy`, a policy's name, or the path of its file; then only its
    incidents are in the frame, the signal columns are that policy's, and candidates that are whole subtrees are linked
    to the attempts below them.

    Frames raise JournalError where the journal cannot be read, UsageError and PolicyError where the policy cannot be
    found or is invalid.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def incidents(
        self, policy: PolicyGiven = None, *, recurrence_s: float | None = None, as_of: float | None = None
    ) -> pd.DataFrame:
        """One row per incident, oldest first; see `learn.dataset.incidents_frame`. The arguments as for `attempts`."""
        return incident_rows(self._traces(self._policy(policy)), self._window(recurrence_s), self._when(as_of))

    def attempts(
        self,
        policy: PolicyGiven = None,
        *,
        recurrence_s: float | None = None,
        as_of: float | None = None,
    ) -> pd.DataFrame:
        """One row per attempt; see `learn.dataset.attempts_frame`.

        Args:
            policy: see the class.
            recurrence_s: a new incident of the policy within this after closing is a relapse; by default as the
                workspace's settings have it.
            as_of: Unix seconds at which labels must be mature; None for now.
        """
        known = self._policy(policy)
        return attempt_rows(self._traces(known), known, self._window(recurrence_s), self._when(as_of))

    def decisions(
        self,
        policy: PolicyGiven = None,
        *,
        recurrence_s: float | None = None,
        as_of: float | None = None,
    ) -> pd.DataFrame:
        """One row per decision; see `learn.dataset.decisions_frame`. The arguments are those of `attempts`."""
        known = self._policy(policy)
        return decision_rows(self._traces(known), known, self._window(recurrence_s), self._when(as_of))

    def close(self) -> None:
        """Release the journal. Harmless when repeated."""
        self._source.opened.close()

    def __enter__(self) -> History:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<History of {self._source.name}>"

    def _policy(self, policy: PolicyGiven) -> Policy | None:
        return policy if policy is None or isinstance(policy, Policy) else self._source.policy_named(str(policy))

    def _traces(self, policy: Policy | None) -> Iterator[IncidentTrace]:
        traces = trace_incidents(journal_records(self._source.journal))
        return (trace for trace in traces if policy is None or trace.policy == policy.name)

    def _window(self, recurrence_s: float | None) -> float:
        return self._source.recurrence_s if recurrence_s is None else recurrence_s

    def _when(self, as_of: float | None) -> float:
        return self._source.now() if as_of is None else as_of
