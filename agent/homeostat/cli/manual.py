"""The commands as manual pages, in the man(7) macros of roff, one page a command.

What click knows of a command is what its page says; nothing is written twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from inspect import cleandoc

import click

from homeostat.version import __version__

EXIT_STATUS = (
    ("0", "All is well."),
    ("1", "A check failed, or something got worse."),
    ("2", "Wrong usage or configuration."),
    ("3", "Prometheus, the agent, the store or the workers are out of reach."),
    ("4", "Refused, or already decided."),
    ("130", "Interrupted."),
)

_SPECIAL = str.maketrans({"\\": r"\e", "-": r"\-", "^": r"\(ha", "~": r"\(ti", "'": r"\(aq", '"': r"\(dq"})
_CODE = re.compile(r"`([^`]+)`")


def pages(command: click.Command, name: str) -> dict[str, str]:
    """Every page by its file's name: of a command, and of all commands below it.

    Args:
        command: the whole program.
        name: what it is called.
    """
    return dict(_pages(click.Context(command, info_name=name, **command.context_settings)))


def _pages(ctx: click.Context) -> Iterator[tuple[str, str]]:
    yield f"{_page_name(ctx)}.1", "\n".join(_page(ctx)) + "\n"
    for name, command in _below(ctx):
        yield from _pages(click.Context(command, info_name=name, parent=ctx))


def _below(ctx: click.Context) -> list[tuple[str, click.Command]]:
    group = ctx.command
    if not isinstance(group, click.Group):
        return []
    found = [(name, group.get_command(ctx, name)) for name in group.list_commands(ctx)]
    return [(name, command) for name, command in found if command is not None and not command.hidden]


def _page_name(ctx: click.Context) -> str:
    return ctx.command_path.replace(" ", "-")


def _page(ctx: click.Context) -> Iterator[str]:
    name = _page_name(ctx)
    yield f'.TH "{_plain(name.upper())}" "1" "" "homeostat {_plain(__version__)}" "Homeostat"'
    yield ".SH NAME"
    yield f"{_plain(name)} \\- {_text(ctx.command.get_short_help_str(200).rstrip('.'))}"
    yield ".SH SYNOPSIS"
    yield f".B {_plain(ctx.command_path)}"
    yield _plain(" ".join(ctx.command.collect_usage_pieces(ctx)))
    yield ".SH DESCRIPTION"
    yield from _paragraphs(ctx.command.help or "")
    yield from _options(ctx)
    yield from _commands(ctx)
    if ctx.parent is None:
        yield ".SH EXIT STATUS"
        for code, meaning in EXIT_STATUS:
            yield from (".TP", f"\\fB{code}\\fR", _text(meaning))
    else:
        yield from (".SH SEE ALSO", f"\\fB{_plain(_page_name(ctx.parent))}\\fR(1)")


def _options(ctx: click.Context) -> Iterator[str]:
    records = [param.get_help_record(ctx) for param in ctx.command.get_params(ctx) if isinstance(param, click.Option)]
    yield ".SH OPTIONS"
    for record in filter(None, records):
        yield from (".TP", f"\\fB{_plain(record[0])}\\fR", _text(record[1]) or "\\&")


def _commands(ctx: click.Context) -> Iterator[str]:
    found = _below(ctx)
    if found:
        yield ".SH COMMANDS"
    for name, command in found:
        yield from (".TP", f"\\fB{_plain(f'{_page_name(ctx)}-{name}')}\\fR(1)")
        yield _text(command.get_short_help_str(200))


def _paragraphs(text: str) -> Iterator[str]:
    for number, paragraph in enumerate(re.split(r"\n\s*\n", cleandoc(text).partition("\f")[0].strip())):
        if number:
            yield ".PP"
        if paragraph.startswith("\b\n"):  # click's mark of lines that stay as they are
            yield from (".nf", *map(_text, paragraph.removeprefix("\b\n").splitlines()), ".fi")
        else:
            yield _text(" ".join(paragraph.split()))


def _text(text: str) -> str:
    """Prose: what stands between backticks is bold."""
    parts = _CODE.split(" ".join(text.split()))
    return "".join(f"\\fB{_plain(part)}\\fR" if number % 2 else _plain(part) for number, part in enumerate(parts))


def _plain(text: str) -> str:
    """Characters as they are: none is an escape, a hyphen, a quotation mark or a request to roff."""
    shown = text.translate(_SPECIAL).replace("`", r"\(ga")
    return f"\\&{shown}" if shown.startswith(".") else shown
