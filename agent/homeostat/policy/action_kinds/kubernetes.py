"""`actuator: kubernetes`: one operation on a workload or a node."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import ConfigDict, model_validator

from homeostat.model.policy import Effect
from homeostat.policy.action_fields import TEXT_SCHEMA, ActionFields, checked
from homeostat.policy.action_kinds.services import check_base_url, check_secret
from homeostat.policy.fields import shown, wrong
from homeostat.policy.parameter_values import SECRET_SCHEMA, SUBSTITUTION_SCHEMA, check_text

REPLICAS_MAX = 100_000

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_NODE_OPERATIONS = ("cordon", "uncordon")


def _check_name(value: object) -> object:
    name = check_text(value)
    if isinstance(name, str) and _NAME.fullmatch(name) is None:
        raise wrong("E133", f"the name of an object has small letters, digits, '-' and '.', unlike {shown(name)}")
    return name


def _check_replicas(value: object) -> object:
    if isinstance(value, dict):
        return check_text(value)
    if type(value) is not int or not 0 <= value <= REPLICAS_MAX:
        raise wrong("E133", f"a whole number from 0 to {REPLICAS_MAX} is wanted, not {shown(value)}")
    return value


def _check_by(value: object) -> object:
    if isinstance(value, dict):
        return check_text(value)
    if type(value) is not int or not 0 < abs(value) <= REPLICAS_MAX:
        raise wrong("E133", f"a whole number other than 0 is wanted, like 2 or -1, not {shown(value)}")
    return value


def _check_api(value: object) -> object:
    url = check_base_url(value)
    if isinstance(url, str) and (urlsplit(url).scheme != "https" or urlsplit(url).path.strip("/")):
        raise wrong("E133", f"the API server is written https://HOST:PORT, not {shown(url)}")
    return url


_COUNT: dict[str, Any] = {"anyOf": [{"type": "integer"}, SUBSTITUTION_SCHEMA]}
_BOUND: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": REPLICAS_MAX}


def _check_bound(value: object) -> object:
    if isinstance(value, dict):
        raise wrong("E133", "a bound is written out, so that no argument can move it")
    return _check_replicas(value)


class KubernetesAction(ActionFields):
    """`actuator: kubernetes`: restarts, rolls back or scales a workload, or cordons a node."""

    model_config = ConfigDict(extra="forbid")

    operation: Literal["restart", "undo", "scale", "cordon", "uncordon"]
    kind: Literal["deployment", "statefulset", "daemonset", "node"]
    name: Annotated[Any, *checked(_check_name, TEXT_SCHEMA)]
    namespace: Annotated[Any, *checked(_check_name, TEXT_SCHEMA)] = None
    replicas: Annotated[Any, *checked(_check_replicas, _COUNT)] = None
    by: Annotated[Any, *checked(_check_by, _COUNT)] = None
    min: Annotated[Any, *checked(_check_bound, _BOUND)] = None
    max: Annotated[Any, *checked(_check_bound, _BOUND)] = None
    wait: Literal["rollout", "none"] | None = None
    api: Annotated[Any, *checked(_check_api, TEXT_SCHEMA)] = None
    token: Annotated[Any, *checked(check_secret, SECRET_SCHEMA)] = None
    ca: Annotated[Any, *checked(check_secret, SECRET_SCHEMA)] = None

    def presumed_effect(self) -> Effect:
        """To cordon sets a state; a workload keeps the keys of its changes, and takes none twice."""
        return Effect.SAFE if self.kind == "node" else Effect.KEYED

    @model_validator(mode="after")
    def _goes_with_its_kind(self) -> Self:
        is_of_nodes = self.operation in _NODE_OPERATIONS
        if is_of_nodes != (self.kind == "node"):
            known = "node" if is_of_nodes else "deployment, statefulset or daemonset"
            raise wrong("E133", f"operation: {self.operation} goes with kind: {known}, not {self.kind}")
        if (self.namespace is None) != is_of_nodes:
            raise wrong("E133", "a node is in no namespace" if is_of_nodes else f"the namespace of the {self.kind}?")
        if is_of_nodes and self.wait == "rollout":
            raise wrong("E133", f"operation: {self.operation} has no rollout to wait for")
        if self.operation == "scale" and self.kind == "daemonset":
            raise wrong("E133", "a daemonset has a pod on each of its nodes, and no number of replicas")
        return self

    @model_validator(mode="after")
    def _scales_within_bounds(self) -> Self:
        given = [name for name in ("replicas", "by", "min", "max") if getattr(self, name) is not None]
        if self.operation != "scale":
            if given:
                raise wrong("E133", f"{given[0]} goes with operation: scale")
            return self
        if (self.replicas is None) == (self.by is None):
            raise wrong("E133", "operation: scale takes either replicas or by")
        if self.by is not None and self.max is None:
            raise wrong("E133", "by goes with max, so that no number of steps goes on without end")
        least = (0 if self.by is None else 1) if self.min is None else self.min
        most = REPLICAS_MAX if self.max is None else self.max
        if least > most:
            raise wrong("E133", f"min is {least}, and must not be more than max, {most}")
        if isinstance(self.replicas, int) and not least <= self.replicas <= most:
            raise wrong("E133", f"replicas is {self.replicas}, and must be {least} to {most}")
        return self

    @model_validator(mode="after")
    def _says_what_again_would_do(self) -> Self:
        if self.effect is Effect.SAFE and (self.by is not None or self.operation == "undo"):
            again = "a second time goes another step" if self.by is not None else "a second undo takes back the first"
            raise wrong("E133", f"effect: safe does not hold, since {again}; effect: keyed does")
        return self

    @model_validator(mode="after")
    def _says_where(self) -> Self:
        if (self.api is None) != (self.token is None) or (self.api is None and self.ca is not None):
            raise wrong(
                "E133", "api and token go together, and ca with them; without them it is the agent's own cluster"
            )
        return self
