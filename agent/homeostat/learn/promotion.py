"""Which ranking rules a policy, what it replaced, and which may not rule again: folded from the policy's stream."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from msgspec.structs import replace as changed

from homeostat.decide.projection import promoted_ranking
from homeostat.model.entries import Entry, RankingPromoted, RankingRolledBack, RankingTrained
from homeostat.model.errors import AlreadyDecided, JournalCorrupt, UsageError
from homeostat.model.nearest import did_you_mean
from homeostat.model.policy import Choose, Policy
from homeostat.model.ports import Journal
from homeostat.model.ranking import NodeRanking, Ranking
from homeostat.model.streams import policy_stream

RULING, CHALLENGER, WRITTEN = "ruling", "challenger", "written"
"""Where a version could stand: what rules, the ranking trained last that does not, the order in the policy's file."""


@dataclass(frozen=True, slots=True)
class Promotions:
    """The rankings of one policy.

    Attributes:
        trained: all of them by version, oldest first.
        ruling: what rules, None for the written order.
        since: Unix seconds from which it rules, 0.0 before any ever did.
        replaced: what ruled before it and was not taken back since; None for the written order.
        taken_back: versions that were rolled back.
    """

    trained: dict[str, RankingTrained] = field(default_factory=dict)
    ruling: Ranking | None = None
    since: float = 0.0
    replaced: Ranking | None = None
    taken_back: frozenset[str] = frozenset()

    @property
    def last(self) -> Ranking | None:
        """The ranking trained last."""
        return next(reversed(self.trained.values())).ranking if self.trained else None

    @property
    def challenger(self) -> RankingTrained | None:
        """The ranking trained last, where another one or the written order rules."""
        last = self.last
        if last is None or (self.ruling is not None and self.ruling.version == last.version):
            return None
        return self.trained[last.version]

    def named(self, name: str) -> Ranking | None:
        """Find a ranking by the beginning of its version, or as `RULING`, `CHALLENGER`, `WRITTEN`; None is the last.

        Raises:
            UsageError: there is none, or several begin so.
        """
        if name == WRITTEN:
            return None
        if name == RULING:
            return self.ruling
        if name == CHALLENGER:
            if self.challenger is None:
                raise UsageError("there is no challenger: the ranking trained last rules, or none was trained yet")
            return self.challenger.ranking
        return _named(self, name).ranking

    def was_taken_back(self, ranking: Ranking) -> bool:
        """Whether a ranking with the same numbers was rolled back, with whatever care they were followed."""
        return any(same_numbers(self.trained[version].ranking, ranking) for version in self.taken_back)


def same_numbers(one: Ranking, other: Ranking) -> bool:
    """Whether two rankings differ in nothing but how carefully their numbers are followed; see `learn.care`."""
    first, second = (
        {name: changed(node, harm_s=0.0, deferred=()) for name, node in ranking.nodes.items()}
        for ranking in (one, other)
    )
    return first == second


def promotions_of(journal: Journal, policy_name: str) -> Promotions:
    """Read which rankings were trained, promoted and taken back.

    Raises:
        JournalCorrupt: a ranking was let rule that was never trained.
    """
    return fold([record.entry for record in journal.read(policy_stream(policy_name))])


def fold(entries: Iterable[Entry]) -> Promotions:
    """Put a policy's entries together.

    Raises:
        JournalCorrupt: a ranking was let rule that was never trained.
    """
    entries = list(entries)
    trained = {entry.ranking.version: entry for entry in entries if isinstance(entry, RankingTrained)}
    replaced: dict[str, str | None] = {}
    taken_back: set[str] = set()
    ruling, since = promoted_ranking(entries), 0.0
    for entry in entries:
        match entry:
            case RankingPromoted():
                replaced[entry.version], since = entry.replaces, entry.at
            case RankingRolledBack():
                taken_back.add(entry.version)
                since = entry.at
            case _:
                pass
    before = _before(ruling.version, replaced, taken_back) if ruling is not None else None
    if before is not None and before not in trained:
        raise JournalCorrupt(f"ranking '{before}' was replaced but never trained")
    return Promotions(trained, ruling, since, trained[before].ranking if before else None, frozenset(taken_back))


def _before(ruling: str, replaced: dict[str, str | None], taken_back: set[str]) -> str | None:
    """What ruled before; what was taken back would only be taken back again, so the one before that."""
    before = replaced.pop(ruling, None)
    while before is not None and (before in taken_back or before == ruling):
        before = replaced.pop(before, None)
    return before


