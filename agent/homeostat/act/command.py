"""The `command` actuator: one program with its arguments, never a shell.

Parameters: `argv` (a list: text, `{target: kind|name|full}`, `{with: key, prefix: text}`; the program itself is always
written out), `cwd` (absolute; a folder of the job's own if not given), `run_with` (`systemd`: the runner is a unit of
its own, which outlives the agent's control group; only where systemd runs the host), `env` (names to pass on from the
agent, or a mapping of names to text, `{target: ...}`, `{with: ...}` or `{secret: REFERENCE}`, see `secret.py`).

The command sees PATH, HOME and LANG, HOMEOSTAT_ACTION_KEY (its idempotency key), HOMEOSTAT_RUN_ID (the runner's own)
and what `env` names, and nothing else of the agent's environment. Values passed on by name are not redacted in its
output; secrets are.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from homeostat.act.detached import DetachedActuator
from homeostat.act.secret import FORMS, command_named, is_reference
from homeostat.act.substitution import RefusedError, as_argument, as_text
from homeostat.act.systemd_unit import PROGRAM
from homeostat.act.values import Source, inherited, literal, secret, timeout_of
from homeostat.model.commands import StartAction
from homeostat.model.policy import ActionSpec

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

SYSTEMD_FOLDER = "/run/systemd/system"
"""There where systemd is the host's init; see sd_booted(3)."""

KEY_VARIABLE = "HOMEOSTAT_ACTION_KEY"
"""In every command's environment: its idempotency key, for targets that deduplicate by it."""

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


class CommandActuator(DetachedActuator):
    """Runs local programs. Cancelled, or over its time, a program ends with everything it started: TERM, then KILL."""

    def unusable(self, action: ActionSpec) -> str | None:
        """Why it could not run an action here: see `context.Choosy`."""
        if action.parameters.get("run_with") != "systemd":
            return None
        if not Path(SYSTEMD_FOLDER).is_dir():
            return f"run_with: systemd needs a host that systemd runs, and {SYSTEMD_FOLDER} is not there"
        if shutil.which(PROGRAM, path=self._environment.get("PATH") or DEFAULT_PATH) is None:
            return f"run_with: systemd needs {PROGRAM}, and it is not on the agent's PATH"
        return None

    def job(self, command: StartAction) -> dict[str, Any]:
        """See `DetachedActuator.job`."""
        parameters = command.action.parameters
        argv = parameters.get("argv")
        if not isinstance(argv, list | tuple) or not argv or not isinstance(argv[0], str) or not argv[0]:
            raise RefusedError("argv is a list that begins with the program's name")
        cwd = parameters.get("cwd")
        if cwd is not None and not (isinstance(cwd, str) and cwd.startswith("/")):
            raise RefusedError(f"cwd must be an absolute path, not {cwd!r}")
        run_with = parameters.get("run_with", "runner")
        values = dict(self._values(command))
        if run_with == "systemd":
            self._refuse_visible_secrets(values)
        elif run_with != "runner":
            raise RefusedError(f"run_with is runner or systemd, not {run_with!r}")
        return {
            "kind": "command",
            "run_with": run_with,
            "argv": [as_argument(argument, command) for argument in argv],
            "cwd": cwd,
            "values": values,
            "timeout_s": timeout_of(command),
        }

    def _refuse_visible_secrets(self, values: Mapping[str, Source]) -> None:
        """A unit's environment can be read by every user of the host (`systemctl show`)."""
        for name, source in values.items():
            reference = source.get("secret", "")
            printer = self._secret_commands.get(command_named(reference) or "")
            if reference.startswith("env:") or (printer is not None and printer.env):
                raise RefusedError(f"the secret of {name} would be seen in systemd's unit; name one by file: or k8s:")

    def _values(self, command: StartAction) -> Iterator[tuple[str, Source]]:
        own = self._environment
        yield "PATH", inherited("PATH") if own.get("PATH") else literal(DEFAULT_PATH)
        for name in ("HOME", "LANG"):
            if name in own:
                yield name, inherited(name)
        env: object = command.action.parameters.get("env") or {}
        if isinstance(env, list | tuple):
            env = {str(name): None for name in env}
        elif not isinstance(env, Mapping):
            raise RefusedError("env is a list of names or a mapping of names to values")
        for name, value in env.items():
            if not isinstance(name, str) or _NAME.fullmatch(name) is None:
                raise RefusedError(f"{name!r} is not the name of an environment variable")
            yield name, self._value(name, value, command)
        yield KEY_VARIABLE, literal(command.key_for_target)

    def _value(self, name: str, value: object, command: StartAction) -> Source:
        if value is None:
            if name not in self._environment:
                raise RefusedError(f"the variable {name}, to be passed on, is not set in the agent's environment")
            return inherited(name)
        if isinstance(value, Mapping) and set(value) == {"secret"}:
            if not is_reference(value["secret"]):
                raise RefusedError(f"the secret of {name} must read {FORMS}")
            return secret(str(value["secret"]))
        return literal(as_text(value, command))
