"""Which ranking rules: found by name or version, promoted or taken back by a person.

Everything here only reads, and gives the entry to append to the policy's stream.
"""

from __future__ import annotations

from collections.abc import Sequence

from homeostat.decide.projection import promoted_ranking
from homeostat.learn.ranker import choose_nodes
from homeostat.model.entries import Entry, RankingPromoted, RankingRolledBack, RankingTrained
from homeostat.model.errors import AlreadyDecided, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Policy
from homeostat.model.ranking import Ranking

RULING, CHALLENGER, WRITTEN = "ruling", "challenger", "written"
"""Names for the ranking that rules, the newest one that does not, and the order in the policy's file."""

VERSION_SHOWN = 12
"""Characters of a version that people are shown."""


def trained_rankings(entries: Sequence[Entry]) -> dict[str, RankingTrained]:
    """Every ranking ever trained, by version, oldest first."""
    return {entry.ranking.version: entry for entry in entries if isinstance(entry, RankingTrained)}


def challenger(entries: Sequence[Entry]) -> Ranking | None:
    """The newest ranking that was trained, where it does not rule."""
    trained, rules = trained_rankings(entries), promoted_ranking(entries)
    newest = next(reversed(trained.values()), None)
    if newest is None or (rules is not None and newest.ranking.version == rules.version):
        return None
    return newest.ranking


def ranking_named(entries: Sequence[Entry], name: str) -> Ranking | None:
    """Find a ranking by `ruling`, `challenger`, or the beginning of its version; None for the written order.

    Args:
        entries: of the policy's stream.
        name: `written`, or `ruling` before the first promotion, is the written order.

    Raises:
        UsageError: there is none, or several begin so.
    """
    if name == WRITTEN:
        return None
    if name == RULING:
        return promoted_ranking(entries)
    if name == CHALLENGER:
        found = challenger(entries)
        if found is None:
            raise UsageError("there is no challenger: the newest ranking rules, or none was trained yet")
        return found
    trained = trained_rankings(entries)
    matches = [entry.ranking for version, entry in trained.items() if version.startswith(name)]
    if len(matches) == 1 and name:
        return matches[0]
    shown = [version[:VERSION_SHOWN] for version in trained]
    if len(matches) > 1:
        raise UsageError(f"'{name}' is the beginning of {len(matches)} rankings: {', '.join(shown)}")
    known = did_you_mean(name, [*shown, RULING, CHALLENGER, WRITTEN]) or f"; known: {', '.join(shown) or 'none'}"
    raise UsageError(f"no ranking '{name}' was trained{known}")


def promotion(
    entries: Sequence[Entry],
    policy: Policy,
    ranking: Ranking | None,
    *,
    actor: str,
    now: float,
    why: str,
    although_refused: bool = False,
) -> RankingPromoted:
    """Let a ranking rule by a person's word.

    Args:
        entries: of the policy's stream.
        policy: the version in use.
        ranking: from `ranking_named`.
        actor: who.
        now: Unix seconds.
        why: needed where the gate refused it.
        although_refused: they know that the gate refused it.

    Raises:
        UsageError: it does not fit the policy, or the gate refused it and nobody said that this is known, and why.
        AlreadyDecided: it rules already.
    """
    rules = promoted_ranking(entries)
    if ranking is None:
        raise UsageError("the written order is not promoted; `homeostat rankings rollback --to written` lets it rule")
    if rules is not None and rules.version == ranking.version:
        raise AlreadyDecided(f"ranking {ranking.version[:VERSION_SHOWN]} rules already")
    misfits = misfitting_nodes(ranking, policy)
    if misfits:
        raise UsageError(
            f"ranking {ranking.version[:VERSION_SHOWN]} does not fit policy '{policy.name}' as it is now:"
            f" {'; '.join(misfits)}; train a new one with `homeostat retrain`"
        )
    gate = trained_rankings(entries)[ranking.version].gate
    if "Passed:" not in gate and not (although_refused and why):
        raise UsageError(
            f"the gate refused ranking {ranking.version[:VERSION_SHOWN]}: {gate} To let it rule all the same, add"
            " --although-refused and say --why"
        )
    return RankingPromoted(
        at=now, version=ranking.version, actor=actor, replaces=rules.version if rules else None, why=why
    )


def roll_back(
    entries: Sequence[Entry], policy: Policy, to: Ranking | None, *, actor: str, now: float, why: str
) -> RankingRolledBack:
    """Take back the ranking that rules, by a person's word.

    Args:
        entries: of the policy's stream.
        policy: the version in use.
        to: what rules from here on; None for the written order.
        actor: who.
        now: Unix seconds.
        why: what they say.

    Raises:
        UsageError: `to` does not fit the policy. AlreadyDecided: it rules already.
    """
    rules = promoted_ranking(entries)
    if rules is None:
        raise AlreadyDecided("no ranking rules; the written order does")
    if to is not None and to.version == rules.version:
        raise AlreadyDecided(f"ranking {to.version[:VERSION_SHOWN]} rules already")
    if to is not None and (misfits := misfitting_nodes(to, policy)):
        raise UsageError(f"ranking {to.version[:VERSION_SHOWN]} does not fit: {'; '.join(misfits)}")
    return RankingRolledBack(at=now, version=rules.version, to=to.version if to else None, actor=actor, why=why)


def replaced_by(entries: Sequence[Entry], version: str) -> str | None:
    """The version that ruled before this one was last promoted; None for the written order."""
    last = None
    for entry in entries:
        if isinstance(entry, RankingPromoted) and entry.version == version:
            last = entry.replaces
    return last


def misfitting_nodes(ranking: Ranking, policy: Policy) -> list[str]:
    """Say for which `choose` nodes a ranking knows none or not all of today's candidates, unless it knows no node."""
    misfits = []
    for node in choose_nodes(policy):
        model = ranking.nodes.get(node.id)
        missing = [child.id for child in node.children if model is not None and child.id not in model.places]
        if missing:
            misfits.append(f"'{node.id}' now has {', '.join(missing)}, which it never saw")
    if not any(node.id in ranking.nodes for node in choose_nodes(policy)):
        misfits.append("none of its nodes is left")
    return misfits
