"""What the pages about policies show. Nothing here writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from homeostat.app.autonomy import EarningStep, earning_steps, track_records_of
from homeostat.app.clock import SystemClock
from homeostat.app.explain import paused_now
from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.authoring.drift import stale_policies
from homeostat.console.kept import Kept
from homeostat.console.views import IncidentRow, incident_row
from homeostat.drawing.labels import details_of, end_text, trigger_text
from homeostat.drawing.svg import to_svg
from homeostat.model import entries as e
from homeostat.model.errors import HomeostatError, UsageError
from homeostat.model.incident import Ledger
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Do, Policy, strictest
from homeostat.model.ports import Journal
from homeostat.model.streams import AGENT_STREAM, POLICY_STREAMS, policy_stream
from homeostat.policy.load import load_journalled, load_policies, policy_paths

INCIDENTS_MAX = 25
STALENESS_S = 60.0
"""How old what git says may be: it is asked a few times for each policy."""
FILES_S = 3.0


@dataclass(frozen=True, slots=True)
class IncidentBrief:
    """An incident of a policy; `closed_at` is None while it is open, and `result` then too."""

    id: str
    opened_at: float
    closed_at: float | None
    result: str | None


@dataclass(frozen=True, slots=True)
class Stale:
    """Whether a policy wants a review, as `homeostat drift` says.

    Attributes:
        causes: why, a sentence each; none: it is in order.
        unknown: why that cannot be said; "" where it can.
    """

    causes: tuple[str, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class PolicyRow:
    """One policy in a list.

    Attributes:
        mode: how far the agent may go in it; the strictest of the policy's and the agent's own.
        trigger: in words.
        version: `Policy.hash` of what its file says.
        loaded: the version that an agent loaded last; None: none ever has.
        autonomy: how far its steps may go, in short.
        paused: by whom, and why; None: it is not.
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


@dataclass(frozen=True, slots=True)
class _Known:
    """What the journal says of all policies."""

    position: int = 0
    loaded: Mapping[str, str] = field(default_factory=dict)
    incidents: Mapping[str, Sequence[IncidentBrief]] = field(default_factory=dict)
    pauses: Sequence[e.Paused] = ()
    ledger: Ledger = field(default_factory=Ledger)


_files: Kept[tuple[dict[str, Policy], list[str]]] = Kept(4, FILES_S)
_stale: Kept[dict[str, Stale]] = Kept(4, STALENESS_S)
_known: Kept[_Known] = Kept(4)


def workspace_policies(settings: Settings) -> tuple[dict[str, Policy], list[str]]:
    """The policies by name, and what is wrong with others; one that cannot be read is as an agent loaded it last."""
    return _files.get((settings.policies, settings.agent.environment), lambda: _read_policies(settings))


def policy_of(settings: Settings, name: str) -> Policy:
    """A policy by its name. Raises UsageError with the nearest."""
    policies, _ = workspace_policies(settings)
    if name not in policies:
        hint = did_you_mean(name, policies) or f"; there are: {', '.join(sorted(policies)) or 'none'}"
        raise UsageError(f"no policy '{name}'{hint}")
    return policies[name]


def _read_policies(settings: Settings) -> tuple[dict[str, Policy], list[str]]:
    policies, problems = load_policies(settings.policies, settings.agent.environment)
    found = dict(policies)
    if problems and has_journal(settings):
        with journal_to_read(settings) as journal:
            for stream in journal.streams(POLICY_STREAMS):
                history = [record.entry for record in journal.read(stream)]
                loaded = [entry for entry in history if isinstance(entry, e.PolicyLoaded)]
                name = stream.removeprefix(POLICY_STREAMS)
                if name not in found and loaded:
                    found[name] = load_journalled(history, loaded[-1].policy_hash)
    return dict(sorted(found.items())), [str(problem) for problem in problems]


def policies_page(settings: Settings) -> PoliciesPage:
    """See `PoliciesPage`. Raises JournalError."""
    policies, problems = workspace_policies(settings)
    known = _journalled(settings)
    return PoliciesPage(known.position, [_row(settings, policy, known) for policy in policies.values()], problems)


