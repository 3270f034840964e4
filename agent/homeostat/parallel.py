"""Many independent tasks: in this process, on several cores, or on a Dask cluster, with the same results to the bit.

Promise: a task's result depends on the task alone. It gets no shared state, draws no luck but from its own arguments,
and finds numerical libraries limited to one thread; results come in the order of the tasks. So neither the number of
processes nor where they are shows in what comes out, as long as every machine has the same releases (checked on a
cluster) and, for `retrain`, processors of one kind: numerical libraries choose their instructions by it.

At most a few tasks a process are under way at once, each has a deadline, and Ctrl-C ends all of them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Generic, TypeVar

from homeostat.model.errors import HomeostatError, InvariantError, PolicyError, UsageError, WorkersError

if TYPE_CHECKING:
    from distributed import Client

T = TypeVar("T")
R = TypeVar("R")

JOBS_MAX = 1024
TASKS_A_PROCESS_MIN = 8
"""Unless told how many processes to use, one is added for so many tasks: starting it costs more than a few tasks."""
END_S_MAX = 5.0
"""How long worker processes may take to end before they are killed."""
TASK_S_MAX = 900.0
"""A task that is not done by then, once it is its turn, ends the run. In this process only Ctrl-C does."""
CONNECT_S_MAX = 10.0

_ADDRESS = re.compile(r"(tcp|tls)://[^\s/:]+:\d{1,5}|(tcp|tls)://\[[0-9a-fA-F:]+\]:\d{1,5}")
_RELEASES = ("homeostat", "numpy", "pandas", "scikit-learn", "scipy")
"""Of these, results may depend on the release."""


class Workers:
    """Runs tasks; made by `workers`. Without arguments: in this process.

    Args:
        jobs: processes on this machine; None for as many as there are cores and the tasks are worth.
        client: of the cluster that runs the tasks instead.
    """

    def __init__(self, jobs: int | None = 1, client: Client | None = None) -> None:
        self._jobs = jobs
        self._client = client

    def run(self, function: Callable[[T], R], tasks: Sequence[tuple[str, T]]) -> Iterator[R]:
        """Give each task's result, in the order of the tasks.

        Args:
            function: one of a module, or a `partial` of one.
            tasks: the name of each, for errors, and what `function` is called with.

        Raises:
            HomeostatError: a task failed; the message begins with its name.
            WorkersError: a process or the cluster was lost, or a task took longer than `TASK_S_MAX`.
        """
        from multiprocessing import TimeoutError as TaskTimeoutError  # joblib raises this one

        from joblib import Parallel, delayed, parallel_config

        calls = (delayed(_Task(function, name))(task) for name, task in tasks)
        processes = self._processes(len(tasks))
        if self._client is None and processes == 1:
            yield from Parallel(n_jobs=1, return_as="generator")(calls)
            return
        backend = {"backend": "loky"} if self._client is None else {"backend": "dask", "client": self._client}
        try:
            with parallel_config(**backend):
                # Without batches of joblib's own making: the deadline is one task's.
                running = Parallel(n_jobs=processes, return_as="generator", timeout=TASK_S_MAX, batch_size=1)(calls)
            yield from running
        except HomeostatError:
            raise
        except (TaskTimeoutError, TimeoutError) as error:
            raise WorkersError(f"a task took longer than {TASK_S_MAX:g} s: {_names(tasks)}") from error
        except Exception as error:
            raise WorkersError(_lost(error, on_cluster=self._client is not None)) from error

    def _processes(self, tasks: int) -> int:
        if self._client is not None:
            return -1
        from joblib import cpu_count

        wanted = self._jobs or min(cpu_count(), tasks // TASKS_A_PROCESS_MIN)
        return max(1, min(wanted, tasks, JOBS_MAX))


IN_PROCESS = Workers()
"""Runs every task here, one after the other."""


@contextmanager
def workers(jobs: int | None = None, cluster: str | None = None) -> Iterator[Workers]:
    """Give workers, and end their processes or let go of the cluster afterwards.

    Args:
        jobs: as for `Workers`; not with a cluster.
        cluster: `tcp://HOST:PORT` of a Dask scheduler.

    Raises:
        UsageError: the arguments are no good, or the extra that talks to Dask is not installed.
        WorkersError: nobody answers there, or with other releases than here.
    """
    if cluster is not None:
        if jobs is not None:
            raise UsageError("--jobs is for this machine and --dask for a cluster; give one of them")
        with _connected(cluster) as client:
            yield Workers(None, client)
        return
    if jobs is not None and not 1 <= jobs <= JOBS_MAX:
        raise UsageError(f"{jobs} jobs cannot be; give 1 to {JOBS_MAX}")
    try:
        yield Workers(jobs)
    finally:
        _end_processes()


class _Task(Generic[T, R]):
    """A function and a task's name, as they travel to where they are needed."""

    def __init__(self, function: Callable[[T], R], name: str) -> None:
        self._function = function
        self._name = name

    def __call__(self, task: T) -> R:
        from threadpoolctl import threadpool_limits

        try:
            with threadpool_limits(limits=1):
                return self._function(task)
        except Exception as error:
            raise _named(self._name, error) from error


