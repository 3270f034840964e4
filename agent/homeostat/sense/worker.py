"""One job at a time, in a thread of its own, waited for no longer than asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

from homeostat.model.errors import SensorError

Result = TypeVar("Result")


class _Job(Generic[Result]):
    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
        self._result: Result | None = None
        self._error: BaseException | None = None
        self.thread = threading.Thread(target=self._run, name="homeostat-sense", daemon=True)

    def _run(self) -> None:
        try:
            self._result = self._work()
        except BaseException as error:  # noqa: BLE001 - not swallowed: raised again in the caller's thread
            self._error = error

    def result(self) -> Result:
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value] # _run has set it, to None only if Result may be None


class Worker:
    """Runs jobs that may get stuck in the network. At most one is under way; a second one is turned away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: threading.Thread | None = None

    def run(
        self, work: Callable[[], Result], *, patience_s: float, abort: Callable[[], None], grace_s: float
    ) -> Result:
        """Run `work`; after `patience_s` call `abort`, and after `grace_s` more give up waiting.

        Raises:
            SensorError: it did not end in time, or the one before it still has not. Whatever `work` raises.
        """
        job = _Job(work)
        with self._lock:
            if self._under_way is not None and self._under_way.is_alive():
                raise SensorError("the read before this one is still stuck; nothing new was asked")
            try:
                job.thread.start()
            except RuntimeError as error:
                raise SensorError(f"no thread could be started to read with: {error}") from error
            self._under_way = job.thread
        job.thread.join(patience_s)
        if job.thread.is_alive():
            abort()
            job.thread.join(grace_s)
        if job.thread.is_alive():
            raise SensorError(f"no complete answer within {patience_s + grace_s:g} s")
        return job.result()
