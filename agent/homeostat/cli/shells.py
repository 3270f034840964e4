"""`completion` and `man`: what shells and `man` need to know about the commands."""

from __future__ import annotations

from pathlib import Path

import click

SHELLS = ("bash", "zsh", "fish")
PROGRAM = "homeostat"
COMPLETE_VARIABLE = "_HOMEOSTAT_COMPLETE"
"""By which a script asks the program what may stand where the cursor is; click's own name for it."""


def script(program: click.Command, shell: str) -> str:
    """The script that teaches a shell to complete the program's words."""
    from click.shell_completion import ShellComplete, get_completion_class

    kind = get_completion_class(shell)
    if kind is None:
        raise LookupError(f"click completes nothing in {shell}")
    # Not the class's own `source`, which for bash looks at the bash of this machine.
    return ShellComplete.source(kind(program, {}, PROGRAM, COMPLETE_VARIABLE)).lstrip()


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print a script that completes commands, options, policies and incidents in SHELL.

    Try it: `source <(homeostat completion bash)`. For good: put what is printed into the file
    `~/.local/share/bash-completion/completions/homeostat`, into `_homeostat` in a folder of zsh's `fpath`, or into
    `~/.config/fish/completions/homeostat.fish`.
    """
    click.echo(script(ctx.find_root().command, shell), nl=False)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.pass_context
def man(ctx: click.Context, folder: Path) -> None:
    """Write the manual pages of all commands into FOLDER; `man -l FOLDER/homeostat.1` shows one.

    What pip installs has them already, in `share/man`.
    """
    from homeostat.cli.manual import pages
    from homeostat.cli.output import Row
    from homeostat.cli.workspace import Workspace
    from homeostat.model.errors import UsageError

    rows: list[Row] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages(ctx.find_root().command, PROGRAM).items():
            (folder / name).write_text(text, encoding="utf-8")
            rows.append({"file": str(folder / name)})
    except OSError as error:
        raise UsageError(f"{folder}: the manual pages cannot be written: {error.strerror}") from error
    ctx.ensure_object(Workspace).output.rows(rows, ("file",))
