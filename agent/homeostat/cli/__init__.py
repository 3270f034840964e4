"""The command line: one file per group of commands, each imported only when it is used.

Promise: it parses, calls `app`, and prints. `--help` imports neither pandas nor scikit-learn nor SQLAlchemy.
Exit codes: 0 ok, 1 a check failed or regressed, 2 usage or configuration, 3 Prometheus, agent, store or workers out of
reach, 4 refused or already decided, 130 interrupted.
"""

from __future__ import annotations

import importlib
import keyword
import sys
from pathlib import Path

import click

from homeostat.cli.output import FORMATS, Output
from homeostat.cli.workspace import Workspace
from homeostat.model.errors import (
    ActuatorError,
    AlreadyDecided,
    HomeostatError,
    InvariantError,
    JournalConflict,
    JournalError,
    SensorError,
    WorkersError,
)
from homeostat.version import __version__

COMMANDS = {
    "init": "homeostat.cli.setup",
    "demo": "homeostat.cli.demo",
    "run": "homeostat.cli.run",
    "lint": "homeostat.cli.policies",
    "test": "homeostat.cli.test",
    "graph": "homeostat.cli.graph",
    "schema": "homeostat.cli.schema",
    "diff": "homeostat.cli.diff",
    "import": "homeostat.cli.importing",
    "advise": "homeostat.cli.advise",
    "drift": "homeostat.cli.drift",
    "review-policy": "homeostat.cli.drift",
    "simulate": "homeostat.cli.simulate",
    "drill": "homeostat.cli.drill",
    "compare": "homeostat.cli.compare",
    "stability": "homeostat.cli.stability",
    "sensitivity": "homeostat.cli.sensitivity",
    "world": "homeostat.cli.world",
    "retrain": "homeostat.cli.retrain",
    "rankings": "homeostat.cli.rankings",
    "evaluate": "homeostat.cli.evaluate",
    "autonomy": "homeostat.cli.autonomy",
    "incidents": "homeostat.cli.incidents",
    "explain": "homeostat.cli.incidents",
    "review": "homeostat.cli.review",
    "feedback": "homeostat.cli.feedback",
    "trends": "homeostat.cli.trends",
    "pending": "homeostat.cli.people",
    "approve": "homeostat.cli.people",
    "deny": "homeostat.cli.people",
    "request": "homeostat.cli.people",
    "acknowledge": "homeostat.cli.people",
    "notify": "homeostat.cli.notify",
    "done": "homeostat.cli.people",
    "failed": "homeostat.cli.people",
    "take-over": "homeostat.cli.people",
    "pause": "homeostat.cli.people",
    "resume": "homeostat.cli.people",
    "serve": "homeostat.cli.serve",
    "access": "homeostat.cli.serve",
    "agents": "homeostat.cli.agents",
    "audit": "homeostat.cli.audit",
    "backup": "homeostat.cli.backup",
    "restore": "homeostat.cli.backup",
    "archive": "homeostat.cli.backup",
    "doctor": "homeostat.cli.setup",
    "health": "homeostat.cli.setup",
}
"""Command -> the module that holds it, under the name that `_attribute` gives."""

_EXIT_CODES: list[tuple[type[HomeostatError], int]] = [
    (InvariantError, 1),
    (AlreadyDecided, 4),
    (JournalConflict, 4),
    (JournalError, 3),
    (SensorError, 3),
    (ActuatorError, 3),
    (WorkersError, 3),
    (HomeostatError, 2),
]


INTERRUPTED = 130


def _attribute(command: str) -> str:
    """A command's name as Python can write it: `review_policy`, `import_`."""
    name = command.replace("-", "_")
    return f"{name}_" if keyword.iskeyword(name) else name


class _Commands(click.Group):
    """Finds commands by name, imports them on use, and turns our errors into messages and exit codes."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        module = COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = getattr(importlib.import_module(module), _attribute(cmd_name))
        return command if isinstance(command, click.Command) else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from homeostat.model.nearest import did_you_mean

            raise click.UsageError(error.format_message().rstrip(".") + did_you_mean(args[0], COMMANDS), ctx) from error

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except HomeostatError as error:
            click.echo(str(error), err=True)
            ctx.exit(next(code for kind, code in _EXIT_CODES if isinstance(error, kind)))
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(0)
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="homeostat")
@click.option("-c", "--config", type=click.Path(path_type=Path), help="Settings file [default: ./homeostat.toml].")
@click.option("-o", "--output", type=click.Choice(FORMATS), default="table", show_default=True, help="Output format.")
@click.option("--json", "as_json", is_flag=True, help="Short for -o json.")
@click.option("--no-color", is_flag=True, help="No colours; NO_COLOR in the environment does the same.")
@click.pass_context
def main(ctx: click.Context, config: Path | None, output: str, as_json: bool, no_color: bool) -> None:
    """Recovery plans as a closed loop: detect, decide, act, verify, learn."""
    ctx.obj = Workspace(config, Output("json" if as_json else output, no_color=no_color))
