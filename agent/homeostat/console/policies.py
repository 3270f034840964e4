"""What the pages about policies show. Nothing here writes."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

from homeostat.app.autonomy import EarningStep, earning_steps
from homeostat.app.explain import explain
from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.app.why_nothing import paused_now
from homeostat.console.followed import Followed
from homeostat.console.kept import Kept
from homeostat.console.views import IncidentRow, entries_of, incident_row
from homeostat.console.workspace_policies import Stale, policy_of, staleness, workspace_policies
from homeostat.decide.ledger import account
from homeostat.decide.projection import fold
from homeostat.drawing.labels import details_of, end_text, trigger_text
from homeostat.drawing.svg import to_svg
from homeostat.model import entries as e
from homeostat.model.incident import Ledger
from homeostat.model.policy import Do, Policy, strictest
from homeostat.model.ports import Journal, Record
from homeostat.model.streams import policy_stream

INCIDENTS_MAX = 25
INCIDENTS_KEPT = 200
"""Of each policy: one that is older and still open is told among the open ones alone."""


@dataclass(frozen=True, slots=True)
class IncidentBrief:
    """An incident of a policy; `closed_at` is None while it is open, and `result` then too."""

    id: str
    opened_at: float
    closed_at: float | None
    result: str | None


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One policy in a list.

    Attributes:
        mode: how far the agent may go in it; the strictest of the policy's and the agent's own.
        trigger: in words.
        version: `Policy.hash` of what its file says.
        loaded: the version that an agent loaded last; None: none ever has.
        autonomy: how far its steps may go, in short.
        paused: by whom, and why; None: it is not. paused_with_all: whether everything is.
        last: its newest incident.
    """

    name: str
    mode: str
    owner: str
    trigger: str
    version: str
    loaded: str | None
    autonomy: str
    paused: str | None
    paused_with_all: bool
    last: IncidentBrief | None
    stale: Stale


@dataclass(frozen=True, slots=True)
class PoliciesPage:
    """Every policy of the workspace. `problems`: what is wrong in files that could not be read."""

    position: int
    rows: list[PolicyRow]
    problems: list[str]


@dataclass(frozen=True, slots=True)
class StepRow:
    """One step: what it does, and how far the agent may go with it by itself.

    Attributes:
        mode: now. earns: the freest it can get, None where its mode is not earned.
        earning: what it has shown, where its mode is earned.
    """

    id: str
    does: tuple[str, ...]
    mode: str
    earns: str | None
    earning: EarningStep | None


@dataclass(frozen=True, slots=True)
class PolicyPage:
    """Everything about one policy. Times in seconds; `svg` is its plan."""

    position: int
    row: PolicyRow
    resolved: str
    escalates_to: str
    rto_s: float | None
    timeout_s: float
    attempts_max: int
    environment: str | None
    files: list[str]
    ruling: str | None
    steps: list[StepRow]
    incidents: list[IncidentRow]
    svg: str = field(repr=False)


@dataclass(slots=True)
class _Known:
    """What the journal says of all policies; `incidents` and `of_policy` by id of incident, oldest first."""

    loaded: dict[str, str] = field(default_factory=dict)
    incidents: dict[str, IncidentBrief] = field(default_factory=dict)
    of_policy: dict[str, deque[str]] = field(default_factory=dict)
    switches: list[e.Entry] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)

    def newest(self, policy: str) -> list[IncidentBrief]:
        """As many of a policy's incidents as a page shows, newest first."""
        return [self.incidents[one] for one in islice(reversed(self.of_policy.get(policy, deque())), INCIDENTS_MAX)]


def _add(known: _Known, record: Record) -> None:
    match record.entry:
        case e.PolicyLoaded() as entry:
            known.loaded[entry.policy] = entry.policy_hash
        case e.Suspected() as entry:
            known.incidents[record.stream] = IncidentBrief(record.stream, entry.at, None, None)
            newest = known.of_policy.setdefault(entry.policy, deque())
            newest.append(record.stream)
            if len(newest) > INCIDENTS_KEPT:
                del known.incidents[newest.popleft()]
        case e.Closed() as entry if record.stream in known.incidents:
            first = known.incidents[record.stream]
            known.incidents[record.stream] = replace(first, closed_at=entry.at, result=entry.result.value)
        case e.Paused() | e.Resumed() as entry:
            known.switches = [*paused_now(known.switches), entry]
        case entry:
            known.ledger = account(known.ledger, entry)


