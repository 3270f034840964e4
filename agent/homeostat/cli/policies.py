"""`lint`: is this policy what its author meant, and can it end well?"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import FORMATS
from homeostat.cli.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from homeostat.cli.output import Row
    from homeostat.policy.lint import Report

COLUMNS = ("place", "severity", "code", "message")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.option("--env", "environment", help="Look at this environment alone [default: at each that a policy declares].")
@click.option(
    "--history",
    type=click.Path(path_type=Path),
    help="Recorded incidents: warn of candidates that none of them has tried.",
)
@click.option("--journal", is_flag=True, help="Ask the workspace's journal too: warn of drills that are overdue.")
@click.option(
    "-o",
    "--output",
    "form",
    type=click.Choice((*FORMATS, "github", "sarif")),
    help="github: annotations of a pull request; sarif: SARIF 2.1.0 [default: as given before the command].",
)
@click.pass_context
def lint(
    ctx: click.Context,
    paths: tuple[Path, ...],
    strict: bool,
    environment: str | None,
    history: Path | None,
    journal: bool,
    form: str | None,
) -> None:
    """Check policies: PATHS are files or folders [default: the workspace's policies]. Exit code 1 on an error."""
    from homeostat.app.clock import SystemClock
    from homeostat.app.drill_schedule import passed_drills
    from homeostat.app.recordings import attempts_in_recordings
    from homeostat.app.reviewed import with_covered_changes
    from homeostat.policy.lint import lint_all

    workspace = ctx.ensure_object(Workspace)
    today = dt.datetime.fromtimestamp(SystemClock().now(), dt.UTC).date()
    reports = lint_all(
        policy_files(paths or (workspace.policies,)),
        today=today,
        environment=environment,
        people=workspace.settings.everybody or None,
        tried=None if history is None else attempts_in_recordings(history),
        allowed=workspace.settings.allowed.objection,
        drilled=passed_drills(workspace.settings) if journal else None,
    )
    reports = with_covered_changes(reports, today)
    _print(workspace, reports, form or workspace.output.format)
    if any(report.has_errors or (strict and report.findings) for report in reports):
        ctx.exit(1)


def policy_files(paths: tuple[Path, ...]) -> list[Path]:
    """Expand folders into their policies.

    Raises:
        UsageError: a folder cannot be read, or holds no policy.
    """
    from homeostat.model.errors import UsageError
    from homeostat.policy.load import SUFFIX, policy_paths

    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            found = policy_paths(path)
        except OSError as error:
            raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
        if not found:
            raise UsageError(f"{path}: holds no *{SUFFIX}")
        files += found
    return files


def _print(workspace: Workspace, reports: Sequence[Report], form: str) -> None:
    from homeostat.cli.annotations import github, sarif

    if form == "table":
        told: set[str] = set()
        for report in reports:
            _tell(report, told)
    elif form == "github":
        click.echo(github(reports), nl=False)
    elif form == "sarif":
        click.echo(sarif(reports), nl=False)
    else:
        rows: list[Row] = [
            {
                "place": str(finding.problem.position),
                "severity": finding.severity.value,
                "code": finding.problem.code,
                "message": finding.problem.message,
            }
            for report in reports
            for finding in report.findings
        ]
        workspace.output.in_format(form).rows(rows, COLUMNS)


def _tell(report: Report, told: set[str]) -> None:
    """Print one report; what a shared catalogue got wrong is told with the first policy that uses it."""
    for finding in report.findings:
        if str(finding) not in told:
            told.add(str(finding))
            click.echo(str(finding))
    for environment, worst in report.worst_cases.items() if not report.has_errors else ():
        where = "" if environment is None else f" in {environment}"
        attempts = f"{worst.attempts} attempt{'' if worst.attempts == 1 else 's'}"
        click.echo(f"{report.path}: ok{where}: at worst {attempts} in {worst.seconds / 60:.0f} min")
