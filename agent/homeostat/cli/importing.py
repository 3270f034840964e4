"""`import`: start from what there is: alerting rules, or a runbook."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from homeostat.cli.workspace import Workspace, pass_workspace

if TYPE_CHECKING:
    from homeostat.authoring.workspace_files import Written


@click.group("import")
def import_() -> None:
    """Start from what there is: alerting rules, or a runbook. Nothing of it is run."""


@import_.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--alert", help="Only the rules of this name.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder to write to [default: show].")
@pass_workspace
def rules(workspace: Workspace, file: Path, alert: str | None, out: Path | None) -> None:
    """Make policies of the alerting rules in a Prometheus rule FILE."""
    from homeostat.authoring.alert_policy import SIGNALS_FILE, policies_of_rules
    from homeostat.authoring.alert_rules import read_rule_file
    from homeostat.authoring.names import slug
    from homeostat.authoring.workspace_files import put, read_text

    found = read_rule_file(read_text(file), str(file), alert)
    name = SIGNALS_FILE
    if out is not None and (out / name).exists():  # a folder of policies has signals already; they stay as they are
        name = f"{slug(file.stem, 'rules')}-signals.yaml"
    written = policies_of_rules(found, source=file.name, signals_file=name)
    _tell(workspace, written, put(written.files, out) if out else None)


@import_.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Policy file to write [default: show].")
@pass_workspace
def runbook(workspace: Workspace, file: Path, out: Path | None) -> None:
    """Make a policy of manual steps out of a Markdown runbook or checklist."""
    from homeostat.authoring.runbook import read_runbook
    from homeostat.authoring.runbook_policy import policy_of_runbook
    from homeostat.authoring.workspace_files import put, read_text
    from homeostat.model.errors import UsageError
    from homeostat.policy.load import SUFFIX

    if out is not None and not out.name.endswith(SUFFIX):
        raise UsageError(f"--out: a policy's file is named *{SUFFIX}, as in {out.with_name(out.stem + SUFFIX)}")
    name = out.name.removesuffix(SUFFIX) if out else ""
    written = policy_of_runbook(read_runbook(read_text(file), str(file)), source=file.name, name=name)
    paths = None
    if out is not None:
        (text,) = written.files.values()
        paths = put({out.name: text}, out.parent)
    _tell(workspace, written, paths)


def _tell(workspace: Workspace, written: Written, paths: list[Path] | None) -> None:
    """Show the files, or say where they are; the notes go to stderr, so that what is shown can be piped."""
    if paths is not None:
        workspace.output.rows([{"file": str(path)} for path in paths], ["file"])
    elif workspace.output.is_for_people:
        click.echo(_shown(written.files), nl=False)
    else:
        workspace.output.rows([{"file": name, "text": text} for name, text in written.files.items()], ["file", "text"])
    for note in written.notes:
        click.echo(f"note: {note}", err=True)


def _shown(files: Mapping[str, str]) -> str:
    """The text of a single file alone; of several, each below its name."""
    if len(files) == 1:
        return next(iter(files.values()))
    return "\n".join(f"# --- {name}\n{text}" for name, text in files.items())
