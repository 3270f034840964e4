"""`evaluate`: what an order of candidates would have come to in the incidents that were logged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row
from homeostat.cli.ranking_history import decisions_of, history_option, logged_of
from homeostat.cli.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.cli.ranking_history import Logged
    from homeostat.learn.evaluation.comparison import Estimate
    from homeostat.learn.evaluation.report import NodeEvaluation
    from homeostat.model.ranking import Ranking

_OF = {"first_success": ("first attempt works", "share"), "mttr_s": ("seconds to recovery", "s")}
"""What an estimator is of, as people read it, and its unit."""
COLUMNS = ("node", "estimate", "estimator", "value", "low", "high", "refused")


@click.command()
@click.argument("policy")
@click.option("--ranking", help="A version or its beginning, `ruling` or `challenger`.")
@click.option("--order", help="Candidates from first to last: `a,b,c`; what is not named comes last.")
@click.option("--written", is_flag=True, help="The order in the policy's file.")
@click.option("--node", help="Only this `choose` node.")
@history_option
@click.pass_context
def evaluate(
    ctx: click.Context,
    policy: str,
    ranking: str | None,
    order: str | None,
    written: bool,
    node: str | None,
    place: str | None,
) -> None:
    """Estimate what an order would have come to in POLICY's logged incidents, beside the written one.

    Imputed replay: the order is followed on every logged incident; outcomes that were logged are facts, the others are
    expected given all that happened in that incident. Bounds hold nine times in ten. Where that cannot be trusted it
    is refused, with the reason, and the exit code is 1.
    """
    from homeostat.learn.evaluation.report import evaluate as evaluated
    from homeostat.model.errors import UsageError

    workspace = ctx.ensure_object(Workspace)
    if sum((ranking is not None, order is not None, written)) != 1:
        raise UsageError("say what to evaluate: one of --ranking VERSION, --order A,B,C, --written")
    with logged_of(workspace.settings, policy, place) as logged:
        judged = _judged(logged, ranking, order)
        found = evaluated(decisions_of(logged), logged.policy, judged, node=node)
    for one in found:
        _say(workspace, one)
    if not workspace.output.is_for_people:
        workspace.output.rows([row for one in found for row in _rows(one)], COLUMNS)
    if any(one.refused for one in found):
        ctx.exit(1)


def _judged(logged: Logged, ranking: str | None, order: str | None) -> Ranking | Sequence[str] | None:
    from homeostat.model.errors import UsageError

    if order is not None:
        names = [name.strip() for name in order.split(",")]
        if not all(names):
            raise UsageError(f"--order '{order}' must read A,B,C: a name is missing")
        return names
    return logged.known.named(ranking) if ranking is not None else None


def _say(workspace: Workspace, found: NodeEvaluation) -> None:
    say = workspace.output.say
    say(f"{found.node}: {found.incidents} incidents; in brackets: where it lies nine times in ten")
    if found.refused:
        say(f"  refused: {found.refused}")
    for name, estimate, unit in _estimates(found):
        say(f"  {name:<24} {_figure(estimate.value, unit):>9}  ({_figure(estimate.low(), unit)} to"
            f" {_figure(estimate.high(), unit)})")  # fmt: skip
    for other in found.estimators:
        if other.refused is None:
            name, unit = _OF[other.of]
            say(f"  {name}, by {other.name}: {_figure(other.value, unit)}")
    for reason in dict.fromkeys(other.refused for other in found.estimators if other.refused):
        names = ", ".join(dict.fromkeys(other.name for other in found.estimators if other.refused == reason))
        say(f"  refused, since {reason}: {names}")
    if found.caution:
        say(f"  mind: {found.caution}")
    say(f"  assumed: {found.assumption}")


def _estimates(found: NodeEvaluation) -> list[tuple[str, Estimate, str]]:
    named = [
        ("seconds to recovery", found.mttr_s, "s"),
        ("in the written order", found.written_mttr_s, "s"),
        ("sooner than written", found.gain_s, "s"),
        ("first attempt works", found.first_success, "share"),
        ("harmful attempts", found.harms, "count"),
    ]
    return [(name, estimate, unit) for name, estimate, unit in named if estimate is not None]


def _figure(value: float, unit: str) -> str:
    if unit == "share":
        return f"{value:.0%}"
    return f"{value:.0f} s" if unit == "s" else f"{value:.3f}"


def _rows(found: NodeEvaluation) -> list[Row]:
    rows: list[Row] = [
        {
            "node": found.node,
            "estimate": name,
            "estimator": "imputed replay",
            "value": estimate.value,
            "low": estimate.low(),
            "high": estimate.high(),
            "refused": found.refused,
        }
        for name, estimate, _ in _estimates(found)
    ]
    rows += [
        {
            "node": found.node,
            "estimate": other.of,
            "estimator": other.name,
            "value": None if other.refused else other.value,
            "refused": other.refused,
        }
        for other in found.estimators
    ]
    return rows or [{"node": found.node, "refused": found.refused}]