def policy_page(settings: Settings, name: str) -> PolicyPage:
    """Everything about one policy. Raises UsageError: there is none. JournalError."""
    policy = policy_of(settings, name)
    known = _journalled(settings)
    earning = {step.step: step for step in earning_steps([policy], known.ledger)}
    rows, ruling = _incidents_and_ruling(settings, name, known)
    return PolicyPage(
        known.position,
        _row(settings, policy, known),
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


def _incidents_and_ruling(settings: Settings, name: str, known: _Known) -> tuple[list[IncidentRow], str | None]:
    if not known.position:
        return [], None
    ids = [brief.id for brief in known.incidents.get(name, ())][:INCIDENTS_MAX]
    with journal_to_read(settings) as journal:
        rows = [incident_row([record.entry for record in journal.read(one)]) for one in ids]
        history = [record.entry for record in journal.read(policy_stream(name))]
    moved = [entry for entry in history if isinstance(entry, e.RankingPromoted | e.RankingRolledBack)]
    last = moved[-1] if moved else None
    return rows, last.to if isinstance(last, e.RankingRolledBack) else last.version if last else None


def _journalled(settings: Settings) -> _Known:
    if not has_journal(settings):
        return _Known()
    with journal_to_read(settings) as journal:
        position = journal.position()
        return _known.get((settings.journal, settings.store.url, position), lambda: _fold(journal, position))


def _fold(journal: Journal, position: int) -> _Known:
    loaded: dict[str, str] = {}
    opened: dict[str, e.Suspected] = {}
    closed: dict[str, e.Closed] = {}
    types = {e.PolicyLoaded.TYPE, e.Suspected.TYPE, e.Closed.TYPE, e.Paused.TYPE, e.Resumed.TYPE}
    for record in journal.since(0.0, types):
        match record.entry:
            case e.PolicyLoaded() as entry:
                loaded[entry.policy] = entry.policy_hash
            case e.Suspected() as entry:
                opened[record.stream] = entry
            case e.Closed() as entry:
                closed[record.stream] = entry
            case _:
                pass
    incidents: dict[str, list[IncidentBrief]] = {}
    for stream, first in sorted(opened.items(), key=lambda one: -one[1].at):
        end = closed.get(stream)
        result = end.result.value if end else None
        incidents.setdefault(first.policy, []).append(IncidentBrief(stream, first.at, end.at if end else None, result))
    pauses = paused_now([record.entry for record in journal.read(AGENT_STREAM)])
    return _Known(position, loaded, incidents, pauses, track_records_of(journal))


def _row(settings: Settings, policy: Policy, known: _Known) -> PolicyRow:
    incidents = known.incidents.get(policy.name, ())
    held = next((pause for pause in known.pauses if pause.policy in (None, policy.name)), None)
    return PolicyRow(
        policy.name,
        strictest(settings.agent.mode, policy.mode).value,
        policy.owner,
        trigger_text(policy),
        policy.hash,
        known.loaded.get(policy.name),
        _autonomy(settings, policy, earning_steps([policy], known.ledger)),
        None if held is None else f"{held.by}{f': {held.note}' if held.note else ''}",
        incidents[0] if incidents else None,
        _staleness(settings).get(policy.name, Stale(unknown="its file cannot be read")),
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


def _staleness(settings: Settings) -> dict[str, Stale]:
    return _stale.get(settings.policies, lambda: _read_staleness(settings))


def _read_staleness(settings: Settings) -> dict[str, Stale]:
    """One policy at a time: one that cannot be judged must not hide what there is to say of the others."""
    today = datetime.fromtimestamp(SystemClock().now(), UTC).date()
    policies, _ = workspace_policies(settings)
    by_file = {source: policy.name for policy in policies.values() for source in policy.sources}
    found: dict[str, Stale] = {}
    try:
        paths = policy_paths(settings.policies)
    except OSError as error:
        return dict.fromkeys(policies, Stale(unknown=f"{settings.policies}: {error.strerror}"))
    for path in paths:
        try:
            for one in stale_policies([path], today=today):
                found[one.policy] = Stale(tuple(sentence for _, sentence in one.causes))
        except HomeostatError as error:
            if path.name in by_file:
                found[by_file[path.name]] = Stale(unknown=str(error))
    return found
