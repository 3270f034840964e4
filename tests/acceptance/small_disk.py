"""An agent whose state is on a small disk of its own: run by root in a mount namespace, `unshare --mount`.

Argument: a folder for the workspace. Says `well` where nothing is wrong.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.acceptance.crash_rig import TOKEN, Telemetry

from homeostat.app import compose
from homeostat.app.settings import load_settings
from homeostat.model import entries as e
from homeostat.model.errors import HomeostatError

SIZE = "4m"
PATIENCE_S = 20.0
QUIET_TICKS = 8
TICK_S = 0.1


def ticks_until(tick: Callable[[], None], over: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not over():
        assert time.monotonic() < deadline, "it took too long"
        tick()
        time.sleep(TICK_S)


def fill(ballast: Path) -> None:
    """Take all that is left of the disk."""
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 16, 1 << 12, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue


def main(folder: Path) -> None:
    """Fill the disk under a running agent, make room again; then start one on a disk that is read-only."""
    os.environ["CRASH_TOKEN"] = TOKEN
    with Telemetry() as telemetry:
        workspace = telemetry.workspace(folder)
        telemetry.calm.add(workspace.name)
        state = workspace.journal.parent
        state.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(state)], check=True)
        settings = load_settings(folder / "homeostat.toml")
        with compose.agent(settings, None) as agent:
            loop = agent._loop
            loop.recover("0")
            loop.tick()
            assert loop.trouble is None
            fill(state / "ballast")
            telemetry.calm.clear()
            ticks_until(loop.tick, lambda: loop.trouble is not None)
            assert "SQLITE_FULL" in str(loop.trouble), loop.trouble
            for _ in range(QUIET_TICKS):
                loop.tick()
                time.sleep(TICK_S)
            assert workspace.effects == [], "it acted on a full disk"
            (state / "ballast").unlink()
            ticks_until(loop.tick, lambda: bool(workspace.effects) and not loop.incidents)
            loop.stop()
        entries = [record.entry for record in workspace.records()]
        assert workspace.effects == [entry.key for entry in entries if isinstance(entry, e.ActionIntended)]
        assert len(workspace.effects) == 1
        subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
        with pytest.raises(HomeostatError, match="Read-only file system"), compose.agent(settings, None):
            pass
        assert [record.entry for record in workspace.records()] == entries
    print("well")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
