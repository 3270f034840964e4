"""What both built-in actuators put into a job: where values come from, and how long it may take."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from homeostat.act.context import SecretCommand
from homeostat.act.secret import command_named, variables_for
from homeostat.act.substitution import RefusedError
from homeostat.model.commands import StartAction
from homeostat.model.nearest import did_you_mean

TIMEOUT_S_MAX = 30 * 86400.0

Source = dict[str, str]
"""Where the runner gets a value from: `{literal: text}`, `{inherit: NAME}`, `{secret: reference}` or
`{sign: reference, id: text}`, the signature of the request."""


def literal(text: str) -> Source:
    """The value itself."""
    return {"literal": text}


def inherited(name: str) -> Source:
    """A variable of the agent's, passed on."""
    return {"inherit": name}


def secret(reference: str) -> Source:
    """A secret, which only the runner looks up."""
    return {"secret": reference}


def signing(reference: str, identity: str) -> Source:
    """The signature of the request, as the message `identity`, by a secret that only the runner looks up."""
    return {"sign": reference, "id": identity}


def _reference_of(source: Source) -> str:
    return source.get("secret") or source.get("sign", "")


def commands_of(values: Mapping[str, Source], known: Mapping[str, SecretCommand]) -> dict[str, dict[str, list[str]]]:
    """The commands that print secrets among these values, as the runner is told of them.

    Raises:
        RefusedError: one of them is not in the agent's settings.
    """
    commands = {}
    for source in values.values():
        name = command_named(_reference_of(source))
        if name is None:
            continue
        if name not in known:
            hint = did_you_mean(name, known) or "; name it in the table [secrets.commands] of homeostat.toml"
            raise RefusedError(f"no command '{name}' prints a secret{hint}")
        commands[name] = {"argv": list(known[name].argv), "env": list(known[name].env)}
    return commands


def variables_of(values: Mapping[str, Source], commands: Mapping[str, Mapping[str, list[str]]]) -> Iterator[str]:
    """Name the agent's variables that the runner needs for these values."""
    for source in values.values():
        if "inherit" in source:
            yield source["inherit"]
        yield from variables_for(_reference_of(source), commands)


def timeout_of(command: StartAction) -> float:
    """The action's time-out in seconds. Raises RefusedError unless it is a number from 0 to a month."""
    timeout_s = command.timeout_s
    if not math.isfinite(timeout_s) or not 0 <= timeout_s <= TIMEOUT_S_MAX:
        raise RefusedError(f"a time-out of {timeout_s} s is out of range (0 to {TIMEOUT_S_MAX:.0f} s)")
    return timeout_s
