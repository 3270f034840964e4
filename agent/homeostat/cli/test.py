"""`test`: does the policy do what its author says it does?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.output import Row
from homeostat.cli.workers import with_progress, worker_options
from homeostat.cli.workspace import Workspace

if TYPE_CHECKING:
    from homeostat.simulate.bench.coverage import Coverage
    from homeostat.simulate.bench.testing import Outcome, Tested

COLUMNS = ("suite", "test", "policy", "passed", "message")
COVERAGE_COLUMNS = ("policy", "steps", "branches", "candidates", "fallbacks", "undos", "conditions", "share")


def _share(_ctx: click.Context, _parameter: click.Parameter, value: str | None) -> float | None:
    if value is None:
        return None
    try:
        share = float(value.removesuffix("%")) / 100.0
    except ValueError:
        raise click.BadParameter(f"'{value}' is not a percentage; write it like 80%") from None
    if not value.endswith("%") or not 0.0 <= share <= 1.0:
        raise click.BadParameter(f"'{value}' is not a percentage from 0% to 100%")
    return share


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.option("--coverage", is_flag=True, help="Tell what the tests reached, and what they did not.")
@click.option("--coverage-min", callback=_share, metavar="PERCENT", help="Fail where a policy's coverage is lower.")
@click.option("--junit", type=click.Path(path_type=Path, dir_okay=False), help="Write a JUnit XML report too.")
@worker_options
@click.pass_context
def test(
    ctx: click.Context,
    paths: tuple[Path, ...],
    coverage: bool,
    coverage_min: float | None,
    junit: Path | None,
    jobs: int | None,
    dask: str | None,
) -> None:
    """Run policy tests: PATHS are *.test.yaml files, folders of them, or policies [default: the workspace's policies].

    Of a policy, the test files beside it that name it are run.

    Each runs through the agent's own loop, in virtual time. Exit code 1 when one fails, 2 when a file is wrong.
    """
    from homeostat.parallel import workers
    from homeostat.simulate.bench.testing import load_suites, run_suites

    workspace = ctx.ensure_object(Workspace)
    suites = load_suites(paths or (workspace.policies,))
    with workers(jobs, dask) as running:
        tested = run_suites(suites, running, lambda courses, count: with_progress(courses, count, "tests"))
    if workspace.output.is_for_people:
        for outcome in tested.failed:
            _tell(outcome)
        click.echo(f"{len(tested.outcomes) - len(tested.failed)} of {len(tested.outcomes)} tests passed")
    else:
        workspace.output.rows([_row(outcome) for outcome in tested.outcomes], COLUMNS)
    if junit is not None:
        _write_junit(junit, tested)
    if coverage and workspace.output.is_for_people:
        _tell_coverage(workspace, tested)
    poor = [covered for covered in tested.coverage.values() if covered.share < (coverage_min or 0.0)]
    for covered in poor:
        click.echo(f"{covered.policy}: coverage {covered.share:.0%} is less than {coverage_min:.0%}", err=True)
    if tested.failed or poor:
        ctx.exit(1)


def _tell(outcome: Outcome) -> None:
    from homeostat.simulate.bench.timeline import timeline

    click.echo(f"FAILED {outcome.case.position} {outcome.case.name}")
    for miss in outcome.misses:
        click.echo(f"  {miss.position}: {miss.message}")
    for line in timeline(outcome.course):
        click.echo(f"    {line}")


def _row(outcome: Outcome) -> Row:
    return {
        "suite": outcome.suite,
        "test": outcome.case.name,
        "policy": outcome.case.policy.name,
        "passed": outcome.passed,
        "message": "; ".join(f"{miss.position}: {miss.message}" for miss in outcome.misses) or None,
    }


def _tell_coverage(workspace: Workspace, tested: Tested) -> None:
    click.echo("")
    workspace.output.rows([_coverage_row(covered) for covered in tested.coverage.values()], COVERAGE_COLUMNS)
    for covered in tested.coverage.values():
        for item in covered.missed:
            click.echo(f"  {covered.policy}: no test reaches {item}")


def _coverage_row(covered: Coverage) -> Row:
    from homeostat.simulate.bench.coverage import KINDS

    counts = ["/".join(map(str, covered.counts(kind))) for kind in KINDS]
    row: dict[str, str | int | float | bool | None] = {"policy": covered.policy}
    row |= dict(zip(COVERAGE_COLUMNS[1:-1], counts, strict=True))
    row["share"] = f"{covered.share:.0%}"
    return row


def _write_junit(path: Path, tested: Tested) -> None:
    from homeostat.cli.junit import junit_xml
    from homeostat.model.errors import UsageError

    try:
        path.write_bytes(junit_xml(tested))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error
