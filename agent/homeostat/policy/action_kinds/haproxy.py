"""`actuator: haproxy`: the state or the weight of one server."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, model_validator

from homeostat.policy.action_fields import TEXT_SCHEMA, ActionFields, checked
from homeostat.policy.fields import shown, wrong
from homeostat.policy.parameter_values import check_text

_WEIGHT_MAX = 256
"""haproxy's own bound."""
_SERVER = re.compile(r"[A-Za-z0-9_.:-]{1,200}/[A-Za-z0-9_.:-]{1,200}", re.ASCII)


def _check_socket(value: object) -> object:
    host, _, port = value.rpartition(":") if isinstance(value, str) else ("", "", "")
    is_port = host in ("127.0.0.1", "localhost") and port.isascii() and port.isdecimal()
    if not isinstance(value, str) or not (value.startswith("/") or is_port):
        raise wrong("E133", f"an absolute path, or HOST:PORT on loopback, is wanted, not {shown(value)}")
    return value


def _check_server(value: object) -> object:
    name = check_text(value)
    if isinstance(name, str) and _SERVER.fullmatch(name) is None:
        raise wrong("E133", f"a server reads BACKEND/SERVER, unlike {shown(name)}")
    return name


def _check_weight(value: object) -> object:
    number = value.removesuffix("%") if isinstance(value, str) else str(value) if type(value) is int else None
    if number is not None:
        most = 100 if isinstance(value, str) and value.endswith("%") else _WEIGHT_MAX
        if not (number.isascii() and number.isdecimal() and int(number) <= most):
            raise wrong(
                "E133", f"a weight is 0 to {_WEIGHT_MAX}, or 0% to 100% of the configured one, not {shown(value)}"
            )
        return value
    return check_text(value)


class HaproxyAction(ActionFields):
    """`actuator: haproxy`: sets one server's state or weight by the Runtime API."""

    model_config = ConfigDict(extra="forbid")

    socket: Annotated[Any, *checked(_check_socket, {"type": "string"})]
    server: Annotated[Any, *checked(_check_server, TEXT_SCHEMA)]
    operation: Literal["drain", "maint", "ready", "weight"]
    weight: Annotated[Any, *checked(_check_weight, {"anyOf": [{"type": "integer"}, TEXT_SCHEMA]})] = None
    wait_idle: bool = False

    @model_validator(mode="after")
    def _goes_together(self) -> Self:
        if (self.operation == "weight") != (self.weight is not None):
            raise wrong("E133", "weight goes with operation: weight, and the other way")
        if self.wait_idle and self.operation not in ("drain", "maint"):
            raise wrong("E133", "wait_idle goes with operation: drain or maint")
        return self
