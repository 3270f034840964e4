"""A state folder with actuators over it, and bounded waiting: real processes, short scripts."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import pytest

from homeostat.act.command import CommandActuator
from homeostat.act.context import ActuatorContext, SecretCommand
from homeostat.act.detached import DetachedActuator
from homeostat.act.job_files import JobFiles, job_folder
from homeostat.act.processes import process_at
from homeostat.model.commands import Done, Report, Running, StartAction
from homeostat.model.policy import ActionSpec, Scalar

PATIENCE_S = 30.0
KEY = "i1/restart/1"
PATH = "/usr/local/bin:/usr/bin:/bin"

R = TypeVar("R")


def until(look: Callable[[], R | None], what: str) -> R:
    give_up_at = time.monotonic() + PATIENCE_S
    while time.monotonic() < give_up_at:
        found = look()
        if found is not None and found is not False:
            return found
        time.sleep(0.005)
    pytest.fail(f"waited {PATIENCE_S} s for {what}")


def lives(pid: int) -> bool:
    process = process_at(pid)
    return process is not None and process.alive


def until_gone(pid: int) -> None:
    until(lambda: not lives(pid), f"the end of process {pid}")


class ActWorld:
    def __init__(self, state: Path) -> None:
        self.state = state
        self.environment = {"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8", "UNRELATED": "not for commands"}
        self.cancel_grace_s = 5.0
        self.output_bytes_max = 1 << 20
        self.secret_commands: dict[str, SecretCommand] = {}

    def context(self) -> ActuatorContext:
        return ActuatorContext(
            self.state,
            dict(self.environment),
            self.cancel_grace_s,
            self.output_bytes_max,
            secret_commands=self.secret_commands,
        )

    def agent(self) -> CommandActuator:
        return CommandActuator(self.context())

    def files(self, key: str = KEY) -> JobFiles:
        return JobFiles(job_folder(self.state / "actions", key))

    def edit(self, name: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change a job's file behind everybody's back."""
        path = self.files().folder / name
        record = json.loads(path.read_bytes())
        change(record)
        path.write_text(json.dumps(record))

    def note(self, name: str) -> Path:
        """A file that scripts leave notes in."""
        return self.state / name

    def noted_pid(self, name: str) -> int:
        """The pid that a script has written, or will."""
        path = self.note(name)
        return until(lambda: int(text) if path.exists() and (text := path.read_text()).endswith("\n") else None, name)

    def report(self, key: str = KEY) -> Report:
        return self.agent().lookup(key)

    def run(self, argv: list[object], **more: Any) -> Done:
        agent = self.agent()
        agent.start(command(argv, **more))
        return until_done(agent)

    def shell(self, script: str, **more: Any) -> Done:
        return self.run(["sh", "-c", script], **more)


def command(
    argv: list[object],
    *,
    key: str = KEY,
    timeout_s: float = 60.0,
    target: str = "deploy/pay",
    arguments: Mapping[str, Scalar] | None = None,
    **parameters: object,
) -> StartAction:
    action = ActionSpec("restart", "command", {"argv": argv, **parameters})
    return StartAction(key, action, target, arguments or {}, timeout_s)


def shell(script: str, **more: Any) -> StartAction:
    return command(["sh", "-c", script], **more)


def until_done(agent: DetachedActuator, key: str = KEY) -> Done:
    def look() -> Done | None:
        report = agent.lookup(key)
        assert isinstance(report, Running | Done), report
        return report if isinstance(report, Done) else None

    return until(look, f"the end of {key}")


def running_pid(report: Report) -> int:
    assert isinstance(report, Running), report
    return int(report.handle.removeprefix("pid "))


def end(pid: int, signum: int) -> None:
    os.kill(pid, signum)