def _named(name: str, error: Exception) -> HomeostatError:
    """The error with the task's name before it, of a type that survives the way back."""
    if isinstance(error, HomeostatError) and not isinstance(error, PolicyError):
        return type(error)(f"{name}: {error}")
    return InvariantError(f"{name}: {type(error).__name__}: {error}")


def _names(tasks: Sequence[tuple[str, object]]) -> str:
    return f"one of {tasks[0][0]} .. {tasks[-1][0]}"


def _lost(error: Exception, *, on_cluster: bool) -> str:
    what = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no more is known'}"
    if on_cluster:
        return f"the Dask cluster did not finish the tasks: {what}; look at its workers' logs"
    return f"a worker process was lost: {what}; where memory is short, use fewer --jobs"


def _end_processes() -> None:
    """End the worker processes, if any were started: nothing of a command outlives it, and nothing holds it up.

    The public getter would start an executor to end it, and its own wait has no end: an interrupt that comes while
    processes are being started can leave the thread that minds them waiting for one of them.
    """
    if "joblib.externals.loky.reusable_executor" not in sys.modules:
        return
    from joblib.externals.loky import process_executor, reusable_executor

    executor = reusable_executor._executor  # noqa: SLF001 - see above
    if executor is None:
        return
    manager, processes = executor._executor_manager_thread, executor._processes  # noqa: SLF001 - see above
    executor.shutdown(wait=False, kill_workers=True)
    if manager is None:
        return
    manager.join(END_S_MAX)
    if manager.is_alive():
        for process in list(processes.values()):
            process.kill()
        manager.join(END_S_MAX)
    process_executor._threads_wakeups.pop(manager, None)  # noqa: SLF001 - else the interpreter waits for it at its end


@contextmanager
def _connected(address: str) -> Iterator[Client]:
    if not _ADDRESS.fullmatch(address):
        raise UsageError(f"'{address}' is no address of a Dask scheduler; it must read tcp://HOST:PORT")
    try:
        from distributed import Client
    except ImportError as error:
        raise UsageError("--dask needs the package distributed: pip install 'homeostat[dask]'") from error
    try:
        client = Client(address, timeout=CONNECT_S_MAX, set_as_default=False)  # type: ignore[no-untyped-call] # as shipped
    except (OSError, TimeoutError, ValueError) as error:
        raise WorkersError(f"{address}: no Dask scheduler answers: {error}") from error
    try:
        _check_releases(client, address)
        yield client
    finally:
        client.close(timeout=CONNECT_S_MAX)  # type: ignore[no-untyped-call] # as shipped


def _check_releases(client: Client, address: str) -> None:
    """Refuse a cluster without workers, or whose workers have other releases than this process."""
    ours = _releases()
    try:
        client.wait_for_workers(1, timeout=CONNECT_S_MAX)
        found = client.run(_releases)
    except TimeoutError as error:
        raise WorkersError(f"{address}: the Dask scheduler has no workers") from error
    except Exception as error:
        raise WorkersError(
            f"{address}: the workers cannot run Homeostat: {error}; install homeostat {ours['homeostat']} there"
        ) from error
    for worker, theirs in found.items():
        different = [f"{name} {theirs[name]} (here {ours[name]})" for name in ours if theirs[name] != ours[name]]
        if different:
            raise WorkersError(f"{address}: worker {worker} has {', '.join(different)}; install the same releases")


def _releases() -> dict[str, str]:
    """What results may depend on, by name."""
    return {"python": ".".join(map(str, sys.version_info[:3])), **{name: _release(name) for name in _RELEASES}}


def _release(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "none"
