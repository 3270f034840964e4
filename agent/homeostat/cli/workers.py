"""What commands with many independent tasks share: on how many processes, or on which cluster, they run."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])

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
