"""The `terraform` actuator: a plan, or an apply of exactly one plan, with Terraform or OpenTofu.

Parameters: `operation` (plan, apply), `cwd` (the folder of the configuration, which `init` was run in), `program`
(`terraform` if not given; `tofu`), `plan` (of an apply: `new`, or `saved` for the plan that an earlier step of the
same incident saved for that folder on this host), `targets` (addresses), `vars` (names to text, `{target: ...}`,
`{with: ...}` or `{secret: ...}`; passed as TF_VAR_ variables, never as arguments), `env` (as of `command`),
`destroys_max`, `changes_max` (an apply that would do more applies nothing), `lock_timeout_s`.

A plan file holds values in clear text, so it lies in the job's own folder (0700). It is spent with its apply.
The program runs under one of ours (`run_terraform.py`); told to stop, it gets a TERM, which it takes as
an interrupt, and time to let go of the state's lock (https://developer.hashicorp.com/terraform/cli/commands/apply).
"""

from __future__ import annotations

import shutil
from typing import Any

from homeostat.act.command import DEFAULT_PATH
from homeostat.act.own_command import OwnCommandActuator, absolute_path_of, choice_of, text_of, texts_of, variables_of
from homeostat.act.substitution import RefusedError
from homeostat.act.values import Source, literal
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec

PROGRAM = "terraform"
DESTROYS_MAX = 0
CHANGES_MAX = 10
"""How many resources an apply may change, and destroy, where its action does not say."""
LOCK_TIMEOUT_S = 60.0

_SURROUNDINGS = {"TF_IN_AUTOMATION": "1", "TF_INPUT": "0", "CHECKPOINT_DISABLE": "1"}


class TerraformActuator(OwnCommandActuator):
    """Plans, and applies what was planned. A change that is larger than allowed is not begun."""

    module = "homeostat.act.run_terraform"
    grace_s = 120.0

    def unusable(self, action: ActionSpec) -> str | None:
        """Why it could not run an action here: see `context.Choosy`."""
        program = str(action.parameters.get("program", PROGRAM))
        if shutil.which(program, path=self._environment.get("PATH") or DEFAULT_PATH) is None:
            return f"actuator terraform needs {program}, and it is not on the agent's PATH"
        return None

    def job(self, command: StartAction) -> dict[str, Any]:
        """See `OwnCommandActuator.job`: of a plan step the plan stays, for the step that applies it."""
        job = super().job(command)
        return {**job, "clears": [] if job["request"]["operation"] == "plan" else ["tfplan"]}

    def request(self, command: StartAction) -> tuple[dict[str, Any], dict[str, Source]]:
        """See `OwnCommandActuator.request`."""
        parameters = command.action.parameters
        request = {
            "operation": choice_of(command, "operation", ("plan", "apply")),
            "plan": choice_of(command, "plan", ("new", "saved"), "new"),
            "cwd": absolute_path_of(command, "cwd"),
            "program": text_of(command, "program") if "program" in parameters else PROGRAM,
            "targets": texts_of(command, "targets"),
            "destroys_max": _bound(command, "destroys_max", DESTROYS_MAX),
            "changes_max": _bound(command, "changes_max", CHANGES_MAX),
            "lock_timeout_s": _bound(command, "lock_timeout_s", LOCK_TIMEOUT_S),
            "incident": command.key.partition("/")[0],
        }
        surroundings = {name: literal(value) for name, value in _SURROUNDINGS.items()}
        return request, {**variables_of(command, "vars", "TF_VAR_"), **surroundings}


def _bound(command: StartAction, parameter: str, default: float) -> float:
    value = command.action.parameters.get(parameter, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e6:
        raise RefusedError(f"{parameter} is a number from 0 up, not {value!r}")
    return value
