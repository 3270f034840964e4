"""Only what the rig started is ended: by id, and only while the id is still that process's."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from homeostat.model.errors import ActuatorError, UsageError
from homeostat.rig import processes, rig
from homeostat.rig.layout import Layout

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@pytest.fixture
def layout(tmp_path: Path) -> Iterator[Layout]:
    layout = Layout.new(tmp_path)
    for name in ("run", "log", "work"):
        (tmp_path / name).mkdir()
    layout.save()
    yield layout
    for name in processes.names(layout):
        processes.stop(layout, name)


def test_it_starts_once_and_ends(layout: Layout) -> None:
    processes.start(layout, "sleeper", SLEEP)
    first = processes.recorded(layout, "sleeper")
    processes.start(layout, "sleeper", SLEEP)
    assert first is not None
    assert processes.recorded(layout, "sleeper") == first
    processes.stop(layout, "sleeper")
    assert not processes.is_running(layout, "sleeper")
    assert processes.names(layout) == []


def test_another_process_with_the_id_is_left_alone(layout: Layout) -> None:
    with subprocess.Popen(SLEEP) as stranger:
        pid_file = layout.folder / "run" / "sleeper.pid"
        pid_file.write_text(json.dumps({"pid": stranger.pid, "started_ticks": 1}))
        assert not processes.is_running(layout, "sleeper")
        processes.stop(layout, "sleeper")
        assert stranger.poll() is None
        stranger.kill()


def test_what_ends_before_it_is_ready_shows_its_log(layout: Layout) -> None:
    processes.start(layout, "broken", [sys.executable, "-c", "import sys; sys.exit('no such port')"])
    with pytest.raises(ActuatorError, match=r"broken: ended[^$]*no such port"):
        processes.wait_until(layout, "broken", lambda: False, 10.0)


def test_what_is_never_ready_is_given_up(layout: Layout) -> None:
    processes.start(layout, "slow", SLEEP)
    with pytest.raises(ActuatorError, match=r"slow: not ready after 0\.1 s"):
        processes.wait_until(layout, "slow", lambda: False, 0.1)


def test_a_program_that_is_not_there_is_named(layout: Layout) -> None:
    with pytest.raises(ActuatorError, match="/no/such/program"):
        processes.start(layout, "nothing", ["/no/such/program"])


def test_a_log_that_has_grown_too_large_is_emptied(layout: Layout, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LOG_BYTES_MAX", 10)
    large, small = layout.folder / "log" / "large.log", layout.folder / "log" / "small.log"
    large.write_text("x" * 11)
    small.write_text("x" * 10)
    processes.bound_logs(layout)
    assert (large.stat().st_size, small.stat().st_size) == (0, 10)


def test_a_folder_without_a_rig_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no rig here"):
        rig.down(tmp_path)
