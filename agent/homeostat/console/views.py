"""What the pages and the JSON API show: the journal folded into plain values. Nothing here writes."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, field

from homeostat.app.explain import Line, explain
from homeostat.app.people import Pending, board, pending_in
from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.app.why_nothing import paused_now
from homeostat.console.alert_rows import AlertRow, alert_rows, alerts_seen, not_listed
from homeostat.console.kept import Kept
from homeostat.decide.projection import fold
from homeostat.drawing.states import node_states, refusals
from homeostat.drawing.svg import to_svg
from homeostat.model import entries as e
from homeostat.model.errors import JournalCorrupt, UsageError
from homeostat.model.incident import Attempt, Incident
from homeostat.model.ports import Journal
from homeostat.model.reasons import Reason
from homeostat.model.streams import AGENT_STREAM, policy_stream
from homeostat.policy.load import load_journalled

RECENT_MAX = 25
DRAWN_MAX = 64
"""How many versions of incidents stay drawn: pages of one incident are asked for by many people at once."""
LISTED_MAX = 2000
"""How many versions of incidents stay folded for lists; of them a new position of the journal changes few."""
UNREADABLE = "unreadable"
"""In place of a phase: the incident's entries contradict each other."""
OVERVIEW_S_MAX = 10.0
"""A journal that was replaced by another one of equal length is noticed after so long at the latest."""


@dataclass(frozen=True, slots=True)
class IncidentRow:
    """One incident in a list. Times are Unix seconds; `seconds` from the opening to the end, None while it is open."""

    id: str
    policy: str
    phase: str
    result: str | None
    opened_at: float
    seconds: float | None
    attempts: int
    last: str


@dataclass(frozen=True, slots=True)
class Pause:
    """A kill switch that somebody has pulled. `policy` is None where it holds for all."""

    policy: str | None
    by: str
    note: str
    at: float


@dataclass(frozen=True, slots=True)
class AgentSeen:
    """The agent that came up last. `stopped_at` is None where it did not go down in order."""

    name: str
    version: str
    started_at: float
    stopped_at: float | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of everything at one position of the journal.

    Attributes:
        alerts: what goes on by what other systems have said; the longest first, and `alerts_left_out` how many more.
    """

    position: int
    agent: AgentSeen | None
    pauses: list[Pause]
    pending: list[Pending]
    open: list[IncidentRow]
    recent: list[IncidentRow]
    alerts: list[AlertRow] = field(default_factory=list)
    alerts_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the time line. `number` is its place in the incident's stream, and stays what it is."""

    number: int
    at: float
    after_s: float
    headline: str
    details: tuple[str, ...]
    kind: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One run of one step."""

    key: str
    node: str
    action: str
    target: str
    number: int
    outcome: str | None
    verdict: str | None
    succeeded: bool
    intended_at: float
    ended_at: float | None


@dataclass(frozen=True, slots=True)
class IncidentPage:
    """Everything about one incident.

    Attributes:
        position: of the journal when this was read.
        plan: the hash of the policy version it is decided by; an answer must be about the same.
        rto_s: recovery time objective of its policy, seconds.
        runbook: address of what people go by; None: its policy names none.
        svg: the plan with the path lit.
        alerts: while it is open, what goes on about its policy by what other systems have said.
    """

    position: int
    row: IncidentRow
    plan: str
    rto_s: float | None
    runbook: str | None
    confirmed_at: float | None
    events: list[Event]
    attempts: list[AttemptRow]
    pending: list[Pending]
    withheld: list[str]
    taken_over_by: str | None
    svg: str = field(repr=False)
    alerts: list[AlertRow] = field(default_factory=list)


def overview(settings: Settings) -> Overview:
    """See `Overview`. Raises JournalError."""
    if not has_journal(settings):
        return Overview(0, None, [], [], [], [])
    with journal_to_read(settings) as journal:
        unreported = board(settings)
        key = (settings.journal, settings.store.url, journal.position(), unreported)
        return _overviews.get(key, lambda: _overview(journal, settings, unreported))


def _overview(journal: Journal, settings: Settings, unreported: Set[str] | None) -> Overview:
    place = (settings.journal, settings.store.url)
    position = journal.position()  # first: what is written meanwhile may be shown, but not be taken for shown
    agent_entries = entries_of(journal, AGENT_STREAM)
    open_ids = journal.open_incidents()
    still_open = set(open_ids)
    newest = journal.incidents()[::-1]
    listed = {stream: _listed(journal, place, stream, unreported) for stream in newest if stream in still_open}
    closed = [stream for stream in newest if stream not in still_open][:RECENT_MAX]
    pauses = [Pause(pause.policy, pause.by, pause.note, pause.at) for pause in paused_now(agent_entries)]
    told = alerts_seen(journal, settings)
    return Overview(
        position,
        _agent(agent_entries),
        pauses,
        [found for stream in open_ids if stream in listed for found in listed[stream].pending],
        [one.row for one in listed.values()],
        [_listed(journal, place, stream, frozenset()).row for stream in closed],
        alert_rows(told.going_on),
        not_listed(told),
    )


@dataclass(frozen=True, slots=True)
class _Listed:
    row: IncidentRow
    pending: list[Pending]


_overviews: Kept[Overview] = Kept(4, OVERVIEW_S_MAX)
_lists: Kept[_Listed] = Kept(LISTED_MAX)


def _listed(journal: Journal, place: Hashable, stream: str, unreported: Set[str] | None) -> _Listed:
    """An incident as lists show it; folded anew only where it has changed."""

    def fold_it() -> _Listed:
        try:
            entries = entries_of(journal, stream)
            state = fold(entries)
            return _Listed(incident_row(state, explain(entries)), pending_in(journal, state, entries, unreported))
        except JournalCorrupt as error:  # one that cannot be read must not hide the others
            return _Listed(IncidentRow(stream, "", UNREADABLE, None, 0.0, None, 0, str(error)), [])

    return _lists.get((place, stream, journal.head_seq(stream), unreported), fold_it)


def waiting(settings: Settings) -> list[Pending]:
    """What waits for people, without the kill switches."""
    return overview(settings).pending


def incident_row(incident: Incident, lines: Sequence[Line]) -> IncidentRow:
    """An incident's line in a list; `lines` are what `explain` says of its entries."""
    ended = incident.closed_at
    return IncidentRow(
        incident.id,
        incident.policy,
        incident.phase.value,
        incident.result.value if incident.result else None,
        incident.opened_at,
        None if ended is None else ended - incident.opened_at,
        sum(1 for _ in incident.every_attempt()),
        lines[-1].headline if lines else "",
    )


