"""Rows for people and for programs: one table, four formats."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from homeostat.model.errors import UsageError
from homeostat.policy.units import format_reading

FORMATS = ("table", "json", "jsonl", "csv")

Cell = str | int | float | bool | None
Row = Mapping[str, Cell]


class Output:
    """Prints in the format that was asked for. Off a terminal: plain, unwrapped, nothing truncated."""

    def __init__(self, format_name: str, *, no_color: bool) -> None:
        self.format = format_name
        self.color = not no_color and "NO_COLOR" not in os.environ and sys.stdout.isatty()

    @property
    def is_for_people(self) -> bool:
        """Whether a sentence beside the rows is welcome."""
        return self.format == "table"

    def in_format(self, format_name: str) -> Output:
        """The same output in another format, for a command that has a choice of its own."""
        return self if format_name == self.format else Output(format_name, no_color=not self.color)

    def say(self, text: str) -> None:
        """Print a sentence for people; programs do not get it."""
        if self.is_for_people:
            click.echo(text)

    def rows(self, rows: Sequence[Row], columns: Sequence[str]) -> None:
        """Print rows; an empty table still prints its head."""
        if self.format == "json":
            click.echo(json.dumps(list(rows), indent=2))
        elif self.format == "jsonl":
            for row in rows:
                click.echo(json.dumps(row))
        elif self.format == "csv":
            click.echo(_csv(rows, columns), nl=False)
        elif self.color:
            _print_rich(rows, columns)
        else:
            click.echo(_plain(rows, columns))


def write_file(path: Path, text: str) -> None:
    """Write what a command was asked to leave in a file.

    Raises:
        UsageError: it cannot be written.
    """
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error.strerror}") from error


def _csv(rows: Sequence[Row], columns: Sequence[str]) -> str:
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return buffer.getvalue()


def _text(cell: Cell) -> str:
    if cell is None:
        return "-"
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return format_reading(cell) if isinstance(cell, float) else str(cell)


def _plain(rows: Sequence[Row], columns: Sequence[str]) -> str:
    table = [[column.upper() for column in columns]]
    table += [[_text(row.get(column)) for column in columns] for row in rows]
    widths = [max(len(line[index]) for line in table) for index in range(len(columns))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in table)


def _longest_words(rows: Sequence[Row], columns: Sequence[str]) -> list[int]:
    """How wide each column must be so that no word is broken, in characters."""
    words = (f"{name} " + " ".join(_text(row.get(name)) for row in rows) for name in columns)
    return [max(map(len, text.split())) for text in words]


def _print_rich(rows: Sequence[Row], columns: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    longest = _longest_words(rows, columns)
    width_least = sum(longest) + 2 * (len(columns) - 1)
    if len(rows) == 1 and width_least > console.width:
        # One row can be read as well from above to below.
        table = Table(box=None, show_header=False, pad_edge=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for column in columns:
            table.add_row(column.upper(), _text(rows[0].get(column)))
        console.print(table)
        return
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column, width in zip(columns, longest, strict=True):
        table.add_column(column.upper(), overflow="fold", min_width=width)
    for row in rows:
        table.add_row(*(_text(row.get(column)) for column in columns))
    # A broken id can be neither read nor copied: rather a line that the terminal goes on with below.
    Console(width=max(console.width, width_least)).print(table)
