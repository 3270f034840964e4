from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.unit.act.act_world import ActWorld


@pytest.fixture
def world(tmp_path: Path) -> Iterator[ActWorld]:
    yield ActWorld(tmp_path)
    for pid in list(_processes_of(tmp_path)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _processes_of(state: Path) -> Iterator[int]:
    """Runners of this state, and commands in its folders: what a failed test may leave."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and int(entry.name) != os.getpid():
            with suppress(OSError):
                named = str(state).encode() in (entry / "cmdline").read_bytes()
                if named or (entry / "cwd").readlink().is_relative_to(state):
                    yield int(entry.name)
