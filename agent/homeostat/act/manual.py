"""The `manual` actuator: a step that people carry out and report.

`start` writes the task down, `lookup` looks for a report of it, and `report` is how a person hands one in. A task is a
folder under the agent's state, named by the key's digest, with at most one `report.json`; whoever reports first is
heard, also when two do at once.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from homeostat.act import checked
from homeostat.act.context import ActuatorContext
from homeostat.act.files import create_once, make_folder, read_at_most
from homeostat.model.commands import Done, InDoubt, NeverStarted, Report, Running, StartAction
from homeostat.model.errors import ActuatorError
from homeostat.model.reasons import OutcomeStatus

FOLDER = "manual"
BYTES_MAX = 64 << 10


class ManualActuator:
    """Implements `model.ports.Actuator`: people are the ones who act.

    Attributes:
        may_block: False, since all that its calls touch is local files.
    """

    may_block = False

    def __init__(self, context: ActuatorContext) -> None:
        self._folder = context.state / FOLDER
        self._now = context.now

    def start(self, command: StartAction) -> None:
        """Write the task down, once; a task without instructions is refused. Raises ActuatorError."""
        if not command.action.parameters.get("instructions"):
            self._end(command.key, OutcomeStatus.ERROR, "nothing was run: a manual step needs instructions")
            return
        task = {
            "key": command.key,
            "target": command.target,
            "asked_at": self._now(),
            "timeout_s": command.timeout_s,
            **{name: command.action.parameters.get(name, "") for name in ("instructions", "owner", "check")},
        }
        self._write(command.key, "task.json", task)

    def lookup(self, key: str) -> Report:
        """Say whether people have reported. Raises ActuatorError."""
        report = self._read(key, "report.json")
        task = self._read(key, "task.json")
        try:
            if report is not None:
                return _done(report, task)
            if task is None:
                return NeverStarted()
            timeout_s = checked.seconds(task["timeout_s"])
            if self._now() < checked.seconds(task["asked_at"]) + timeout_s:
                return Running(f"people/{task['owner']}")
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            return InDoubt(f"the task or report of '{key}' cannot be understood: {error}")
        self._end(key, OutcomeStatus.TIMEOUT, f"nobody reported within {timeout_s:g} s")
        return self.lookup(key)

    def withdraw(self, key: str, status: OutcomeStatus, detail: str) -> bool:
        """Settle a task that nobody was given; False if somebody was. Raises ActuatorError."""
        return self._read(key, "task.json") is None and self._end(key, status, detail)

    def cancel(self, key: str) -> None:
        """Take the task back: nobody's later report counts. Raises ActuatorError."""
        self._end(key, OutcomeStatus.CANCELLED, "taken back")

    def report(self, key: str, status: OutcomeStatus, by: str, note: str = "") -> bool:
        """Hand in what a person says of a task; False when it was over already.

        Raises:
            ActuatorError: there is no such task, or it cannot be written.
        """
        if self._read(key, "task.json") is None:
            raise ActuatorError(f"no manual step waits under '{key}'")
        return self._end(key, status, told(status, by, note), by)

    def waiting(self) -> list[dict[str, Any]]:
        """Every task that nobody has reported yet, oldest first."""
        tasks = []
        for path in sorted(self._folder.glob("*/task.json")) if self._folder.is_dir() else []:
            task = None if path.with_name("report.json").exists() else _load(path)
            if task is not None:
                tasks.append(task)
        return sorted(tasks, key=lambda task: str(task.get("asked_at")))

    def _end(self, key: str, status: OutcomeStatus, detail: str, by: str = "") -> bool:
        """Write down how it ended, unless it has already."""
        report = {"status": status.value, "at": self._now(), "detail": detail, "by": by}
        return self._write(key, "report.json", report)

    def _place(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()[:32]

    def _write(self, key: str, name: str, content: dict[str, Any]) -> bool:
        place = self._place(key)
        text = json.dumps(content).encode()
        if len(text) > BYTES_MAX:
            raise ActuatorError(f"manual step '{key}': {name} would be {len(text)} bytes long; at most {BYTES_MAX}")
        try:
            make_folder(place)
            return create_once(place / name, text)
        except OSError as error:
            raise ActuatorError(f"manual step '{key}': {place / name} cannot be written: {error.strerror}") from error

    def _read(self, key: str, name: str) -> dict[str, Any] | None:
        return _load(self._place(key) / name)


def told(status: OutcomeStatus, by: str, note: str) -> str:
    """How the journal says who reported a manual step, and what they said."""
    return f"{'done' if status is OutcomeStatus.OK else 'not done'}, says {by}{f': {note}' if note else ''}"


def _load(path: Path) -> dict[str, Any] | None:
    try:
        content = read_at_most(path, BYTES_MAX)
        if content is None:
            return None
        read = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        raise ActuatorError(f"{path} cannot be read: {error}") from error
    if not isinstance(read, dict):
        raise ActuatorError(f"{path} holds no task")
    return read


def _done(report: dict[str, Any], task: dict[str, Any] | None) -> Done:
    at = checked.seconds(report["at"])
    began = checked.seconds(task["asked_at"]) if task else at
    detail, by = checked.text(report["detail"]), checked.text(report.get("by", ""))
    return Done(OutcomeStatus(report["status"]), max(0.0, at - began), detail=detail, by=by)
