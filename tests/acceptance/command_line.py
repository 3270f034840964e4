"""The command line without a process of its own, which would take a second or more to start."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Mapping
from pathlib import Path

from click.testing import CliRunner

from homeostat.cli import main

RUNS_AN_AGENT = ("run", "demo")


def homeostat(
    folder: Path, *arguments: str, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command of the program in a folder. Whatever runs an agent needs a process: not here.

    Raises:
        AssertionError: it ended with what would be a traceback.
    """
    assert arguments[0] not in RUNS_AN_AGENT
    with contextlib.chdir(folder):
        result = CliRunner().invoke(main, arguments, env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), repr(result.exception)
    return subprocess.CompletedProcess(arguments, result.exit_code, result.stdout, result.stderr)