_FOLLOWED = (
    e.PolicyLoaded, e.Suspected, e.Closed, e.Paused, e.Resumed, e.AttemptCounted, e.SuccessRelapsed
)  # fmt: skip
_known = Followed([kind.TYPE for kind in _FOLLOWED], _Known, _add)
_rows: Kept[IncidentRow] = Kept(500)


def policies_page(settings: Settings) -> PoliciesPage:
    """See `PoliciesPage`. Raises JournalError."""
    policies, problems = workspace_policies(settings)
    stale = staleness(settings)
    position, rows = _known.view(
        settings, lambda known: [_row(settings, policy, known, stale) for policy in policies.values()]
    )
    return PoliciesPage(position, rows, problems)


def policy_page(settings: Settings, name: str) -> PolicyPage:
    """Everything about one policy. Raises UsageError: there is none. JournalError."""
    policy = policy_of(settings, name)
    stale = staleness(settings)
    position, (row, earning, newest) = _known.view(
        settings,
        lambda known: (
            _row(settings, policy, known, stale),
            {step.step: step for step in earning_steps([policy], known.ledger)},
            [brief.id for brief in known.newest(name)],
        ),
    )
    rows, ruling = _incidents_and_ruling(settings, name, newest)
    return PolicyPage(
        position,
        row,
        end_text(policy),
        policy.escalate.to,
        policy.rto_s,
        policy.timeout_s,
        policy.attempts_max,
        policy.environment,
        sorted(policy.sources),
        ruling,
        [_step(settings, policy, leaf, earning.get(leaf.id)) for leaf in policy.leaves.values()],
        rows,
        to_svg(policy, with_style=False),
    )


def _incidents_and_ruling(settings: Settings, name: str, ids: Sequence[str]) -> tuple[list[IncidentRow], str | None]:
    if not has_journal(settings):
        return [], None
    with journal_to_read(settings) as journal:
        rows = [_incident(settings, journal, one) for one in ids]
        history = entries_of(journal, policy_stream(name))
    moved = [entry for entry in history if isinstance(entry, e.RankingPromoted | e.RankingRolledBack)]
    last = moved[-1] if moved else None
    return rows, last.to if isinstance(last, e.RankingRolledBack) else last.version if last else None


def _incident(settings: Settings, journal: Journal, incident: str) -> IncidentRow:
    """An incident's line; most are closed, and stay what they are."""
    key = (settings.journal, settings.store.url, incident, journal.head_seq(incident))

    def fold_it() -> IncidentRow:
        entries = entries_of(journal, incident)
        return incident_row(fold(entries), explain(entries))

    return _rows.get(key, fold_it)


def _row(settings: Settings, policy: Policy, known: _Known, stale: Mapping[str, Stale]) -> PolicyRow:
    incidents = known.newest(policy.name)
    pauses = {pause.policy: pause for pause in paused_now(known.switches)}
    held = pauses.get(None) or pauses.get(policy.name)
    return PolicyRow(
        policy.name,
        strictest(settings.agent.mode, policy.mode).value,
        policy.owner,
        trigger_text(policy),
        policy.hash,
        known.loaded.get(policy.name),
        _autonomy(settings, policy, earning_steps([policy], known.ledger)),
        None if held is None else f"{held.by}{f': {held.note}' if held.note else ''}",
        None in pauses,
        incidents[0] if incidents else None,
        stale.get(policy.name, Stale(unknown="its file cannot be read")),
    )


def _mode_written(settings: Settings, policy: Policy, leaf: Do) -> str:
    return strictest(settings.agent.mode, policy.mode, leaf.mode).value


def _autonomy(settings: Settings, policy: Policy, earning: Iterable[EarningStep]) -> str:
    earned = {step.step: step for step in earning}
    modes = Counter(
        strictest(settings.agent.mode, policy.mode, earned[leaf.id].mode).value
        if leaf.id in earned
        else _mode_written(settings, policy, leaf)
        for leaf in policy.leaves.values()
    )
    told = ", ".join(f"{count} {mode}" for mode, count in modes.most_common())
    return f"{told}; {len(earned)} earned" if earned else told


def _step(settings: Settings, policy: Policy, leaf: Do, earning: EarningStep | None) -> StepRow:
    written = _mode_written(settings, policy, leaf)
    if earning is None:
        return StepRow(leaf.id, tuple(details_of(leaf)), written, None, None)
    now = strictest(settings.agent.mode, policy.mode, earning.mode).value
    return StepRow(leaf.id, tuple(details_of(leaf)), now, earning.earned.value, earning)
