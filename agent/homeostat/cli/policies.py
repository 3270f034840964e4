"""`lint`: is this policy what its author meant, and can it end well?"""

from __future__ import annotations

import datetime as dt
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.workspace import Workspace

if TYPE_CHECKING:
    from homeostat.cli.output import Row
    from homeostat.policy.lint import Report

COLUMNS = ("place", "severity", "code", "message")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--strict", is_flag=True, help="Warnings fail too.")
@click.pass_context
def lint(ctx: click.Context, paths: tuple[Path, ...], strict: bool) -> None:
    """Check policies: PATHS are files or folders [default: the workspace's policies]. Exit code 1 on an error."""
    from homeostat.app.clock import SystemClock
    from homeostat.policy.lint import lint_all

    workspace = ctx.ensure_object(Workspace)
    files = policy_files(paths or (Path(os.path.relpath(workspace.settings.policies)),))
    reports = lint_all(files, today=dt.datetime.fromtimestamp(SystemClock().now(), dt.UTC).date())
    if workspace.output.is_for_people:
        for report in reports:
            _tell(report)
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
        workspace.output.rows(rows, COLUMNS)
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


def _tell(report: Report) -> None:
    for finding in report.findings:
        click.echo(str(finding))
    if report.worst_case is not None:
        worst = report.worst_case
        click.echo(f"{report.path}: ok: at worst {worst.attempts} attempts in {worst.seconds / 60:.0f} min")
