"""`actuator: systemd`: one operation on one unit."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict

from homeostat.model.unit_names import unit_name_fault
from homeostat.policy.action_fields import TEXT_SCHEMA, ActionFields, checked
from homeostat.policy.fields import wrong
from homeostat.policy.parameter_values import check_text


def _check_unit(value: object) -> object:
    """The name of one unit with its type, or what is filled in for it."""
    unit = check_text(value)
    fault = unit_name_fault(unit) if isinstance(unit, str) else None
    if fault is not None:
        raise wrong("E133", fault)
    return unit


class SystemdAction(ActionFields):
    """`actuator: systemd`: one operation on one unit. A unit that is filled in without a type is a service."""

    model_config = ConfigDict(extra="forbid")

    operation: Literal["restart", "start", "stop", "reload", "reset-failed"]
    unit: Annotated[Any, *checked(_check_unit, TEXT_SCHEMA)]
    scope: Literal["system", "user"] = "system"
