from __future__ import annotations

import threading

import pytest

from homeostat.model.errors import SensorError
from homeostat.sense.worker import Worker


def test_the_result_comes_back() -> None:
    assert Worker().run(lambda: 42, patience_s=5, abort=pytest.fail, grace_s=0) == 42


def test_what_the_work_raises_is_raised_here() -> None:
    nothing: dict[str, int] = {}
    with pytest.raises(KeyError, match="lost"):
        Worker().run(lambda: nothing["lost"], patience_s=5, abort=pytest.fail, grace_s=0)


def test_work_that_heeds_the_abort_still_counts() -> None:
    aborted = threading.Event()
    assert Worker().run(lambda: aborted.wait(20), patience_s=0.01, abort=aborted.set, grace_s=20) is True


def test_stuck_work_is_left_and_nothing_is_queued_behind_it() -> None:
    worker, release = Worker(), threading.Event()
    with pytest.raises(SensorError, match=r"within 0\.02 s"):
        worker.run(lambda: release.wait(20), patience_s=0.01, abort=lambda: None, grace_s=0.01)
    started: list[bool] = []
    with pytest.raises(SensorError, match="still stuck"):
        worker.run(lambda: started.append(True), patience_s=5, abort=lambda: None, grace_s=0)
    assert not started
    release.set()
    worker._under_way.join()  # type: ignore[union-attr] # it was started above
    assert worker.run(lambda: "again", patience_s=5, abort=pytest.fail, grace_s=0) == "again"
