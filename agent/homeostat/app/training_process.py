"""Training in a process of its own, so that neither its time, its memory nor its death is the loop's.

The parent writes one line of JSON to the child's stdin: where the journal is, and which policy versions to train. The
child opens the journal to read, and answers one line for each policy: the entries to append, or what went wrong. It
ends when its stdin does, so it outlives no agent. `python -m homeostat.app.training_process` is the child.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from homeostat.act.secret import variables_for
from homeostat.app.retraining import Trained, may_promote
from homeostat.app.settings import Settings
from homeostat.app.store import journal_to_read
from homeostat.model.answers import SCHEDULE_NAME
from homeostat.model.entries import Entry
from homeostat.model.errors import WorkersError
from homeostat.model.policy import Policy
from homeostat.model.streams import policy_stream
from homeostat.policy.load import load_journalled
from homeostat.record.codec import Codec

if TYPE_CHECKING:
    from homeostat.learn.gate import Bounds

ANSWER_BYTES_MAX = 64 * 2**20
"""Of one policy; a ranking is some hundred kilobytes."""

JUDGING_SHARE = 0.8
"""Of the time it may take, after which nothing more is judged: what is found by then is told before it is killed."""

NICENESS = 19
"""Where the loop and its training want the same core, the loop has it; as a batch job it does not preempt either."""

_TOLD_BYTES_MAX = 500

FILE_BYTES_MAX = 16 * 2**20
"""Of whatever the child writes, its stderr above all; a journal that is read grows nothing but a small index."""

_HANDED_ON = frozenset({"PATH", "HOME", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV"})
_HANDED_ON_PREFIXES = ("LC_", "PYTHON", "PG", "SSL_CERT_", "OPENSSL_CONF", "KRB5")
"""What Python and PostgreSQL's client go by, so that the child finds the same modules and the same journal.

The client leaves certificates to OpenSSL (openssl-env(7)), and tickets to Kerberos (kerberos(7)), which have their own.
"""

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
_READ_FROM = {"root", "agent", "store", "secrets"}


class TrainingApart:
    """Implements `app.retraining.Training` by a child process within bounds.

    Args:
        settings: of the workspace; they say where the journal is.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def __call__(self, policies: Mapping[str, Policy], now: float) -> Trained:
        """See `app.retraining.Training`. What the child does not answer has failed."""
        trained = Trained()
        unanswered = set(policies)
        with tempfile.TemporaryFile() as errors:
            with self._child(errors) as child:
                _tell(child, self._order(policies, now))
                for answer in _answers(child):
                    unanswered.discard(answer["policy"])
                    _take(answer, trained)
            if unanswered:
                trained.failures |= dict.fromkeys(sorted(unanswered), WorkersError(self._why(child, errors)))
        return trained

    @contextmanager
    def _child(self, errors: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
        command = [sys.executable, "-P", "-m", "homeostat.app.training_process"]
        child = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, env=self._environment()
        )
        limit = threading.Timer(self._settings.learning.retrain_timeout_s, child.kill)
        limit.daemon = True
        limit.start()
        try:
            yield child
        except BaseException:
            child.kill()
            raise
        finally:
            # Its stdin stays open until it has ended: what loses it takes its parent for dead.
            child.wait()
            limit.cancel()
            child.communicate()

    def _environment(self) -> dict[str, str]:
        """What the child needs to read the journal; secrets of actions are not its business."""
        password = self._settings.store.password
        secret = () if password is None else variables_for(password, self._settings.secrets.for_lookup())
        names = _HANDED_ON.union(secret)
        own = {
            name: value for name, value in os.environ.items() if name in names or name.startswith(_HANDED_ON_PREFIXES)
        }
        return own | _ONE_THREAD

    def _order(self, policies: Mapping[str, Policy], now: float) -> dict[str, Any]:
        learning = self._settings.learning
        allowed = learning.promote == "auto"
        return {
            "settings": self._settings.model_dump(mode="json", include=_READ_FROM),
            "now": now,
            "recurrence_s": learning.recurrence_s,
            "timeout_s": learning.retrain_timeout_s,
            "memory_bytes_max": learning.retrain_memory_mib_max * 2**20,
            "policies": [[p.name, p.hash, may_promote(p, settings_allow=allowed)] for p in policies.values()],
        }

    def _why(self, child: subprocess.Popen[bytes], errors: IO[bytes]) -> str:
        errors.seek(max(0, errors.seek(0, os.SEEK_END) - _TOLD_BYTES_MAX))
        told = errors.read().decode(errors="replace").strip()
        learning = self._settings.learning
        how = f"signal {-child.returncode}" if child.returncode < 0 else f"exit code {child.returncode}"
        bounds = f"{learning.retrain_timeout_s:g} s and {learning.retrain_memory_mib_max} MiB"
        keys = "retrain_timeout_s and retrain_memory_mib_max of [learning] in homeostat.toml"
        return f"the training ended with {how}, undone; it may take {bounds} ({keys}){f': {told}' if told else ''}"


