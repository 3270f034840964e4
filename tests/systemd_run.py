"""A stand-in for `systemd-run`: what it refuses, what a unit's environment holds, and that a unit is nobody's child.

    systemd_run.py UNITS [OPTIONS] -- COMMAND...

UNITS is a folder; a unit that runs has a file in it. The real one needs systemd as the host's init.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

FLAGS = {"--quiet", "--collect", "--wait", "--user"}
VALUES = {"--unit", "--service-type", "--working-directory"}


def fail(message: str) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(1)


def parse(options: list[str]) -> tuple[dict[str, str], dict[str, str]]:
    """The options and the unit's environment."""
    given: dict[str, str] = {}
    environment: dict[str, str] = {}
    for option in options:
        name, _, value = option.partition("=")
        if option in FLAGS or (name in VALUES and value):
            given[name] = value
        elif name == "--setenv":
            environment[value] = os.environ.get(value) or fail(f"Environment variable not set: {value}")
        elif name != "--property" or not value.startswith(("KillMode=process", "TimeoutStopSec=")):
            fail(f"systemd-run: unrecognized option '{option}'")
    return given, environment


def run(unit: Path, command: list[str], folder: str, environment: dict[str, str], ended: int) -> NoReturn:
    """Be the service manager of one unit."""
    os.setsid()
    if os.fork() > 0:
        os._exit(0)
    os.closerange(3, ended)
    os.closerange(ended + 1, 1024)
    child = os.fork()
    if child == 0:
        os.chdir(folder)
        os.execve(command[0], command, environment)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    unit.unlink()
    os.write(ended, bytes([code & 0xFF]))
    os._exit(0)


def main(arguments: list[str]) -> None:
    units, border = Path(arguments[0]), arguments.index("--")
    given, environment = parse(arguments[1:border])
    if (units / "no-systemd").exists():
        fail("System has not been booted with systemd as init system (PID 1). Can't operate.")
    unit = units / given["--unit"]
    try:
        unit.touch(exist_ok=False)
    except FileExistsError:
        fail(f"Failed to start transient service unit: Unit {unit.name}.service was already loaded")
    started, ended = os.pipe()
    if os.fork() == 0:
        run(unit, arguments[border + 1 :], given["--working-directory"], environment, ended)
    os.close(ended)
    os.wait()
    said = os.read(started, 1)
    sys.exit(said[0] if said else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
