"""Tasks for `test_parallel.py`, in a module of their own: worker processes import nothing else for them."""

from __future__ import annotations

import os
import signal
import time


def failing(error: Exception | None, task: int) -> int:
    if task == 2 and error is not None:
        raise error
    return task * task


def threads(task: int) -> list[int]:
    """How many threads each numerical library has while a task runs."""
    import numpy as np
    from threadpoolctl import threadpool_info

    assert np.linalg.inv(np.eye(task)).shape == (task, task)
    return [library["num_threads"] for library in threadpool_info()]


def dying(task: int) -> int:
    if task == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def sleeping(task: float) -> float:
    time.sleep(task)
    return task


def process(task: int) -> int:
    del task
    return os.getpid()
