"""The shape of one action in the catalogue, for every actuator that is built in."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from homeostat.policy.action_fields import (
    SECRET_OR_TEXT_BY_NAME_SCHEMA,
    TEXT_SCHEMA,
    ActionFields,
    checked,
)
from homeostat.policy.action_kinds.ansible import AnsibleAction
from homeostat.policy.action_kinds.haproxy import HaproxyAction
from homeostat.policy.action_kinds.jenkins import JenkinsAction
from homeostat.policy.action_kinds.kubernetes import KubernetesAction
from homeostat.policy.action_kinds.rundeck import RundeckAction
from homeostat.policy.action_kinds.sql import SqlAction
from homeostat.policy.action_kinds.systemd import SystemdAction
from homeostat.policy.action_kinds.terraform import TerraformAction
from homeostat.policy.fields import wrong
from homeostat.policy.parameter_values import (
    ARGV_MAX,
    SECRET_SCHEMA,
    SIGNED_HEADERS,
    check_account,
    check_argv,
    check_cwd,
    check_env,
    check_headers,
    check_image,
    check_job_env,
    check_json,
    check_sign,
    check_status,
    check_text,
    check_url,
)


class CommandAction(ActionFields):
    """`actuator: command`: one program with its arguments, no shell. It sees only the environment that `env` names."""

    model_config = ConfigDict(extra="forbid")

    argv: Annotated[
        Any, *checked(check_argv, {"type": "array", "minItems": 1, "maxItems": ARGV_MAX, "items": TEXT_SCHEMA})
    ]
    cwd: Annotated[Any, *checked(check_cwd, {"type": "string", "pattern": "^/"})] = None
    run_with: Literal["runner", "systemd"] = "runner"
    env: Annotated[
        Any,
        *checked(check_env, {"anyOf": [{"type": "array", "items": {"type": "string"}}, SECRET_OR_TEXT_BY_NAME_SCHEMA]}),
    ] = None


class HttpAction(ActionFields):
    """`actuator: http`: one request."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: Annotated[Any, *checked(check_url, TEXT_SCHEMA)]
    headers: Annotated[Any, *checked(check_headers, SECRET_OR_TEXT_BY_NAME_SCHEMA)] = None
    json_body: Annotated[Any, *checked(check_json, {})] = Field(None, alias="json")
    body: Annotated[Any, *checked(check_text, TEXT_SCHEMA)] = None
    expect_status: Annotated[
        Any, *checked(check_status, {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]})
    ] = None
    sign: Annotated[Any, *checked(check_sign, SECRET_SCHEMA)] = None

    @model_validator(mode="after")
    def _signs_alone(self) -> Self:
        twice = sorted(name for name in self.headers or () if name.lower() in SIGNED_HEADERS)
        if self.sign is not None and twice:
            raise wrong("E133", f"the header {twice[0]} is set by the agent itself where a request is signed")
        return self

    @model_validator(mode="after")
    def _one_body(self) -> Self:
        if {"json_body", "body"} <= self.model_fields_set:
            raise wrong("E133", "a request has either json or body, not both")
        return self


class KubernetesJobAction(ActionFields):
    """`actuator: kubernetes_job`: one container, run once as a Job of the cluster that the agent runs in."""

    model_config = ConfigDict(extra="forbid")

    image: Annotated[Any, *checked(check_image, {"type": "string", "minLength": 1})]
    argv: Annotated[
        Any, *checked(check_argv, {"type": "array", "minItems": 1, "maxItems": ARGV_MAX, "items": TEXT_SCHEMA})
    ]
    env: Annotated[Any, *checked(check_job_env, SECRET_OR_TEXT_BY_NAME_SCHEMA)] = None
    service_account: Annotated[Any, *checked(check_account, {"type": "string", "minLength": 1})] = None


BUILT_IN_ACTUATORS: dict[str, type[ActionFields]] = {
    "ansible": AnsibleAction,
    "command": CommandAction,
    "haproxy": HaproxyAction,
    "http": HttpAction,
    "jenkins": JenkinsAction,
    "kubernetes": KubernetesAction,
    "kubernetes_job": KubernetesJobAction,
    "rundeck": RundeckAction,
    "sql": SqlAction,
    "systemd": SystemdAction,
    "terraform": TerraformAction,
}
"""Actuators whose parameters are known here. A plugin checks its own when it is loaded."""
