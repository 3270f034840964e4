"""`rankings`: what was learnt, what rules, why, and a person's word on it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row
from homeostat.cli.ranking_history import history_option, journal_of, logged_of, ranking_changes, trials_by_node
from homeostat.cli.situation import said_of, situation_of, situation_options
from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.model.entries import Entry

HISTORY_COLUMNS = ("at", "policy", "event", "version", "incidents", "attempts", "gate")
SHOW_COLUMNS = (
    "policy", "node", "place", "candidate", "index", "probability", "low", "high", "cost_s", "harm", "successes",
    "attempts", "deferred",
)  # fmt: skip
EXPLAIN_COLUMNS = (
    "node",
    "place",
    "candidate",
    "index",
    "probability",
    "low",
    "high",
    "cost_s",
    "worked",
    "tried",
    "why",
)
DIFF_COLUMNS = ("node", "candidate", "probability_before", "probability_after", "first_before", "first_after")


@click.group(invoke_without_command=True)
@click.pass_context
def rankings(ctx: click.Context) -> None:
    """Learnt orders of candidates."""
    if ctx.invoked_subcommand is None:
        ctx.invoke(show, policy=None, name="ruling", place=None)


@rankings.command()
@click.argument("policy", required=False)
@click.option("--ranking", "name", default="ruling", show_default=True, help="A version, `ruling` or `challenger`.")
@history_option
@pass_workspace
def show(workspace: Workspace, policy: str | None, name: str, place: str | None) -> None:
    """Show a learnt order at typical signals, and what it rests on.

    The order is by index: the learnt probability that a candidate works, divided by the seconds it is expected to take,
    harm counted as time. LOW and HIGH: where the probability lies nine times in ten. `odds x2 with SIGNAL at 9 instead
    of 1`: one in three becomes one in two when the signal is 9, and its median is 1.
    """
    from homeostat.app.policies import all_policies, policy_named
    from homeostat.learn.explain import describe
    from homeostat.learn.promotion import promotions_of

    settings = workspace.settings
    named = [policy_named(settings, policy)] if policy else all_policies(settings)
    rows: list[Row] = []
    with journal_of(settings, place) as journal:
        for one in named:
            known = promotions_of(journal, one.name)
            ranking = known.named(name)
            if ranking is None:
                ever = (
                    "the written order rules again" if known.since else "nothing promoted yet; the written order rules"
                )
                workspace.output.say(f"{one.name}: {ever}")
                continue
            workspace.output.say(f"{one.name}: ranking {ranking.version[:12]}, {ranking.attempts} attempts")
            for node in describe(ranking, one):
                workspace.output.say(f"  {node}")
                rows += [
                    {
                        "policy": one.name,
                        "node": node.node,
                        "place": row.place,
                        "candidate": row.candidate,
                        "index": row.index,
                        "probability": row.probability,
                        "low": row.low,
                        "high": row.high,
                        "cost_s": row.cost_s,
                        "harm": row.harm,
                        "successes": row.successes,
                        "attempts": row.attempts,
                        "deferred": row.deferred,
                    }
                    for row in node.rows
                ]
    if not workspace.output.is_for_people:
        workspace.output.rows(rows, SHOW_COLUMNS)


@rankings.command()
@history_option
@pass_workspace
def history(workspace: Workspace, place: str | None) -> None:
    """Every ranking ever trained, promoted or rolled back, oldest first."""
    from homeostat.model.streams import POLICY_STREAMS

    rows: list[Row] = []
    with journal_of(workspace.settings, place) as journal:
        for stream in journal.streams(POLICY_STREAMS):
            rows += [row for record in journal.read(stream) if (row := _event(stream, record.entry))]
    if not rows:
        workspace.output.say("no ranking was trained here yet; `homeostat retrain` trains one")
    workspace.output.rows(sorted(rows, key=lambda row: str(row["at"])), HISTORY_COLUMNS)


@rankings.command()
@click.argument("policy")
@situation_options
@click.option("--ranking", "name", default="ruling", show_default=True, help="A version, `ruling` or `challenger`.")
@history_option
@pass_workspace
def explain(
    workspace: Workspace,
    policy: str,
    incident: str | None,
    when: tuple[str, ...],
    failed: tuple[str, ...],
    name: str,
    place: str | None,
) -> None:
    """Say why POLICY's candidates stand in this order, in one situation.

    The situation is that of an incident's last ranked decision (--incident), or typical signals; --when and --failed
    change it. Counts are of logged attempts.
    """
    from homeostat.learn.explain import unknown_to, why_written
    from homeostat.learn.why import reasons

    with logged_of(workspace.settings, policy, place) as logged:
        ranking = logged.known.named(name)
        said = said_of(logged.policy, when, failed)
        rows: list[Row] = []
        for node, trials in trials_by_node(logged):
            model = ranking.nodes.get(node.id) if ranking is not None else None
            unknown = unknown_to(model, node)
            if model is None or unknown:
                workspace.output.say(f"{node.id}: {why_written(unknown)}")
                continue
            situation = situation_of(logged, node, model, incident, said)
            workspace.output.say(f"{node.id}:")
            for why in reasons(model, trials, situation):
                workspace.output.say(f"  {why}")
                rows.append(
                    {
                        "node": node.id,
                        "place": why.place,
                        "candidate": why.candidate,
                        "index": why.index,
                        "probability": why.probability,
                        "low": why.low,
                        "high": why.high,
                        "cost_s": why.cost_s,
                        "worked": why.counted.worked,
                        "tried": why.counted.tried,
                        "why": "; ".join(why.said),
                    }
                )
    if not workspace.output.is_for_people:
        workspace.output.rows(rows, EXPLAIN_COLUMNS)


@rankings.command()
@click.argument("policy")
@click.argument("before", default="ruling")
@click.argument("after", default="challenger")
@history_option
@pass_workspace
def diff(workspace: Workspace, policy: str, before: str, after: str, place: str | None) -> None:
    """Say what changes when AFTER rules POLICY instead of BEFORE, in the situations that were logged.

    BEFORE and AFTER are versions or their beginnings, `ruling`, `challenger`, or `written`. FIRST_BEFORE and
    FIRST_AFTER: in how many logged incidents the candidate comes first; the probabilities are means over them, and the
    written order has none.
    """
    from homeostat.learn.differences import difference

    rows: list[Row] = []
    with logged_of(workspace.settings, policy, place) as logged:
        old, new = logged.known.named(before), logged.known.named(after)
        if "ruling" in (before, after) and logged.known.named("ruling") is None:
            workspace.output.say(f"{policy}: nothing promoted yet; the written order rules")
        for node, trials in trials_by_node(logged):
            model, other = (ranking.nodes.get(node.id) if ranking else None for ranking in (old, new))
            found = difference(model, other, trials, [child.id for child in node.children])
            workspace.output.say(
                f"{node.id}: another first choice in {found.changed} of {found.decisions} logged incidents"
            )
            for (first, then), times in found.moves.items():
                workspace.output.say(f"  {times} times {then} instead of {first}")
            for candidate, (p_before, p_after) in found.chances.items():
                rows.append(
                    {
                        "node": node.id,
                        "candidate": candidate,
                        "probability_before": p_before,
                        "probability_after": p_after,
                        "first_before": found.firsts_before.get(candidate, 0),
                        "first_after": found.firsts_after.get(candidate, 0),
                    }
                )
    workspace.output.rows(rows, DIFF_COLUMNS)


promote, rollback = ranking_changes(rankings)


def _event(stream: str, entry: Entry) -> Row | None:
    from homeostat.model.entries import RankingPromoted, RankingRolledBack, RankingTrained
    from homeostat.model.streams import POLICY_STREAMS

    at = datetime.fromtimestamp(entry.at, UTC).isoformat(timespec="seconds")
    policy = stream.removeprefix(POLICY_STREAMS)
    match entry:
        case RankingTrained(ranking=ranking):
            numbers: Row = {"incidents": ranking.incidents, "attempts": ranking.attempts, "gate": entry.gate}
            return {"at": at, "policy": policy, "event": "trained", "version": ranking.version[:12], **numbers}
        case RankingPromoted():
            said = {"gate": entry.why} if entry.why else {}
            event = f"promoted by {entry.actor}"
            return {"at": at, "policy": policy, "event": event, "version": entry.version[:12], **said}
        case RankingRolledBack():
            event = f"rolled back by {entry.actor} to {entry.to[:12] if entry.to else 'the written order'}"
            return {"at": at, "policy": policy, "event": event, "version": entry.version[:12], "gate": entry.why}
        case _:
            return None
