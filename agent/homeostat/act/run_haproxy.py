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
ASK_S_MIN = 1.0
"""How long it may take at least, where the action's time is nearly over: what was set must be looked at."""

LOOK_INTERVAL_S = 0.25

_SERVERS = 4
"""As `show stat` numbers what it is asked of."""

_NOTHING_BY_SHARE = (
    "{weight} of the configured weight of {server}, which is {was}, comes to 0 and would take it out; "
    "say weight: 0 if that is meant, or give its servers larger weights in haproxy's configuration"
)

_MAINT, _MAINT_BY_HAND, _DRAIN = 0x01 | 0x02 | 0x20, 0x01, 0x08 | 0x10
"""Bits of srv_admin_state: maintenance by hand, of a server that it tracks, or by a resolver; draining, likewise. The
bit 0x04 is no maintenance: it says that the configuration began with one, and stays when that is over.
"""


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
                return bool(self.admin & _MAINT_BY_HAND)
            case "ready":
                return not self.admin & (_MAINT | _DRAIN)
            case _:
                return self.weight == wanted_weight(job["weight"], self.configured_weight)

    def __str__(self) -> str:
        names = [name for name, bits in (("maint", _MAINT), ("drain", _DRAIN)) if self.admin & bits]
        return f"{' and '.join(names) or 'ready'}, weight {self.weight}, {self.sessions} sessions"


def wanted_weight(weight: str, configured: int) -> int:
    """The weight that is set by a number, or by a share of the configured one."""
    return configured * int(weight[:-1]) // 100 if weight.endswith("%") else int(weight)


def _is_nothing_by_share(weight: str, before: ServerState) -> bool:
    """Whether a share that is not 0% comes to nothing: haproxy rounds down, and a weight is 1 where none is given."""
    return weight.endswith("%") and weight != "0%" and wanted_weight(weight, before.configured_weight) == 0


def run(files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup) -> Ending:
    """Set it, see that it is so, and wait for idleness where that is wanted. Raises DoubtError."""
    del values
    deadline = time.monotonic() + job["timeout_s"]
    try:
        before = state_of(job, deadline)
    except NoAnswerError as error:
        return Ending("error", None, f"nothing was run: {error}")
    output.feed(f"before: {before}\n".encode())
    if job["operation"] == "weight" and _is_nothing_by_share(job["weight"], before):
        return Ending(
            "error", None, f"nothing was run: {_NOTHING_BY_SHARE.format(**job, was=before.configured_weight)}"
        )
    files.write_begun(Begun(own_identity(), time.time(), time.clock_gettime(time.CLOCK_BOOTTIME)))
    called_off = _called_off(files, job, bell, deadline)
    if called_off is not None:
        return called_off
    try:
        said = ask(job["socket"], command_of(job), deadline).strip()
        if said:
            hint = "; the socket needs `level admin`" if "ermission denied" in said else ""
            return Ending("error", None, f"haproxy says: {' '.join(said.split())}{hint}")
    except NoAnswerError as error:
        return _after_all(files, job, output, bell, deadline, f"the answer was lost ({error})")
    return _settled(files, job, output, bell, deadline)


def _called_off(files: JobFiles, job: Mapping[str, Any], bell: Wakeup, deadline: float) -> Ending | None:
    """Why it must not be set any more: asking how it is may have taken long."""
    if bell.stop_signal is not None or files.cancel_requested():
        return Ending("cancelled", None, "nothing was run: cancelled before it was set")
    if came_too_late(job):
        return Ending("cancelled", None, TOO_LATE)
    if time.monotonic() >= deadline:
        return Ending("timeout", None, f"nothing was run: haproxy took all of {job['timeout_s']:g} s to say how it is")
    return None


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
        found = state_of(job, deadline)
    except NoAnswerError as error:
        raise DoubtError(f"{why}, and haproxy cannot be asked: {error}") from None
    if found.is_as(job):
        return _settled(files, job, output, bell, deadline)
    return Ending("error", None, f"{why}, and {job['server']} is {found}")


def _settled(files: JobFiles, job: Mapping[str, Any], output: OutputFile, bell: Wakeup, deadline: float) -> Ending:
    """It is set: see that it is so, and wait until no session is left where that is wanted."""
    while True:
        try:
            found = state_of(job, deadline)
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


def state_of(job: Mapping[str, Any], deadline: float) -> ServerState:
    """How the server is now. Raises NoAnswerError."""
    backend, _, server = job["server"].partition("/")
    states = _rows(ask(job["socket"], f"show servers state {backend}", deadline).partition("\n")[2].lstrip("# "), " ")
    found = [row for row in states if row.get("be_name") == backend and row.get("srv_name") == server]
    if not found:
        known = ", ".join(f"{row.get('be_name')}/{row.get('srv_name')}" for row in states[:20]) or "nothing"
        raise NoAnswerError(f"haproxy has no server {job['server']}; there it has {known}")
    # By numbers, since a frontend may have the backend's name; and of one server, since there may be thousands.
    numbers = f"{found[0].get('be_id')} {_SERVERS} {found[0].get('srv_id')}"
    stats = _rows(ask(job["socket"], f"show stat {numbers}", deadline).lstrip("# "), ",")
    serving = [row for row in stats if row.get("pxname") == backend and row.get("svname") == server]
    try:
        admin, weight, configured = (int(found[0][name]) for name in ("srv_admin_state", "srv_uweight", "srv_iweight"))
        return ServerState(admin, weight, configured, int(serving[0]["scur"]))
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise NoAnswerError(f"haproxy says of {job['server']} what is not understood ({error})") from None


def _rows(table: str, delimiter: str) -> list[dict[str, str]]:
    """The rows of a table by the names in its first line. Raises NoAnswerError."""
    try:
        return list(csv.DictReader(io.StringIO(table), delimiter=delimiter))
    except csv.Error as error:
        raise NoAnswerError(f"haproxy's table is not understood ({error})") from None


def ask(address: str, command: str, deadline: float) -> str:
    """The answer to one command, within the time of the action. Raises NoAnswerError."""
    is_path = address.startswith("/")
    host, _, port = address.rpartition(":")
    give_up_at = time.monotonic() + min(ASK_S_MAX, max(deadline - time.monotonic(), ASK_S_MIN))
    try:
        with socket.socket(socket.AF_UNIX if is_path else socket.AF_INET) as connection:
            connection.settimeout(give_up_at - time.monotonic())
            connection.connect(address if is_path else (host, int(port)))
            connection.sendall(f"{command}\n".encode())
            answer = bytearray()
            while chunk := connection.recv(1 << 16):
                answer += chunk
                if len(answer) > ANSWER_BYTES_MAX or (left_s := give_up_at - time.monotonic()) <= 0:
                    raise NoAnswerError("its answer has no end")
                connection.settimeout(left_s)
    except (OSError, OverflowError) as error:
        raise NoAnswerError(f"{address}: {getattr(error, 'strerror', None) or error}") from None
    if not answer:
        # Success is an empty line.
        raise NoAnswerError(f"{address} hung up before it answered")
    return answer.decode(errors="replace")
