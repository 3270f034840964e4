"""The shape of one action in the catalogue, for every actuator that is built in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Discriminator, Field, PlainValidator, Tag, WithJsonSchema, model_validator

from homeostat.model.policy import Effect
from homeostat.policy.fields import Name, PositiveDuration, wrong
from homeostat.policy.parameter_values import (
    ARGV_MAX,
    SECRET_SCHEMA,
    SIGNED_HEADERS,
    SUBSTITUTION_SCHEMA,
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
from homeostat.policy.parts import Part, ProbeChoice, UndoFields


class ParameterFields(Part):
    """One argument that an action takes in a step's `with`. A plain string is short for its `type`.

    It is required, unless it has a `default` or says `required: false`.
    """

    type: Literal["percent", "integer", "number", "text", "boolean"]
    default: str | int | float | bool | None = None
    required: bool | None = None

    @property
    def is_required(self) -> bool:
        """Whether every step must give it."""
        return self.default is None and self.required is not False


ParameterChoice = Annotated[
    Annotated[ParameterFields, Tag("<mapping>")]
    | Annotated[Literal["percent", "integer", "number", "text", "boolean"], Tag("<other>")],
    Discriminator(lambda value: "<mapping>" if isinstance(value, dict) else "<other>"),
]


class ActionFields(Part):
    """What every action has, whichever actuator runs it. Keys not named here are the actuator's parameters.

    `destructive` and `sets` are for `lint` alone: that it destroys what cannot be got back (nothing said: `lint` goes
    by effect and name), and the signals that it writes itself, which therefore prove nothing.
    """

    model_config = ConfigDict(extra="allow")

    actuator: Name
    effect: Annotated[Effect, Field(strict=False)] = Effect.UNSAFE
    probe: ProbeChoice | None = None
    timeout: PositiveDuration | None = None
    takes: PositiveDuration = 30.0
    undo: UndoFields | None = None
    destructive: bool | None = None
    sets: list[Name] = Field(default_factory=list, max_length=50)
    arguments: dict[str, ParameterChoice] = Field(default_factory=dict, alias="with", max_length=50)

    @property
    def parameters(self) -> dict[str, ParameterFields]:
        """The declared arguments, by name."""
        return {
            name: choice if isinstance(choice, ParameterFields) else ParameterFields(type=choice)
            for name, choice in self.arguments.items()
        }


COMMON_KEYS = frozenset(field.alias or name for name, field in ActionFields.model_fields.items())


def _checked(check: Callable[[Any], object], schema: dict[str, Any]) -> tuple[PlainValidator, WithJsonSchema]:
    return PlainValidator(check), WithJsonSchema(schema)


_TEXT_SCHEMA = {"anyOf": [{"type": "string"}, SUBSTITUTION_SCHEMA]}
_SECRET_OR_TEXT_BY_NAME_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": {"anyOf": [{"type": "string"}, SUBSTITUTION_SCHEMA, SECRET_SCHEMA]},
}


class CommandAction(ActionFields):
    """`actuator: command`: one program with its arguments, no shell. It sees only the environment that `env` names."""

    model_config = ConfigDict(extra="forbid")

    argv: Annotated[
        Any, *_checked(check_argv, {"type": "array", "minItems": 1, "maxItems": ARGV_MAX, "items": _TEXT_SCHEMA})
    ]
    cwd: Annotated[Any, *_checked(check_cwd, {"type": "string", "pattern": "^/"})] = None
    run_with: Literal["runner", "systemd"] = "runner"
    env: Annotated[
        Any,
        *_checked(
            check_env, {"anyOf": [{"type": "array", "items": {"type": "string"}}, _SECRET_OR_TEXT_BY_NAME_SCHEMA]}
        ),
    ] = None


class HttpAction(ActionFields):
    """`actuator: http`: one request."""

    model_config = ConfigDict(extra="forbid")

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    url: Annotated[Any, *_checked(check_url, _TEXT_SCHEMA)]
    headers: Annotated[Any, *_checked(check_headers, _SECRET_OR_TEXT_BY_NAME_SCHEMA)] = None
    json_body: Annotated[Any, *_checked(check_json, {})] = Field(None, alias="json")
    body: Annotated[Any, *_checked(check_text, _TEXT_SCHEMA)] = None
    expect_status: Annotated[
        Any, *_checked(check_status, {"anyOf": [{"type": "integer"}, {"type": "array", "items": {"type": "integer"}}]})
    ] = None
    sign: Annotated[Any, *_checked(check_sign, SECRET_SCHEMA)] = None

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

    image: Annotated[Any, *_checked(check_image, {"type": "string", "minLength": 1})]
    argv: Annotated[
        Any, *_checked(check_argv, {"type": "array", "minItems": 1, "maxItems": ARGV_MAX, "items": _TEXT_SCHEMA})
    ]
    env: Annotated[Any, *_checked(check_job_env, _SECRET_OR_TEXT_BY_NAME_SCHEMA)] = None
    service_account: Annotated[Any, *_checked(check_account, {"type": "string", "minLength": 1})] = None


BUILT_IN_ACTUATORS: dict[str, type[ActionFields]] = {
    "command": CommandAction,
    "http": HttpAction,
    "kubernetes_job": KubernetesJobAction,
}
"""Actuators whose parameters are known here. A plugin checks its own when it is loaded."""
