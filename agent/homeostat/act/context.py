"""What an actuator is given when it is made. Authors of actuator plugins read this file and `model/ports.py`."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from homeostat.model.policy import ActionSpec
from homeostat.model.ports import Actuator

CANCEL_GRACE_S = 10.0
OUTPUT_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class SecretCommand:
    """A command that prints a secret: its arguments, and the agent's variables that it is given."""

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActuatorContext:
    """The agent, as far as an actuator may know it.

    Attributes:
        state: the agent's own folder; an actuator keeps what must survive a restart in a folder of its own below it.
        environment: the agent's environment variables.
        cancel_grace_s: how long an action that was told to stop may take before it is killed.
        output_bytes_max: how much of an action's output is kept.
        now: Unix seconds, for actions whose time no runner keeps.
        secret_commands: what prints a secret, by the name in `command:NAME`.
    """

    state: Path
    environment: Mapping[str, str]
    cancel_grace_s: float = CANCEL_GRACE_S
    output_bytes_max: int = OUTPUT_BYTES_MAX
    now: Callable[[], float] = time.time
    secret_commands: Mapping[str, SecretCommand] = field(default_factory=dict)


@runtime_checkable
class Choosy(Protocol):
    """An actuator that can tell beforehand whether it could ever run an action on this host."""

    def unusable(self, action: ActionSpec) -> str | None:
        """Why it could not; None where nothing speaks against it. Touches local files alone, and never raises."""
        ...


ActuatorFactory = Callable[[ActuatorContext], Actuator]
"""What an entry point of the group `homeostat.actuators` must name: usually the actuator's class."""
