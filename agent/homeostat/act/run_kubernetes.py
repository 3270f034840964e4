"""The runner's half of the `kubernetes` actuator: one change, at most once, and the rollout that follows it.

Standard library only. A change names the version of the object that it was made for. So that whoever looks afterwards
can tell what became of it: the object has its key; or its version is another, and the change can never be made; or what
was decided by has changed without the key, and nobody knows.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from homeostat.act.files import read_at_most, replace_durably
from homeostat.act.job_files import TOO_LATE, Begun, Ending, JobFiles, TooLateError, came_too_late
from homeostat.act.kinds import DoubtError
from homeostat.act.kubernetes_api import Cluster, ClusterElsewhere, KubernetesError
from homeostat.act.kubernetes_change import (
    KEY_ANNOTATION,
    Change,
    autoscalers_of,
    change_of,
    decided_by,
    is_done,
    must_be_unchanged,
)
from homeostat.act.kubernetes_objects import ChangedMeanwhileError, Objects, RefusedByClusterError
from homeostat.act.kubernetes_rollout import progress_of
from homeostat.act.output import OutputFile
from homeostat.act.processes import own_identity
from homeostat.act.remote_session import Pauses
from homeostat.act.wakeup import Wakeup

CONFLICTS_MAX = 8
"""How often a change is tried on a newer version of what it was decided by."""
ASK_S_MAX = 60.0
"""How long whoever takes a dead runner's place tries to reach the API server."""

_SEEN_FILE = "kubernetes.json"
_SEEN_BYTES_MAX = 64 << 10
_NOT_UNDERSTOOD = (KeyError, TypeError, ValueError, AttributeError)


class Seen(NamedTuple):
    """What was to be done, and on what; written down before each try."""

    version: str
    decided_by: list[object]
    told: str
    replicas: int | None
    autoscalers: str


class StoppedError(Exception):
    """Told to stop before anything was changed."""


def run(files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup) -> Ending:
    """Make the change, and follow its rollout. Raises DoubtError."""
    try:
        return _Run(files, job, values, output, bell, job["timeout_s"]).change()
    except KubernetesError as error:
        return Ending("error", None, f"nothing was run: {error}")


def resume(
    files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup
) -> Ending:
    """Find out what became of a dead runner's change, and follow its rollout. Raises DoubtError."""
    begun = files.read_begun()
    spent_s = 0.0 if begun is None else max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - begun.boottime_s)
    try:
        left = _Run(files, job, values, output, bell, max(job["timeout_s"] - spent_s, 0.0))
        content = read_at_most(left.seen_path, _SEEN_BYTES_MAX) or b""
        seen = Seen(**json.loads(content))
    except (KubernetesError, OSError, ValueError, TypeError) as error:
        raise DoubtError(f"its runner was killed, and nobody can ask: {error}") from None
    return left.after_all(seen, "its runner was killed")


def _cluster(job: Mapping[str, Any], values: Mapping[str, str]) -> Cluster:
    if job["api"] is None:
        return Cluster(values)
    host, port = job["api"]
    return ClusterElsewhere(host, port, values["token"], values.get("ca", ""))


