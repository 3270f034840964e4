"""What `homeostat.open` gives: a journal or recorded incidents as tidy frames, for notebooks and reports.

Promise: nothing is ever written. It may be read while agents write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

from homeostat.app.recordings import version_used
from homeostat.learn.buffers import Table
from homeostat.learn.columns import REPLAY_DTYPES
from homeostat.learn.dataset import attempt_rows, decision_rows, incident_rows, journal_records, option_rows
from homeostat.learn.drills import Drills
from homeostat.learn.labels import RECURRENCE_S
from homeostat.learn.ranking_frames import rankings_frame, rankings_history_frame
from homeostat.learn.reliability import GROUPS, reliability_of_decisions
from homeostat.learn.trace import IncidentTrace, trace_incidents
from homeostat.model.entries import Closed, Entry, RankingTrained, Suspected
from homeostat.model.policy import Policy
from homeostat.model.ranking import Ranking
from homeostat.model.streams import POLICY_STREAMS
from homeostat.record.stored import StoredJournal
from homeostat.simulate.replay import Replay, replay


@dataclass(frozen=True, slots=True)
class Source:
    """What a history is read from.

    Attributes:
        name: for people: the place that was opened.
        journal: is only read.
        policy_named: gives a policy by its name or the path of its file; raises UsageError, PolicyError.
        now: gives Unix seconds.
        recurrence_s: the recurrence window, where a call does not say another.
        rankings: those that came with recorded incidents, beside the ones in the journal.
        opened: what is to be released at the end.
    """

    name: str
    journal: StoredJournal
    policy_named: Callable[[str], Policy]
    now: Callable[[], float]
    recurrence_s: float = RECURRENCE_S
    rankings: Sequence[Ranking] = ()
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
        traces, drills = self._traces(self._policy(policy)), Drills.of(self._source.journal)
        return incident_rows(traces, self._window(recurrence_s), self._when(as_of), drills)

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

    def options(self, policy: PolicyGiven = None) -> pd.DataFrame:
        """One row per option of each decision, with the reason it was excluded; see `learn.dataset.options_frame`."""
        return option_rows(self._traces(self._policy(policy)))

    def rankings(self) -> pd.DataFrame:
        """One row per candidate of each policy's ruling ranking; see `learn.ranking_frames.rankings_frame`."""
        return rankings_frame(self._of_policies())

    def rankings_history(self) -> pd.DataFrame:
        """One row per ranking trained, promoted or rolled back; see `ranking_frames.rankings_history_frame`."""
        return rankings_history_frame(self._of_policies())

    def calibration(
        self,
        policy: PolicyGiven = None,
        *,
        groups: int = GROUPS,
        recurrence_s: float | None = None,
        as_of: float | None = None,
    ) -> pd.DataFrame:
        """Logged probabilities against outcomes, in groups; see `learn.reliability.reliability_table`.

        Decisions by the written order foretold nothing and are not in it. The arguments are those of `attempts`.
        """
        return reliability_of_decisions(self.decisions(policy, recurrence_s=recurrence_s, as_of=as_of), groups)

    def simulate(self, policy: Policy | Path | str, *, with_rankings: bool = True) -> pd.DataFrame:
        """Replay every closed incident against a policy, of whatever policy it was; columns: `REPLAY_DTYPES`.

        One row an incident: how the replay ends, after how many seconds, what it would start, and why it says no more
        than that. UNKNOWN: it would do something whose outcome was not recorded, which never counts as success.

        Args:
            policy: any version of any policy.
            with_rankings: order `choose` by the ranking each incident was decided with; False: as written.
        """
        known = policy if isinstance(policy, Policy) else self._source.policy_named(str(policy))
        rankings = self._rankings_by_version() if with_rankings else {}
        table = Table(REPLAY_DTYPES)
        for stream in self._source.journal.incidents():
            entries = [record.entry for record in self._source.journal.read(stream)]
            opened, closed = entries[0], entries[-1]
            if isinstance(opened, Suspected) and isinstance(closed, Closed):
                ranking = rankings.get(version_used(entries) or "")
                table.append(_replay_cells(replay(known, entries, ranking), opened, closed))
        return table.frame()

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

    def _of_policies(self) -> dict[str, list[Entry]]:
        journal = self._source.journal
        return {
            stream.removeprefix(POLICY_STREAMS): [record.entry for record in journal.read(stream)]
            for stream in journal.streams(POLICY_STREAMS)
        }

    def _rankings_by_version(self) -> dict[str, Ranking]:
        trained = [
            e.ranking for entries in self._of_policies().values() for e in entries if isinstance(e, RankingTrained)
        ]
        return {ranking.version: ranking for ranking in (*self._source.rankings, *trained)}

    def _window(self, recurrence_s: float | None) -> float:
        return self._source.recurrence_s if recurrence_s is None else recurrence_s

    def _when(self, as_of: float | None) -> float:
        return self._source.now() if as_of is None else as_of


def _replay_cells(replayed: Replay, opened: Suspected, closed: Closed) -> dict[str, Any]:
    return {
        "incident": opened.incident,
        "opened_at": opened.at,
        "recorded": closed.result,
        "verdict": replayed.verdict,
        "duration_s": replayed.duration_s,
        "shift_s": replayed.shift_s,
        "starts": tuple((start.action, start.target) for start in replayed.starts),
        "why": replayed.why,
    }