@contextmanager
def incident_read(settings: Settings, incident: str) -> Iterator[tuple[Journal, int, Sequence[e.Entry], Incident]]:
    """The journal, its position, an incident's entries, and their fold.

    Raises:
        UsageError: there is none of that id.
        JournalError: it cannot be read.
    """
    if not has_journal(settings):
        raise UsageError(f"no incident '{incident}': nothing was ever journalled here")
    with journal_to_read(settings) as journal:
        if incident not in journal.incidents():
            raise UsageError(f"no incident '{incident}'")
        position = journal.position()
        entries = entries_of(journal, incident)
        yield journal, position, entries, fold(entries)


def incident_page(settings: Settings, incident: str) -> IncidentPage:
    """Everything about one incident.

    Raises:
        UsageError: there is none of that id.
        JournalError: it cannot be read.
    """
    with incident_read(settings, incident) as (journal, position, entries, state):
        drawn = _drawn(journal, state, refusals(entries), len(entries))
        is_open = state.closed_at is None
        about = pending_in(journal, state, entries, board(settings)) if is_open else []
        alerts = alert_rows(alerts_seen(journal, settings).about(state.policy)) if is_open else []
    lines = explain(entries)
    return IncidentPage(
        position,
        incident_row(state, lines),
        state.policy_hash,
        drawn.rto_s,
        drawn.runbook,
        state.confirmed_at,
        [_event(line, entries[line.number - 1]) for line in lines],
        [_attempt(attempt) for attempt in sorted(state.every_attempt(), key=lambda one: one.intended_at)],
        about,
        [f"{node or 'the whole plan'}: {held.reason.value}" for node, held in state.withheld.items()],
        state.taken_over_by,
        drawn.svg,
        alerts,
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    svg: str
    rto_s: float | None
    runbook: str | None


_drawings: Kept[_Drawn] = Kept(DRAWN_MAX)


def _drawn(journal: Journal, state: Incident, reasons: Mapping[str, Reason], entries: int) -> _Drawn:
    def draw() -> _Drawn:
        policy = load_journalled(entries_of(journal, policy_stream(state.policy)), state.policy_hash)
        svg = to_svg(policy, node_states(policy, state, reasons), with_style=False)
        return _Drawn(svg, policy.rto_s, policy.runbook)

    return _drawings.get((state.id, entries), draw)


def _event(line: Line, entry: e.Entry) -> Event:
    return Event(line.number, entry.at, line.after_s, line.headline, line.details, entry.TYPE)


def _attempt(attempt: Attempt) -> AttemptRow:
    return AttemptRow(
        attempt.key,
        attempt.node,
        attempt.action,
        attempt.target,
        attempt.number,
        attempt.outcome.value if attempt.outcome else None,
        attempt.verdict.value if attempt.verdict else None,
        attempt.succeeded,
        attempt.intended_at,
        attempt.ended_at,
    )


def _agent(agent_entries: Sequence[e.Entry]) -> AgentSeen | None:
    up = [entry for entry in agent_entries if isinstance(entry, e.AgentStarted)]
    if not up:
        return None
    down = [
        entry.at
        for entry in agent_entries
        if isinstance(entry, e.AgentStopped) and entry.agent == up[-1].agent and entry.at >= up[-1].at
    ]
    return AgentSeen(up[-1].agent, up[-1].version, up[-1].at, down[-1] if down else None)


def entries_of(journal: Journal, stream: str) -> Sequence[e.Entry]:
    """All entries of a stream. Raises JournalError."""
    return [record.entry for record in journal.read(stream)]
