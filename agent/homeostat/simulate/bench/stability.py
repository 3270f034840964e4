"""Is a policy stable? What its plan alone rules out, what a simulated incident proves, and what was never seen.

What is in none of N incidents has, with 95% confidence, a share of at most 3/N (the rule of three: Hanley and
Lippman-Hand, "If nothing goes wrong, is everything all right?", 1983).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from homeostat.model.policy import Choose, Policy, Try
from homeostat.parallel import IN_PROCESS, Workers
from homeostat.policy.units import format_seconds
from homeostat.simulate.bench.hazards import REPEATS_MAX, Sight, attempts_declared, look, reasons, take_backs
from homeostat.simulate.bench.trial import for_each
from homeostat.simulate.bench.world import World

LEVEL = 0.05


class Danger(StrEnum):
    """What is looked for."""

    OSCILLATES = "oscillates"
    EXCEEDS = "exceeds its bounds"
    WORSENS = "makes things worse"
    BLIND = "acts on missing data"


class Judgement(StrEnum):
    """proved: an incident shows it. refuted: the plan cannot do it. not found: in none of so many incidents."""

    PROVED = "PROVED"
    REFUTED = "REFUTED BY BOUND"
    NOT_FOUND = "NOT FOUND"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is known of one danger of one policy.

    Attributes:
        found: in how many of `incidents` it was seen. incident: the first of them; None: none, or none needed.
        share_max: upper bound of its share at 95% confidence; None where it is proved or refuted.
    """

    policy: str
    danger: Danger
    judgement: Judgement
    evidence: str
    incidents: int
    found: int
    incident: int | None
    share_max: float | None


def sights_of(policy: Policy, world: World, count: int, seed: int, workers: Workers = IN_PROCESS) -> list[Sight]:
    """Look at the first `count` incidents of a world, in order."""
    return list(for_each(look, policy, world, range(1, count + 1), seed, workers))


def judge(policy: Policy, world: World, sights: Sequence[Sight]) -> list[Verdict]:
    """Judge the four dangers of a policy by its plan and by what its incidents showed, at least one."""
    seen = (
        (Danger.OSCILLATES, [(s.number, s.oscillation) for s in sights], _cannot_oscillate(policy, world)),
        (Danger.EXCEEDS, [(s.number, s.excess) for s in sights], _cannot_exceed(policy)),
        (Danger.BLIND, [(s.number, s.blind) for s in sights], _cannot_be_blind(policy)),
    )
    verdicts = [_verdict(policy, danger, numbered, bound) for danger, numbered, bound in seen]
    return [*verdicts[:2], _worsens(policy, sights), verdicts[2]]


def _verdict(policy: Policy, danger: Danger, numbered: Sequence[tuple[int, str | None]], bound: str | None) -> Verdict:
    found = [(number, told) for number, told in numbered if told is not None]
    count = len(numbered)
    if found:
        number, told = found[0]
        return Verdict(policy.name, danger, Judgement.PROVED, told or "", count, len(found), number, None)
    if bound is not None:
        return Verdict(policy.name, danger, Judgement.REFUTED, bound, count, 0, None, None)
    return _not_found(policy, danger, count)


def _not_found(policy: Policy, danger: Danger, count: int) -> Verdict:
    share = min(3.0 / count, 1.0)
    told = f"in none of {count} incidents; its share is at most {share:.2%} (95%, rule of three)"
    return Verdict(policy.name, danger, Judgement.NOT_FOUND, told, count, 0, None, share)


def _cannot_oscillate(policy: Policy, world: World) -> str | None:
    """No step can take another back, and cooldowns keep every remedy from `REPEATS_MAX` incidents of one strike."""
    if not policy.leaves:
        return "it has no actions"
    settings: dict[tuple[str, str], set[str]] = {}
    for leaf in policy.leaves.values():
        settings.setdefault((leaf.action.name, leaf.target), set()).add(str(sorted(leaf.arguments.items())))
    steps = [(leaf.action.name, leaf.target) for leaf in policy.leaves.values()]
    if take_backs(policy) or any(len(values) > 1 for values in settings.values()):
        return None
    if any(steps.count(step) >= REPEATS_MAX for step in steps):
        return None
    shortest_s = min(leaf.cooldown_s for leaf in policy.leaves.values())
    if shortest_s <= 0.0 or 1 + int(world.fields.incident_max / shortest_s) >= REPEATS_MAX:
        return None
    return f"no step takes another back, and every remedy rests for {format_seconds(shortest_s)} or longer"


def _cannot_exceed(policy: Policy) -> str:
    return (
        f"no loops: at most {attempts_declared(policy)} attempts and {format_seconds(policy.timeout_s)} an incident,"
        " undos and the end of what runs on top"
    )


def _cannot_be_blind(policy: Policy) -> str | None:
    """No step has an `if` above it, and no candidate is passed over; the trigger is held against every start anyway."""
    if not policy.leaves:
        return "it has no actions"
    if any(reasons(policy).values()):
        return None
    for node in policy.nodes():
        if isinstance(node, Try | Choose) and any(child.condition is not None for child in node.children):
            return None
    return "no step has a condition beside the trigger, and nothing begins while that is unknown"


def _worsens(policy: Policy, sights: Sequence[Sight]) -> Verdict:
    """McNemar's exact test on both pairs: more incidents that got worse than better, by more than luck."""
    danger, count = Danger.WORSENS, len(sights)
    if not policy.leaves:
        return Verdict(policy.name, danger, Judgement.REFUTED, "it has no actions", count, 0, None, None)
    lost = [s.number for s in sights if s.recovered_alone and not s.recovered]
    won = [s.number for s in sights if s.recovered and not s.recovered_alone]
    hurt = [s.number for s in sights if s.harmed and not s.harmed_alone]
    spared = [s.number for s in sights if s.harmed_alone and not s.harmed]
    worse = sorted({*lost, *hurt})
    told = (
        f"recovered only by it {len(won)}, only without it {len(lost)}; harm only with it {len(hurt)},"
        f" only without it {len(spared)}"
    )
    if _exceeds(len(lost), len(won)) or _exceeds(len(hurt), len(spared)):
        return Verdict(policy.name, danger, Judgement.PROVED, told, count, len(worse), worse[0], None)
    if not worse:
        nothing = _not_found(policy, danger, count)
        return Verdict(
            policy.name, danger, nothing.judgement, f"{nothing.evidence}; {told}", count, 0, None, 3.0 / count
        )
    bound = share_max(len(worse), count)
    told = f"no worse on the whole: {told}; worse in at most {bound:.2%} of incidents (95%)"
    return Verdict(policy.name, danger, Judgement.NOT_FOUND, told, count, len(worse), worse[0], bound)


def _exceeds(worse: int, better: int) -> bool:
    """Whether `worse` of so many discordant pairs is more than luck (McNemar 1947; exact, one-sided, 5%)."""
    if worse <= better:
        return False
    from scipy.stats import binomtest  # a second of imports, which no worker process needs

    return bool(binomtest(worse, worse + better, alternative="greater").pvalue <= LEVEL)


def share_max(found: int, count: int) -> float:
    """The one-sided upper bound at 95% of a share seen `found` times in `count` (Clopper and Pearson, 1934)."""
    from scipy.stats import binomtest  # see above

    return float(binomtest(found, count, alternative="less").proportion_ci(1.0 - LEVEL).high)