def _tell(child: subprocess.Popen[bytes], order: Mapping[str, Any]) -> None:
    if child.stdin is not None:
        try:
            child.stdin.write(json.dumps(order).encode() + b"\n")
            child.stdin.flush()
        except BrokenPipeError:
            return  # it has died; that it answers nothing says so


def _answers(child: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    """Its answers, a line each, until it ends. Raises WorkersError for one that is none."""
    while child.stdout is not None and (line := child.stdout.readline(ANSWER_BYTES_MAX)):
        try:
            answer = json.loads(line)
        except ValueError as error:
            if not line.endswith(b"\n"):
                return  # it was stopped in the middle of it
            raise WorkersError(f"the training answered what is no answer: {line[:_TOLD_BYTES_MAX]!r}") from error
        yield answer


def _take(answer: Mapping[str, Any], trained: Trained) -> None:
    policy, codec = answer["policy"], Codec()
    if "error" in answer:
        trained.failures[policy] = WorkersError(answer["error"])
    elif answer["entries"]:
        trained.entries[policy] = [codec.decode(name, v, body.encode()) for name, v, body in answer["entries"]]


def _stored(entries: Sequence[Entry]) -> list[list[Any]]:
    encoded = [Codec().encode(entry) for entry in entries]
    return [[one.type, one.v, one.body.decode()] for one in encoded]


def _bound(order: Mapping[str, Any]) -> None:
    """Take no more than was allowed. Data, not addresses: a journal that is mapped to be read is not in it."""
    os.nice(NICENESS)
    with suppress(PermissionError):  # a container may forbid it; being nice is most of it
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, FILE_BYTES_MAX)
    _limit(resource.RLIMIT_DATA, order["memory_bytes_max"])
    _limit(resource.RLIMIT_CPU, int(order["timeout_s"]) + 1)


def _limit(what: int, most: int) -> None:
    """Lower a limit; one that is lower already, by whoever started the agent, cannot be raised and stays."""
    _, hard = resource.getrlimit(what)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(1)


def bounds_each(timeout_s: float, policies: int, seconds: Callable[[], float]) -> Iterator[Bounds]:
    """The gate's bounds for one policy after the other: each has an equal share of the time that is left.

    A policy whose judging does not come to an end is refused, and its share is all that it takes: the others, and what
    was found of its ruling ranking, are not lost with it.

    Args:
        timeout_s: for all of them.
        policies: how many there are.
        seconds: of a clock that never goes back.
    """
    from homeostat.learn.gate import BOUNDS

    ends_at = seconds() + JUDGING_SHARE * timeout_s
    for left in range(policies, 0, -1):
        now = seconds()
        until = now + (ends_at - now) / left
        yield replace(BOUNDS, time_is_up=partial(_has_come, until, seconds))


def _has_come(at: float, seconds: Callable[[], float]) -> bool:
    return seconds() >= at


def main() -> None:
    """Be the child."""
    order = json.loads(sys.stdin.buffer.readline())
    each = bounds_each(order["timeout_s"], len(order["policies"]), time.monotonic)
    _bound(order)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever else prints is no answer
    from homeostat.learn.retrain import retrain

    with journal_to_read(Settings.model_validate(order["settings"])) as journal:
        for (name, policy_hash, promote), bounds in zip(order["policies"], each, strict=True):
            try:
                policy = load_journalled((record.entry for record in journal.read(policy_stream(name))), policy_hash)
                retrained = retrain(
                    journal,
                    policy,
                    order["now"],
                    SCHEDULE_NAME,
                    promote=promote,
                    recurrence_s=order["recurrence_s"],
                    bounds=bounds,
                )
                answer: dict[str, Any] = {"policy": name, "entries": _stored(retrained.entries)}
            except MemoryError:
                mib = order["memory_bytes_max"] // 2**20
                told = f"needs more memory than {mib} MiB; raise learning.retrain_memory_mib_max in homeostat.toml"
                answer = {"policy": name, "error": told}
            except Exception as error:  # noqa: BLE001 - told to the parent, which tells its observer
                answer = {"policy": name, "error": f"{type(error).__name__}: {error}"}
            print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
