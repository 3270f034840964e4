"""Actuators whose command is a program of ours, which runs another one and reads what it says (`own_program.py`)."""

from __future__ import annotations

import sys
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from homeostat.act.command import CommandActuator
from homeostat.act.secret import FORMS, is_reference
from homeostat.act.substitution import RefusedError, as_text
from homeostat.act.values import Source, literal, secret, timeout_of
from homeostat.model.commands import StartAction

_BOOT = (
    "import sys; sys.path.insert(0, sys.argv[1]); from importlib import import_module; "
    "sys.exit(import_module(sys.argv[2]).main())"
)
_ROOT = Path(__file__).resolve().parents[2]


class OwnCommandActuator(CommandActuator):
    """Everything of a command: at most once by its key, its time-out, cancelling, the cap on its output, redaction.

    Attributes:
        module: whose `main` is the program.
        needs_packages: whether it needs more than the standard library.
        clears: what of the job's `work/` must not outlive it.
        grace_s: how long it may take to stop what it runs; None: as any command.
    """

    module: ClassVar[str]
    needs_packages: ClassVar[bool] = False
    clears: ClassVar[tuple[str, ...]] = ()
    grace_s: ClassVar[float | None] = None

    @abstractmethod
    def request(self, command: StartAction) -> tuple[dict[str, Any], dict[str, Source]]:
        """What the program has to do, and the variables that it is given beside. Raises RefusedError."""

    def job(self, command: StartAction) -> dict[str, Any]:
        """See `DetachedActuator.job`."""
        request, values = self.request(command)
        isolated = ["-I"] if self.needs_packages else ["-I", "-S"]
        job = {
            "kind": "command",
            "own": True,
            "run_with": "runner",
            "argv": [sys.executable, *isolated, "-c", _BOOT, str(_ROOT), self.module],
            "cwd": None,
            "request": request,
            "clears": list(self.clears),
            "values": {**dict(self._values(command)), **values},
            "timeout_s": timeout_of(command),
        }
        return job if self.grace_s is None else {**job, "cancel_grace_s": self.grace_s}


def text_of(command: StartAction, parameter: str) -> str:
    """A text parameter that must be there. Raises RefusedError."""
    value = command.action.parameters.get(parameter)
    if value is None:
        raise RefusedError(f"{parameter} is missing")
    text = as_text(value, command)
    if not text.strip() or "\n" in text:
        raise RefusedError(f"{parameter} is empty, or has a line break")
    return text


def texts_of(command: StartAction, parameter: str) -> list[str]:
    """A parameter that is a list of texts; empty where it is not given. Raises RefusedError."""
    values = command.action.parameters.get(parameter) or ()
    if not isinstance(values, list | tuple):
        raise RefusedError(f"{parameter} is a list")
    return [as_text(value, command) for value in values]


def variables_of(command: StartAction, parameter: str, prefix: str) -> dict[str, Source]:
    """A parameter that is a mapping of names to text, substitutions or secrets, as variables. Raises RefusedError."""
    values = command.action.parameters.get(parameter) or {}
    if not isinstance(values, Mapping):
        raise RefusedError(f"{parameter} is a mapping of names to values")
    found: dict[str, Source] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and set(value) == {"secret"}:
            if not is_reference(value["secret"]):
                raise RefusedError(f"the secret of {name} must read {FORMS}")
            found[f"{prefix}{name}"] = secret(str(value["secret"]))
        else:
            found[f"{prefix}{name}"] = literal(as_text(value, command))
    return found


def choice_of(command: StartAction, parameter: str, known: tuple[str, ...], default: str | None = None) -> str:
    """A parameter that is one of few words. Raises RefusedError."""
    value = command.action.parameters.get(parameter, default)
    if value not in known:
        raise RefusedError(f"{parameter} is {', '.join(known[:-1])} or {known[-1]}, not {value!r}")
    return str(value)


def absolute_path_of(command: StartAction, parameter: str) -> str:
    """A parameter that is an absolute path. Raises RefusedError."""
    path = text_of(command, parameter)
    if not path.startswith("/") or ".." in path.split("/"):
        raise RefusedError(f"{parameter} is an absolute path without '..', not {path!r}")
    return path
