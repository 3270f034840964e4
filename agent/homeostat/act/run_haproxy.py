"""The runner's half of the `haproxy` actuator: one command of the Runtime API, and whether it came about.

Standard library only. https://docs.haproxy.org/2.6/management.html#9.3
"""

from __future__ import annotations

import csv
import io
import socket
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from homeostat.act.job_files import TOO_LATE, Begun, Ending, JobFiles, came_too_late
from homeostat.act.kinds import DoubtError
from homeostat.act.output import OutputFile
from homeostat.act.processes import own_identity
from homeostat.act.wakeup import Wakeup

ANSWER_BYTES_MAX = 4 << 20
ASK_S_MAX = 10.0
"""How long one answer may take."""
LOOK_INTERVAL_S = 0.5

_FORCED_MAINT, _DRAIN = 0x01 | 0x04 | 0x20, 0x08
"""Bits of srv_admin_state: maintenance that was set by hand, by the configuration or by a resolver; draining."""


class NoAnswerError(Exception):
    """The Runtime API could not be asked, or refused, or says what is not understood."""


class ServerState(NamedTuple):
    """One server, as haproxy has it. `sessions`: that it serves now."""

    admin: int
    weight: int
    configured_weight: int
    sessions: int

    def is_as(self, job: Mapping[str, Any]) -> bool:
        """Whether it is what the job wants."""
        match job["operation"]:
            case "drain":
                return bool(self.admin & _DRAIN)
            case "maint":
                return bool(self.admin & 0x01)
            case "ready":
                return not self.admin & (_FORCED_MAINT | _DRAIN)
            case _:
                return self.weight == wanted_weight(job["weight"], self.configured_weight)

    def __str__(self) -> str:
        names = [name for name, bits in (("maint", _FORCED_MAINT), ("drain", _DRAIN)) if self.admin & bits]
        return f"{' and '.join(names) or 'ready'}, weight {self.weight}, {self.sessions} sessions"


def wanted_weight(weight: str, configured: int) -> int:
    """The weight that is set by a number, or by a share of the configured one."""
    return configured * int(weight[:-1]) // 100 if weight.endswith("%") else int(weight)


def run(files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup) -> Ending:
    """Set it, see that it is so, and wait for idleness where that is wanted. Raises DoubtError."""
    del values
    deadline = time.monotonic() + job["timeout_s"]
    try:
        before = state_of(job)
    except NoAnswerError as error:
        return Ending("error", None, f"nothing was run: {error}")
    output.feed(f"before: {before}\n".encode())
    files.write_begun(Begun(own_identity(), time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)))
    if came_too_late(job):
        return Ending("cancelled", None, TOO_LATE)
    try:
        said = ask(job["socket"], command_of(job)).strip()
        if said:
            return Ending("error", None, f"haproxy says: {' '.join(said.split())}")
    except NoAnswerError as error:
        return _after_all(files, job, output, bell, deadline, f"the answer was lost ({error})")
    return _settled(files, job, output, bell, deadline)


def resume(
    files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup
) -> Ending:
    """See what a dead runner has left. Raises DoubtError."""
    del values
    begun = files.read_begun()
    spent_s = 0.0 if begun is None else time.clock_gettime(time.CLOCK_BOOTTIME) - begun.boottime_s
    deadline = time.monotonic() + max(job["timeout_s"] - max(spent_s, 0.0), 0.0)
    return _after_all(files, job, output, bell, deadline, "its runner was killed")


def _after_all(
    files: JobFiles, job: Mapping[str, Any], output: OutputFile, bell: Wakeup, deadline: float, why: str
) -> Ending:
    """What has become of a command whose end nobody saw: the state tells. Raises DoubtError."""
    try:
        found = state_of(job)
    except NoAnswerError as error:
        raise DoubtError(f"{why}, and haproxy cannot be asked: {error}") from None
    if found.is_as(job):
        return _settled(files, job, output, bell, deadline)
    return Ending("error", None, f"{why}, and {job['server']} is {found}")


def _settled(files: JobFiles, job: Mapping[str, Any], output: OutputFile, bell: Wakeup, deadline: float) -> Ending:
    """It is set: see that it is so, and wait until no session is left where that is wanted."""
    while True:
        try:
            found = state_of(job)
        except NoAnswerError as error:
            return Ending("error", None, f"it was set, and haproxy cannot be asked any more: {error}")
        if not found.is_as(job):
            return Ending("error", None, f"it was set, and {job['server']} is {found}; somebody else may have set it")
        if not job["wait_idle"] or found.sessions == 0:
            output.feed(f"after: {found}\n".encode())
            return Ending("ok", None, f"{job['server']} is {found}")
        left_s = deadline - time.monotonic()
        is_stopped = bell.stop_signal is not None or files.cancel_requested()
        if is_stopped or left_s <= 0:
            why = "told to stop" if is_stopped else f"no end within {job['timeout_s']:g} s"
            status = "cancelled" if is_stopped else "timeout"
            return Ending(status, None, f"{why}; {job['server']} stays as it was set: {found}")
        bell.wait(min(LOOK_INTERVAL_S, left_s))


def command_of(job: Mapping[str, Any]) -> str:
    """The command of the Runtime API."""
    if job["operation"] == "weight":
        return f"set weight {job['server']} {job['weight']}"
    return f"set server {job['server']} state {job['operation']}"


def state_of(job: Mapping[str, Any]) -> ServerState:
    """How the server is now. Raises NoAnswerError."""
    backend, _, server = job["server"].partition("/")
    states = _rows(ask(job["socket"], f"show servers state {backend}").partition("\n")[2].lstrip("# "), " ")
    found = [row for row in states if row.get("be_name") == backend and row.get("srv_name") == server]
    stats = _rows(ask(job["socket"], "show stat").lstrip("# "), ",")
    serving = [row for row in stats if row.get("pxname") == backend and row.get("svname") == server]
    if not found or not serving:
        known = ", ".join(f"{row.get('be_name')}/{row.get('srv_name')}" for row in states[:20]) or "nothing"
        raise NoAnswerError(f"haproxy has no server {job['server']}; there it has {known}")
    try:
        admin, weight, configured = (int(found[0][name]) for name in ("srv_admin_state", "srv_uweight", "srv_iweight"))
        return ServerState(admin, weight, configured, int(serving[0]["scur"]))
    except (KeyError, ValueError) as error:
        raise NoAnswerError(f"haproxy says of {job['server']} what is not understood ({error})") from None


def _rows(table: str, delimiter: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(table), delimiter=delimiter))


def ask(address: str, command: str) -> str:
    """The answer to one command. Raises NoAnswerError."""
    is_path = address.startswith("/")
    host, _, port = address.rpartition(":")
    try:
        with socket.socket(socket.AF_UNIX if is_path else socket.AF_INET) as connection:
            connection.settimeout(ASK_S_MAX)
            connection.connect(address if is_path else (host, int(port)))
            connection.sendall(f"{command}\n".encode())
            give_up_at, answer = time.monotonic() + ASK_S_MAX, bytearray()
            while chunk := connection.recv(1 << 16):
                answer += chunk
                if len(answer) > ANSWER_BYTES_MAX or time.monotonic() > give_up_at:
                    raise NoAnswerError("its answer has no end")
    except (OSError, OverflowError) as error:
        raise NoAnswerError(f"{address}: {getattr(error, 'strerror', None) or error}") from None
    if not answer:
        # Also an answer that says nothing ends in an empty line.
        raise NoAnswerError(f"{address} hung up before it answered")
    return answer.decode(errors="replace")
