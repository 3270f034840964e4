"""What may stand where the cursor is: names of policies by their files, incidents by the journal.

Promise: it reads, and it never fails: where there is nothing to offer, nothing is offered.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path

import click
from click.shell_completion import CompletionItem

SUFFIX = ".homeostat.yaml"
OFFERED_MAX = 100


def offer_names(command: click.Command) -> click.Command:
    """Have a command's arguments, and those of the commands below it, offer the names there are."""
    for param in command.params:
        known = _KNOWN.get(param.name or "")
        if isinstance(param, click.Argument) and known is not None and isinstance(param.type, type(click.STRING)):
            param.type = _Known(known)
    if isinstance(command, click.Group):
        for below in command.commands.values():
            offer_names(below)
    return command


class _Known(click.ParamType[str]):
    """Any text, with proposals."""

    name = "text"

    def __init__(self, known: Callable[[Path | None], Iterable[str]]) -> None:
        self._known = known

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Take it as it is: the command judges it."""
        del param, ctx
        return value

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Every name that begins so; files too, where a name may be one."""
        from homeostat.model.errors import HomeostatError

        try:
            names = [name for name in self._known(ctx.find_root().params.get("config")) if name.startswith(incomplete)]
        except (HomeostatError, OSError, ValueError):
            names = []
        if not names and param.name in ("policy", "policies"):
            return [CompletionItem(incomplete, type="file")]
        return [CompletionItem(name) for name in names[:OFFERED_MAX]]


def _policies(config: Path | None) -> list[str]:
    """By their files' names alone: nothing is parsed while somebody waits at the cursor."""
    path = config or Path("homeostat.toml")
    settings = tomllib.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    folder = path.parent / settings.get("agent", {}).get("policies", "policies")
    return sorted(file.name.removesuffix(SUFFIX) for file in folder.rglob(f"*{SUFFIX}"))


def _incidents(config: Path | None) -> list[str]:
    """The newest first. A shared store is not asked: it may take its time."""
    from homeostat.app.store import has_journal, journal_to_read
    from homeostat.cli.output import Output
    from homeostat.cli.workspace import Workspace

    settings = Workspace(config, Output("table", no_color=True)).settings
    if settings.store.url is not None or not has_journal(settings):
        return []
    with journal_to_read(settings) as journal:
        return list(journal.incidents())[::-1]


_KNOWN: dict[str, Callable[[Path | None], Iterable[str]]] = {
    "policy": _policies,
    "policies": _policies,
    "incident": _incidents,
}
