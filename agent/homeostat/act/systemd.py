"""The `systemd` actuator: one operation on one unit, whose end is waited for, and which is told by what systemd says.

Parameters: `operation` (restart, start, stop, reload, reset-failed), `unit` (text, `{target: name}`, `{with: key}`;
without the type of a unit it is a service), `scope` (`system` if not given, `user`). `systemctl` runs in a program of
ours (`run_systemd.py`), without asking for a password.

That a unit was started anew is proven by its InvocationID, which systemd draws at every start
(https://www.freedesktop.org/software/systemd/man/latest/systemd.exec.html). So where everybody who saw the operation
was killed, systemd itself is asked how it ended.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

from homeostat.act.bell import ACTIONS_FOLDER
from homeostat.act.command import DEFAULT_PATH, SYSTEMD_FOLDER
from homeostat.act.context import ActuatorContext
from homeostat.act.files import read_at_most
from homeostat.act.job_files import BrokenJobFileError, JobFiles, job_folder
from homeostat.act.own_command import OwnCommandActuator, choice_of, text_of
from homeostat.act.substitution import RefusedError
from homeostat.act.unit_state import (
    OPERATIONS,
    PROGRAM,
    SCOPES,
    STATE_BYTES_MAX,
    UnitState,
    show_command,
    unit_state,
    verdict,
)
from homeostat.act.values import Source, inherited
from homeostat.model.commands import Done, InDoubt, Report, Running, StartAction
from homeostat.model.policy import ActionSpec
from homeostat.model.reasons import OutcomeStatus
from homeostat.model.unit_names import unit_name_fault, with_unit_type

ASK_S_MAX = 5.0
"""How long systemd may take to say how a unit is, where an action is in doubt."""

_USER_VARIABLES = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS")
"""By which a user's service manager is found."""


class SystemdActuator(OwnCommandActuator):
    """Operates units, and knows how an operation ended that nobody saw the end of.

    Attributes:
        may_block: what is in doubt is asked of systemd.
    """

    may_block = True
    module = "homeostat.act.run_systemd"

    def __init__(self, context: ActuatorContext) -> None:
        super().__init__(context)
        self._actions = context.state / ACTIONS_FOLDER

    def unusable(self, action: ActionSpec) -> str | None:
        """Why it could not run an action here: see `context.Choosy`."""
        if shutil.which(PROGRAM, path=self._path()) is None:
            return f"actuator systemd needs {PROGRAM}, and it is not on the agent's PATH"
        if action.parameters.get("scope", "system") == "system" and not Path(SYSTEMD_FOLDER).is_dir():
            return f"actuator systemd needs a host that systemd runs, and {SYSTEMD_FOLDER} is not there"
        return None

    def request(self, command: StartAction) -> tuple[dict[str, Any], dict[str, Source]]:
        """See `OwnCommandActuator.request`."""
        unit = with_unit_type(text_of(command, "unit"))
        fault = unit_name_fault(unit)
        if fault is not None:
            raise RefusedError(fault)
        scope = choice_of(command, "scope", SCOPES, "system")
        request = {"operation": choice_of(command, "operation", OPERATIONS), "unit": unit, "scope": scope}
        own = self._environment
        return request, {name: inherited(name) for name in _USER_VARIABLES if scope == "user" and name in own}

    def lookup(self, key: str) -> Report:
        """Say what became of the key; systemd is asked where nobody saw its end. Raises ActuatorError."""
        report = super().lookup(key)
        return self._resolved(key, report) if isinstance(report, InDoubt) else report

    def _resolved(self, key: str, doubt: InDoubt) -> Report:
        """What systemd says of the unit now, beside what it said before; the doubt where that decides nothing."""
        files = JobFiles(job_folder(self._actions, key))
        try:
            request = files.read_job()["request"]
            content = read_at_most(files.work / "before.json", STATE_BYTES_MAX)
            if content is None:
                detail = f"nothing was run: {doubt.detail}, before systemd was asked"
                return Done(OutcomeStatus.ERROR, 0.0, detail=detail)
            before = UnitState(**json.loads(content))
            after = self._ask(request["scope"], request["unit"])
            if after.job:
                return Running(f"systemd's job {after.job} of {request['unit']}")
            judged = verdict(request["operation"], before, after, exit_code=None)
        except (OSError, ValueError, KeyError, TypeError, BrokenJobFileError, subprocess.SubprocessError):
            return doubt
        if judged is None:
            return doubt
        status = OutcomeStatus.OK if judged.good else OutcomeStatus.ERROR
        return Done(status, 0.0, detail=f"{judged.sentence} (as systemd says; {doubt.detail})")

    def _ask(self, scope: str, unit: str) -> UnitState:
        environment = {name: self._environment[name] for name in _USER_VARIABLES if name in self._environment}
        shown = subprocess.run(
            show_command(scope, unit),
            env={**environment, "PATH": self._path(), "LC_ALL": "C"},
            capture_output=True,
            check=True,
            timeout=ASK_S_MAX,
        )
        return unit_state(shown.stdout.decode(errors="replace"))

    def _path(self) -> str:
        return self._environment.get("PATH") or DEFAULT_PATH