class _Run:
    def __init__(
        self,
        files: JobFiles,
        job: Mapping[str, Any],
        values: Mapping[str, str],
        output: OutputFile,
        bell: Wakeup,
        left_s: float,
    ) -> None:
        self._files = files
        self._job = job
        self._output = output
        self._bell = bell
        self._deadline = time.monotonic() + left_s
        self._objects = Objects(_cluster(job, values), job)
        self._last_told = ""
        self.seen_path: Path = files.folder / _SEEN_FILE

    def change(self) -> Ending:
        """Make the change, unless the key is found; then follow. Raises DoubtError, KubernetesError."""
        found: dict[str, Any] | None = None
        pauses = Pauses()
        try:
            for _ in range(CONFLICTS_MAX):
                before, found = found, self._objects.read()
                if is_done(self._job, found):
                    return self._followed(self._seen(found, Change(None, self._done_before())))
                must_be_unchanged(before, found, self._objects.told)
                ending = self._tried(found)
                if ending is not None:
                    return ending
                self._pause(pauses.next_s())
        except RefusedByClusterError as refused:
            return Ending("error", None, f"nothing was run: {refused}")
        except TooLateError:
            return Ending("cancelled", None, TOO_LATE)
        except StoppedError:
            status, why = self._stopped() or ("timeout", "")
            return Ending(status, None, f"nothing was run: {why}")
        except _NOT_UNDERSTOOD as error:
            return Ending("error", None, f"nothing was run: the cluster's answer is not understood ({error!r})")
        return Ending("error", None, f"nothing was run: {self._objects.told} changed {CONFLICTS_MAX} times meanwhile")

    def _tried(self, found: dict[str, Any]) -> Ending | None:
        """Try the change on what was found; None where that is not any more what is there."""
        change = change_of(self._objects, self._job, found, datetime.now(UTC).isoformat(timespec="seconds"))
        seen = self._seen(found, change)
        if change.patch is None:
            return self._followed(seen)
        replace_durably(self.seen_path, json.dumps(seen._asdict()).encode())
        if self._files.read_begun() is None:
            self._files.write_begun(Begun(own_identity(), time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)))
        if came_too_late(self._job):
            raise TooLateError
        if self._stopped() is not None:
            raise StoppedError
        try:
            self._objects.patch(change.patch, seen.version)
        except ChangedMeanwhileError:
            return None
        except KubernetesError as lost:
            return self.after_all(seen, f"the answer was lost ({lost})")
        return self._followed(seen)

    def after_all(self, seen: Seen, why: str) -> Ending:
        """What became of a change whose end nobody saw. It is never made again. Raises DoubtError."""
        began, pauses = time.monotonic(), Pauses()
        while True:
            waited_s = time.monotonic() - began
            try:
                found = self._objects.read()
                if is_done(self._job, found):
                    return self._followed(seen)
                is_unchanged = decided_by(found) == seen.decided_by
                is_outdated = found["metadata"]["resourceVersion"] != seen.version
            except (RefusedByClusterError, *_NOT_UNDERSTOOD) as error:
                raise DoubtError(f"{why}, and what became of it cannot be seen: {error}") from None
            except KubernetesError as error:
                if waited_s >= (ASK_S_MAX if self._stopped() is None else self._job["settle_s"]):
                    raise DoubtError(f"{why}, and the cluster cannot be asked: {error}") from None
            else:
                if not is_unchanged:
                    raise DoubtError(f"{why}, and {self._objects.told} was changed since, without the action's key")
                if is_outdated or waited_s >= self._job["settle_s"]:
                    return Ending("error", None, f"{why}, and nothing was changed: {self._objects.told} is as it was")
            self._bell.wait(pauses.next_s())

    def _followed(self, seen: Seen) -> Ending:
        """It is changed: wait for the rollout, where that is wanted. Raises nothing but OSError."""
        if not self._job["wait"]:
            return Ending("ok", None, seen.told + seen.autoscalers)
        pauses = Pauses()
        while True:
            try:
                ending, told = self._judged(seen, self._objects.read())
            except (RefusedByClusterError, *_NOT_UNDERSTOOD) as error:
                return Ending("error", None, f"{seen.told}, and its rollout cannot be seen: {error}")
            except KubernetesError as error:
                ending, told = None, f"the cluster cannot be asked ({error})"
            if told != self._last_told:
                self._last_told = told
                self._output.feed(f"{told}\n".encode())
            if ending is not None:
                return ending
            stopped = self._stopped()
            if stopped is not None:
                status, why = stopped
                return Ending(status, None, f"{why}; {seen.told} and stays so: {told}{seen.autoscalers}")
            self._pause(pauses.next_s())

    def _judged(self, seen: Seen, found: Mapping[str, Any]) -> tuple[Ending | None, str]:
        progress = progress_of(self._objects.kind, found)
        if found["metadata"]["uid"] != seen.decided_by[0]:
            told = f"{seen.told}, and was deleted and made anew since"
            return Ending("error", None, told), told
        has = int(found["spec"].get("replicas", 1))
        if seen.replicas is not None and has != seen.replicas:
            told = f"{seen.told}, and somebody has set it to {has} since{seen.autoscalers}"
            return Ending("error", None, told), told
        annotations = (found["spec"]["template"].get("metadata") or {}).get("annotations") or {}
        changed = self._job["operation"] == "restart" and annotations.get(KEY_ANNOTATION) != self._job["remote_key"]
        since = "; its template was changed by somebody since" if changed else ""
        detail = f"{seen.told}: {progress.told}{since}{seen.autoscalers}"
        if progress.failed:
            return Ending("error", None, detail), progress.told
        return (Ending("ok", None, detail) if progress.complete else None), progress.told

    def _seen(self, found: Mapping[str, Any], change: Change) -> Seen:
        autoscalers = ""
        if self._job["operation"] == "scale":
            autoscalers = self._autoscalers()
        version = str(found["metadata"]["resourceVersion"])
        return Seen(version, decided_by(found), change.told, change.replicas, autoscalers)

    def _autoscalers(self) -> str:
        try:
            names = autoscalers_of(self._objects, self._job["name"])
        except (RefusedByClusterError, KubernetesError, *_NOT_UNDERSTOOD) as error:
            return f"; whether an autoscaler sets its replicas too is not known ({error})"
        return f"; the autoscaler {', '.join(names)} sets its replicas too" if names else ""

    def _done_before(self) -> str:
        if self._objects.kind == "node":
            return f"{self._objects.told} was {self._job['operation']}ed already"
        return f"{self._objects.told} had this change already, under the same key"

    def _stopped(self) -> tuple[str, str] | None:
        """The status, and why it ends; None while it may go on."""
        if self._files.cancel_requested():
            return "cancelled", "cancelled"
        if self._bell.stop_signal is not None:
            return "cancelled", f"its runner was sent {self._bell.stop_signal.name}"
        if time.monotonic() >= self._deadline:
            return "timeout", f"no end within {self._job['timeout_s']:g} s"
        return None

    def _pause(self, pause_s: float) -> None:
        if self._stopped() is None:
            self._bell.wait(min(pause_s, max(self._deadline - time.monotonic(), 0.0)))
