"""The runner's half of the `rundeck` actuator (https://docs.rundeck.com/docs/api/). Standard library only.

An execution shows the options that it was given, the key among them. One that Rundeck retries by itself ends
`failed-with-retry` and names the execution that follows; that one is followed then.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import quote

from homeostat.act.job_files import Ending, JobFiles
from homeostat.act.kinds import DoubtError
from homeostat.act.output import OutputFile
from homeostat.act.remote_job import Look, RefusedByServiceError, resume_remote, run_remote, session_for
from homeostat.act.remote_session import REFUSALS, Answer, NoAnswerError, Pauses, Session, retry_after_s
from homeostat.act.wakeup import Wakeup

KEY_OPTION = "HOMEOSTAT_KEY"
EXECUTIONS_SEARCHED_MAX = 500
LINES_MAX = 2000
"""How many lines of output are asked for at once."""

READS_MAX = 64
_TOKEN = re.compile(r"[\x21-\x7e]+")
_RUNNING = frozenset({"running", "scheduled", "queued"})


def run(files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup) -> Ending:
    """Find the execution or start it, and follow it. Raises DoubtError."""
    if _TOKEN.fullmatch(values["token"]) is None:
        return Ending("error", None, "nothing was run: the token holds a character that no header may hold")
    return run_remote(files, job, _service(files, job, values, bell), output, bell)


def resume(
    files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup
) -> Ending:
    """Find the execution that a dead runner started, and follow it. Raises DoubtError."""
    return resume_remote(files, job, _service(files, job, values, bell), output, bell)


def _service(files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], bell: Wakeup) -> Rundeck:
    return Rundeck(session_for(files, job, {"X-Rundeck-Auth-Token": values["token"]}, bell), job)


class Rundeck:
    """Implements `remote_job.Service`. A job of it is the number of an execution."""

    name = "Rundeck"

    def __init__(self, session: Session, job: Mapping[str, Any]) -> None:
        self.session = session
        self._key: str = job["remote_key"]
        self._options: dict[str, str] = {**job["options"], KEY_OPTION: self._key}
        self._root = f"/api/{job['api_version']}"
        self._job_id: str = job["job"]
        self._job_path = f"{self._root}/job/{quote(job['job'], safe='')}"
        self._search_from: float = job["search_from"]
        self._output_of: int | None = None
        self._output_at = "0"

    def check(self) -> None:
        """Rundeck leaves out an option that its job does not declare, and the key with it."""
        answer = self.session.read(self._job_path)
        if answer.status != 200:
            raise RefusedByServiceError(self._said(answer))
        definitions = _json(answer)
        found = definitions[0] if isinstance(definitions, list) and definitions else None
        if not isinstance(found, dict):
            raise RefusedByServiceError(f"Rundeck gave no definition of the job {self._job_id}")
        if found.get("executionEnabled") is False:
            raise RefusedByServiceError(f"the job {self._job_id} is disabled")
        declared = {str(option.get("name")): option for option in found.get("options") or ()}
        for name in self._options:
            if name not in declared:
                what = "add it as a plain text option" if name == KEY_OPTION else f"it has {', '.join(declared)}"
                raise RefusedByServiceError(f"the job {self._job_id} declares no option {name}; {what}")
        if declared[KEY_OPTION].get("secure"):
            raise RefusedByServiceError(f"the option {KEY_OPTION} is secure, so that nobody could search for it")

    def find(self) -> int | None:
        """The newest execution with the key: the last retry, where Rundeck has retried it."""
        answer = self.session.read(f"{self._job_path}/executions?max={EXECUTIONS_SEARCHED_MAX}&offset=0")
        if answer.status != 200:
            raise DoubtError(self._said(answer))
        content = _object(answer)
        found, total = content.get("executions"), (content.get("paging") or {}).get("total")
        if not isinstance(found, list):
            # No list is not an empty one: what cannot be searched may have the key.
            raise DoubtError("Rundeck gave no list of executions")
        ours = [int(one["id"]) for one in found if self._is_ours(one)]
        if ours:
            return max(ours)
        # A server may give fewer at once than it is asked for.
        if len(found) >= EXECUTIONS_SEARCHED_MAX or (isinstance(total, int) and total > len(found)):
            oldest_at = min(float(one["date-started"]["unixtime"]) / 1000 for one in found if one.get("date-started"))
            if oldest_at > self._search_from:
                raise DoubtError(f"the job {self._job_id} has had more than {len(found)} executions since")
        return None

    def start(self, in_time: Callable[[], None]) -> int:
        """See `Service.start`."""
        answer = self._post(f"{self._job_path}/run", {"options": self._options}, in_time)
        if answer.status == 200:
            number = _object(answer).get("id")
            if type(number) is int:
                return number
        if answer.status in REFUSALS:
            raise RefusedByServiceError(self._said(answer))
        raise NoAnswerError(answer.said, sent=True)

    def look(self, job: int, output: OutputFile) -> Look[int]:
        """See `Service.look`."""
        answer = self.session.read(f"{self._root}/execution/{job}")
        if answer.status != 200:
            raise DoubtError(f"{self.told(job)} cannot be looked at: {self._said(answer)}")
        found = _object(answer)
        status = str(found.get("status"))
        over = status not in _RUNNING
        self._read_output(job, output, over=over)
        if not over:
            return Look(job, None)
        if status == "failed-with-retry":
            retry = (found.get("retriedExecution") or {}).get("id")
            if type(retry) is int and retry > job:
                return Look(retry, None)
        said = found.get("customStatus") or status
        told = f"{self.told(job)} ended {said}"
        failed = found.get("failedNodes")
        if failed:
            told += f" on {', '.join(map(str, failed[:10]))}"
        return Look(job, Ending("ok" if status == "succeeded" else "error", None, told))

    def stop(self, job: int) -> None:
        """See `Service.stop`."""
        try:
            self._post(f"{self._root}/execution/{job}/abort", {})
        except (NoAnswerError, RefusedByServiceError):
            return

    def told(self, job: int) -> str:
        """See `Service.told`."""
        return f"execution {job}"

    def _read_output(self, job: int, output: OutputFile, *, over: bool) -> None:
        if self._output_of != job:
            self._output_of, self._output_at = job, "0"
        for _ in range(READS_MAX if over else 1):
            path = f"{self._root}/execution/{job}/output?offset={self._output_at}&maxlines={LINES_MAX}"
            answer = self.session.read(path)
            if answer.status != 200 or not answer.whole:
                output.cut_short()
                return
            found = _object(answer)
            for entry in found.get("entries") or ():
                node = entry.get("node")
                output.feed(f"{f'{node}: ' if node else ''}{entry.get('log', '')}\n".encode(errors="replace"))
            offset = str(found.get("offset", ""))
            if not offset.isascii() or not offset.isdigit() or offset == self._output_at:
                return
            self._output_at = offset
            if found.get("completed"):
                return

    def _post(self, path: str, content: Mapping[str, Any], before: Callable[[], None] | None = None) -> Answer:
        """POST; only a request that was turned away by 429 is repeated. Raises NoAnswerError, OverError."""
        pauses = Pauses(1.0)
        body = json.dumps(content).encode()
        while True:
            answer = self.session.call("POST", path, body, {"Content-Type": "application/json"}, before=before)
            if answer.status != 429:
                return answer
            self.session.pause(retry_after_s(answer) or pauses.next_s())

    def _is_ours(self, execution: Mapping[str, Any]) -> bool:
        options = (execution.get("job") or {}).get("options") or {}
        if options.get(KEY_OPTION) == self._key:
            return True
        words = str(execution.get("argstring") or "").split()
        return any(pair == (f"-{KEY_OPTION}", self._key) for pair in pairwise(words))

    def _said(self, answer: Answer) -> str:
        try:
            content = json.loads(answer.body)
            message = str(content.get("message") or "") if isinstance(content, dict) else ""
        except (ValueError, RecursionError):
            message = ""
        why = {
            401: "; is the token right, and has it not expired?",
            403: f"; may the token's user read and run the job {self._job_id}?",
            404: f"; is there a job {self._job_id}, and may the token's user read it?",
        }.get(answer.status, "")
        where = "; redirects are not followed" if 300 <= answer.status < 400 else ""
        return f"Rundeck says {answer.said}{f' ({message[:200]})' if message else ''}{why}{where}"


def _json(answer: Answer) -> Any:
    try:
        return json.loads(answer.body) if answer.whole else None
    except (ValueError, RecursionError):
        return None


def _object(answer: Answer) -> dict[str, Any]:
    content = _json(answer)
    if not isinstance(content, dict):
        raise DoubtError("Rundeck gave an answer that is no JSON object, or too large")
    return content
