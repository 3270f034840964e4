"""What the pages about rankings show: what rules, since when and why, what was learnt, what else there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homeostat.app.settings import Settings
from homeostat.app.store import has_journal, journal_to_read
from homeostat.console.kept import Kept
from homeostat.console.views import entries_of
from homeostat.console.workspace_policies import policy_of, workspace_policies
from homeostat.learn.promotion import WRITTEN, Promotions, fold
from homeostat.model import entries as e
from homeostat.model.policy import Choose, Policy
from homeostat.model.ranking import Ranking
from homeostat.model.streams import policy_stream

HISTORY_MAX = 50
VERSIONS_MAX = 20
"""As many of the newest rankings can be chosen to rule."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One candidate at typical signals: every number at its median, nothing failed yet.

    Attributes:
        place: 1 for the first to be tried.
        low, high: the probability lies between them nine times in ten; None where nothing is known of that.
        worked, tried: weighted counts.
        pushes: which signals move its odds, in words, the strongest first.
        deferred: it comes after the others until something has failed.
    """

    place: int
    name: str
    probability: float
    low: float | None
    high: float | None
    cost_s: float
    worked: float
    tried: float
    pushes: tuple[str, ...]
    deferred: bool


@dataclass(frozen=True, slots=True)
class Node:
    """A `choose` node. Without candidates nothing was learnt, and `written` is its order.

    Attributes:
        changes: in words, which actions work otherwise than they did.
    """

    id: str
    written: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    changes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """A trained ranking. `passed`: whether the gate let it pass; None in journals of older releases.

    `state`: `rules`, `challenger`, `taken back` or `trained`.
    """

    version: str
    trained_at: float
    incidents: int
    attempts: int
    gate: str
    passed: bool | None
    state: str


@dataclass(frozen=True, slots=True)
class Move:
    """One line of a policy's history of rankings. `version` is what it is about, None for the written order."""

    at: float
    what: str
    by: str
    version: str | None
    why: str


@dataclass(frozen=True, slots=True)
class RankingsOfPolicy:
    """The rankings of one policy.

    Attributes:
        ruling: version that rules, or `written`: what a word on it must have seen.
        since: from when it rules, Unix seconds; None: nothing else ever has.
        by, why: who let it rule, and the gate's words or theirs.
        nodes: what rules, node by node. challenger: the newest ranking that does not rule, with its nodes.
    """

    policy: str
    ruling: str
    since: float | None
    by: str
    why: str
    nodes: tuple[Node, ...]
    challenger: Version | None
    challenger_nodes: tuple[Node, ...]
    versions: tuple[Version, ...]
    history: tuple[Move, ...]


@dataclass(frozen=True, slots=True)
class RankingsPage:
    """The rankings of every policy that has anything to learn. `without`: the policies that have not."""

    position: int
    rows: list[RankingsOfPolicy]
    without: list[str]


_made: Kept[RankingsOfPolicy] = Kept(256)


def rankings_page(settings: Settings) -> RankingsPage:
    """See `RankingsPage`. Raises JournalError."""
    policies, _ = workspace_policies(settings)
    learning = [policy for policy in policies.values() if _choose_nodes(policy)]
    without = [policy.name for policy in policies.values() if not _choose_nodes(policy)]
    return RankingsPage(position_of(settings), [_of(settings, policy) for policy in learning], without)


def position_of(settings: Settings) -> int:
    """How far the journal reaches. Raises JournalError."""
    if not has_journal(settings):
        return 0
    with journal_to_read(settings) as journal:
        return journal.position()


def rankings_of(settings: Settings, name: str) -> RankingsOfPolicy:
    """The rankings of one policy. Raises UsageError: there is none. JournalError."""
    return _of(settings, policy_of(settings, name))


def _choose_nodes(policy: Policy) -> list[Choose]:
    return [node for node in policy.nodes() if isinstance(node, Choose)]


def _of(settings: Settings, policy: Policy) -> RankingsOfPolicy:
    """Made anew only where the policy, or its stream, has changed."""
    if not has_journal(settings):
        return _made.get((settings.journal, policy.hash, 0), lambda: _make(policy, []))
    with journal_to_read(settings) as journal:
        stream = policy_stream(policy.name)
        key = (settings.journal, settings.store.url, policy.name, policy.hash, journal.head_seq(stream))
        return _made.get(key, lambda: _make(policy, entries_of(journal, stream)))


def _make(policy: Policy, entries: Sequence[e.Entry]) -> RankingsOfPolicy:
    known = fold(entries)
    moved = [entry for entry in entries if isinstance(entry, e.RankingPromoted | e.RankingRolledBack)]
    last = moved[-1] if moved else None
    why = last.why if last else ""
    if isinstance(last, e.RankingPromoted) and not why:
        why = known.trained[last.version].gate
    challenger = known.challenger
    versions = [_version(known, entry) for entry in reversed(known.trained.values())]
    return RankingsOfPolicy(
        policy.name,
        known.ruling.version if known.ruling else WRITTEN,
        known.since or None,
        last.actor if last else "",
        why,
        nodes_of(policy, known.ruling),
        None if challenger is None else _version(known, challenger),
        () if challenger is None else nodes_of(policy, challenger.ranking),
        tuple(versions[:VERSIONS_MAX]),
        tuple(_moves(entries)[::-1][:HISTORY_MAX]),
    )


def nodes_of(policy: Policy, ranking: Ranking | None) -> tuple[Node, ...]:
    """What a ranking, or without one the policy's file, says of each `choose` node."""
    from homeostat.learn.explain import describe  # only what shows a ranking pays for its numbers

    described = {} if ranking is None else {one.node: one for one in describe(ranking, policy)}
    nodes = []
    for node in _choose_nodes(policy):
        about = described.get(node.id)
        rows = () if about is None else about.rows
        candidates = tuple(
            Candidate(
                row.place,
                row.candidate,
                row.probability,
                row.low,
                row.high,
                row.cost_s,
                row.successes,
                row.attempts,
                tuple(str(push) for push in row.pushes),
                row.deferred,
            )
            for row in rows
        )
        written = tuple(child.id for child in node.children)
        nodes.append(Node(node.id, written, candidates, about.changes if about else ()))
    return tuple(nodes)


def _version(known: Promotions, trained: e.RankingTrained) -> Version:
    ranking = trained.ranking
    state = "trained"
    if known.ruling is not None and known.ruling.version == ranking.version:
        state = "rules"
    elif ranking.version in known.taken_back:
        state = "taken back"
    elif known.challenger is trained:
        state = "challenger"
    return Version(
        ranking.version,
        ranking.trained_at,
        ranking.incidents,
        ranking.attempts,
        trained.gate,
        trained.passed,
        state,
    )


def _moves(entries: Sequence[e.Entry]) -> list[Move]:
    moves = []
    for entry in entries:
        match entry:
            case e.RankingTrained():
                moves.append(Move(entry.at, "trained", "", entry.ranking.version, entry.gate))
            case e.RankingPromoted():
                moves.append(Move(entry.at, "rules from here on", entry.actor, entry.version, entry.why))
            case e.RankingRolledBack():
                to = f"taken back; {entry.to[:12] if entry.to else 'the written order'} rules"
                moves.append(Move(entry.at, to, entry.actor, entry.version, entry.why))
            case _:
                pass
    return moves
