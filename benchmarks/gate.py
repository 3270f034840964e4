"""How often the promotion gate is right, over seeded histories of worlds whose truth is known.

    python -m benchmarks.gate [--seeds 200] [--out build/gate.md]

In every world a ranking is trained on a history and judged against what wrote that history. Its true gain is exact:
the world knows the chances of everything. A worse ranking must not be promoted, a better one should be. Damaged models
and thin histories must be refused; a ranking that drift has made worse must be taken back, and a good one must not.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.judged_histories import DAY_S, NODE, Stage, played, stage, true_value
from benchmarks.learning.synthetic import mixture, smooth
from benchmarks.learning.worlds import World
from msgspec.structs import replace as changed

from homeostat.learn.care import judge_with_care
from homeostat.learn.evaluation.orders import FixedOrder, Order, RankedOrder
from homeostat.learn.gate import GateVerdict, judge
from homeostat.learn.ranker import train_ranking, versioned
from homeostat.learn.watch import LOOK_EVERY, watch_promoted
from homeostat.model.ranking import LinearModel, NodeRanking, Ranking
from homeostat.parallel import workers

FIRST_SEED = 3_000
"""Seeds from 1,000 to 1,199 were looked at while the gate was made; these were not."""

TEST = range(1_500, 2_500)
BETTER = 0.05
WATCHED = 400


@dataclass(frozen=True)
class History:
    """A way a history comes about.

    Attributes:
        earlier: incidents that the ruling ranking was trained on; 0 for the written order.
        incidents: of the history itself.
        share: of evenly drawn choices in it.
    """

    name: str
    earlier: int
    incidents: int
    share: float


HISTORIES = (
    History("written order, 1,000", 0, 1_000, 0.0),
    History("early ranking, 1,000", 150, 1_000, 0.0),
    History("early ranking, 1,000, explored", 150, 1_000, 0.1),
    History("good ranking, 60", 1_000, 60, 0.0),
    History("good ranking, 150", 1_000, 150, 0.0),
    History("good ranking, 150, explored", 1_000, 150, 0.1),
)


@dataclass(frozen=True)
class Judged:
    """What the gate said of one history's ranking, and the truth.

    Attributes:
        gain: true share of the ruling time to recovery that it saves. more_harm: truly does more.
        bounded: whether the true gain is at least the stated lower bound; None where there was none.
        corrupted: of each damage, whether the damaged model was refused.
    """

    seed: int
    history: str
    gain: float
    more_harm: bool
    promoted: bool
    said: str
    bounded: bool | None
    judge_s: float
    corrupted: dict[str, bool]


def judge_history(seed: int) -> Judged:
    """One history, the ranking trained on it, the gate's verdict, and the same for damaged models."""
    history = HISTORIES[seed % len(HISTORIES)]
    world = (mixture, smooth)[seed // len(HISTORIES) % 2](seed)
    test = stage(world, TEST)
    incumbent = _early(world, history, seed)
    on = stage(world, range(history.earlier, history.earlier + history.incidents))
    decisions = played(on, order_of(incumbent, on), history.share, seed)
    ranking = train_ranking(decisions, on.policy, 1.0)
    started = time.perf_counter()
    proposed, verdict = judge_with_care(ranking, decisions, on.policy, incumbent=incumbent)
    judge_s = time.perf_counter() - started
    before, after = true_value(test, order_of(incumbent, test)), true_value(test, order_of(proposed, test))
    figures = verdict.nodes[NODE].figures
    gain_s = before.seconds - after.seconds
    return Judged(
        seed,
        history.name,
        gain_s / before.seconds,
        after.harms > before.harms,
        verdict.passed,
        verdict.nodes[NODE].sentence,
        figures.gain_low_s <= gain_s if figures else None,
        judge_s,
        _corrupted(ranking, decisions, on, incumbent, seed),
    )


def order_of(ranking: Ranking | None, on: Stage) -> Order:
    return FixedOrder(on.bare.candidates) if ranking is None else RankedOrder(ranking.nodes[NODE], on.bare)


def _early(world: World, history: History, seed: int) -> Ranking | None:
    if not history.earlier:
        return None
    on = stage(world, range(history.earlier))
    return train_ranking(played(on, order_of(None, on), 0.3, seed), on.policy, 0.0)


def _corrupted(
    ranking: Ranking, decisions: pd.DataFrame, on: Stage, incumbent: Ranking | None, seed: int
) -> dict[str, bool]:
    """Whether each damage is refused. Every fifth history, as it takes as long as judging does."""
    if seed % 5:
        return {}
    damages: dict[str, Callable[[NodeRanking], NodeRanking]] = {
        "permuted coefficients": partial(permuted, random=np.random.default_rng(seed)),
        "leaked labels": partial(leaked, decisions=decisions, on=on),
        "not finite": lambda model: changed(model, harm_s=float("nan")),
    }
    verdicts: dict[str, GateVerdict] = {}
    for name, damage in damages.items():
        nodes = {NODE: damage(ranking.nodes[NODE])}
        damaged = replace(ranking, nodes=nodes)
        verdicts[name] = judge(
            damaged if name == "not finite" else versioned(damaged), decisions, on.policy, incumbent=incumbent
        )
    behind = replace(ranking, nodes={NODE: damages["permuted coefficients"](ranking.nodes[NODE])})
    verdicts["hash"] = judge(behind, decisions, on.policy, incumbent=incumbent)
    return {name: not verdict.passed for name, verdict in verdicts.items()}


def permuted(model: NodeRanking, random: np.random.Generator) -> NodeRanking:
    """Every candidate has the coefficients of another."""
    count = len(model.candidates)
    turn = np.roll(np.arange(count), int(random.integers(1, count))).tolist()
    members = [
        changed(
            member,
            intercepts=tuple(member.intercepts[i] for i in turn),
            weights=tuple(member.weights[i] for i in turn),
            failed=tuple(member.failed[i] for i in turn),
        )
        if isinstance(member, LinearModel)
        else changed(member, success=tuple(tuple(row[i] for i in turn) for row in member.success))
        for member in model.members
    ]
    return changed(model, members=tuple(members))


def leaked(model: NodeRanking, decisions: pd.DataFrame, on: Stage) -> NodeRanking:
    """Fitted to the very outcomes with next to no prior: it knows them by heart as far as its columns go."""
    from sklearn.linear_model import LogisticRegression

    from homeostat.learn.evaluation.logged import logged_incidents
    from homeostat.learn.features import feature_columns
    from homeostat.learn.ranker import choose_nodes, labelled_trials

    node = next(choose_nodes(on.policy))
    logged = logged_incidents(labelled_trials(decisions, node), node, on.policy)
    columns = np.column_stack([feature_columns(logged.trials, model.features), logged.samples.failed])
    count, width = len(model.candidates), columns.shape[1] - len(model.candidates)
    intercepts, weights = np.full(count, -2.0), np.zeros((count, columns.shape[1]))
    for place in range(count):
        own = logged.samples.candidate == place
        worked = logged.samples.succeeded[own]
        if 0 < worked.sum() < len(worked):
            fit = LogisticRegression(C=1e4, max_iter=3_000).fit(columns[own], worked)
            intercepts[place], weights[place] = fit.intercept_[0], fit.coef_[0]
        elif len(worked):
            intercepts[place] = 20.0 if worked.all() else -20.0
    member = LinearModel(
        "pooled",
        tuple(intercepts.tolist()),
        tuple(map(tuple, weights[:, :width].tolist())),
        tuple(map(tuple, weights[:, width:].tolist())),
    )
    return changed(model, members=(member,), stack=changed(model.stack, intercept=0.0, weights=(1.0,)))


KINDS = ("as it was", "its equal", "the old world again")
"""What a ranking rules that replaced an older one, learnt in another world: the world it was learnt in, that world with
an older ranking that was learnt there too, or the older one's world."""


@dataclass(frozen=True)
class Watched:
    """How a promoted ranking fared.

    Attributes:
        loss: by what share of the replaced order's time to recovery it is truly worse.
        taken_back_after: so many incidents; None where it still rules after `WATCHED`.
    """

    seed: int
    kind: str
    loss: float
    taken_back_after: int | None


def watch_history(task: tuple[int, str]) -> Watched:
    """Watch a ranking that replaced another, in the world that `KINDS` says."""
    seed, kind = task
    old, new = mixture(seed), turned(mixture(seed))
    replaced = _learnt(new if kind == "its equal" else old, range(400), seed)
    ruling = _learnt(new, range(400, 800), seed + 1)
    world = old if kind == "the old world again" else new
    test, later = stage(world, TEST), stage(world, range(800, 800 + WATCHED))
    before, now = true_value(test, order_of(replaced, test)), true_value(test, order_of(ruling, test))
    decisions = played(later, order_of(ruling, later), 0.0, seed)
    taken_back = None
    for incidents in range(LOOK_EVERY, WATCHED + 1, LOOK_EVERY):
        opened = decisions["opened_at"] < pd.Timestamp(incidents * DAY_S, unit="s", tz="UTC")
        if watch_promoted(decisions[opened], later.policy, ruling, replaced, 0.0) is not None:
            taken_back = incidents
            break
    return Watched(seed, kind, now.seconds / before.seconds - 1.0, taken_back)


def _learnt(world: World, incidents: range, seed: int) -> Ranking:
    on = stage(world, incidents)
    return train_ranking(played(on, order_of(None, on), 0.3, seed), on.policy, 0.0)


def turned(world: World) -> World:
    """Every cause is now cured by what cured the one before it, with the same luck; who works for all still does."""
    narrow = [place for place, name in enumerate(world.facts.candidates) if name.startswith("narrow")]
    success, works = world.truth.success.copy(), world.draws.works.copy()
    for mine, other in zip(narrow, (*narrow[2:], *narrow[:2]), strict=True):
        success[:, :, mine] = world.truth.success[:, :, other]
        works[:, mine] = world.draws.works[:, other]
    return replace(world, truth=replace(world.truth, success=success), draws=replace(world.draws, works=works))


_HEAD = ("history", "n", "worse", "promoted", "better by > 5%", "promoted", "lower bound holds", "judged in")


def table(judged: Sequence[Judged], watched: Sequence[Watched]) -> Iterator[str]:
    """The report in Markdown."""
    yield f"| {' | '.join(_HEAD)} |"
    yield "|---" * len(_HEAD) + "|"
    for name in (*(history.name for history in HISTORIES), None):
        of = [one for one in judged if name in (None, one.history)]
        if of:
            yield _row(name or "all", of)
    yield ""
    large = [one for one in judged if "1,000" in one.history and one.gain > BETTER]
    yield f"Better by more than 5% at 1,000 incidents: {_share([one.promoted for one in large])} promoted;"
    harmless = [one for one in large if not one.more_harm]
    yield f"of those that do not do more harm: {_share([one.promoted for one in harmless])}."
    yield ""
    for name in sorted({name for one in judged for name in one.corrupted}):
        yield f"- {name}: {_share([one.corrupted[name] for one in judged if one.corrupted])} refused"
    refusals = [one.said.split(":")[0].split("'")[0].strip() for one in judged if not one.promoted]
    for reason in sorted(set(refusals)):
        yield f"- refused since it '{reason}': {refusals.count(reason)}"
    yield ""
    yield from _watched_lines(watched)


def _row(name: str, of: Sequence[Judged]) -> str:
    worse, better = [one for one in of if one.gain < 0.0], [one for one in of if one.gain > BETTER]
    bounded = [one.bounded for one in of if one.bounded is not None]
    judge_s = float(np.median([one.judge_s for one in of]))
    cells = (
        str(len(of)),
        str(len(worse)),
        _share([one.promoted for one in worse]),
        str(len(better)),
        _share([one.promoted for one in better]),
        _share(bounded),
        f"{judge_s:.1f} s",
    )
    return f"| {name} | {' | '.join(cells)} |"


def _watched_lines(watched: Sequence[Watched]) -> Iterator[str]:
    for kind in KINDS:
        for worse in (False, True):
            of = [one for one in watched if one.kind == kind and (one.loss > 0.0) is worse]
            back = [one.taken_back_after for one in of if one.taken_back_after is not None]
            after = f", after {int(np.median(back))} incidents (median)" if back else ""
            said = f"ruling in '{kind}', truly {'worse' if worse else 'no worse'} than what it replaced"
            if of:
                loss = float(np.mean([one.loss for one in of]))
                yield f"- {said} ({loss:+.0%} on average): {len(back)} of {len(of)} taken back{after}"


def _share(said: Sequence[bool]) -> str:
    return f"{sum(said)} of {len(said)} ({sum(said) / len(said):.0%})" if said else "none"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200, help="how many histories are judged")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--watched", type=int, default=24, help="how many promoted rankings are watched, each kind")
    parser.add_argument("--jobs", type=int, default=2, help="processes")
    parser.add_argument("--out", type=Path, default=Path("build/gate.md"))
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
    watched_tasks = [(seed, kind) for seed in islice(seeds, arguments.watched) for kind in KINDS]
    started = time.perf_counter()
    with workers(arguments.jobs, None) as running:
        judged = []
        for one in running.run(judge_history, [(f"history {seed}", seed) for seed in seeds]):
            judged.append(one)
            print(one.seed, one.history, f"{one.gain:+.1%}", one.promoted, one.said.split(":")[0], file=sys.stderr)
        watched = list(running.run(watch_history, [(f"watched {task}", task) for task in watched_tasks]))
    lines = [
        *table(judged, watched),
        "",
        f"Seeds {seeds.start} to {seeds.stop - 1}; {time.perf_counter() - started:.0f} s.",
    ]
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
