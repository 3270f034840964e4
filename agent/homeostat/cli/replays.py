"""`simulate` over recorded incidents: beside what was done, beside another revision, and as a page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row, write_file
from homeostat.cli.workers import with_progress
from homeostat.cli.workspace import Workspace

if TYPE_CHECKING:
    from homeostat.learn.evaluation.report import NodeEvaluation
    from homeostat.model.policy import Policy
    from homeostat.parallel import Workers
    from homeostat.record.recording import Recording
    from homeostat.simulate.recorded_course import Replayed
    from homeostat.simulate.regressions import Change
    from homeostat.simulate.replay import Replay
    from homeostat.simulate.replay_html import Figure

COLUMNS = ("policy", "incident", "verdict", "source", "duration_s", "recorded_s", "differs", "starts", "why")
COMPARED = (*COLUMNS, "baseline", "change")
ESTIMATED = "estimated off policy"


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for.

    Attributes:
        rankings: order `choose` by the ranking that ruled then.
        baseline: a git revision to hold the policies against.
        estimate: estimate off policy too. html: where to write the page.
    """

    folder: Path
    rankings: bool
    baseline: str | None
    estimate: bool
    html: Path | None


@dataclass(frozen=True, slots=True)
class _Result:
    policy: Policy
    replayed: list[Replayed]
    changes: list[Change]
    evaluations: tuple[NodeEvaluation, ...]


def replay_recordings(
    ctx: click.Context, workspace: Workspace, policies: Sequence[tuple[Policy, Path]], asked: Asked, workers: Workers
) -> None:
    """Replay a folder's recordings, and say what came of it; exit code 1 on a broken recording or a regression.

    Args:
        ctx: of the command.
        workspace: where it runs.
        policies: each with its file.
        asked: what was asked for.
        workers: what replays.
    """
    from homeostat.model.errors import UsageError
    from homeostat.record.recording import read_recordings
    from homeostat.simulate.regressions import Kind

    if not asked.folder.is_dir():
        raise UsageError(f"{asked.folder}: there is no such folder of recorded incidents; without any, try a --world")
    recordings, problems = read_recordings(asked.folder)
    results = [_replayed(workspace, policy, path, recordings, asked, workers) for policy, path in policies]
    columns = COLUMNS if asked.baseline is None else COMPARED
    workspace.output.rows([row for result in results for row in _rows(result)], columns)
    for result in results:
        _say(workspace, result, asked.baseline)
    if asked.html is not None:
        _write(asked.html, asked, results)
    for problem in problems:
        click.echo(str(problem), err=True)
    if problems or any(change.kind is Kind.WORSE for result in results for change in result.changes):
        ctx.exit(1)


def _replayed(
    workspace: Workspace, policy: Policy, path: Path, recordings: list[Recording], asked: Asked, workers: Workers
) -> _Result:
    from homeostat.app.clock import SystemClock
    from homeostat.app.off_policy import estimates_off_policy
    from homeostat.simulate.recorded_course import Replayed, recorded_course
    from homeostat.simulate.regressions import changes_of

    found = _run(policy, recordings, asked, workers)
    replayed = [Replayed(each, recorded_course(each), replay) for each, replay in zip(recordings, found, strict=True)]
    changes: list[Change] = []
    if asked.baseline is not None:
        from homeostat.app.revisions import policy_at

        before = policy_at(path, asked.baseline, workspace.settings.agent.environment)
        changes = [] if before is None else list(changes_of(_run(before, recordings, asked, workers), found))
    evaluations: tuple[NodeEvaluation, ...] = ()
    if asked.estimate:
        evaluations = estimates_off_policy(policy, recordings, SystemClock().now(), with_rankings=asked.rankings)
    return _Result(policy, replayed, changes, evaluations)


def _run(policy: Policy, recordings: list[Recording], asked: Asked, workers: Workers) -> list[Replay]:
    from homeostat.simulate.replay import replay_all

    replays = replay_all(policy, recordings, with_rankings=asked.rankings, workers=workers)
    return with_progress(replays, len(recordings), policy.name)


def _rows(result: _Result) -> Iterator[Row]:
    changes = {change.incident: change for change in result.changes}
    for one in result.replayed:
        replay, change = one.replay, changes.get(one.replay.incident)
        yield {
            "policy": result.policy.name,
            "incident": replay.incident,
            "verdict": replay.verdict.value,
            "source": None if replay.duration_s is None else "recorded",
            "duration_s": None if replay.duration_s is None else round(replay.duration_s, 3),
            "shift_s": round(replay.shift_s, 3),
            "recorded": one.course.result.value,
            "recorded_s": round(one.course.duration_s, 3),
            "differs": one.difference,
            "starts": " > ".join(start.action for start in replay.starts) or None,
            "why": replay.why,
            "baseline": None if change is None else change.kind.value,
            "change": change.told or None if change else None,
        }


def _say(workspace: Workspace, result: _Result, baseline: str | None) -> None:
    from homeostat.simulate.replay import Verdict

    say, tally = workspace.output.say, Counter(one.replay.verdict for one in result.replayed)
    told = ", ".join(f"{tally[verdict]} {verdict}" for verdict in Verdict)
    say(f"\n{result.policy.name}: {told} of {len(result.replayed)} recorded incidents")
    for figure in _figures(result):
        say(f"  {figure.label:<46} {figure.source:<21} {figure.value}")
    if baseline is not None:
        say(f"  {_beside(result, baseline)}")


def _beside(result: _Result, baseline: str) -> str:
    from homeostat.simulate.regressions import Kind

    if not result.changes and result.replayed:
        return f"there is no policy '{result.policy.name}' in {baseline}: nothing to hold it against"
    tally = Counter(change.kind for change in result.changes)
    return f"beside {baseline}: " + ", ".join(f"{tally[kind]} {kind}" for kind in Kind)


def _figures(result: _Result) -> Iterator[Figure]:
    from homeostat.policy.units import format_seconds
    from homeostat.simulate.replay import Verdict
    from homeostat.simulate.replay_html import Figure

    known = [one for one in result.replayed if one.replay.verdict is Verdict.RECOVERED]
    if known:
        then_s = sum(one.course.duration_s for one in known) / len(known)
        now_s = sum(one.replay.duration_s or 0.0 for one in known) / len(known)
        value = f"{format_seconds(round(now_s))}; then {format_seconds(round(then_s))}"
        yield Figure(f"time to the end, mean of {len(known)} RECOVERED", "recorded", value)
    for found in result.evaluations:
        label = f"time to recovery at '{found.node}', {found.incidents} incidents"
        yield Figure(label, ESTIMATED, _estimate(found))


def _estimate(found: NodeEvaluation) -> str:
    from homeostat.policy.units import format_seconds

    if found.mttr_s is None or found.refused:
        return f"refused: {found.refused}"
    middle, low, high = (
        format_seconds(round(each)) for each in (found.mttr_s.value, found.mttr_s.low(), found.mttr_s.high())
    )
    sample = found.effective_incidents
    size = "the log is not randomised" if sample is None else f"effective sample size {sample:.0f}"
    return f"{middle} ({low} to {high}), {size}; assumed: {found.assumption}"


def _write(path: Path, asked: Asked, results: Sequence[_Result]) -> None:
    from homeostat.simulate.replay_html import PolicyReport, replay_html

    reports = [
        PolicyReport(result.policy.name, result.replayed, tuple(_figures(result)), result.changes) for result in results
    ]
    write_file(path, replay_html(str(asked.folder), reports, asked.baseline))
