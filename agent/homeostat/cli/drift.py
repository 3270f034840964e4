"""`drift` and `review-policy`: is a policy still the plan for the systems it covers?"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.policies import policy_files
from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.authoring.drift import Staleness
    from homeostat.cli.output import Row

COLUMNS = ("policy", "stale", "cause", "message", "commit", "date", "file", "subject")
CHANGE_COLUMNS = ("commit", "date", "file", "subject")
CHANGES_SHOWN_MAX = 20


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path))
@click.pass_context
def drift(ctx: click.Context, paths: tuple[Path, ...]) -> None:
    """List policies whose covered files changed since their last review, and whose review is missing or past due.

    PATHS are files or folders [default: the workspace's policies]. Exit code 1 when any policy wants a review.
    """
    from homeostat.authoring.drift import stale_policies

    workspace = ctx.ensure_object(Workspace)
    files = policy_files(paths or (workspace.policies,))
    found = stale_policies(files, today=_now().date())
    if workspace.output.is_for_people:
        for one in found:
            _tell(workspace, one)
    else:
        workspace.output.rows([row for one in found for row in _rows(one)], COLUMNS)
    if any(one.is_stale for one in found):
        ctx.exit(1)


@click.command("review-policy")
@click.argument("name")
@click.option("--by", required=True, help="Who looked at it.")
@click.option("--note", default="", help="What was found.")
@click.option("--next", "next_by", help="When the next review is due, like 2027-06-01: the policy's new review_by.")
@pass_workspace
def review_policy(workspace: Workspace, name: str, by: str, note: str, next_by: str | None) -> None:
    """Write down that the policy NAME (or its file) was reviewed as it is now."""
    from homeostat.authoring.git import Repository
    from homeostat.authoring.reviews import FILE_NAME, Review, record_review

    path = _policy_file(workspace, name)
    now = _now()
    repository = Repository.around(path.parent)
    review = Review(by, now.strftime("%Y-%m-%dT%H:%M:%SZ"), repository.head(), policy_hash="", note=note)
    due = _day(next_by) if next_by else None
    written = record_review(path, review, next_by=due, today=now.date())
    workspace.output.say(f"{path}: reviewed by {by} at {written.commit[:12]}, version {written.policy_hash[:12]}")
    workspace.output.say(f"commit {path.parent / FILE_NAME}{f' and {path}' if due else ''}")
    if not workspace.output.is_for_people:
        columns = ("policy", "by", "at", "commit", "policy_hash", "note")
        row: Row = {"policy": name, **{column: str(getattr(written, column)) for column in columns[1:]}}
        workspace.output.rows([row], columns)


def _policy_file(workspace: Workspace, name: str) -> Path:
    """The file of a policy that is given by name or by file. Raises UsageError with the nearest name."""
    from homeostat.model.errors import UsageError
    from homeostat.model.nearest import did_you_mean
    from homeostat.policy.load import SUFFIX, read_draft
    from homeostat.policy.sources import FolderSources

    if name.endswith(SUFFIX):
        return Path(name)
    names: dict[str, Path] = {}
    for path in policy_files((workspace.policies,)):
        draft = read_draft(FolderSources(path.parent), path.name)
        data = draft.document.data
        if isinstance(data, dict) and isinstance(data.get("policy"), str):
            names[str(data["policy"])] = path
    if name not in names:
        raise UsageError(f"there is no policy '{name}'{did_you_mean(name, names)}")
    return names[name]


def _now() -> dt.datetime:
    from homeostat.app.clock import SystemClock

    return dt.datetime.fromtimestamp(SystemClock().now(), dt.UTC)


def _day(text: str) -> dt.date:
    from homeostat.model.errors import UsageError

    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"--next: '{text}' is not a date; write it like 2027-06-01") from None


def _tell(workspace: Workspace, one: Staleness) -> None:
    if not one.is_stale:
        reviewed = f"reviewed by {one.review.by} on {one.review.at[:10]}" if one.review else ""
        click.echo(f"{one.path}: ok: {reviewed}")
    for cause, sentence in one.causes:
        click.echo(f"{one.path}: {cause}: {sentence}")
    if one.changes:
        workspace.output.rows(
            [_change(one, number) for number in range(len(one.changes))][:CHANGES_SHOWN_MAX], CHANGE_COLUMNS
        )
    left = len(one.changes) - CHANGES_SHOWN_MAX
    if left > 0:
        click.echo(f"... and {left} more; -o json has them all")
    for file in one.uncommitted[:CHANGES_SHOWN_MAX]:
        click.echo(f"{one.path}: note: {file} is changed and not committed; it counts once it is")


def _change(one: Staleness, number: int) -> Row:
    change = one.changes[number]
    commit = change.commit
    return {"commit": commit.hash[:12], "date": commit.at[:10], "file": change.file, "subject": commit.subject}


def _rows(one: Staleness) -> list[Row]:
    """One row for each cause, and one for each commit and file of it."""
    from homeostat.authoring.drift import Cause

    head: Row = {"policy": one.policy, "stale": one.is_stale}
    rows: list[Row] = []
    for cause, sentence in one.causes:
        row: Row = {**head, "cause": cause.value, "message": sentence}
        if cause is Cause.COVERED_CHANGED:
            rows += [
                {**row, **_change(one, number), "commit": one.changes[number].commit.hash}
                for number in range(len(one.changes))
            ]
        else:
            rows.append(row)
    return rows or [head]
