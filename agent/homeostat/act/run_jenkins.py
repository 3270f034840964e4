"""The runner's half of the `jenkins` actuator. Standard library only.

A build is asked for (`buildWithParameters`), waits in the queue as an item, and becomes a build, or is cancelled
(https://www.jenkins.io/doc/book/using/remote-access-api/). Queue item and build both show their parameters, the key
among them.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from homeostat.act.job_files import Ending, JobFiles
from homeostat.act.kinds import DoubtError
from homeostat.act.output import OutputFile
from homeostat.act.remote_job import Look, RefusedByServiceError, resume_remote, run_remote, session_for
from homeostat.act.remote_session import REFUSALS, Answer, NoAnswerError, Pauses, Session, retry_after_s
from homeostat.act.wakeup import Wakeup

KEY_PARAMETER = "HOMEOSTAT_KEY"
BUILDS_SEARCHED_MAX = 500
CONSOLE_READS_MAX = 64
"""How often the rest of a console is read once its build has ended."""

_ITEM = re.compile(r"/queue/item/([0-9]{1,18})/?$")
_CRUMB_TRIES = 2


class Build(NamedTuple):
    """A queue item, or the build that it became, or both."""

    item: int | None
    number: int | None = None


def run(files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup) -> Ending:
    """Find the build or start it, and follow it. Raises DoubtError."""
    return run_remote(files, job, _service(files, job, values, bell), output, bell)


def resume(
    files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], output: OutputFile, bell: Wakeup
) -> Ending:
    """Find the build that a dead runner started, and follow it. Raises DoubtError."""
    return resume_remote(files, job, _service(files, job, values, bell), output, bell)


def _service(files: JobFiles, job: Mapping[str, Any], values: Mapping[str, str], bell: Wakeup) -> Jenkins:
    signed_in = base64.b64encode(f"{job['user']}:{values['token']}".encode()).decode()
    return Jenkins(session_for(files, job, {"Authorization": f"Basic {signed_in}"}, bell), job)


class Jenkins:
    """Implements `remote_job.Service`."""

    name = "Jenkins"

    def __init__(self, session: Session, job: Mapping[str, Any]) -> None:
        self.session = session
        self._parameters: dict[str, str] = {**job["parameters"], KEY_PARAMETER: job["remote_key"]}
        self._key: str = job["remote_key"]
        self._full_name: str = job["job"]
        self._path = "".join(f"/job/{quote(part, safe='')}" for part in job["job"].split("/"))
        self._results = frozenset(job["expect_result"])
        self._search_from: float = job["search_from"]
        self._console_at: int | None = 0
        self._began_at = 0.0

    def check(self) -> None:
        """Jenkins drops a parameter that its job does not declare, and the key with it."""
        tree = "buildable,property[parameterDefinitions[name,choices]]"
        answer = self.session.read(f"{self._path}/api/json?tree={tree}")
        if answer.status != 200:
            raise RefusedByServiceError(self._said(answer))
        found = _content(answer)
        if found.get("buildable") is False:
            raise RefusedByServiceError(f"the job {self._full_name} is disabled")
        declared = {
            str(definition.get("name")): definition
            for one in found.get("property") or ()
            for definition in one.get("parameterDefinitions") or ()
        }
        for name, value in self._parameters.items():
            if name not in declared:
                what = "add it as a string parameter" if name == KEY_PARAMETER else f"it has {', '.join(declared)}"
                raise RefusedByServiceError(f"the job {self._full_name} declares no parameter {name}; {what}")
            choices = declared[name].get("choices")
            if choices and value not in choices:
                raise RefusedByServiceError(f"{value!r} is no choice of {name}; known: {', '.join(choices)}")

    def find(self) -> Build | None:
        """Search the queue first: what leaves it is among the builds by then."""
        tree = "items[id,actions[parameters[name,value]]]"
        for item in self._list(f"/queue/api/json?tree={tree}", "items"):
            if self._is_ours(item):
                return Build(int(item["id"]))
        tree = f"allBuilds[number,timestamp,actions[parameters[name,value]]]{{0,{BUILDS_SEARCHED_MAX}}}"
        builds = self._list(f"{self._path}/api/json?tree={quote(tree, safe='[]{},')}", "allBuilds")
        for build in builds:
            if self._is_ours(build):
                return Build(None, int(build["number"]))
        if len(builds) >= BUILDS_SEARCHED_MAX:
            oldest_at = min(float(build["timestamp"]) / 1000 for build in builds)
            if oldest_at > self._search_from:
                raise DoubtError(f"{self._full_name} has had more than {BUILDS_SEARCHED_MAX} builds since")
        return None

    def start(self, in_time: Callable[[], None]) -> Build:
        """See `Service.start`."""
        body = urlencode(self._parameters).encode()
        answer = self._post(f"{self._path}/buildWithParameters", body, in_time)
        place = _ITEM.search(answer.headers.get("location", ""))
        if answer.status in (201, 303) and place is not None:
            return Build(int(place[1]))
        if answer.status in REFUSALS:
            raise RefusedByServiceError(self._said(answer))
        raise NoAnswerError(answer.said, sent=True)

    def look(self, job: Build, output: OutputFile) -> Look[Build]:
        """See `Service.look`."""
        if job.number is None:
            job, ended = self._look_in_queue(job)
            if ended is not None or job.number is None:
                return Look(job, ended)
        tree = "number,building,result,duration,timestamp"
        answer = self.session.read(f"{self._path}/{job.number}/api/json?tree={tree}")
        if answer.status != 200:
            raise DoubtError(f"{self.told(job)} cannot be looked at: {self._said(answer)}")
        build = _content(answer)
        result = build.get("result")
        over = build.get("building") is False and isinstance(result, str)
        self._read_console(job, output, over=over)
        if not over:
            return Look(job, None)
        status = "ok" if result in self._results else "error"
        return Look(job, Ending(status, None, f"{self.told(job)} ended {result}"))

    def stop(self, job: Build) -> None:
        """See `Service.stop`."""
        path = f"{self._path}/{job.number}/stop" if job.number is not None else f"/queue/cancelItem?id={job.item}"
        try:
            self._post(path, b"")
        except (NoAnswerError, RefusedByServiceError):
            return

    def told(self, job: Build) -> str:
        """See `Service.told`."""
        number = f"build #{job.number}" if job.number is not None else f"queue item {job.item}"
        return f"{number} of {self._full_name}"

    def _look_in_queue(self, job: Build) -> tuple[Build, Ending | None]:
        tree = "cancelled,why,executable[number]"
        answer = self.session.read(f"/queue/item/{job.item}/api/json?tree={tree}")
        if answer.status == 404:
            # Jenkins forgets an item some minutes after it has left the queue.
            found = self.find()
            if found is None:
                raise DoubtError(f"{self.told(job)} is gone, and no build has its key")
            return found, None
        if answer.status != 200:
            raise DoubtError(f"{self.told(job)} cannot be looked at: {self._said(answer)}")
        item = _content(answer)
        if item.get("cancelled"):
            return job, Ending("error", None, f"{self.told(job)} was cancelled before it was built")
        number = (item.get("executable") or {}).get("number")
        return (job if number is None else Build(job.item, int(number))), None

    def _read_console(self, job: Build, output: OutputFile, *, over: bool) -> None:
        for _ in range(CONSOLE_READS_MAX if over else 1):
            if self._console_at is None:
                return
            path = f"{self._path}/{job.number}/logText/progressiveText?start={self._console_at}"
            answer = self.session.read(path, {"Accept": "text/plain"})
            if answer.status != 200:
                return
            output.feed(answer.body)
            size = answer.headers.get("x-text-size", "")
            more = answer.headers.get("x-more-data", "").lower() == "true" and bool(answer.body)
            self._console_at = int(size) if answer.whole and size.isascii() and size.isdigit() else None
            if self._console_at is None and not answer.whole:
                output.cut_short()
            if not more:
                return
        if over:
            output.cut_short()

    def _post(self, path: str, body: bytes, before: Callable[[], None] | None = None) -> Answer:
        """POST, with a crumb where one is asked for. What was turned away, by 429 or for its crumb, is repeated.

        Raises:
            NoAnswerError: none came. OverError: the time is over.
        """
        pauses, crumbs = Pauses(1.0), 0
        while True:
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = self.session.call("POST", path, body, headers, before=before)
            if answer.status == 429:
                self.session.pause(retry_after_s(answer) or pauses.next_s())
            elif answer.status == 403 and b"crumb" in answer.body.lower() and crumbs < _CRUMB_TRIES:
                crumbs += 1
                self._take_crumb()
            else:
                return answer

    def _take_crumb(self) -> None:
        """A crumb holds for the session of its cookie (https://www.jenkins.io/doc/book/security/csrf-protection/)."""
        answer = self.session.read("/crumbIssuer/api/json")
        if answer.status != 200:
            raise RefusedByServiceError(f"no crumb is to be had: {self._said(answer)}")
        crumb = _content(answer)
        field, value = str(crumb.get("crumbRequestField", "")), str(crumb.get("crumb", ""))
        if not re.fullmatch(r"[A-Za-z0-9-]{1,100}", field) or not re.fullmatch(r"[\x21-\x7e]{1,1000}", value):
            raise RefusedByServiceError("the crumb that Jenkins gave is none")
        cookies = "; ".join(cookie.split(";", 1)[0].strip() for cookie in answer.cookies)
        self.session.headers |= {field: value, **({"Cookie": cookies} if cookies else {})}

    def _list(self, path: str, name: str) -> list[dict[str, Any]]:
        answer = self.session.read(path)
        if answer.status != 200:
            raise DoubtError(self._said(answer))
        found = _content(answer).get(name)
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            # No list is not an empty one: what cannot be searched may have the key.
            raise DoubtError(f"Jenkins gave no list of {name}")
        return found

    def _is_ours(self, shown: Mapping[str, Any]) -> bool:
        return (KEY_PARAMETER, self._key) in _parameters_of(shown.get("actions") or ())

    def _said(self, answer: Answer) -> str:
        why = {
            401: "; are the user and the API token right?",
            403: f"; may the user read and build {self._full_name}?",
            404: f"; is there a job {self._full_name}, and may the user read it?",
        }.get(answer.status, "")
        where = "; redirects are not followed" if 300 <= answer.status < 400 else ""
        return f"Jenkins says {answer.said}{why}{where}"


def _parameters_of(actions: Iterable[Any]) -> Iterable[tuple[Any, Any]]:
    for action in actions:
        for parameter in (action or {}).get("parameters") or ():
            yield parameter.get("name"), parameter.get("value")


def _content(answer: Answer) -> dict[str, Any]:
    try:
        content = json.loads(answer.body) if answer.whole else None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise DoubtError("Jenkins gave an answer that is no JSON object, or too large")
    return content
