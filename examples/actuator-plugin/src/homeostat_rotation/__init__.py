"""`actuator: rotation`: take a host out of a balancer's rotation, or put it back.

Many balancers look for a file on each host, and send no requests to a host that has it. `operation: leave` makes the
file and waits until the balancer has seen it (it makes FILE.seen); `operation: join` removes both.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from homeostat.act.command import CommandActuator
from homeostat.act.substitution import RefusedError
from homeostat.model.commands import StartAction

PROGRAM = Path(__file__).with_name("change.py")


class RotationActuator(CommandActuator):
    """Says what is to be run; everything else is the detached runner's, as for every command."""

    def job(self, command: StartAction) -> dict[str, Any]:
        """What the runner has to do. Raises RefusedError: the action is refused, and nothing is run."""
        parameters = command.action.parameters
        operation, file = parameters.get("operation"), parameters.get("file")
        if operation not in ("leave", "join"):
            raise RefusedError(f"operation is leave or join, not {operation!r}")
        if not isinstance(file, str) or not file.startswith("/"):
            raise RefusedError(f"file is an absolute path, not {file!r}")
        argv = [sys.executable, "-I", str(PROGRAM), operation, file]
        return super().job(replace(command, action=replace(command.action, parameters={"argv": argv})))
