"""`actuator: haproxy`: the state or the weight of one server."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, model_validator

from homeostat.model.haproxy_names import SOCKET_PATH_BYTES_MAX, WEIGHT_MAX, is_server, is_socket, is_weight
from homeostat.policy.action_fields import TEXT_SCHEMA, ActionFields, checked
from homeostat.policy.fields import shown, wrong
from homeostat.policy.parameter_values import check_text


def _check_socket(value: object) -> object:
    if not isinstance(value, str) or not is_socket(value):
        most = f"at most {SOCKET_PATH_BYTES_MAX} bytes"
        raise wrong("E133", f"an absolute path of {most}, or HOST:PORT on loopback, is wanted, not {shown(value)}")
    return value


def _check_server(value: object) -> object:
    name = check_text(value)
    if isinstance(name, str) and not is_server(name):
        raise wrong("E133", f"a server reads BACKEND/SERVER, unlike {shown(name)}")
    return name


def _check_weight(value: object) -> object:
    if isinstance(value, dict):
        return check_text(value)
    if not is_weight(value):
        raise wrong("E133", f"a weight is 0 to {WEIGHT_MAX}, or 0% to 100% of the configured one, not {shown(value)}")
    return value


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
