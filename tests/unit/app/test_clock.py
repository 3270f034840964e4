"""Waiting: to the end, until stopped, until something rings."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from homeostat.act.bell import Bell, ring
from homeostat.app.clock import PACE_S_MIN, SystemClock


def timed(call: Callable[[], bool]) -> tuple[bool, float]:
    began = time.monotonic()
    return call(), time.monotonic() - began


def test_a_wait_lasts_as_long_as_asked() -> None:
    stopped, took_s = timed(lambda: SystemClock().wait(0.05))
    assert not stopped
    assert 0.05 <= took_s < 5.0
    assert timed(lambda: SystemClock().wait(-1.0))[1] < 5.0


def test_stop_ends_this_wait_and_every_later_one() -> None:
    clock = SystemClock()
    threading.Timer(0.05, clock.stop).start()
    stopped, took_s = timed(lambda: clock.wait(60.0))
    assert stopped
    assert took_s < 30.0
    assert clock.wait(60.0)


def test_a_bell_ends_one_wait_and_no_sooner_than_the_pace(tmp_path: Path) -> None:
    clock = SystemClock()
    with Bell(tmp_path) as bell:
        clock.listen_to(bell)
        ring(tmp_path / "actions")
        ring(tmp_path / "actions")
        stopped, took_s = timed(lambda: clock.wait(60.0))
        assert not stopped
        assert PACE_S_MIN <= took_s < 30.0
        assert timed(lambda: clock.wait(0.05))[1] >= 0.05


@pytest.mark.parametrize("kind", ["file", "link"])
def test_what_stands_in_the_bells_place_does_not_make_the_agent_spin(tmp_path: Path, kind: str) -> None:
    (tmp_path / "actions").mkdir()
    place, other = tmp_path / "actions/bell", tmp_path / "other"
    other.write_text("kept")
    if kind == "link":
        place.symlink_to(other)
    else:
        place.write_text("restored from a backup that knows no pipes")
    clock = SystemClock()
    with Bell(tmp_path) as bell:
        clock.listen_to(bell)
        assert timed(lambda: clock.wait(0.2))[1] >= 0.2
        ring(tmp_path / "actions")
        assert timed(lambda: clock.wait(60.0))[1] < 30.0
    assert other.read_text() == "kept"


def test_ringing_where_nobody_listens_harms_nothing(tmp_path: Path) -> None:
    actions = tmp_path / "actions"
    ring(actions)
    actions.mkdir()
    (actions / "bell").write_text("a file of somebody else's")
    ring(actions)
    assert (actions / "bell").read_text() == "a file of somebody else's"
    (actions / "bell").unlink()
    Bell(tmp_path).close()
    ring(actions)