def promote(
    known: Promotions,
    policy: Policy,
    name: str,
    actor: str,
    now: float,
    why: str = "",
    *,
    although_refused: bool = False,
) -> RankingPromoted:
    """Let a trained ranking rule, because a person says so; gives what to append to the policy's stream.

    Args:
        known: of the policy.
        policy: the version in use.
        name: see `Promotions.named`.
        actor: who says so.
        now: Unix seconds.
        why: for the journal.
        although_refused: whether a ranking that the gate refused may rule; then they must say why.

    Raises:
        AlreadyDecided: it rules already.
        UsageError: there is no such ranking, it does not fit the policy, or was refused.
    """
    ranking, ruling = known.named(name), known.ruling
    if ranking is None:
        raise UsageError("the written order is not promoted; `homeostat rankings rollback --to written` lets it rule")
    short = ranking.version[:12]
    if ruling is not None and ruling.version == ranking.version:
        raise AlreadyDecided(f"ranking {short} of '{policy.name}' rules already")
    _must_fit(ranking, policy)
    trained = known.trained[ranking.version]
    if not trained.passed and not (although_refused and why.strip()):
        raise UsageError(
            f"the gate did not let ranking {short} pass: {trained.gate} To let it rule all the same, add"
            " --although-refused and say --why."
        )
    replaces = ruling.version if ruling else None
    return RankingPromoted(at=now, version=ranking.version, actor=actor, replaces=replaces, why=why)


def roll_back(
    known: Promotions, policy: Policy, actor: str, now: float, why: str, to: str | None = None
) -> RankingRolledBack:
    """Take the ruling ranking back, because a person says so; gives what to append to the policy's stream.

    Args:
        known: of the policy.
        policy: the version in use.
        actor: who says so.
        now: Unix seconds.
        why: for the journal.
        to: what shall rule, see `Promotions.named`; None for what ruled before.

    Raises:
        AlreadyDecided: no ranking rules, or `to` does already.
        UsageError: no reason is given, or `to` is unknown or does not fit the policy.
    """
    if known.ruling is None:
        raise AlreadyDecided(f"the written order of '{policy.name}' rules; there is nothing to take back")
    if not why.strip():
        raise UsageError("say why the ranking is taken back; the journal keeps it")
    target = known.replaced if to is None else known.named(to)
    if target is not None:
        if target.version == known.ruling.version:
            raise AlreadyDecided(f"ranking {target.version[:12]} of '{policy.name}' rules already")
        _must_fit(target, policy)
    return taken_back(known.ruling, target, actor, now, why)


def taken_back(ruling: Ranking, target: Ranking | None, actor: str, now: float, why: str) -> RankingRolledBack:
    """The entry that lets `target`, or the written order, rule again."""
    return RankingRolledBack(
        at=now, version=ruling.version, to=target.version if target else None, actor=actor, why=why
    )


def fits(model: NodeRanking | None, node: Choose) -> bool:
    """Whether a model knows all candidates of today."""
    return model is not None and not model.unknown(child.id for child in node.children)


def _must_fit(ranking: Ranking, policy: Policy) -> None:
    """Refuse what could not decide anything.

    Raises:
        UsageError: no node of the ranking knows today's candidates.
    """
    if not ranking.nodes:
        raise UsageError(f"ranking {ranking.version[:12]} has learnt nothing yet, from {ranking.attempts} attempts")
    nodes = [node for node in policy.nodes() if isinstance(node, Choose)]
    if not any(fits(ranking.nodes.get(node.id), node) for node in nodes):
        raise UsageError(
            f"ranking {ranking.version[:12]} does not know the candidates that '{policy.name}' has today; retrain"
        )


def _named(known: Promotions, version: str) -> RankingTrained:
    """The ranking whose version begins so.

    Raises:
        UsageError: no ranking, or more than one, has a version that begins so.
    """
    matching = [full for full in known.trained if version and full.startswith(version)]
    if len(matching) == 1:
        return known.trained[matching[0]]
    if matching:
        raise UsageError(f"{len(matching)} rankings begin with '{version}'; give more of it")
    if not known.trained:
        raise UsageError("no ranking was trained yet; run `homeostat retrain`")
    names = [*(full[: max(len(version), 12)] for full in known.trained), RULING, CHALLENGER, WRITTEN]
    hint = did_you_mean(version, names) or ";"
    raise UsageError(f"there is no ranking '{version}'{hint} `homeostat rankings history` lists them")
