"""What commands with many independent tasks share: on what they run, and how far they have come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])
Result = TypeVar("Result")

_JOBS = click.option(
    "--jobs",
    type=click.IntRange(1, 1024),
    metavar="N",
    help="Processes to use [default: as many as there are cores and the work is worth]. The results are the same.",
)
_DASK = click.option(
    "--dask", metavar="tcp://HOST:PORT", help="Run on this Dask cluster instead; it must have the same releases."
)


def worker_options(command: Command) -> Command:
    """Give a command the options `--jobs` and `--dask`, for `homeostat.parallel.workers`."""
    return _JOBS(_DASK(command))


def with_progress(results: Iterable[Result], count: int, label: str) -> list[Result]:
    """All results, as they come; on a terminal a bar tells how many of `count` there are."""
    hidden = not sys.stderr.isatty()
    with click.progressbar(results, length=count, label=label, file=sys.stderr, hidden=hidden) as running:
        return list(running)
